import io
import json
import logging
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reid_lit.data.feeding import images
from reid_lit.data.feeding.images import bad_images, memory, sound
from reid_lit.data.feeding.readable import trouble
from reid_lit.data.file_headers import header_of
from reid_lit.figures.tiles import picture
from reid_lit.files.pixels import pixels
from reid_lit.records import Shot, Split


def encoded(kind, seed=0, **options):
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (32, 16, 3), np.uint8)
    Image.fromarray(noise).save(file, kind, **options)
    return file.getvalue()


BAD = {
    "empty (0 bytes)": b"",
    "truncated (a JPEG file that ends after 300 bytes)": encoded("JPEG")[:300],
    "truncated (a JPEG file that ends after 700 bytes)": encoded("JPEG")[:700],
    "truncated (a PNG file that ends after 800 bytes)": encoded("PNG")[:800],
    "truncated (a BMP file that ends after 900 bytes)": encoded("BMP")[:900],
    "truncated (a WebP file that ends after 200 bytes)": encoded("WEBP")[:200],
    "truncated (its last 500 of 1200 bytes are zeros)": encoded("JPEG")[:700] + bytes(500),
    "not an image (an HTML page)": b"<!DOCTYPE HTML PUBLIC><title>Quota exceeded</title>",
    "not an image (an XML file)": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "not an image (a zip archive)": b"PK\x03\x04" + bytes(30),
    "not an image (a Git LFS pointer, whose image was not fetched)": b"version https://git-lfs.github.com/spec/v1\noid",
    "not an image (text)": b"0002_c1s1_000451_03.jpg\n",
    "not an image (a PostScript document)": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "not an image (zeros)": bytes(900),
    "not an image (begins with the bytes 01 02 03 04)": b"\x01\x02\x03\x04\x05",
    "damaged (a PNG header that says nothing)": b"\x89PNGnothing but IEND",
}


@pytest.mark.parametrize("reason", BAD)
def test_each_sort_of_damage_is_named_whatever_the_ending_of_the_name(tmp_path, reason):
    for ending in ("jpg", "png"):
        (tmp_path / f"a.{ending}").write_bytes(BAD[reason])
        assert trouble(str(tmp_path / f"a.{ending}")) == reason


def test_what_cannot_be_opened_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    names = [tmp_path / name for name in ("pipe.jpg", "nowhere.jpg", ".")]
    assert list(bad_images(names, root=tmp_path).values()) == [
        "cannot be read (no regular file)", "missing", "cannot be read (no regular file)",
    ]  # fmt: skip
    (tmp_path / "closed.jpg").write_bytes(encoded("JPEG"))
    (tmp_path / "closed.jpg").chmod(0)
    if not os.access(tmp_path / "closed.jpg", os.R_OK):  # root may read anything
        assert trouble(str(tmp_path / "closed.jpg")) == "cannot be read (Permission denied)"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {}),
        ("GIF", {}),
        ("TIFF", {}),
        ("PPM", {}),
    ],
)
def test_a_whole_image_of_any_format_is_sound(tmp_path, kind, options):
    (tmp_path / "a.png").write_bytes(encoded(kind, **options))
    assert trouble(str(tmp_path / "a.png")) == ""


def test_postscript_is_given_to_no_other_program(tmp_path, monkeypatch):
    (tmp_path / "x.jpg").write_bytes(BAD["not an image (a PostScript document)"])
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program is started"))
    assert trouble(str(tmp_path / "x.jpg")).startswith("not an image")
    with pytest.raises(ValueError, match="not a readable image"):
        pixels(tmp_path / "x.jpg")
    assert header_of(tmp_path / "x.jpg") is None
    picture(tmp_path / "x.jpg")


def test_no_file_is_opened_by_pil_alone():
    lines = [
        f"{file.name}: {line.strip()}"
        for file in (Path(__file__).parents[3] / "src").rglob("*.py")
        for line in file.read_text().splitlines()
        if re.search(r"\bImage\.open\(", line) and file.name != "image.py"
    ]
    assert not lines


