"""What ``reid_lit.export`` does: the model, the crops and tests that it is gated by, the file, the print-out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from reid_lit.data.base import ReidData
from reid_lit.errors import InputError, UserError
from reid_lit.export.crops import for_gate, learnt_by, listed, of_training, own_tests, owner
from reid_lit.export.exporting import Material, Wanted, export
from reid_lit.export.facts import history_of
from reid_lit.export.formats import FORMATS, check_asked
from reid_lit.export.gate import Figure
from reid_lit.export.graph import Input
from reid_lit.export.presets import PRESETS, chosen, wanted_by
from reid_lit.files.access import is_file
from reid_lit.run.datasets import with_split
from reid_lit.run.folder import Run
from reid_lit.testing.embedder import Embedder
from reid_lit.testing.load import load


def exported(config: DictConfig, console: Console) -> list[Path]:
    """Write the file that ``config`` asks for, print the gate's figures and what is to be known of the data.

    Raises:
        ValueError: a word is none of those that there are, or no real crop is there to gate by.
        FileNotFoundError: there is no such run, or no such image.
        RuntimeError: the file is refused, or the format has no such operator.
    """
    preset = chosen(config)
    check_asked(config.format, config.precision, config.opset)
    place = Path(config.run).expanduser()
    embedder = load(place, device="cpu", precision="32-true", trust=config.trust).of_whole_images()
    embedder = preset.model(embedder) if preset else embedder
    folder = owner(place)
    wanted = wanted_by(preset, config, embedder) if preset else wanted_of(config, embedder)
    material = material_of(config, embedder, wanted, place=place, folder=folder)
    history = history_of(folder, licence=config.licence, contact=config.contact)
    files = export(
        embedder, wanted, file_of(config, place, folder), material, history, tell=lambda *told: show(console, *told)
    )
    for line in (*sizes(wanted, embedder), *terms(history)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return files


def wanted_of(config: DictConfig, embedder: Embedder) -> Wanted:
    """What ``config`` asks for.

    Raises:
        ValueError: the batch, the range, the colours or the type is none.
    """
    if config.batch is not None and config.batch < 1:
        raise InputError(f"batch={config.batch}: give a number of images, or null for any number")
    if config.range not in (1, 255):
        raise InputError(f"range={config.range}: give the value of white, 255 or 1")
    white = float(config.range)
    images = Input(
        size=embedder.transform.test_size, color=config.color, divisor=(white, white, white), dtype=config.dtype
    )
    return Wanted(
        input=images,
        unit_length=config.unit_length,
        format=config.format,
        precision=config.precision,
        opset=config.opset,
        batch=config.batch,
    )


def file_of(config: DictConfig, place: Path, folder: Path | None) -> Path:
    """Where the file is to be.

    Raises:
        ValueError: its name ends otherwise than files of the format do.
    """
    ending = FORMATS[config.format]
    if config.preset is not None:
        made = (place.parent if folder is None else folder) / "export" / config.preset
        return (Path(config.file).expanduser() if config.file else made) / PRESETS[config.preset].file
    if config.file is None:
        return place.with_suffix(ending) if folder is None else folder / "export" / f"{config.precision}{ending}"
    file = Path(config.file).expanduser()
    if file.suffix != ending:
        raise InputError(f"file={config.file}: files of format={config.format} end with {ending}")
    return file


def material_of(
    config: DictConfig, embedder: Embedder, wanted: Wanted, *, place: Path, folder: Path | None
) -> Material:
    """The crops, tests and calibration images of an export.

    Raises:
        ValueError: there is no crop, or a calibration image is none that the run has learnt from.
    """
    tests: Sequence[ReidData] | str = "test=false"
    calibration: list[Path] = []
    if wanted.precision == "int8":
        if folder is None:
            raise InputError("precision=int8: weights without a run have no training list; give precision=fp16")
        given = None if config.calibration is None else _several(config.calibration)
        calibration = of_training(folder, given, config.calibration_images)
    if config.test and folder is None:
        tests = "weights without a run"
    elif config.test and wanted.precision == "fp16" and wanted.format.startswith("torch"):
        tests = "torch computes half precision of all test images in hours on a CPU"
    elif config.test:
        try:
            tests = own_tests(_config_of(place), embedder.transform.test_size, config.dataset_root)
        except UserError as error:
            tests = str(error)
    images = _gate_images(config, tests, folder)
    crops = for_gate(embedder, images, embedder.transform.test_size)
    return Material(crops=crops, tests=tests, calibration=calibration, progress=config.progress_bar)


def _config_of(place: Path) -> DictConfig:
    """The config of a run or of its evaluation; in the folder of a split with that split."""
    folder = place.parent.parent if place.is_file() else place
    config = Run(folder).config()
    number = folder.name.removeprefix("split_")
    return with_split(config, int(number)) if number != folder.name and number.isdecimal() else config


def _gate_images(config: DictConfig, tests: Sequence[ReidData] | str, folder: Path | None) -> list[Path]:
    """The images that the gate compares: those that are given, else queries of the test, else what was learnt from."""
    if config.images is not None:
        return listed(_several(config.images))
    if not isinstance(tests, str):
        return [shot.path for shot in tests[0].split.query]
    there = [path for path in learnt_by(folder) if is_file(path)]
    if not there:
        raise InputError(
            f"images: no image of the run's own data is there to compare features on ({tests}); give real crops of"
            " persons, images=<folder>"
        )
    return there


def _several(value: Any) -> list[str]:
    return [str(each) for each in value] if OmegaConf.is_list(value) else [str(value)]


def show(console: Console, figures: Sequence[Figure], not_tested: str | None) -> None:
    """Print the gate's figures."""
    table = Table("figure", "value", "limit", "", title="the gate")
    for figure in figures:
        value = "–" if figure.value is None else f"{figure.value:.7f}" if figure.at_least else f"{figure.value:.4g}"
        limit = f"{'≥' if figure.at_least else '≤'} {figure.limit:g}"
        table.add_row(figure.name, value, limit, "holds" if figure.holds else "BROKEN")
    console.print(table)
    if not_tested is not None:
        console.print(f"rank-1 and mAP: not tested ({not_tested})", markup=False, highlight=False, soft_wrap=True)


def sizes(wanted: Wanted, embedder: Embedder) -> list[str]:
    """What is to be known where a consumer feeds another size than the model's."""
    own = embedder.transform.test_size
    if wanted.input.size == own:
        return []
    fed, taken = (" × ".join(map(str, size)) for size in (wanted.input.size, own))
    return [
        f"crops come in at {fed} and are {taken} inside; input_size=own takes them at {taken}: docs/export.md, Size"
    ]


def terms(history: dict[str, Any]) -> list[str]:
    """What is to be known before a file is given away."""
    lines = [
        f"{entry['title']} ({', '.join(entry['roles'])}), {entry['status']}: {entry['note'] or entry['terms']}"
        for entry in history["data"]
    ]
    licence = history["said"]["licence"]
    return [
        *lines,
        f"licence of the weights: {licence}" if licence else "licence of the weights: none is given (licence=)",
    ]
