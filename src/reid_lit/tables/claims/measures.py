"""What claims are about beside scores: read from the logs and figures that a run's folder holds."""

import itertools
import json
from pathlib import Path

from reid_lit.files.log import logged
from reid_lit.run.folder import Run

ITERATIONS = 500
"""How many the paper's figure of the losses shows."""

POINTS = 10
"""The fewest logged losses in which a rise can be seen."""

SHARE = 0.9
"""Of the lower last mAP of two runs, the mAP to which their epochs are counted."""

HOW = {
    "norm_variation": "python -m reid_lit.figure figure=norms run=<training> output=<training>/figures",
    "triplet_rise": "once more with trainer.log_every_n_steps=1",
    "epochs_to_mAP": "trainings with dataset.val_persons=<number>",
}
"""What leaves the numbers of each measure."""


def norm_variation(folder: Path, part: str) -> float | None:
    """Standard deviation / mean of the norms of ``f_t`` or ``f_i``, which figure=norms wrote into the run's folder.

    Source: Luo et al. 2019, Fig. 11.
    """
    file = folder / "figures" / "norms.json"
    return float(json.loads(file.read_text())["norms"][part]["variation"]) if file.is_file() else None


def triplet_rise(folder: Path) -> float | None:
    """The highest rise of the triplet loss above its lowest value before, early in training, of means of 20 iterations.

    None where it was not logged at every iteration: of single batches the noise alone rises.

    Source: Luo et al. 2019, §V-D2 and Fig. 8: it "initially increases and then decays".
    """
    points = logged(Run(folder).log, "train/triplet", along="step")
    shown = [value for step, value in points if step < ITERATIONS]
    steps = [step for step, _ in points]
    shown = [sum(part) / len(part) for part in _windows(shown, 20)]
    if len(shown) < POINTS or steps[-1] - steps[0] >= len(steps):
        return None
    lowest = itertools.accumulate(shown, min)
    return max(value - low for value, low in zip(shown, lowest, strict=True))


def _windows(values: list[float], size: int) -> list[list[float]]:
    return [values[start : start + size] for start in range(0, len(values) - size + 1, size)]


def epochs_to_level(folder: Path, other: Path) -> float | None:
    """Epochs until a run's mAP of held-out persons reaches nine tenths of the lower last one of two; None: not logged.

    Source: Stronger Baseline, Fig. 1, which says that one converges faster and names no level; ours.

    Args:
        folder: The run.
        other: The run that it is compared with.
    """
    curves = [[value for _, value in logged(Run(each).log, "val/mAP", along="epoch")] for each in (folder, other)]
    if not all(curves):
        return None
    level = SHARE * min(curve[-1] for curve in curves)
    return float(next(epoch for epoch, value in enumerate(curves[0], 1) if value >= level))
