"""A gallery end to end: what is enrolled is found, once, by the model that it was made with."""

import csv
import hashlib
import json
import math
import re
import shutil
from dataclasses import replace
from io import BytesIO

import numpy as np
import pyarrow.parquet
import pytest
from omegaconf import OmegaConf
from PIL import Image

import reid_lit.gallery
from reid_lit import load
from reid_lit.backbones.checkpoint import weights_file
from reid_lit.errors import ExistingFileError, InputError, MissingFileError
from reid_lit.gallery import command as command_module
from reid_lit.gallery.facts import FILE
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.rows import Entry, Where, moment
from reid_lit.gallery.sources import entries_of
from reid_lit.gallery.vectors import Vectors

pytest.importorskip("lancedb")


@pytest.fixture
def gallery(calibrated_run, tmp_path):
    return reid_lit.gallery.create(tmp_path / "gallery", calibrated_run)


def named(crops):
    """Entries whose persons and cameras are read from Market's names."""
    return [Entry(path=str(path), person=path.name.split("_")[0], camera=path.name.split("_")[1][:2]) for path in crops]


def test_what_is_enrolled_is_found(gallery, crops, calibrated_run):
    result = gallery.enrol(named(crops[:40]))
    assert (result.added, result.known, result.refused) == (40, 0, [])
    assert len(gallery) == 40
    embedding = load(calibrated_run)(crops[:40], normalize=True)
    again = reid_lit.gallery.open(gallery.folder)
    found = again.query(crops[:3], top=5)
    for place, answer in enumerate(found):
        cosine = (embedding @ embedding[place]).tolist()
        order = sorted(range(40), key=lambda k: (-cosine[k], k))[:5]
        assert [hit.path for hit in answer.hits] == [str(crops[k]) for k in order]
        assert [hit.score for hit in answer.hits] == pytest.approx([cosine[k] for k in order], abs=1e-4)
        assert answer.is_match
        assert answer.hits[0].match.answer == "same"
    near = again.query(crops[:3], top=5, approximate=True)
    assert [[hit.path for hit in each.hits] for each in near] == [[hit.path for hit in each.hits] for each in found]


