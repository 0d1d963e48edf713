"""What ``reid_lit.calibrate`` does: the images, the measurements, the files."""

from pathlib import Path

from omegaconf import DictConfig

from reid_lit.calibration.images import labelled_images
from reid_lit.calibration.measure import measure
from reid_lit.calibration.record import Calibration, calibration_file
from reid_lit.errors import InputError
from reid_lit.figures.calibration import det_curve, reliability_diagram
from reid_lit.kinds import said
from reid_lit.paths import write_whole
from reid_lit.progress import progress
from reid_lit.run.listed import numbers
from reid_lit.run.split_rounds import trained_run


def calibrated(config: DictConfig) -> tuple[Calibration, list[Path]]:
    """The calibration of ``config.run`` on ``config.dataset``, and the files that hold and show it.

    Raises:
        ValueError: a rate is none, or see :func:`.images.labelled_images` and :func:`.measure.measure`.
    """
    rates = sorted(set(numbers(config, "rates", such="0.01,0.001")), reverse=True)
    if not rates or not all(0 < rate < 1 for rate in rates):
        raise InputError(f"rates={config.rates}: give false match rates between 0 and 1, such as [0.01,0.001]")
    if config.resamples < 1:
        raise InputError(f"resamples={config.resamples}: give how often persons are drawn, such as 1000")
    gaps = numbers(config, "time_gaps", such="60,3600")
    if gaps != sorted({gap for gap in gaps if 0 < gap < float("inf")}):
        raise InputError(
            f"time_gaps={config.time_gaps}: give ascending seconds above 0, such as [60,3600]; [] for none"
        )
    images, origin, facts = labelled_images(config)
    with progress("calibrating") as update:
        found = measure(
            images,
            origin=origin,
            data=facts,
            rates=rates,
            resamples=config.resamples,
            by_cameras=config.camera_pairs and images.across,
            gaps=gaps,
            tell=update,
        )
    run = trained_run(config).folder
    return found, [found.write(calibration_file(run)), *_draw(found, run / "calibration")]


def _draw(found: Calibration, folder: Path) -> list[Path]:
    title = f"{found.data['name']}, {said('{:,} persons'.format(found.data['persons']))}"
    levels = [(level.predicted, level.seen, level.share) for level in found.levels]
    figures = {
        "reliability.png": reliability_diagram(levels, title=f"{title}\nexpected calibration error {found.ece:.4f}"),
        "det.png": det_curve([(point.fmr, point.fnmr) for point in found.det], title=title),
    }
    return [write_whole(folder / name, figure.savefig) for name, figure in figures.items()]
