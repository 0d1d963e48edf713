"""``python -m reid_lit.match a.jpg b.jpg run=<folder>``: whether two images show the same person."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.errors import InputError
from reid_lit.overrides import assignment

EXAMPLE = "python -m reid_lit.match a.jpg b.jpg run=<folder of a calibrated run>"


def match(config: DictConfig) -> None:
    """Print whether two images show the same person: P(same), the score and the threshold.

    Raises:
        ValueError: the images are not two, or the run was not calibrated for the rate.
    """
    from reid_lit.calibration.matching import matcher  # it imports torch

    found = matcher(config.run, fmr=float(config.fmr), prior=float(config.prior), trust=config.trust)(*config.images)
    sys.stdout.write(f"{json.dumps(found.as_json()) if config.json else found}\n")


def _reword(words: list[str]) -> list[str]:
    """The images, which are named without a key, as a list under their key.

    Raises:
        ValueError: they are not two.
    """
    images = [word for word in words if "=" not in word and not word.startswith(("-", "+", "~"))]
    others = [word for word in words if word not in images]
    if len(images) != 2 and not any(word.startswith(("-", "images=")) for word in others):
        raise InputError(f"{len(images)} images are named, and 2 are compared; {EXAMPLE}")
    return [assignment("images", images), *others] if images else others


def _check_named(values: Mapping[str, Any]) -> None:
    """Raise InputError unless a run is named."""
    if not values.get("run"):
        raise InputError(f"no run is named; {EXAMPLE}")


if __name__ == "__main__":
    launch(match, config_name="match", replay=False, first=_check_named, reword=_reword)
