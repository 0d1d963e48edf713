"""A calibration tried on persons that took no part in it: some calibrate, some are enrolled, the rest are strangers.

python scripts/try_strangers.py <run> <list.csv> [--calibrate 20] [--enrol 15] [--seed 0]

The list has path, person and camera; persons are drawn with the seed. Enrolled persons' images of all cameras but the
last are the gallery, those of the last camera and the strangers' of it are the queries. The false match rate and the
false non-match rate of the pairs of a query and an enrolled image, and what becomes of whole queries, are held against
what ``reid_lit.calibrate`` said.
"""

import argparse
import csv
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import reid_lit.gallery
from reid_lit.calibration.record import Threshold, calibration_file, read_calibration
from reid_lit.gallery.rows import Entry

RESAMPLES = 1000


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("list", type=Path)
    parser.add_argument("--calibrate", type=int, default=20)
    parser.add_argument("--enrol", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("strangers"))
    asked = parser.parse_args()
    with asked.list.open(newline="") as text:
        rows = list(csv.DictReader(text))
    persons = sorted({row["person"] for row in rows})
    random.Random(asked.seed).shuffle(persons)
    first, second = asked.calibrate, asked.calibrate + asked.enrol
    groups = {"calibrate": persons[:first], "enrolled": persons[first:second], "strangers": persons[second:]}
    print({name: len(group) for name, group in groups.items()})
    last = max(row["camera"] for row in rows)
    asked.out.mkdir(parents=True, exist_ok=True)
    file = write_list(asked.out / "calibrate.csv", [row for row in rows if row["person"] in groups["calibrate"]])
    run = asked.out / "run"
    if not run.exists():
        shutil.copytree(asked.run, run)
    command = ["reid_lit.calibrate", f"run={run}", "dataset=csv", f"dataset.root={file}"]
    subprocess.run([sys.executable, "-m", *command], check=True)
    shutil.rmtree(asked.out / "gallery", ignore_errors=True)
    gallery = reid_lit.gallery.create(asked.out / "gallery", run)
    gallery.enrol([entry(row) for row in rows if row["person"] in groups["enrolled"] and row["camera"] != last])
    query = [row for row in rows if row["person"] not in groups["calibrate"] and row["camera"] == last]
    report(gallery, query, groups, read_calibration(calibration_file(run)).thresholds)


def write_list(file: Path, rows: list[dict[str, str]]) -> Path:
    """Some rows of the list, with absolute paths."""
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(("path", "person", "camera"))
        writer.writerows((Path(row["path"]).resolve(), row["person"], row["camera"]) for row in rows)
    return file.resolve()


def entry(row: dict[str, str]) -> Entry:
    """A row to be enrolled."""
    return Entry(path=str(Path(row["path"]).resolve()), person=row["person"], camera=row["camera"])


def report(
    gallery: reid_lit.gallery.Gallery,
    query: list[dict[str, str]],
    groups: dict[str, list[str]],
    thresholds: tuple[Threshold, ...],
) -> None:
    """Hold what was found against what the calibration said."""
    stored = list(gallery.rows())
    enrolled = np.array([row["person"] for row in stored])
    side = np.stack([gallery.vector_of(row["number"]) for row in stored])
    asked = gallery.embedder([row["path"] for row in query], normalize=True).numpy()
    person = np.array([row["person"] for row in query])
    score, same = asked @ side.T, person[:, None] == enrolled[None]
    known = np.isin(person, groups["enrolled"])
    print(f"{len(stored)} enrolled images, {known.sum()} queries of enrolled persons, {(~known).sum()} of strangers")
    for each in thresholds:
        if each.threshold is None:
            print(f"FMR {each.fmr:g}: {each.reason}")
            continue
        above = score >= each.threshold
        fmr, fnmr = above[~same].mean(), (~above)[same].mean()
        low, high = over_persons(above, same, person, enrolled)
        print(
            f"FMR {each.fmr:g}, threshold {each.threshold:.4f} ({each.low:.4f} to {each.high:.4f}): measured {fmr:.5f}"
            f" (95 % over persons {low:.5f} to {high:.5f}); FNMR {fnmr:.2%}, the calibration said {each.fnmr:.2%}"
            f" ({each.fnmr_low:.2%} to {each.fnmr_high:.2%})"
        )
        own = np.quantile(score[~same], 1 - each.fmr)
        inside = each.low <= own <= each.high
        print(f"  the threshold of these persons is {own:.4f}, {'inside' if inside else 'outside'} the interval")
        some = above.any(1)
        top = enrolled[score.argmax(1)] == person
        print(
            f"  whole queries: strangers with a match {some[~known].mean():.2%}; enrolled persons with none"
            f" {(~some)[known].mean():.2%}, first right {top[known].mean():.2%}"
        )


def over_persons(above: np.ndarray, same: np.ndarray, person: np.ndarray, enrolled: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the false match rate, persons of both sides drawn again."""
    names = np.unique(np.concatenate([person, enrolled]))
    rows, columns = np.searchsorted(names, person), np.searchsorted(names, enrolled)
    chance, rates = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        weight = np.bincount(chance.integers(len(names), size=len(names)), minlength=len(names))
        counted = weight[rows][:, None] * weight[columns][None] * ~same
        rates.append((counted * above).sum() / max(1, counted.sum()))
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
