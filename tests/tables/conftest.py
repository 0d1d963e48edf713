"""Folders of made-up runs, with the plans of their tables."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from reid_lit.records import Shot
from reid_lit.run.query_scores import write_query_scores
from reid_lit.tables.spec import PAPER, cells, dimensions, read_table, rows_of, suffix

STAMP = {"protocol": "market1501", "ap": "step", "distance": "cosine", "feature": "embedding", "whole": True}
CONFIG = {
    "model": {}, "dataset": {"_target_": "reid_lit.data.sets.market1501.Market1501"}, "test_on": [],
    "backbone": {"name": "resnet18.tv_in1k", "weights": "none"}, "transform": {"size": [64, 32]}, "trainer": {"devices": 1},
}  # fmt: skip


def shots(queries, name="query"):
    return [Shot(Path(f"{name}_{place:04}.jpg"), place % 50, place % 6) for place in range(queries)]


class MadeUp:
    """Writes runs whose queries have an average precision of a shared difficulty plus a skill."""

    def __init__(self, folder):
        self.folder = folder
        self.plans = {}

    def run(self, table, row, label, seed, skill, *, size="real", queries=200, asked="query", keep=True, ratio=0.5):
        """The folder of a run, in its table's plan."""
        digest = hashlib.sha256(f"{table}{row}{label}{seed}{size}".encode()).hexdigest()[:10]
        place = self.folder / "trainings" / digest
        place.mkdir(parents=True)
        hard = np.random.default_rng(7).uniform(0.1, 0.7, queries)
        own = np.random.default_rng(int(digest[:6], 16)).normal(0, 0.05, queries)
        precision = np.clip(hard + own + skill, 0.01, 1)
        first = np.where(precision > 0.4, 1, 3)
        dataset = label.rpartition("-")[2] or label
        if keep:
            arrays = {
                "first_match": first.astype(np.int32), "average_precision": precision.astype(np.float32),
                "first_match_nd": first.astype(np.int32), "average_precision_nd": precision.astype(np.float32),
            }  # fmt: skip
            write_query_scores(place, dataset, shots(queries, asked), arrays, row=dataset, average="")
        scores = {"rank1": float((first == 1).mean()), "mAP": float(precision.mean()), "R": ratio}
        scores |= {"rank1_nd": scores["rank1"], "mAP_nd": scores["mAP"]}
        results = [{"dataset": dataset, "scores": scores, "stamp": STAMP, "test_seconds": 1.0}]
        (place / "metrics.json").write_text(json.dumps({"train_seconds": 600, "results": results}))
        (place / "config.yaml").write_text(yaml.safe_dump(CONFIG))
        (place / "environment.json").write_text(json.dumps([{"gpus": [], "machine": "Linux", "threads": 2}]))
        self.plan(table, size)["cells"].append(
            {
                "row": [str(each["name"]) for each in rows_of(read_table(table), size)].index(row), "label": label,
                "seed": seed, "asked": True, "training": str(place), "folder": str(place),
            }
        )  # fmt: skip
        file = self.folder / (table + suffix(size)) / "plan.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.plan(table, size)))
        return place

    def scores(self, table, row, seed, *, label="market1501", size="real"):
        """The scores of a run."""
        name = hashlib.sha256(f"{table}{row}{label}{seed}{size}".encode()).hexdigest()[:10]
        return json.loads((self.folder / "trainings" / name / "metrics.json").read_text())["results"][0]["scores"]

    def plan(self, table, size):
        if (table, size) not in self.plans:
            spec = read_table(table)
            config = CONFIG | {"callbacks": {}, "loader": {}}
            recipes = [{"row": cell.row, "label": cell.label, "config": config} for cell in cells(spec, PAPER)]
            self.plans[table, size] = {
                "table": table, "size": size, "command": "python", "table_dir": str(self.folder), "overrides": [],
                "seeds": [0, 1, 2], "spec": spec, "rows": rows_of(spec, size), "dimensions": dimensions(spec, size),
                "recipes": recipes, "cells": [],
            }  # fmt: skip
        return self.plans[table, size]


@pytest.fixture
def made_up(tmp_path):
    return MadeUp(tmp_path / "tables")
