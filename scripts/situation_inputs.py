"""Inputs that users of such toolkits have, drawn here: nobody is on them. ``draw(<name>, <folder>)`` draws one."""

import colorsys
import csv
import os
import random
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

CROPS = "p{person:02}/c{camera}/{shot}.jpg"
NAMES = ("my crops (1)", "a=b", "run[1]", "50#1", "a,b", "100%", "quote'd", "dollar$HOME")


def figure(person: int, camera: int, shot: object, mode: str = "RGB") -> Image.Image:
    """A stick of the person's two colours before the camera's grey, 48 × 96."""
    own, varied = random.Random(f"{person}"), random.Random(f"{person}/{camera}/{shot}")
    top, legs = (tuple(int(255 * part) for part in colorsys.hsv_to_rgb(own.random(), 0.8, 0.9)) for _ in range(2))
    image = Image.new("RGB", (48, 96), (90 + 40 * (camera % 4),) * 3)
    draw, middle = ImageDraw.Draw(image), 24 + varied.randint(-3, 3)
    draw.ellipse((middle - 6, 8, middle + 6, 24), fill=(220, 180, 150))
    draw.rectangle((middle - 12, 24, middle + 12, 58), fill=top)
    draw.rectangle((middle - 10, 58, middle + 10, 91), fill=legs)
    noise = np.random.default_rng(varied.randint(0, 10**9)).integers(-12, 12, (96, 48, 3))
    return Image.fromarray((np.asarray(image).astype(int) + noise).clip(0, 255).astype(np.uint8)).convert(mode)


def save(file: Path, image: Image.Image, **options: Any) -> None:
    """Save an image; its folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **options)


def crops(folder: Path, *, persons: int = 8, cameras: int = 2, shots: int = 3, name: str = CROPS) -> None:
    """Some images of each person by each camera."""
    for person in range(1, persons + 1):
        for camera in range(1, cameras + 1):
            for shot in range(shots):
                save(
                    folder / name.format(person=person, camera=camera, shot=shot),
                    figure(person, camera, shot),
                    quality=90,
                )


def table(file: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def other_encoding(folder: Path) -> None:
    """Names that are no UTF-8, as a zip of another system's."""
    crops(folder)
    place = os.fsencode(folder)
    os.rename(place + b"/p03", place + b"/p\xe9p\xe9")  # noqa: PTH104 - a Path of bytes there is none
    os.rename(place + b"/p05/c1/0.jpg", place + b"/p05/c1/\xd5\xd5\xc6\xac0.jpg")  # noqa: PTH104


def two_forms(folder: Path, *, decomposed: Sequence[int] = range(1, 7)) -> None:
    """Persons whose names are composed in one list and decomposed in another."""
    for person in range(1, 7):
        for part in ["train"] if person > 3 else ["query", "gallery"]:
            form = "NFD" if part == "gallery" and person in decomposed else "NFC"
            word = unicodedata.normalize(form, f"José{person}")
            for camera in (1, 2):
                for shot in range(2):
                    save(
                        folder / part / word / f"c{camera}" / f"{shot}{part[0]}.jpg",
                        figure(person, camera, f"{shot}{part}"),
                    )


def odd(folder: Path) -> None:
    """Rotated by their EXIF, CMYK, transparent, a GIF that is called .jpg, one pixel, one bit."""
    crops(folder)
    turned = Image.Exif()
    turned[0x0112] = 6
    for person in range(1, 9):
        for camera in (1, 2):
            lying = figure(person, camera, 0).transpose(Image.Transpose.ROTATE_90)
            save(folder / f"p{person:02}/c{camera}/0.jpg", lying, exif=turned, quality=90)
    save(folder / "p01/c1/3.JPG", figure(1, 1, 3, "CMYK"))
    save(folder / "p01/c1/4.WEBP", figure(1, 1, 4), format="WEBP")
    clear = figure(2, 1, 4, "RGBA")
    clear.putalpha(Image.fromarray((np.asarray(figure(2, 1, 4, "L")) > 150).astype(np.uint8) * 255))
    save(folder / "p02/c1/4.png", clear)
    moving = {"format": "GIF", "save_all": True, "append_images": [figure(3, 1, 5, "P")]}
    save(folder / "p02/c1/5.jpg", figure(2, 1, 5, "P"), **moving)
    save(folder / "p03/c1/5.png", Image.new("RGB", (1, 1), (200, 10, 10)))
    save(folder / "p03/c1/6.png", figure(3, 1, 6, "1"))


