"""Each preset of ``reid_lit.export`` in its consumer's own loader.

``python scripts/try_presets.py --run <run> --crops <folder of real crops>``

Exports a run by every preset, makes an environment with the consumer in it, runs the consumer's block of
``docs/export.md`` there on real crops, and compares with ``reid_lit.load``. The environments share this one's packages,
torch among them, and what a consumer needs in another version lies before them; they are removed at the end.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import reid_lit

DOCS = Path(__file__).parents[1] / "docs" / "export.md"
LEAST = 0.999


@dataclass(frozen=True)
class Consumer:
    """What the environment of a consumer has.

    Attributes:
        packages: Installed there, without what they ask for where ``alone``.
        alone: Whether this environment has all else that they ask for.
    """

    packages: tuple[str, ...] = ()
    alone: bool = True

    @property
    def package(self) -> str | None:
        """The consumer's own package; None: it has none, or this environment has it."""
        return self.packages[0].partition("==")[0] if self.packages else None


CONSUMERS = {
    "boxmot": Consumer(("boxmot", "filterpy", "lapx", "gdown", "beautifulsoup4", "soupsieve", "opencv-python<5")),
    "ultralytics": Consumer(
        (
            "ultralytics",
            "ultralytics-thop",
            "polars",
            "polars-runtime-32",
            "nvidia-ml-py",
            "psutil",
            "lapx",
            "opencv-python<5",
        )
    ),
    "deepstream": Consumer(),
    "openvino": Consumer(),
    "roboflow": Consumer(
        ("reid", "supervision", "pydeprecate", "defusedxml", "gdown", "beautifulsoup4", "soupsieve", "opencv-python<5")
    ),
    "fiftyone": Consumer(("fiftyone",), alone=False),
    "supervision": Consumer(("supervision", "pydeprecate", "defusedxml", "opencv-python<5")),
}


NO_DATABASE = """
import glob, sys

import fiftyone as fo
import fiftyone.utils.image as foui
import fiftyone.utils.patches as foup

sys.path.insert(0, "exports/fiftyone")
from reid_embedder import fiftyone_model

whole = fo.Detection(label="person", bounding_box=[0, 0, 1, 1])
patches = [foup.extract_patch(foui.read(path), whole) for path in sorted(glob.glob("crops/*.jpg"))]
with fiftyone_model("exports/fiftyone/reid_lit.onnx") as model:
    embeddings = model.embed_all(patches)
"""
"""FiftyOne's images and patches without its datasets, which ask for MongoDB."""


def block(preset: str) -> str:
    """The last block of Python below the heading of a preset."""
    if preset == "fiftyone" and shutil.which("mongod") is None:
        return NO_DATABASE
    section = re.search(rf"^### `{preset}`$(.*?)(?=^##|\Z)", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    if section is None:
        sys.exit(f"{DOCS} has no section on {preset}")
    return re.findall(r"```python\n(.*?)```", section[1], re.S)[-1]


def environment(folder: Path, consumer: Consumer) -> Path:
    """A new environment with a consumer; the path of its Python."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-cache-dir"]
    if consumer.packages:
        subprocess.run([*pip, *(["--no-deps"] if consumer.alone else []), *consumer.packages], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return python


def exported(run: Path, preset: str, folder: Path, words: list[str]) -> None:
    """Write a preset of a run into a folder."""
    command = [sys.executable, "-m", "reid_lit.export", f"run={run}", f"preset={preset}", f"file={folder}", *words]
    subprocess.run(command, check=True, stdout=sys.stderr)


def embedded(python: Path, preset: str, folder: Path) -> np.ndarray:
    """What the block of a preset gives for the crops of a folder."""
    code = f"{block(preset)}\nimport numpy\n\nnumpy.save('embeddings.npy', numpy.stack(list(embeddings)))\n"
    (folder / "block.py").write_text(code, encoding="utf-8")
    home = {
        "HOME": str(folder),
        "YOLO_CONFIG_DIR": str(folder),
        "YOLO_AUTOINSTALL": "false",
        "FIFTYONE_DO_NOT_TRACK": "1",
    }
    subprocess.run([python, "block.py"], cwd=folder, env={**os.environ, **home}, check=True, stdout=sys.stderr)
    found = np.load(folder / "embeddings.npy").astype(np.float64)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def version(python: Path, package: str | None) -> str:
    """Of a package there; ``–`` of none."""
    if package is None:
        return "–"
    code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Print a row for each consumer; exit code 1 where a cosine is below 0.999."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder of a finished run")
    parser.add_argument(
        "--plain-run", type=Path, help="one that compares the feature of a network of timm: for roboflow"
    )
    parser.add_argument("--crops", type=Path, required=True, help="a folder of real crops")
    parser.add_argument("--count", type=int, default=64, help="as many of them, evenly over the folder")
    parser.add_argument("--presets", nargs="+", choices=CONSUMERS, default=list(CONSUMERS))
    parser.add_argument(
        "--folder", type=Path, help="where environments are made, up to 2 GB each; default: the system's"
    )
    parser.add_argument("--words", nargs="*", default=["test=false"], help="for reid_lit.export")
    arguments = parser.parse_args()
    paths = sorted(arguments.crops.glob("*.jpg"))
    paths = [paths[place] for place in np.linspace(0, len(paths) - 1, arguments.count).astype(int)]
    print("| preset | consumer | least cosine | median |\n|---|---|---|---|", flush=True)
    worst = 1.0
    for preset in arguments.presets:
        run = arguments.plain_run if preset == "roboflow" and arguments.plain_run else arguments.run
        ours = reid_lit.load(run, device="cpu", precision="32-true")(paths, normalize=True).double().numpy()
        with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
            folder = Path(made).resolve()
            (folder / "crops").mkdir()
            for place, path in enumerate(paths):
                (folder / "crops" / f"{place:06d}.jpg").symlink_to(path.resolve())
            exported(run.resolve(), preset, folder / "exports" / preset, arguments.words)
            python = environment(folder / "environment", CONSUMERS[preset])
            cosines = (embedded(python, preset, folder) * ours).sum(1)
            name = f"{CONSUMERS[preset].package or preset} {version(python, CONSUMERS[preset].package)}"
            shutil.rmtree(folder / "environment")
        print(f"| `{preset}` | {name} | {cosines.min():.6f} | {np.median(cosines):.6f} |", flush=True)
        worst = min(worst, float(cosines.min()))
    sys.exit(worst < LEAST)


if __name__ == "__main__":
    main()
