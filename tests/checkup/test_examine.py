"""Damaged copies, each with the one thing to find."""

import re
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

from reid_lit.checkup.examine import examine
from reid_lit.data.base import ReidData
from reid_lit.data.problems import stop
from reid_lit.data.sets.cuhk03 import CUHK03
from reid_lit.data.sets.dukemtmc import DukeMTMC
from reid_lit.data.sets.folder import Folder
from reid_lit.data.sets.msmt17 import MSMT17
from reid_lit.data.sets.viper import Viper
from reid_lit.data.sets.ward import Ward
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import Shot, Split

TRAIN = "bounding_box_train/0002_c1s1_000051_01.jpg"
QUERY = "query/0001_c1s1_000151_00.jpg"
GALLERY = "bounding_box_test/0001_c2s1_000176_01.jpg"


def write(content):
    return lambda root: (root / TRAIN).write_bytes(content)


def move(source, target):
    return lambda root: (root / source).rename(root / target)


def copy(source, target):
    return lambda root: shutil.copy(root / source, root / target)


def overwrite(source, target):
    return lambda root: (root / target).write_bytes((root / source).read_bytes())


def as_duke(root):
    for number, file in enumerate(sorted(root.glob("*/*.jpg"))):
        person, camera = file.name.split("_")[:2]
        file.rename(file.parent / f"{abs(int(person)):04d}_{camera[:2]}_f{number:07d}.jpg")


def persons_10_are_1(root):
    for file in sorted(root.glob("bounding_box_train/0010*")):
        file.rename(file.parent / file.name.replace("0010", "0001"))


def gallery_of_3_is_of_4(root):
    for file in sorted(root.glob("bounding_box_test/0003*")):
        file.rename(file.parent / file.name.replace("0003", "0004"))


def gallery_in_one_camera(root):
    (root / "bounding_box_test/0003_c2s1_000176_01.jpg").rename(root / "bounding_box_test/0003_c1s1_000177_01.jpg")


def cut(root):
    (root / TRAIN).write_bytes((root / TRAIN).read_bytes()[:-200])


def zeroed(root):
    (root / TRAIN).write_bytes((root / TRAIN).read_bytes()[:-200] + bytes(200))


def one_level_down(root):
    root.rename(root.parent / "inner")
    root.mkdir()
    (root.parent / "inner").rename(root / "inner")


def deeper(root):
    (root / "query").rename(root / "q")
    (root / "query").mkdir()
    (root / "q").rename(root / "query" / "query")