def test_content_is_enrolled_once(gallery, crops, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(crops[0].read_bytes())
    assert gallery.enrol([str(crops[0]), str(copy)]).added == 1
    assert gallery.enrol(str(copy)).known == 1
    assert len(gallery) == 1


def test_boxes_of_a_frame_are_enrolled_each(gallery, crops, tmp_path):
    listed = tmp_path / "boxes.csv"
    boxes = [f"{crops[0]}#xywh=0,0,16,32", f"{crops[0]}#xywh=8,8,16,32", str(crops[0])]
    listed.write_text("path,person\n" + "".join(f'"{box}",p{place}\n' for place, box in enumerate(boxes)))
    assert gallery.enrol(listed).added == 3
    assert gallery.enrol(listed).known == 3
    for place, box in enumerate(boxes):
        (hit,) = gallery.query(box, top=1)[0].hits
        assert (hit.person, hit.score) == (f"p{place}", pytest.approx(1, abs=1e-5))
    ids = {row["path"]: row["id"] for row in gallery.rows()}
    assert ids[str(crops[0])] == hashlib.sha256(crops[0].read_bytes()).hexdigest()


def test_what_is_no_image_is_said_and_the_others_go_on(gallery, crops, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    result = gallery.enrol([str(crops[0]), str(bad), str(crops[1])])
    assert result.added == 2
    assert len(result.refused) == 1
    assert "bad.png" in result.refused[0]


def test_filters_choose_what_may_be_found(gallery, crops):
    entries = [
        replace(entry, time=moment(f"2026-01-{1 + k % 20:02}", name="t")) for k, entry in enumerate(named(crops[:30]))
    ]
    gallery.enrol(entries)
    camera = entries[0].camera
    hits = gallery.query(crops[0], top=30, where=Where(cameras=(camera,)))[0].hits
    assert sorted(hit.path for hit in hits) == sorted(entry.path for entry in entries if entry.camera == camera)
    late = Where(since=moment("2026-01-15", name="since"))
    assert all(hit.time >= "2026-01-15" for hit in gallery.query(crops[0], top=30, where=late)[0].hits)
    assert gallery.query(crops[0], where=Where(persons=("nobody",)))[0].hits == ()


def test_a_track_is_the_mean_of_its_unit_vectors(gallery, crops, calibrated_run):
    gallery.enrol([str(path) for path in crops[:20]])
    raw = load(calibrated_run)(crops[20:23]).numpy()
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    stored = np.stack([gallery.vector_of(k) for k in range(20)])
    for quality, weight in ((False, np.ones(3)), (True, np.linalg.norm(raw, axis=1))):
        mean = (weight[:, None] * unit).sum(0)
        cosine = stored @ (mean / np.linalg.norm(mean))
        (found,) = gallery.query(crops[20:23], top=3, track=True, quality=quality)
        assert [hit.score for hit in found.hits] == pytest.approx(sorted(cosine, reverse=True)[:3], abs=1e-4)


def test_an_embedding_that_is_no_number_is_neither_kept_nor_asked_for(gallery, crops, monkeypatch):
    embed = gallery.embedder.model.embed

    def broken(batch):
        found = embed(batch)
        found[1:2] = math.nan
        return found

    monkeypatch.setattr(gallery.embedder.model, "embed", broken)
    result = gallery.enrol([str(path) for path in crops[:3]])
    assert (result.added, result.known) == (2, 0)
    assert result.refused[0].startswith(f"{crops[1]}: its embedding is 0 or no number")
    with pytest.raises(InputError, match=f"{crops[4].name}: its embedding is 0 or no number, and cannot be compared"):
        gallery.query(crops[3:5])
    assert gallery.query(crops[0])[0].hits[0].path == str(crops[0])


def test_erased_persons_are_not_found(gallery, crops):
    entries = named(crops[:20])
    gallery.enrol(entries)
    gallery.query(crops[0])
    gone = sum(entry.person == entries[0].person for entry in entries)
    assert gallery.erase(Where(persons=(entries[0].person,))) == gone
    assert not any(hit.person == entries[0].person for hit in gallery.query(crops[0], top=20)[0].hits)
    assert len(gallery) == 20 - gone
    assert gallery.enrol(entries).added == gone


def test_a_query_is_answered_while_another_process_erases(gallery, crops, monkeypatch):
    gallery.enrol([str(path) for path in crops[:5]])
    search = Vectors.nearest

    def late(*given, **options):
        monkeypatch.undo()
        reid_lit.gallery.open(gallery.folder).erase(Where(paths=(str(crops[0]),)))
        return search(*given, **options)

    monkeypatch.setattr(Vectors, "nearest", late)
    (found,) = gallery.query(crops[1])
    assert sorted(hit.path for hit in found.hits) == sorted(map(str, crops[1:5]))
    assert [hit.path for hit in gallery.query(crops[1])[0].hits] == [hit.path for hit in found.hits]


def test_another_model_is_refused(gallery, crops, trained, tmp_path):
    facts = json.loads((gallery.folder / FILE).read_text())
    facts["origin"]["model"] = "another"
    (gallery.folder / FILE).write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"was made by another model than this run's \(model: another and "):
        reid_lit.gallery.open(gallery.folder).enrol(str(crops[0]))


def test_a_run_that_was_not_calibrated_gives_scores_alone(uncalibrated_run, crops, tmp_path):
    made = reid_lit.gallery.create(tmp_path / "g", uncalibrated_run)
    made.enrol(str(crops[0]))
    (found,) = made.query(crops[0])
    assert found.is_match is None
    assert found.hits[0].match is None
    assert found.hits[0].score == pytest.approx(1, abs=1e-4)


def test_a_checkpoint_stands_for_its_run(calibrated_run, tmp_path):
    made = reid_lit.gallery.create(tmp_path / "g", weights_file(calibrated_run))
    assert made.calibration == reid_lit.gallery.create(tmp_path / "h", calibrated_run).calibration
    other = replace(made.facts, origin=replace(made.facts.origin, model="another checkpoint of the run"))
    assert Gallery(made.folder, other).calibration is None


def test_bad_input_is_said(gallery, crops, calibrated_run, tmp_path):
    with pytest.raises(ExistingFileError, match="is a gallery already"):
        reid_lit.gallery.create(gallery.folder, calibrated_run)
    with pytest.raises(MissingFileError, match="no gallery at "):
        reid_lit.gallery.open(tmp_path / "none")
    with pytest.raises(MissingFileError, match="no such file or folder: nowhere"):
        gallery.enrol("nowhere")
    with pytest.raises(InputError, match="top=0: give how many rows to show"):
        gallery.query(crops[0], top=0)
    with pytest.raises(InputError, match=r"fmr=0.5 was not calibrated; choose one of 0.05"):
        gallery.query(crops[0], fmr=0.5)
    with pytest.raises(InputError, match="there is nothing to export"):
        gallery.export(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"give a name that ends in .parquet or .arrow"):
        gallery.export(tmp_path / "x.txt")
    (tmp_path / "g2").mkdir()
    (tmp_path / "g2" / FILE).write_text("{}")
    with pytest.raises(InputError, match="damaged, or of another version"):
        reid_lit.gallery.open(tmp_path / "g2")


def test_lists_name_persons_cameras_and_times(tmp_path, crops):
    file = tmp_path / "list.csv"
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerows(
            [["path", "camera", "time"], [crops[0], "door", "2026-01-01T10:00:00+01:00"], [crops[1], "", ""]]
        )
    first, second = entries_of([str(file)], given=Entry(path="", person="ann", camera="yard"))
    assert (first.person, first.camera, first.time.isoformat()) == ("ann", "door", "2026-01-01T09:00:00+00:00")
    assert (second.camera, second.time) == ("yard", None)
    for text, said in (
        ("file\nx.png\n", "columns 'file' are unknown; a list has path"),
        ("path,identity\nx.png,3\n", "columns 'identity' are unknown"),
        ("person\n3\n", "no column 'path'"),
        ("path,time\nx.png,noon\n", "line 2: time=noon: give a time such as"),
        ("path,time\nx.png,0001-01-01T00:00+14:00\n", "line 2: time=.*: give a time such as"),
        ("path,person\n,3\n", "line 2: no path"),
        ("path,person\nx.png,smith, ann\n", "line 2: more cells than columns"),
        ("path,person,path\nx.png,ann,y.png\n", "a column is there twice"),
        ("path,person\nx.png,Ren\xe9\n", "no text in UTF-8"),
    ):
        file.write_text(text, encoding="latin-1")
        with pytest.raises(InputError, match=said):
            entries_of([str(file)], given=Entry(path=""))


def test_rows_are_exported_for_others(gallery, crops, tmp_path):
    gallery.enrol(named(crops[:7]))
    file = tmp_path / "rows.parquet"
    assert gallery.export(file) == 7
    rows = pyarrow.parquet.read_table(file)
    assert rows.column_names == ["number", "id", "path", "person", "camera", "time", "thumbnail", "vector"]
    assert np.allclose(rows.column("vector").to_pylist()[3], gallery.vector_of(rows.column("number")[3].as_py()))
    assert json.loads(rows.schema.metadata[b"reid_lit"])["model"] == gallery.facts.origin.model
    assert gallery.export(tmp_path / "rows.arrow") == 7


def test_thumbnails_are_kept_only_where_asked(gallery, calibrated_run, crops, tmp_path):
    gallery.enrol(str(crops[0]))
    assert gallery.thumbnails([0]) == {}
    asked = reid_lit.gallery.create(tmp_path / "with", calibrated_run, thumbnails=True)
    asked.enrol(str(crops[0]))
    small = reid_lit.gallery.open(asked.folder).thumbnails([0])[0]
    with Image.open(BytesIO(small)) as image:
        assert (image.format, image.height <= 192, image.width <= 96) == ("JPEG", True, True)
    assert asked.export(tmp_path / "rows.parquet") == 1
    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet").column("thumbnail").to_pylist() == [small]


def test_answers_are_a_page_without_a_network(calibrated_run, crops, tmp_path, command):
    moved = tmp_path / "moved.png"
    shutil.copy(crops[2], moved)
    made = reid_lit.gallery.create(tmp_path / "doors", calibrated_run, thumbnails=True)
    made.enrol([*named(crops[:2]), Entry(path=str(moved), person="<b>ann</b>", camera="door")])
    moved.unlink()
    words = ["query", "gallery=doors", str(crops[0]), str(crops[2]), "html=answers.html"]
    done = command(*words, cwd=tmp_path, module="reid_lit.gallery")
    assert "answers.html opens in any browser, without a network" in done.stdout
    page = (tmp_path / "answers.html").read_text()
    assert page.count('<article class="entry">') == 2
    assert page.count("data:image/jpeg") == 2 * 4  # the image asked for and three rows; one file is gone
    assert "&lt;b&gt;ann&lt;/b&gt;" in page
    assert "<b>ann" not in page
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", page)
    assert "P 0." in page or "P 1." in page


def test_the_commands(calibrated_run, crops, command, tmp_path):
    def verb(*words, check=True):
        return command(*words, cwd=tmp_path, module="reid_lit.gallery", check=check)

    assert "an empty gallery of " in verb("create", "gallery=doors", f"run={calibrated_run}").stdout
    done = verb("enrol", "gallery=doors", crops[0], crops[1], "camera=door")
    assert "2 images are enrolled; the gallery has 2" in done.stdout
    done = verb("query", "gallery=doors", crops[0], "json=true")
    (answer,) = json.loads(done.stdout)
    assert answer["match"] is True
    assert answer["hits"][0]["path"] == str(crops[0])
    shown = verb("query", "gallery=doors", crops[1], "top=1").stdout
    assert "same" in shown
    assert "threshold" in shown
    assert "2 images" in verb("list", "gallery=doors").stdout
    assert "nothing says which images to erase" in verb("erase", "gallery=doors", check=False).stderr
    assert "2 images are erased; 0 are left" in verb("erase", "gallery=doors", "camera=door").stdout
    done = verb("query", "gallery=doors", crops[0], check=False)
    assert "doors is empty; python -m reid_lit.gallery enrol" in done.stderr


def test_rows_are_meant_by_the_paths_that_were_enrolled(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for path in ("a/x.png", "a/../a/x.png", "~/a/x.png", str(tmp_path / "b" / ".." / "a" / "x.png")):
        config = OmegaConf.create({"person": None, "camera": None, "since": None, "until": None, "path": path})
        assert command_module._where(config) == Where(paths=(str(tmp_path / "a" / "x.png"),))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["find"], "no verb 'find'; "),
        (["query", "gallery=x"], "no image is named to query; python -m reid_lit.gallery query gallery=<folder>"),
        (["list"], "no gallery is named; python -m reid_lit.gallery list gallery=<folder>"),
        (["list", "gallery=x", "a.png"], "list takes no images, such as a.png"),
        (["list", "gallery=x"], "no gallery at "),
        (["enrol", "gallery=x", "a.png", "tmie=3"], "tmie"),
    ],
)
def test_bad_words_are_refused(command, tmp_path, words, said):
    done = command(*words, cwd=tmp_path, module="reid_lit.gallery", check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_verbs_are_listed(command, tmp_path):
    assert (
        "python -m reid_lit.gallery enrol gallery=<folder>" in command(cwd=tmp_path, module="reid_lit.gallery").stdout
    )


def test_what_is_in_a_file_is_enrolled_and_asked_for_without_the_file(gallery, crops, tmp_path):
    content = crops[0].read_bytes()
    bad = Entry(path="upload:bad", content=b"no image")
    result = gallery.enrol([Entry(path="upload:a", person="ann", content=content), bad])
    assert (result.added, [line.partition(": ")[0] for line in result.refused]) == (1, ["upload:bad"])
    assert gallery.enrol(str(crops[0])).known == 1
    (found,) = gallery.query([content])
    assert [(hit.path, hit.person, hit.score) for hit in found.hits] == [
        ("upload:a", "ann", pytest.approx(1, abs=1e-5))
    ]
