import numpy as np
import pytest
from PIL import Image

from reid_lit.checkup.files import digests
from reid_lit.data.feeding.images import bad_images
from reid_lit.data.file_headers import header_of
from reid_lit.data.sets.csv_file import csv_parts, read
from reid_lit.data.sets.csv_rows import unused_columns
from reid_lit.files.access import is_file, read_bytes, state
from reid_lit.files.box import Box, boxed, unboxed
from reid_lit.files.pixels import pixels

WIDTH, HEIGHT = 60, 40


@pytest.fixture
def frames(tmp_path):
    for k in range(4):
        noise = np.random.default_rng(k).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"f{k}.png")
    return tmp_path


BOXES = {"a": (0, 0, 20, 40), "b": (20, 5, 60, 40)}


def table(folder, header, write, extra=""):
    rows = [f"f{k}.png,{who},{write(*BOXES[who])}{extra}" for k in range(4) for who in BOXES]
    (folder / "reid.csv").write_text("\n".join([f"path,person,{header}", *rows]))
    return folder


WAYS = {
    "x_1,y_1,x_2,y_2": lambda a, b, c, d: f"{a},{b},{c},{d}",
    "x_1,x_2,y_1,y_2": lambda a, b, c, d: f"{a},{c},{b},{d}",
    "x1,y1,x2,y2": lambda a, b, c, d: f"{a}.0,{b},{c},{d}",
    "xmin,ymin,xmax,ymax": lambda a, b, c, d: f"{a},{b},{c},{d}",
    "x,y,w,h": lambda a, b, c, d: f"{a},{b},{c - a},{d - b}",
    "bbox": lambda a, b, c, d: f'"[{a}, {b}, {c - a}, {d - b}]"',
    "BBox": lambda a, b, c, d: f"{a} {b} {c - a}.2 {d - b}",
}


@pytest.mark.parametrize("header", WAYS)
def test_each_row_is_its_box(frames, header):
    split = read(table(frames, header, WAYS[header]))
    assert len(split.shots) == 8
    assert "boxes: 8 images are cut out of 4 files" in split.notes
    for shot in split.shots:
        file, box = unboxed(shot.path)
        left, top, right, bottom = BOXES["ab"[shot.person_id - 1]]
        assert box == Box(left, top, right - left, bottom - top)
        assert np.array_equal(pixels(shot.path), np.asarray(Image.open(file))[top:bottom, left:right])
        assert header_of(shot.path)[:2] == (bottom - top, right - left)


def test_a_box_is_a_file_to_all_that_asks_for_one(frames):
    path = boxed(frames / "f0.png", Box(1, 2, 3, 4))
    assert read_bytes(path) == (frames / "f0.png").read_bytes()
    assert state(path) == state(frames / "f0.png")
    assert is_file(path)
    assert not is_file(boxed(frames / "nope.png", Box(1, 2, 3, 4)))
    assert unboxed(boxed(path, None)) == (frames / "f0.png", Box(1, 2, 3, 4))
    assert digests([path, boxed(frames / "f0.png", Box(1, 2, 3, 5))]) == []
    (frames / "f1.png").write_bytes(b"text")
    broken = [boxed(frames / "f1.png", Box(0, 0, 1, k)) for k in (1, 2)]
    assert set(bad_images([path, *broken], root=frames)) == set(broken)


def test_a_frame_is_charged_as_a_whole(frames):
    path = boxed(frames / "f0.png", Box(1, 2, 3, 4))
    assert not bad_images([path], root=frames, max_pixels=WIDTH * HEIGHT)
    assert "too large (60 × 40" in bad_images([path], root=frames, max_pixels=WIDTH * HEIGHT - 1)[path]


def test_rows_without_a_box_are_whole_images(frames):
    (frames / "reid.csv").write_text("path,person,bbox\nf0.png,a,\nf1.png,a,nan\nf2.png,b,0 0 9 9\nf3.png,b,\n")
    split = read(frames)
    assert "boxes: 1 image is cut out of 1 file, 3 images are whole" in split.notes
    assert sum(unboxed(shot.path)[1] is None for shot in split.shots) == 3


