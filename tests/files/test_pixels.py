"""Every consumer of image files shows and embeds the same pixels: those that the network sees."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from reid_lit.data.feeding.decode import decode, decode_shots
from reid_lit.figures import tiles
from reid_lit.figures.contact_sheet import contact_sheet
from reid_lit.files.pixels import pixels
from reid_lit.pages import thumbnails as page_images
from reid_lit.pages.rankings import _columns
from reid_lit.pages.run import _ranges
from reid_lit.records import Shot
from reid_lit.testing.embedder import _pixels

SHAPE = (40, 24)


def upright():
    """Dark above, bright below, with colours."""
    ramp = np.linspace(20, 235, SHAPE[0])[:, None] + np.linspace(-15, 15, SHAPE[1])
    return Image.fromarray(np.stack([ramp, ramp[:, ::-1], 255 - ramp], axis=2).astype(np.uint8))


def oriented(image, orientation):
    """The image as a camera held otherwise stores it."""
    turns = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # PIL's transpositions, each undone by the tag
    return image if turns[orientation] is None else image.transpose(turns[orientation])


def saved(folder, kind):
    """A file of some kind, and what everybody should see of it."""
    image, options, ending = upright(), {}, "png"
    expected = image
    if kind.startswith("exif"):
        exif = Image.Exif()
        exif[274] = int(kind.removeprefix("exif"))
        image, options = oriented(image, exif[274]), {"exif": exif}
    elif kind == "deep":
        grey = np.asarray(image.convert("L")).astype(np.uint16)
        image, expected = Image.fromarray(grey << 8 | 0x7F), image.convert("L")
    elif kind == "palette":
        image = expected = image.quantize(64)
    elif kind == "transparent palette":
        image = expected = image.quantize(64)
        options = {"transparency": bytes(range(64))}
    elif kind == "CMYK":
        ending, image = "tif", image.convert("CMYK")
        expected = image
    elif kind == "RGBA":
        image = image.convert("RGBA")
        image.putalpha(40)
        expected = upright()
    elif kind == "GIF":
        ending = "gif"
        image = expected = image.quantize(64)
        options = {"save_all": True, "append_images": [Image.new("P", image.size, 0)]}
    elif kind == "1":
        image = expected = image.convert("1")
    file = folder / f"x.{ending}"
    image.save(file, **options)
    return file, np.asarray(expected.convert("RGB"))


KINDS = [*(f"exif{number}" for number in range(1, 9)), "deep", "palette", "transparent palette", "CMYK", "RGBA", "GIF",
         "1"]  # fmt: skip


def network(file):
    return decode(file, size=SHAPE, interpolation="bicubic").permute(1, 2, 0).numpy()


def tile(file, *ranges):
    """The picture in a tile, in its own size."""
    shown = tiles.picture(file, *ranges)
    return np.asarray(shown.resize(SHAPE[::-1], Image.Resampling.BOX, box=_inside(shown)))


def _inside(shown):
    width, height = ImageOps.contain(Image.new("L", SHAPE[::-1]), (tiles.WIDTH, tiles.HEIGHT)).size
    left, top = (tiles.WIDTH - width) // 2, (tiles.HEIGHT - height) // 2
    return (left, top, left + width, top + height)


def thumbnail(file, *ranges):
    size = page_images.ThumbnailSize(width=SHAPE[1], height=SHAPE[0], quality=95)
    return np.asarray(Image.open(io.BytesIO(page_images.small_jpeg(file, size, *ranges))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("consumer", "tolerance"), [(network, 0), (tile, 12), (thumbnail, 24)])
def test_every_consumer_shows_what_the_network_sees(tmp_path, kind, consumer, tolerance):
    file, expected = saved(tmp_path, kind)
    assert np.array_equal(pixels(file), expected)
    shown = consumer(file).astype(int)
    assert shown.shape == expected.shape
    if kind != "1":  # dots of one pixel, which resizing smears
        assert np.abs(shown - expected).max() <= tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_load_embeds_the_same_pixels(tmp_path, kind):
    file, expected = saved(tmp_path, kind)
    with Image.open(file) as opened:
        for image in (file, str(file), opened):
            assert np.array_equal(_pixels(image, 0), expected)


def test_pictures_of_shots_are_upright(tmp_path):
    sheets = []
    for kind in ("exif1", "exif6"):
        (tmp_path / kind).mkdir()
        file, _ = saved(tmp_path / kind, kind)
        sheets.append(contact_sheet({"train": [Shot(file, 1, 0)]}))
    assert sheets[0].tobytes() == sheets[1].tobytes()


@pytest.mark.parametrize("consumer", [lambda shot: decode_shots([shot], size=SHAPE, interpolation="bicubic")[0].permute(1, 2, 0).numpy(),
                                      lambda shot: _pixels(shot.path, 0, shot.value_range),
                                      lambda shot: tile(shot.path, shot.value_range),
                                      lambda shot: thumbnail(shot.path, shot.value_range)],
                         ids=["network", "load", "tile", "thumbnail"])  # fmt: skip
def test_every_consumer_keeps_12_bits_by_the_range_of_the_set(tmp_path, consumer):
    grey = np.asarray(upright().convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 16).save(tmp_path / "x.png")
    shown = consumer(Shot(tmp_path / "x.png", 1, 0, (0.0, 4080.0)))
    assert np.abs(shown.astype(int) - grey[..., None]).max() <= 24
    assert len(np.unique(shown)) > 100


def test_pictures_and_pages_get_the_range_of_a_shot(tmp_path):
    grey = np.asarray(upright().convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 16).save(tmp_path / "x.png")
    Image.fromarray(grey).save(tmp_path / "y.png")
    (tmp_path / "z").mkdir()
    sheets = [
        contact_sheet({"train": [Shot(tmp_path / name, 1, 0, ends)]})
        for name, ends in (("x.png", (0.0, 4080.0)), ("y.png", None))
    ]
    box = (0, 0, sheets[0].width, sheets[0].height - 60)  # without the files' names
    assert sheets[0].crop(box).tobytes() == sheets[1].crop(box).tobytes()
    assert _columns([Shot(tmp_path / "x.png", 1, 0, (0.0, 4080.0))])["value_range"] == [(0.0, 4080.0)]
    assert "value_range" not in _columns([Shot(tmp_path / "y.png", 1, 0)])
    side = {"path": ["a", "b"], "value_range": [None, [0, 4080]]}
    assert dict(_ranges(side)) == {"a": None, "b": (0.0, 4080.0)}
    size = page_images.ThumbnailSize(width=24, height=40, quality=95)
    made = [
        page_images.thumbnails([str(tmp_path / "x.png")], None, size, ranges=each)
        for each in ({}, {str(tmp_path / "x.png"): (0.0, 4080.0)})
    ]
    assert made[0] != made[1]