def test_an_image_that_is_too_large_is_named_as_such(tmp_path):
    Image.new("L", (5000, 4000)).save(tmp_path / "large.png")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    bad = bad_images([tmp_path / "large.png", tmp_path / "bomb.png"], root=tmp_path)
    assert list(bad.values()) == [
        "too large (5000 × 4000 are more than max_pixels=16,000,000; make it smaller, or raise that)",
        "too large (more than 178,956,970 pixels; make it smaller)",
    ]
    assert trouble(str(tmp_path / "large.png"), 20_000_000) == ""


def test_another_limit_looks_again(tmp_path):
    Image.new("L", (50, 40)).save(tmp_path / "a.png")
    paths, memory = [tmp_path / "a.png"], tmp_path / "memory.json"
    assert not bad_images(paths, root=tmp_path, memory=memory, max_pixels=2000)
    assert bad_images(paths, root=tmp_path, memory=memory, max_pixels=1999)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 3000), st.sampled_from([{}, {"progressive": True}, {"optimize": True}]))
def test_the_quick_look_finds_what_full_decoding_finds(tmp_path_factory, length, options):
    file = tmp_path_factory.getbasetemp() / "cut.jpg"
    file.write_bytes(encoded("JPEG", **options)[:length])
    try:
        with Image.open(file) as image:
            image.load()
        readable_in_full = True
    except (OSError, SyntaxError):
        readable_in_full = False
    assert (trouble(str(file)) == "") == readable_in_full