def test_boxes_are_those_of_the_upright_image(frames):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(frames / "turned.jpg", exif=exif)
    (frames / "reid.csv").write_text(
        "path,person,bbox\nturned.jpg,a,0 0 20 40\nf1.png,a,0 0 9 9\nf2.png,b,0 0 9 9\nf3.png,b,0 0 9 9\n"
    )
    assert [pixels(shot.path).shape for shot in read(frames).shots if "turned" in str(shot.path)] == [(40, 20, 3)]


BAD = {
    "leaves": ("x_1,y_1,x_2,y_2", "0,0,61,40", r"line 2 \(from 0, 0 to 61, 40; f0\.png has 60 × 40 pixels\)"),
    "empty": ("x_1,y_1,x_2,y_2", "5,5,5,9", r"line 2 \(x_1=5, y_1=5, x_2=5, y_2=9\): holds no pixel"),
    "turned round": ("x1,y1,x2,y2", "9,5,5,9", "holds no pixel; .*right and bottom"),
    "share of the image": ("x,y,w,h", "0.1,0.1,0.3,0.3", "holds no pixel; .* are pixels"),
    "negative": ("x1,y1,x2,y2", "-3,0,5,9", "begins outside"),
    "words": ("x1,y1,x2,y2", "a,0,5,9", "no four numbers"),
    "infinite": ("x1,y1,x2,y2", "inf,0,5,9", "no four numbers"),
    "three": ("bbox", '"[1, 2, 3]"', r"line 2 \(bbox=\[1, 2, 3\]\): no four numbers"),
    "corners as sizes": ("bbox", "20 5 60 40", r"line 2 \(from 20, 5 to 80, 45"),
    "columns lacking": ("x_1,y_1,x_2", "1,2,3", "has x_1, y_1, x_2 but no y_2"),
    "two kinds": ("bbox,x1,y1,x2,y2", "0 0 5 5,0,0,5,5", "has boxes in x1, y1, x2, y2 and in bbox"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_box_is_refused_with_row_and_value(frames, case):
    header, cells, message = BAD[case]
    good = "" if header.startswith("x_1,y_1,x_2") and "y_2" not in header else None
    (frames / "reid.csv").write_text(f"path,person,{header}\nf0.png,a,{cells}\n" + (good or ""))
    with pytest.raises(ValueError, match=message):
        read(frames)


def test_the_same_box_twice_is_refused(frames):
    (frames / "reid.csv").write_text("path,person,bbox\nf0.png,a,0 0 9 9\nf0.png,b,0 0 9 9\n")
    with pytest.raises(ValueError, match="line 3 repeats line 2"):
        read(frames)


def test_roles_of_a_test(frames):
    lines = ["path,label,split,is_query,is_gallery,sequence", "f0.png,a,train,,,1", "f1.png,b,validation,True,False,1"]
    text = "\n".join([*lines, "f2.png,b,validation,0,1,1", "f3.png,c,validation,False,True,2"]).replace(
        "label", "person"
    )
    (frames / "reid.csv").write_text(text)
    split = read(frames)
    assert [[shot.path.name for shot in each] for each in (split.train, split.query, split.gallery)] == [
        ["f0.png"], ["f1.png"], ["f2.png", "f3.png"]
    ]  # fmt: skip
    assert unused_columns(frames / "reid.csv") == ["sequence"]
    (frames / "reid.csv").write_text(text.replace("True,False", "True,True"))
    with pytest.raises(ValueError, match=r"another role .*: line 3 \(is_query and is_gallery are true\)"):
        read(frames)


def test_excels_own_line_is_passed_over(frames):
    rows = "path;person\r\nf0.png;a\r\nf1.png;a\r\nf2.png;b\r\nnope.png;b\r\n"
    for first in ("sep=;\r\n", '"sep=;"\r\n', "\ufeffsep=;\n"):
        (frames / "reid.csv").write_text(first + rows, encoding="utf-8", newline="")
        with pytest.raises(FileNotFoundError, match=r"line 6 \(nope\.png\)"):
            read(frames)


def test_a_list_with_boxes_is_packed_with_them(frames):
    table(frames, "bbox", WAYS["bbox"])
    parts = csv_parts(frames)
    assert len(parts) == 5
    assert parts["reid.csv"].decode().splitlines()[:2] == ["path,person,x_1,y_1,x_2,y_2", "f0.png,a,0,0,20,40"]