DAMAGES = {
    "no such folder": (lambda root: shutil.rmtree(root), "missing", "no such folder: ROOT", "point dataset.root"),
    "a folder too high": (one_level_down, "nested folder", "ROOT/inner holds what is looked for in ROOT", "dataset.root=ROOT/inner"),
    "a folder in itself": (deeper, "nested folder", "the images of query/ are deeper, in query/", "mv ROOT/query/query/* ROOT/query/"),
    "a folder inside another": (move("query", "bounding_box_test/query"), "misplaced folder", "query/ is in bounding_box_test/", "mv ROOT/bounding_box_test/query ROOT/query"),
    "a misspelt folder": (move("bounding_box_test", "bounding-box-test"), "misplaced folder", "bounding_box_test/ is called bounding-box-test/", "mv ROOT/bounding-box-test ROOT/bounding_box_test"),
    "a folder lost": (lambda root: shutil.rmtree(root / "query"), "missing", "no query/ in ROOT", "the folder must look like"),
    "another data set": (as_duke, "another data set", "ROOT looks like duke, by 23 file names", "dataset=duke dataset.root=ROOT"),
    "an image lost": (lambda root: (root / TRAIN).unlink(), "counts", "train: 11 images of 3 persons by 2 cameras instead of 12 images of 3", "images missing: 1; copy bounding_box_train anew"),
    "an image too many": (copy(TRAIN, "bounding_box_train/0002_c1s1_000052_01.jpg"), "counts", "train: 13 images of 3 persons", "images too many: 1; copy"),
    "another name": (move(TRAIN, "bounding_box_train/person2.jpg"), "names", "1 of 12 *.jpg in ROOT/bounding_box_train are not named .* person2.jpg", "rename or remove"),
    "an empty file": (write(b""), "empty", "1 image of 23 is empty 0002_c1s1_000051_01.jpg$", "dataset.on_bad_image=drop"),
    "half a file": (cut, "truncated", r"1 image of 23 is truncated 0002_c1s1_000051_01.jpg \(a JPEG file that ends after \d+ bytes", "copy them anew"),
    "a file that ends in zeros": (zeroed, "truncated", r"its last 200 of \d+ bytes are zeros", "copy them anew"),
    "a web page": (write(b"\n<!DOCTYPE html><html>Not found</html>"), "not an image", "1 image of 23 is not an image but an HTML page", "copy them anew"),
    "an archive": (write(b"PK\x03\x04...."), "not an image", "not an image but a zip archive", "copy them anew"),
    "a query in the gallery": (overwrite(QUERY, GALLERY), "duplicates", "1 image is in query and in gallery, byte for byte query/0001_c1s1_000151_00.jpg = bounding_box_test/0001_c2s1_000176_01.jpg", "a query finds itself"),
    "a training image in the gallery": (overwrite(TRAIN, GALLERY), "duplicates", "in training and in gallery", "remove them from training"),
    "an image of two persons": (overwrite(TRAIN, "bounding_box_train/0007_c1s1_000051_01.jpg"), "duplicates", "there for two persons", "the wrong person"),
    "a person on both sides": (persons_10_are_1, "shared persons", r"1 person is in training and in query or gallery of ROOT: 1 \(", "remove them from one side"),
    "a person without gallery": (gallery_of_3_is_of_4, "queries without match", r"no match for 2 of 4 queries: the person is absent from the gallery \(2\)", "restore the gallery images"),
    "a person of one camera": (gallery_in_one_camera, "queries without match", r"no match for 1 of 4 queries: the person is there only under the query's own camera \(1\) 0003_c1", "left out of the scores"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_gives_one_finding_and_what_mends_it(tree, reader, name):
    harm, kind, fact, cure = DAMAGES[name]
    data = reader(tree)
    harm(tree)
    diagnosis = examine(data, others=lambda: {"duke": reader(tree, DukeMTMC)})
    assert [finding.kind for finding in diagnosis.findings] == [kind], diagnosis.findings
    (finding,) = diagnosis.findings
    root = str(tree.resolve())
    text = " ".join([finding.fact, *finding.examples])
    plain = re.sub(r"([*])", r"\\\1", fact.replace("ROOT", re.escape(root))).replace(r".\*", ".*")
    assert re.search(plain, text), text
    assert cure.replace("ROOT", root) in finding.cure


def test_an_undamaged_copy_has_no_finding_and_nothing_is_changed_in_it(tree, reader):
    before = sorted((path, path.stat().st_mtime_ns) for path in tree.rglob("*"))
    diagnosis = examine(reader(tree))
    assert diagnosis.findings == ()
    facts = {fact.name: fact.value for fact in diagnosis.facts}
    assert facts["gallery"] == "7 images (official: 7), 1 of them junk, 3 persons, 2 cameras"
    assert facts["cameras per person, train"] == "persons seen: 3 by 2"
    assert before == sorted((path, path.stat().st_mtime_ns) for path in tree.rglob("*"))


def test_a_folder_too_deep_is_named(tree, reader):
    data = reader(tree)
    data.root = tree / "query"
    (finding,) = examine(data).findings
    assert (finding.kind, finding.cure) == ("nested folder", f"dataset.root={tree.resolve()}")


def test_a_misspelt_root_is_found_beside_it(tree, reader):
    data = reader(tree)
    data.root = tree.parent / "minne"
    (finding,) = examine(data).findings
    assert finding.cure == f"dataset.root={tree.resolve()}"


def test_several_damages_are_all_found(tree, reader):
    data = reader(tree)
    write(b"")(tree)
    overwrite(QUERY, GALLERY)(tree)
    move("bounding_box_train/0010_c1s1_000051_01.jpg", "bounding_box_train/ten.jpg")(tree)
    assert [finding.kind for finding in examine(data).findings] == ["names", "empty", "duplicates"]


def test_a_single_camera_is_named_as_the_reason_that_no_query_has_a_match(tmp_path, tree, reader):
    for file in sorted(tree.glob("*/*.jpg")):
        target = tmp_path / "flat" / file.name[:4] / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    data = reader(tmp_path / "flat", Folder, train_fraction=0.5)
    (finding,) = examine(data).findings
    assert finding.kind == "queries without match"
    assert finding.cure.startswith("evaluation.camera_rule=any_camera")
    assert examine(data, protocol=Protocol(camera_rule="auto")).findings == ()


def test_the_copy_of_ward_is_clean(reid_data, reader):
    for camera_pairs in (False, True):
        assert examine(reader(reid_data("WARD"), Ward, camera_pairs=camera_pairs)).findings == ()


def viper(root):
    """All 632 persons of VIPeR."""
    for camera in ("cam_a", "cam_b"):
        (root / camera).mkdir(parents=True)
        for person in range(632):
            image = Image.new("RGB", (2, 4), (person % 256, person // 256, camera == "cam_a"))
            image.save(root / camera / f"{person:03d}_0.bmp")
    return root


def msmt17(root):
    """Four persons of MSMT17, two images each."""
    for part, lists in (("train", ("train", "val")), ("test", ("query", "gallery"))):
        for camera, name in enumerate(lists, start=1):
            names = [f"{person:04d}/{person:04d}_000_{camera:02d}_0303noon_0001_0.jpg" for person in (0, 1)]
            for place in (root / part / name for name in names):
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 16), zlib.crc32(str(place).encode()) % 2**24).save(place)
            lines = [f"{name} {person}\n" for person, name in enumerate(names)]
            (root / f"list_{name}.txt").write_text("".join(lines))
    return root


OTHERS = {
    "VIPeR, an image lost": (Viper, viper, lambda root: (root / "cam_b/007_0.bmp").unlink(), ["lists"], "cam_a/ only 007_0.bmp"),
    "VIPeR, an image of another name": (Viper, viper, move("cam_b/007_0.bmp", "cam_b/7.bmp"), ["names", "lists"], "not named like VIPeR"),
    "VIPeR, a misspelt folder": (Viper, viper, move("cam_b", "camb"), ["misplaced folder"], "cam_b/ is called camb/"),
    "VIPeR, an empty file": (Viper, viper, lambda root: (root / "cam_b/007_0.bmp").write_bytes(b""), ["empty"], "007_0.bmp"),
    "MSMT17, a misspelt folder": (MSMT17, msmt17, move("test", "tests"), ["misplaced folder"], "test/ is called tests/"),
    "MSMT17, a list lost": (MSMT17, msmt17, lambda root: (root / "list_query.txt").unlink(), ["missing"], "no list_query.txt"),
    "MSMT17, an image lost": (MSMT17, msmt17, lambda root: next(root.glob("test/*/*.jpg")).unlink(), ["missing"], "1 image of 6 is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_damages_of_other_data_sets(tmp_path, reader, monkeypatch, name):
    cls, make, harm, kinds, fact = OTHERS[name]
    monkeypatch.setattr(MSMT17, "official", ReidData.official)
    data = reader(make(tmp_path / "set"), cls)
    assert examine(data).findings == ()
    harm(tmp_path / "set")
    findings = examine(data, others=lambda: {"folder": reader(tmp_path / "set", Folder, train_fraction=0.5)}).findings
    assert [finding.kind for finding in findings] == kinds, findings
    assert fact in " ".join([findings[0].fact, *findings[0].examples])


def test_another_protocol_of_the_same_data_set_does_not_hide_what_is_missing(tmp_path, reader):
    (tmp_path / "set" / "images_detected").mkdir(parents=True)
    Image.new("RGB", (8, 16)).save(tmp_path / "set" / "images_detected" / "1_001_1_01.png")

    class Readable(CUHK03):
        def read(self, report=stop):
            return Split(name="cuhk03", train=(Shot(path=self.root, person_id=1, camera_id=0),), query=(), gallery=())

    others = {"cuhk03": reader(tmp_path / "set", Readable)}
    (finding,) = examine(reader(tmp_path / "set", CUHK03, protocol="classic"), others=lambda: others).findings
    assert (finding.kind, "no testsets.json" in finding.fact) == ("missing", True)


def test_images_that_would_lose_their_grey_levels_are_a_finding(tmp_path, tree, reader):
    for file in sorted(tree.glob("*/*.jpg")):
        with Image.open(file) as image:
            grey = np.asarray(image.convert("L").resize((8, 16))).astype(np.uint16)
        target = tmp_path / "deep" / file.name[:4] / f"c{file.name.partition('_c')[2][0]}" / f"{file.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey * 16 + zlib.crc32(file.stem.encode()) % 16).save(target)
    data = reader(tmp_path / "deep", Folder, train_fraction=0.5)
    findings = {finding.kind: finding for finding in examine(data).findings}
    assert findings["value range"].fact.startswith("dataset.value_range=null: images of 16 bit hold values from ")
    assert "give [" in findings["value range"].cure
    data = reader(tmp_path / "deep", Folder, train_fraction=0.5, value_range=[0, 4096])
    assert "value range" not in {finding.kind for finding in examine(data).findings}