def thermal(folder: Path) -> None:
    """12 bits in files of 16."""
    for person in range(1, 9):
        for camera in (1, 2):
            for shot in range(3):
                grey = np.asarray(figure(person, camera, shot, "L")).astype(np.uint16) * 16
                save(folder / f"p{person:02}/c{camera}/{shot}.png", Image.fromarray(grey))


def half_tif(folder: Path) -> None:
    """Half of the persons as .tif."""
    crops(folder)
    for file in sorted(folder.glob("p0[5-8]/*/*.jpg")):
        save(file.with_suffix(".tif"), Image.open(file))
        file.unlink()


def macosx(folder: Path) -> None:
    """What a Mac's zip holds beside the images."""
    crops(folder)
    for person in range(1, 9):
        file = folder / f"__MACOSX/crops/p{person:02}/c1/._0.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\0\5\26\7" + bytes(100))


def synology(folder: Path) -> None:
    """A server's thumbnails in each folder."""
    crops(folder)
    for person in range(1, 9):
        save(folder / f"p{person:02}/c1/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", figure(person, 1, 0))


def market(folder: Path, *, second: int = 2) -> None:
    """Folders and names as in Market-1501; the second camera has the number ``second``."""
    parts = {"bounding_box_train": (1, 3), "query": (1601, 1), "bounding_box_test": (1601, 2)}
    for part, (first, shots) in parts.items():
        for person in range(first, first + 4):
            for camera in (1, 2):
                for shot in range(shots):
                    mark = f"c{camera if camera == 1 else second}s1_{shot:06}_{'00' if part == 'query' else '01'}"
                    save(folder / part / f"{person:04}_{mark}.jpg", figure(person, camera, f"{shot}{part}"))


def msmt_repacked(folder: Path) -> None:
    """MSMT17's names in Market-1501's folders."""
    market(folder)
    for number, file in enumerate(sorted(folder.glob("*/*.jpg"))):
        person, camera = file.name.split("_")[:2]
        file.rename(file.with_name(f"{person}_c{int(camera[1]) + 9}_{number:04}.jpg"))


def boxes(folder: Path) -> None:
    """Whole frames of three people, and a list of boxes in them."""
    rows = []
    for number in range(24):
        frame = Image.new("RGB", (200, 120), (120, 130, 140))
        for place in range(3):
            person, left = (number + 3 * place) % 8 + 1, 8 + 64 * place
            frame.paste(figure(person, number % 2, number), (left, 12))
            rows.append([f"frame{number:02}.jpg", person, left, 12, left + 48, 108])
        save(folder / f"frame{number:02}.jpg", frame)
    header = ["path", "person", "x_1", "y_1", "x_2", "y_2"]
    table(folder / "all.csv", header, rows)
    table(folder / "one_each.csv", header, rows[::3])


def wild(folder: Path) -> None:
    """Lists of the crops, with individuals that nobody knows."""
    crops(folder / "crops")
    rows = [
        [CROPS.format(person=p, camera=c, shot=s), f"turtle_{p}" if p < 6 else "unknown", f"c{c}"]
        for p in range(1, 9)
        for c in (1, 2)
        for s in range(3)
    ]
    rows = [[f"crops/{path}", *rest] for path, *rest in rows]
    table(folder / "metadata.csv", ["path", "identity", "camera"], rows)
    table(folder / "renamed.csv", ["path", "person", "camera"], rows)


