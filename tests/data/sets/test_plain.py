import shutil

import pytest

from reid_lit.data.problems import MissingDataError
from reid_lit.data.sets.plain import read
from reid_lit.records import JUNK


def test_images_at_any_depth_of_nobody_by_no_camera(jpeg, tmp_path):
    names = ["b.JPG", "a/z.png", "a/deep/y.jpeg", "a/deep/Märkte 2.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(jpeg, tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    shots = read(tmp_path)
    assert [shot.path.relative_to(tmp_path).as_posix() for shot in shots] == sorted(names, key=lambda n: n.split("/"))
    assert {(shot.person_id, shot.camera_id) for shot in shots} == {(JUNK, -1)}


def test_no_folder_and_no_image_say_so(tmp_path):
    with pytest.raises(MissingDataError, match=r"no such folder: .*nowhere; name a folder of images"):
        read(tmp_path / "nowhere")
    with pytest.raises(MissingDataError, match=r"no \*\.jpg, .* below"):
        read(tmp_path)
