"""On which data and by which network a run was measured, in words, from its config and its row of results."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

TITLES = {
    "market1501": "Market-1501", "dukemtmc": "DukeMTMC-reID", "cuhk03": "CUHK03", "viper": "VIPeR", "ward": "WARD",
    "msmt17": "MSMT17", "synergy_sports": "SynergySports", "synthetic_plaza": "synthetic plaza",
    "synthetic_campus": "synthetic campus", "prid2011": "PRID2011", "grid": "GRID", "ilids": "i-LIDS",
    "cuhk01": "CUHK01", "cuhk02": "CUHK02", "cuhk_sysu": "CUHK-SYSU", "caviar4reid": "CAVIAR4REID",
    "veri776": "VeRi-776", "vehicleid": "VehicleID",
}  # fmt: skip
"""How data sets are written; others as the run names them."""

TRANSFERS = {"m2d": "Market-1501 → DukeMTMC-reID", "d2m": "DukeMTMC-reID → Market-1501"}
"""The papers' transfers, by the labels of their tables."""

NETWORKS = {"resnet": "ResNet-", "densenet": "DenseNet-", "tf_efficientnet_lite": "EfficientNet-Lite "}


def dataset(name: str) -> str:
    """The name of a data set, or of a transfer.

    >>> dataset("market1501"), dataset("corridor"), dataset("m2d")
    ('Market-1501', 'corridor', 'Market-1501 → DukeMTMC-reID')
    """
    return (TITLES | TRANSFERS).get(name, name)


def data(label: str, row: str) -> str:
    """What was tested on; of a transfer, from where.

    >>> data("market1501", "market1501"), data("cuhk03+viper-market1501", "market1501"), data("m2d", "dukemtmc")
    ('Market-1501', 'CUHK03 + VIPeR → Market-1501', 'Market-1501 → DukeMTMC-reID')

    Args:
        label: Of the table's column.
        row: The name of the run's row of results; the label where nothing is run yet.
    """
    if label in TRANSFERS:
        return TRANSFERS[label]
    sources, arrow, _ = label.rpartition("-")
    if not arrow:
        return dataset(row)
    return f"{' + '.join(map(dataset, sources.split('+')))} → {dataset(row)}"


def network(config: Mapping[str, Any]) -> str:
    """The network of a run, what it starts from, and its image size.

    >>> network({"backbone": {"name": "resnet18.tv_in1k", "weights": "none"}, "transform": {"size": [64, 32]}})
    'ResNet-18 at 64 × 32 from scratch'
    >>> network({"backbone": {"name": "resnet18", "weights": "none"}, "model": {"weights": "trainings/source"}})
    'ResNet-18 from the weights of another run'
    """
    backbone = config.get("backbone") or {}
    name = str(backbone.get("name") or str(backbone.get("_target_", "unknown network")).rpartition(".")[2])
    name = name.partition(".")[0]
    for start, words in NETWORKS.items():
        if re.fullmatch(rf"{start}\d+", name):
            name = words + name.removeprefix(start)
    given = [str((config.get("model") or {}).get("weights")), str(backbone.get("weights"))]
    weights = next((each for each in given if each not in ("none", "None")), "none")
    start = {"none": " from scratch", "imagenet": ""}.get(weights, " from the weights of another run")
    size = (config.get("transform") or {}).get("size") or []
    return name + (f" at {size[0]} × {size[1]}" if len(size) == 2 else "") + start


SCORING = {"ap": "AP", "test_time_augmentation": "test-time augmentation", "precision": "precision"}
"""What of a stamp rows should have in common unless a claim is about it, with the words for it."""


def differing(stamps: Sequence[Mapping[str, Any]]) -> str:
    """In what the scoring of rows differs, in words; empty where it does not.

    >>> differing([{"ap": "step", "precision": "32-true"}, {"ap": "trapezoid", "precision": "32-true"}])
    'AP step or trapezoid'
    """
    found = []
    for key, name in SCORING.items():
        values = sorted({str(stamp[key]) for stamp in stamps if key in stamp})
        found += [f"{name} {' or '.join(values)}"] if len(values) > 1 else []
    return ", ".join(found)


def joined(words: Sequence[str]) -> str:
    """Different words once each, in their order.

    >>> joined(["ResNet-18", "ResNet-34", "ResNet-18"])
    'ResNet-18, ResNet-34'
    """
    return ", ".join(dict.fromkeys(words))
