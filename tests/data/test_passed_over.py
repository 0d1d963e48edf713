import functools
import logging

import pytest

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.passed_over import passed_over
from reid_lit.data.sets.csv_list import CsvList
from reid_lit.data.sets.folder import Folder
from reid_lit.data.sets.person_folders import read
from reid_lit.data.sets.plain import PlainImages
from reid_lit.data.transforms.transform import Transform

CROPS = [
    f"{person}/{camera}/{k}.jpg" for person in ("ann", "bob", "cho", "dan") for camera in ("c1", "c2") for k in (0, 1)
]
OWN = {"train_fraction": 0.5, "junk": [-1]}


@pytest.fixture
def make(plant, tmp_path):
    data_parts = {
        "transform": Transform(size=[16, 8], interpolation="bilinear", train=[]),
        "loader": Loader(batch_size=2, test_batch_size=3, workers=0),
        "sampler": functools.partial(ShuffleSampler),
    }

    def made(names=(), cls=Folder, **keys):
        plant(tmp_path, CROPS)
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x") if not name.endswith("/") else (tmp_path / name).mkdir()
        own = {} if cls is PlainImages else OWN | ({"layout": "auto"} if cls is Folder else {})
        return cls(root=tmp_path, **data_parts, **own | keys)

    return made


CASES = {
    "formats": (["eve/c1/0.HEIC", "eve/c1/1.avif"], "2 files of formats that are not read (1 .heic, 1 .avif, such as eve/c1/0.HEIC)"),
    "a Mac's": (["__MACOSX/crops/ann/._0.jpg", "ann/c1/._0.jpg", ".DS_Store"], "3 files of an operating system (such as .DS_Store)"),
    "a storage box's": (["ann/c1/@eaDir/0.jpg/THUMB.jpg"], "1 files of an operating system (such as ann/c1/@eaDir/0.jpg/THUMB.jpg)"),
    "Windows'": (["$RECYCLE.BIN/S-1/0.jpg", "ann/Thumbs.db", "lost+found/#1/0.jpg"], "3 files of an operating system"),
    "empty": (["eve/"], "1 folders without images (such as eve)"),
    "empty camera": (["ann/c3/readme.txt"], "1 folders without images (such as ann/c3)"),
    "others": (["ann/c1/0.txt", "reid.csv"], "2 other files (1 .txt, 1 .csv, such as ann/c1/0.txt)"),
    "hidden": ([".cache/0.jpg"], "hidden"),
}  # fmt: skip
DOUBTFUL = {"formats", "empty", "empty camera"}


@pytest.mark.parametrize("case", CASES)
def test_each_sort_is_counted_with_an_example(make, case, caplog):
    names, words = CASES[case]
    data = make(names)
    split = data.read()
    assert len(split.shots) == len(CROPS)
    passed = data.passed_over(split)
    assert any(words in str(each) for each in passed), passed
    assert any(each.doubtful for each in passed) == (case in DOUBTFUL)
    with caplog.at_level(logging.INFO):
        data.setup("fit")
    assert [r.levelno for r in caplog.records if "passed over" in r.getMessage()] == [30 if case in DOUBTFUL else 20]


def test_nothing_is_said_where_nothing_was_passed_over(make):
    data = make()
    assert data.passed_over(data.read()) == []


def test_images_of_no_list_beside_images_of_one(plant, tmp_path):
    plant(tmp_path, ["a/0.jpg", "a/1.jpg", "a/2.PNG", "b/0.jpg"])
    (first, second) = passed_over([tmp_path / "a/0.jpg"], tmp_path)
    assert (first.number, first.doubtful, second.number, second.doubtful) == (1, True, 2, False)


def test_a_loop_is_named_and_not_followed(make, tmp_path):
    data = make(cls=PlainImages)
    (tmp_path / "ann" / "c1" / "up").symlink_to(tmp_path, target_is_directory=True)
    split = data.read()
    assert len(split.shots) == len(CROPS)
    assert [each.reason for each in data.passed_over(split)] == ["links"]


def test_columns_of_a_list(make, tmp_path):
    rows = [f"{name},{name.split('/')[0]},x,1" for name in CROPS]
    (tmp_path / "reid.csv").write_text("\n".join(["path,person,weather,Mask", *rows]))
    data = make(cls=CsvList)
    assert [(each.example, each.doubtful) for each in data.passed_over(data.read())] == [
        ("'Mask'", True),
        ("'weather'", False),
    ]


def test_a_folder_of_unread_formats_alone_says_so(make, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "0.heic").write_bytes(b"x")
    with pytest.raises(
        FileNotFoundError, match=r"no image .*, but 1 file of formats that are not read \(such as 0\.heic\)"
    ):
        read(tmp_path / "p")