@pytest.fixture
def split(tmp_path):
    """Nine images: three a list."""
    root = tmp_path / "set"
    root.mkdir()
    shots = []
    for number in range(9):
        path = root / f"{number}.jpg"
        path.write_bytes(encoded("JPEG", seed=number))
        shots.append(Shot(path=path, person_id=number // 3, camera_id=number % 3))
    return Split(name="nine", train=tuple(shots[:3]), query=tuple(shots[3:6]), gallery=tuple(shots[6:]))


@pytest.fixture
def looks(monkeypatch):
    """What was decoded, by file name."""
    seen = []

    def look(name, max_pixels):
        seen.append(Path(name).name)
        return trouble(name, max_pixels)

    monkeypatch.setattr(images, "trouble", look)
    return seen


def test_an_image_is_read_once_until_its_file_changes(split, looks, tmp_path):
    root = tmp_path / "set"
    assert sound(split, root=root, on_bad_image="stop") is split
    assert len(looks) == 9
    assert sound(split, root=root, on_bad_image="stop") is split
    assert len(looks) == 9
    os.utime(root / "4.jpg", ns=(0, 0))
    (root / "5.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"5\.jpg: empty"):
        sound(split, root=root, on_bad_image="stop")
    assert looks[9:] == ["4.jpg", "5.jpg"]
    assert sorted(file.name for file in root.iterdir()) == [f"{number}.jpg" for number in range(9)]


def test_a_bad_image_stops_the_run_with_its_name_and_reason(split, tmp_path):
    for number in (1, 2, 4, 8):
        (tmp_path / "set" / f"{number}.jpg").write_bytes(b"<html>no</html>")
    with pytest.raises(ValueError, match="4 of 9 images of nine cannot be used") as caught:
        sound(split, root=tmp_path / "set", on_bad_image="stop")
    message = str(caught.value)
    assert f"{tmp_path}/set/1.jpg: not an image (an HTML page)" in message
    assert message.count("HTML") == 3
    assert f"python -m reid_lit.doctor dataset=… dataset.root={tmp_path.resolve()}/set" in message
    assert "dataset.on_bad_image=drop" in message


def test_dropped_images_leave_every_list_and_are_counted(split, tmp_path):
    joint = Split(name="tests", train=split.train, query=(), gallery=(), tests=(split,), validation=split)
    for number in (1, 4, 8):
        (tmp_path / "set" / f"{number}.jpg").write_bytes(b"")
    kept = sound(joint, root=tmp_path / "set", on_bad_image="drop")
    for part in (kept.tests[0], kept.validation):
        assert [len(part.train), len(part.query), len(part.gallery)] == [2, 2, 2]
    assert len(kept.train) == 2
    (note,) = kept.notes
    assert note == f"3 of 9 images dropped: unreadable, such as {tmp_path}/set/1.jpg: empty (0 bytes)"


def test_a_drop_that_empties_a_list_stops(split, tmp_path):
    for number in (3, 4, 5):
        (tmp_path / "set" / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="3 of 9 images of nine cannot be used; without them query would be empty"):
        sound(split, root=tmp_path / "set", on_bad_image="drop")


def test_other_processes_find_the_same(split, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_ALONE", 2)
    monkeypatch.setattr(images, "_CHUNK", 2)
    (tmp_path / "set" / "4.jpg").write_bytes(b"")
    told = []
    bad = bad_images(
        [shot.path for shot in split.shots],
        root=tmp_path,
        processes=2,
        tell=lambda done, all_: told.append((done, all_)),
    )
    assert bad == {tmp_path / "set" / "4.jpg": "empty (0 bytes)"}
    assert told[-1] == (9, 9)
    assert sorted(told) == told


def test_a_process_that_dies_is_no_silence(split, monkeypatch):
    monkeypatch.setattr(images, "_ALONE", 2)
    monkeypatch.setenv("PYTHONPLATLIBDIR", "nowhere")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(RuntimeError, match=r"process that reads images died .* machine.workers=0 reads them here"):
        bad_images([shot.path for shot in split.shots], root=Path(), processes=2)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rules": 1, "good": 3}', '{"rules": "RULES", "good": 3}'])
def test_a_damaged_memory_is_passed_over(split, looks, tmp_path, content):
    file = memory(tmp_path / "set")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content.replace("RULES", f"{images._RULES}, {images.MAX_PIXELS} pixels"))
    assert sound(split, root=tmp_path / "set", on_bad_image="stop") is split
    assert len(looks) == 9
    assert len(json.loads(file.read_text())["good"]) == 9


def test_a_cache_that_cannot_be_written_is_no_error(split, looks, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REID_CACHE", str(tmp_path / "file"))
    caplog.set_level(logging.INFO)
    for count in (9, 18):
        assert sound(split, root=tmp_path / "set", on_bad_image="stop") is split
        assert len(looks) == count
    assert "cannot be written" in caplog.text


def test_a_cache_that_cannot_be_looked_at_is_no_error(split, looks, tmp_path, monkeypatch):
    monkeypatch.setenv("REID_CACHE", f"/{'x' * 300}")  # OSError: file name too long
    assert sound(split, root=tmp_path / "set", on_bad_image="stop") is split
    assert len(looks) == 9


def test_the_memory_is_the_folders_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.setenv("REID_CACHE", "~/x")
    assert memory(tmp_path).is_relative_to(Path.home())
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert memory(tmp_path / "link") == memory(Path("real"))
    monkeypatch.delenv("REID_CACHE")
    assert "reid_lit" in memory(tmp_path).parts


def test_setup_checks_and_an_unknown_word_is_refused(market_data, market):
    (market / "query" / "0001_c1s1_001051_00.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"0001_c1s1_001051_00\.jpg: empty"):
        market_data().setup("fit")
    data = market_data(on_bad_image="drop")
    data.setup("fit")
    assert len(data.split.query) == 2
    assert data.split.notes[-1].startswith("1 of 15 images dropped")
    with pytest.raises(ValueError, match=r"^on_bad_image='skip': unknown; choose one of stop, drop"):
        market_data(on_bad_image="skip")
