import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from reid_lit.data.feeding.decode import decode, decode_batch
from reid_lit.files.pixels import pixels


def read(path, size=(16, 8)):
    return decode(path, size=size, interpolation="bicubic")


def noisy(height=40, width=24, mode="RGB", seed=0):
    shape = (height // 4, width // 4, len(mode))
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values[..., 0] if mode == "L" else values, mode).resize((width, height), Image.BICUBIC)


def by_pil(path):
    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.fixture
def only(monkeypatch):
    """Takes the other decoder away."""

    def chosen(name):
        def fail(*_):
            raise AssertionError(f"not by {name}")

        monkeypatch.setattr(*((Image, "open") if name == "OpenCV" else (cv2, "imdecode")), fail)

    return chosen


@pytest.mark.parametrize("extension", ["jpg", "png", "bmp", "webp"])
def test_formats_give_rgb(tmp_path, extension):
    path = tmp_path / f"x.{extension}"
    Image.new("RGB", (10, 20), (200, 100, 50)).save(path)
    image = read(path)
    assert image.shape == (3, 16, 8)
    assert image.dtype == torch.uint8
    assert (image.float().mean(dim=(1, 2)) - torch.tensor([200.0, 100, 50])).abs().max() < 4


@pytest.mark.parametrize(
    ("mode", "colour"), [("L", 90), ("LA", (90, 10)), ("RGBA", (90, 90, 90, 10)), ("P", 90), ("1", 1)]
)
def test_modes(tmp_path, mode, colour):
    path = tmp_path / "x.png"
    image = Image.new(mode, (10, 20), colour)
    if mode == "P":
        image.putpalette([value for grey in range(256) for value in (grey, grey, grey)])
        image.info["transparency"] = bytes([0, 255] * 128)
    image.save(path)
    assert (read(path) == (255 if mode == "1" else 90)).all()


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.full((20, 10), 90 * 256 + 7, dtype=np.uint16)).save(path)
    assert (read(path) == 90).all()


def test_exif_rotation_is_undone(tmp_path):
    path = tmp_path / "x.jpg"
    upright = Image.new("RGB", (10, 20))
    upright.paste((255, 255, 255), (0, 0, 10, 10))  # white above, black below
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees clockwise to see it upright
    upright.rotate(90, expand=True).save(path, exif=exif, quality=95)
    image = read(path, size=(20, 10)).float()
    assert image[:, :8].mean() > 240
    assert image[:, 12:].mean() < 15


@pytest.mark.parametrize(("interpolation", "filtered"), [("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR)])
@pytest.mark.parametrize("size", [(64, 32), (9, 5)])
def test_resize_is_pils(tmp_path, interpolation, filtered, size):
    path = tmp_path / "x.png"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    expected = torch.from_numpy(np.array(Image.fromarray(pixels).resize(size[::-1], filtered))).permute(2, 0, 1)
    got = decode(path, size=size, interpolation=interpolation)
    assert (got.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize(
    "saved",
    [{"quality": 90}, {"quality": 30}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 2}]
    + [{"subsampling": name} for name in ("4:4:4", "4:2:2", "4:2:0")],
    ids=str,
)
@pytest.mark.parametrize("size", [(40, 24), (37, 21), (1, 1)])
def test_ordinary_jpegs_take_the_fast_way_to_pils_pixels(tmp_path, only, saved, size):
    noisy(*(4 * side for side in size)).resize(size[::-1]).save(tmp_path / "x.jpg", **saved)
    expected = by_pil(tmp_path / "x.jpg")
    only("OpenCV")
    assert np.array_equal(pixels(tmp_path / "x.jpg"), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_pils(tmp_path, only, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    noisy().save(tmp_path / "x.jpg", exif=exif)
    expected = by_pil(tmp_path / "x.jpg")
    assert expected.shape[:2] == ((24, 40) if orientation > 4 else (40, 24))
    only("PIL")
    assert np.array_equal(pixels(tmp_path / "x.jpg"), expected)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_other_colours_are_pils(tmp_path, only, mode):
    noisy(mode=mode).save(tmp_path / "x.jpg")
    expected = by_pil(tmp_path / "x.jpg")
    only("PIL")
    assert np.array_equal(pixels(tmp_path / "x.jpg"), expected)


def test_jpegs_that_store_rgb_are_pils(tmp_path):
    noisy().save(tmp_path / "x.jpg", keep_rgb=True)
    assert np.array_equal(pixels(tmp_path / "x.jpg"), by_pil(tmp_path / "x.jpg"))


@pytest.mark.parametrize("tail", [b"\0\0", b"\n", b"\xff\xd9 and a note"])
def test_bytes_behind_the_end_leave_the_image_as_it_is(tmp_path, only, tail):
    noisy().save(tmp_path / "x.jpg")
    expected = by_pil(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes() + tail)
    only("PIL")
    assert np.array_equal(pixels(tmp_path / "x.jpg"), expected)


def test_what_opencv_gives_up_on_is_pils_to_judge(tmp_path, monkeypatch):
    noisy().save(tmp_path / "x.jpg")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    assert np.array_equal(pixels(tmp_path / "x.jpg"), by_pil(tmp_path / "x.jpg"))


def test_every_cut_file_is_an_error_and_none_is_grey(tmp_path):
    noisy().save(tmp_path / "whole.jpg")
    data, path = (tmp_path / "whole.jpg").read_bytes(), tmp_path / "x.jpg"
    for length in range(0, len(data) - 2, 7):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"x\.jpg: not a readable image"):
            pixels(path)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(16, 8), (64, 48), (40, 24)])
def test_a_batch_is_its_images_and_lies_pixel_by_pixel(tmp_path, monkeypatch, size, interpolation):
    monkeypatch.setattr("reid_lit.data.feeding.decode._AT_ONCE", 3 * 40 * 24 * 3)  # three at once
    sizes = [(40, 24)] * 5 + [(37, 21), (40, 24), (16, 8), (37, 21), (37, 21)]
    paths = [tmp_path / f"{seed}.png" for seed in range(len(sizes))]
    for seed, (path, (height, width)) in enumerate(zip(paths, sizes, strict=True)):
        noisy(height, width, seed=seed).save(path)
    batch = decode_batch(paths, size=size, interpolation=interpolation)
    assert batch.dtype == torch.uint8
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for image, path in zip(batch, paths, strict=True):
        assert torch.equal(image, decode(path, size=size, interpolation=interpolation))
        filtered = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}[interpolation]
        expected = np.array(Image.open(path).resize(size[::-1], filtered)).astype(int)
        assert np.abs(image.permute(1, 2, 0).numpy() - expected).max() <= 1


@pytest.mark.parametrize("damage", ["html", "empty", "cut", "missing", "folder"])
def test_a_bad_file_is_named(tmp_path, jpeg, damage):
    path = tmp_path / "0002_c1s1_000451_03.jpg"
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"html": b"<html>", "empty": b"", "cut": jpeg.read_bytes()[:-80]}[damage])
    with pytest.raises(ValueError, match=r"0002_c1s1_000451_03\.jpg: not a readable image \(.+\)"):
        read(path)
