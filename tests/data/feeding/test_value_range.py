"""12 bits in a file of 16, offsets of thermal cameras, floats: kept by a range, refused without one."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.feeding.value_range import as_range, check_range, with_range
from reid_lit.data.sets.folder import Folder
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import InputError
from reid_lit.files.pixels import pixels, values_of
from reid_lit.records import Shot, Split

RAMP = np.linspace(0, 1, 40 * 24).reshape(40, 24)
FILES = {  # the values of a ramp, the range that keeps them, the ending
    "12 bit": (RAMP * 4095, np.uint16, [0, 4095], "png"),
    "12 bit tiff": (RAMP * 4095, np.uint16, [0, 4095], "tif"),
    "14 bit": (RAMP * 16383, np.uint16, [0, 16383], "png"),
    "an offset": (29000 + RAMP * 2000, np.uint16, [29000, 31000], "png"),
    "shares": (RAMP, np.float32, [0, 1], "tif"),
    "degrees": (RAMP * 30 - 10, np.float32, [-10, 20], "tif"),
    "colours": (np.stack([RAMP, RAMP, RAMP], 2) * 4095, np.uint16, [0, 4095], "png"),
    "colours tiff": (np.stack([RAMP, RAMP, RAMP], 2) * 4095, np.uint16, [0, 4095], "tif"),
}


def saved(folder, kind):
    values, dtype, kept, ending = FILES[kind]
    file = folder / f"x.{ending}"
    values = values.round().astype(dtype) if dtype == np.uint16 else values.astype(dtype)
    if values.ndim == 3:
        cv2.imwrite(str(file), values)
    else:
        Image.fromarray(values).save(file)
    return file, values, kept


@pytest.mark.parametrize("kind", FILES)
def test_a_range_keeps_the_grey_levels_and_none_is_refused_with_it(tmp_path, kind):
    file, values, kept = saved(tmp_path, kind)
    assert np.array_equal(values_of(file), values)
    shown = pixels(file, as_range(kept))
    expected = np.clip((values.astype(float) - kept[0]) / (kept[1] - kept[0]) * 255, 0, 255).round()
    expected = expected if expected.ndim == 3 else np.stack([expected] * 3, 2)
    assert np.array_equal(shown, expected)
    assert len(np.unique(shown)) > 250
    check_range([file], as_range(kept))
    with pytest.raises(
        InputError, match=rf"^value_range=null: .* leaves \d+ of 256 grey levels; give \[{kept[0]},{kept[1]}\]"
    ):
        check_range([file], None)


def test_colours_are_not_swapped(tmp_path):
    red = np.zeros((4, 4, 3), np.uint16)
    red[..., 2] = 4095  # OpenCV has blue first
    cv2.imwrite(str(tmp_path / "x.png"), red)
    assert pixels(tmp_path / "x.png", (0.0, 4095.0))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_too(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    grey = (RAMP * 4095).astype(np.uint16)
    grey[:20, :12] = 0
    Image.fromarray(grey).save(tmp_path / "deep.png", exif=exif)
    Image.fromarray((grey / 4095 * 255).round().astype(np.uint8)).save(tmp_path / "plain.png", exif=exif)
    assert np.array_equal(pixels(tmp_path / "deep.png", (0.0, 4095.0)), pixels(tmp_path / "plain.png"))


def test_a_sound_set_passes(tmp_path):
    full = np.linspace(0, 65535, 40 * 24).reshape(40, 24).astype(np.uint16)
    Image.fromarray(full).save(tmp_path / "full.png")
    Image.fromarray(full // 16).save(tmp_path / "dark.png")
    Image.new("RGB", (8, 8), (3, 3, 3)).save(tmp_path / "plain.jpg")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    names = ["full.png", "dark.png", "plain.jpg", "broken.png", "gone.png"]
    check_range([tmp_path / name for name in names], None)
    check_range([tmp_path / "plain.jpg"], (0.0, 4095.0))
    assert np.array_equal(pixels(tmp_path / "full.png"), np.stack([full >> 8] * 3, 2))
    check_range([tmp_path / "dark.png"], (0.0, 65535.0))  # where it is meant


def test_values_beyond_the_range_are_refused(tmp_path):
    file, *_ = saved(tmp_path, "12 bit")
    with pytest.raises(
        InputError, match=r"^value_range=\[0, 255\]: .* from 0 to 4095, 94% .* outside; give \[0,4095\]"
    ):
        check_range([file], (0.0, 255.0))
    check_range([file], (100.0, 4000.0))  # outliers


@pytest.mark.parametrize("wrong", [[1], [4095, 0], [0, 0], "auto", 5, [0, float("inf")], [0, True], ["0", "1"]])
def test_what_is_no_range_is_named(wrong):
    with pytest.raises(InputError, match=r"^value_range=.*: give \[lowest, highest\]"):
        as_range(wrong)


def test_every_list_gets_the_range():
    shots = (Shot(Path("a"), 1, 0),)
    inner = Split(name="t", train=(), query=shots, gallery=shots)
    split = Split(name="s", train=shots, query=(), gallery=(), tests=(inner,), validation=inner)
    assert {shot.value_range for shot in with_range(split, (0.0, 9.0)).shots} == {(0.0, 9.0)}
    assert with_range(split, None) is split


def test_a_set_is_refused_as_a_whole_and_its_shots_get_the_range(tmp_path):
    grey = (RAMP * 3200).astype(np.uint16)
    for person in range(1, 5):
        for camera in (1, 2):
            file = tmp_path / f"p{person}" / f"c{camera}" / "0.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(grey).save(file)
    loader = Loader(batch_size=4, test_batch_size=4, workers=0)
    transform = Transform(size=(16, 8), interpolation="bicubic", train=())
    parts = {
        "transform": transform,
        "sampler": ShuffleSampler,
        "loader": loader,
        "layout": "auto",
        "junk": [-1],
        "train_fraction": 0.5,
    }
    with pytest.raises(InputError, match=r"values from 0 to 3200, which leaves 13 of 256 grey levels; give \[0,4095\]"):
        Folder(root=tmp_path, **parts).read_sound("stop")
    split = Folder(root=tmp_path, value_range=[0, 4095], **parts).read_sound("stop")
    assert {shot.value_range for shot in split.shots} == {(0.0, 4095.0)}
