import numpy as np
import pytest
import torch
from PIL import Image

from reid_lit.data.decode import decode


def read(path, size=(16, 8)):
    return decode(path, size=size, interpolation="bicubic")


@pytest.mark.parametrize("extension", ["jpg", "png", "bmp", "webp"])
def test_formats_give_rgb(tmp_path, extension):
    path = tmp_path / f"x.{extension}"
    Image.new("RGB", (10, 20), (200, 100, 50)).save(path)
    image = read(path)
    assert image.shape == (3, 16, 8)
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
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


@pytest.mark.parametrize("damage", ["html", "empty", "cut", "missing", "folder"])
def test_a_bad_file_is_named(tmp_path, jpeg, damage):
    path = tmp_path / "0002_c1s1_000451_03.jpg"
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"html": b"<html>", "empty": b"", "cut": jpeg.read_bytes()[:-80]}[damage])
    with pytest.raises(ValueError, match=r"0002_c1s1_000451_03\.jpg: not a readable image \(.+\)"):
        read(path)