def excel(folder: Path) -> None:
    """Lists as Excel writes them: a mark at the start, semicolons, a line that names them, UTF-16."""
    crops(folder / "crops")
    files = [(CROPS.format(person=p, camera=c, shot=s), p, c) for p in range(1, 9) for c in (1, 2) for s in range(3)]
    lines = ["path;person;camera", *(f"crops/{path};{person};c{camera}" for path, person, camera in files), ""]
    text = "\r\n".join(lines)
    (folder / "plain.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (folder / "sep.csv").write_bytes(b"\xef\xbb\xbf" + f"sep=;\r\n{text}".encode())
    (folder / "utf16.csv").write_bytes(text.replace(";", "\t").encode("utf-16"))


def one_large(folder: Path) -> None:
    """An image of 182 megapixels among crops."""
    crops(folder)
    save(folder / "p01/c1/9.png", Image.new("L", (14000, 13000), 128), compress_level=1)


def own_camera(folder: Path) -> None:
    """Every person under a camera of their own."""
    for person in range(1, 9):
        for shot in range(4):
            save(folder / f"p{person:02}/c{person}/{shot}.jpg", figure(person, person, shot))


def odd_names(folder: Path) -> None:
    """Folders whose names mean something to a shell or to Hydra."""
    for name in NAMES:
        crops(folder / name)


def linked(folder: Path) -> None:
    """The crops by another path."""
    shutil.rmtree(folder)
    folder.symlink_to(draw("crops", folder.parent), target_is_directory=True)


def weights(folder: Path) -> None:
    """One network's weights as other projects write them."""
    import timm
    import torch

    torch.manual_seed(0)
    state = timm.create_model("resnet18.tv_in1k", pretrained=False, num_classes=10).state_dict()
    bare = {key: value for key, value in state.items() if not key.startswith("fc")}
    layers = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]
    twice = {f"module.encoder_{which}.{key}": value for which in "qk" for key, value in state.items()}
    numbered = {f"{layers.index(key.split('.')[0])}.{key.partition('.')[2]}": value for key, value in bare.items()}
    vit = timm.create_model("vit_tiny_patch16_224.augreg_in21k_ft_in1k", pretrained=False).state_dict()
    files: dict[str, dict[str, Any]] = {
        "compiled": {f"_orig_mod.{key}": value for key, value in state.items()},
        "compiled_ddp": {f"module._orig_mod.{key}": value for key, value in state.items()},
        "moco": {"state_dict": twice, "epoch": 1},
        "numbered": {f"module.base.{key}": value for key, value in numbered.items()},
        "torchreid": {"state_dict": state, "epoch": 3, "rank1": np.float64(0.87), "optimizer": {}},
        "fastreid": {
            "model": {f"backbone.{key}": value for key, value in bare.items()} | {"pixel_mean": torch.zeros(3)}
        },
        "strong": {f"base.{key}": value for key, value in bare.items()} | {"classifier.weight": torch.zeros(7, 512)},
        "half": {key: value.half() for key, value in state.items()},
        "vit224": vit,
    }
    for name, content in files.items():
        torch.save(content, folder / f"{name}.pth")


INPUTS: dict[str, Callable[[Path], object]] = {
    "crops": crops,
    "linked": linked,
    "three": lambda folder: crops(folder, persons=3),
    "two": lambda folder: crops(folder, persons=2),
    "lone": lambda folder: crops(folder, cameras=1, shots=1),
    "many": lambda folder: crops(folder, persons=72, cameras=4, shots=6),
    "camera_first": lambda folder: crops(folder, cameras=4, name="c{camera}_{person:03}_{shot}.png"),
    "other_encoding": other_encoding,
    "two_forms": two_forms,
    "one_form_twice": lambda folder: two_forms(folder, decomposed=[1]),
    "market_c10": lambda folder: market(folder, second=10),
    **{
        made.__name__: made
        for made in (odd, thermal, half_tif, macosx, synology, market, msmt_repacked, boxes, wild, excel)
    },
    **{made.__name__: made for made in (one_large, own_camera, odd_names, weights)},
}


def draw(name: str, folder: Path) -> Path:
    """Draw an input into a folder of its name, unless it is there already."""
    place = folder / name
    if not place.exists():
        place.mkdir(parents=True)
        INPUTS[name](place)
    return place
