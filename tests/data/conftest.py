import csv
import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.market1501 import Market1501
from reid_lit.data.transforms.transform import Flip, PadCrop, Transform

MARKET = {
    "bounding_box_train": [
        "0002_c1s1_000451_03.jpg",
        "0002_c2s1_000451_01.jpg",
        "0002_c1s1_000551_01.jpg",
        "0007_c3s1_000551_01.jpg",
        "0007_c6s2_000551_01.jpg",
        "0010_c1s1_000551_01.jpg",
        "0010_c4s1_000551_01.jpg",
    ],
    "query": ["0001_c1s1_001051_00.jpg", "0001_c2s1_000301_00.jpg", "0003_c5s1_000301_00.jpg.jpg"],
    "bounding_box_test": [
        "0000_c1s1_000151_01.jpg",
        "-1_c1s1_000401_03.jpg",
        "0003_c1s1_000301_01.jpg.jpg",
        "0001_c3s1_000301_01.jpg",
        "0001_c1s1_000301_01.jpg",
    ],
}
LAYUMI_FOLDERS = {"bounding_box_train": "train_all", "query": "query", "bounding_box_test": "gallery"}


@pytest.fixture(scope="session")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("jpeg") / "one.jpg"
    Image.radial_gradient("L").resize((12, 24)).convert("RGB").save(path)
    return path


@pytest.fixture
def plant(jpeg: Path) -> Callable[[Path, Iterable[str]], Path]:
    """Puts one real image under each of the names below a folder."""

    def planted(root: Path, names: Iterable[str]) -> Path:
        image, names = jpeg.read_bytes(), [root / name for name in names]
        for folder in {path.parent for path in names}:
            folder.mkdir(parents=True, exist_ok=True)
        for path in names:
            path.write_bytes(image)
        return root

    return planted


@pytest.fixture
def market(tmp_path: Path, plant) -> Path:
    root = plant(tmp_path / "market", [f"{folder}/{name}" for folder, names in MARKET.items() for name in names])
    (root / "query" / "Thumbs.db").write_bytes(b"no image")
    return root


@pytest.fixture
def market_layumi(tmp_path: Path, plant) -> Path:
    names = [
        f"{LAYUMI_FOLDERS[folder]}/{name.split('_')[0]}/{name}" for folder, names in MARKET.items() for name in names
    ]
    return plant(tmp_path / "layumi" / "pytorch", names)


@pytest.fixture
def official(reid_data) -> Iterator[Callable[[str, bool], Path]]:
    """Empty files under all names of a list in ``$REID_DATA/lists``, in the original or in layumi's layout.

    A list is a CSV file of persons and paths, such as ``market1501_train.csv``; the files are gone after the test.
    """
    memory = Path("/dev/shm")  # 36,000 files on a disk take a while
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:

        def named(prefix: str, layumi: bool) -> Path:
            for part in ("train", "query", "test"):
                with (reid_data("lists") / f"{prefix}_{part}.csv").open() as file:
                    names = [path.split("/") for _, path in csv.reader(file)]
                if layumi:
                    names = [(f"pytorch/{LAYUMI_FOLDERS[place]}/{name.split('_')[0]}", name) for place, name in names]
                for place in {place for place, _ in names}:
                    Path(folder, place).mkdir(parents=True)
                for place, name in names:
                    Path(folder, place, name).write_bytes(b"")
            return Path(folder)

        yield named


@pytest.fixture
def market_data(market: Path) -> Callable[..., Market1501]:
    """Makes a datamodule of the small tree."""

    def made(*, train=None, sampler=ShuffleSampler, **changes) -> Market1501:
        sizes = {"batch_size": 2, "test_batch_size": 3, "workers": 0}
        augment = [PadCrop(pad=2), Flip(probability=0.5)]
        sizes |= {key: changes.pop(key) for key in tuple(changes) if key in sizes}
        return Market1501(
            root=market,
            transform=Transform(size=[16, 8], interpolation="bilinear", train=augment if train is None else train),
            sampler=functools.partial(sampler),
            loader=Loader(**sizes),
            **changes,
        )

    return made
