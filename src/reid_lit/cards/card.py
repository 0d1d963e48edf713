"""The card of a run: made of the run's files, kept beside them, given to whatever carries the model away."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from reid_lit.cards.attributes import Attributes, own_tables, read_attributes
from reid_lit.cards.groups import RankedTest, Wanted, groups_of, read_ranked_tests, strangers
from reid_lit.cards.history import config_of, lineage_of_run, plain, sets_of, start_of, training_of
from reid_lit.cards.missing import missing
from reid_lit.cards.model import described, sha256, weights_of
from reid_lit.cards.scores import calibration_of, evaluations, tests_of
from reid_lit.cards.terms import terms_of
from reid_lit.cards.text import written
from reid_lit.errors import InputError, UserError
from reid_lit.kinds import kind_of_stamps
from reid_lit.kinds import said as said_of
from reid_lit.paths import write_text
from reid_lit.run.folder import Run, read_json, read_yaml

FORMAT, VERSION = "reid_lit card", 1
FILE = "card.json"
SAID: dict[str, str | None] = {"contact": None, "licence": None, "own_data": None}
"""What only whoever trained the model can say."""
_SOURCES = (
    "config.yaml", "environment.json", "metrics.json", "training_list.txt", "labelled_list.txt",
    "checkpoints/last.ckpt", "checkpoints/chosen.ckpt", "checkpoints/calibration.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """The card of a run.

    Attributes:
        content: What ``card.json`` holds, in JSON's types.
    """

    content: Mapping[str, Any]

    def text(self) -> str:
        """The card as Markdown, with the head that Hugging Face reads."""
        return written(self.content)

    def write(self, file: Path) -> list[Path]:
        """Write the card as Markdown into ``file``, and as JSON beside it."""
        text = json.dumps(self.content, indent=1, ensure_ascii=False, allow_nan=False)
        return [write_text(file, self.text()), write_text(file.with_suffix(".json"), text + "\n")]


def card_of(run: str | os.PathLike[str]) -> Card:
    """The card of a run, for what is exported or served: ``card_of(run).text()`` is Markdown, ``.content`` is JSON.

    It is the ``card.json`` that ``reid_lit.card`` wrote, as long as the run's files are those that it was made of; else
    one made now. Neither imports torch. What needs the model is taken over where the weights are the same.

    Args:
        run: The folder of the run.

    Raises:
        FileNotFoundError: the folder is no run's folder.
        ValueError: it is that of an evaluation.
    """
    folder = Path(run).expanduser()
    kept = read_json(folder / FILE)
    if not isinstance(kept, dict) or (kept.get("format"), kept.get("version")) != (FORMAT, VERSION):
        return make_card(folder, measured=None)
    if kept.get("sources") == sources(folder):
        return Card(kept)
    same = kept.get("weights") == weights_of(folder)
    return make_card(folder, measured=kept.get("measured") if same else None, said=kept.get("said"))


def make_card(
    folder: Path,
    *,
    measured: Mapping[str, Any] | None,
    why_not: str = "",
    wanted: Wanted | None = None,
    columns: Sequence[str] | None = None,
    said: Mapping[str, str | None] | None = None,
) -> Card:
    """Make the card of a run from its files.

    Args:
        folder: Of the run.
        measured: What :func:`reid_lit.cards.model.measured` found; None where the model was not built.
        why_not: Why it was not.
        wanted: Which groups are shown; without tables in it, those of the CSV files that the run reads.
        said: What whoever trained the model says of it: ``contact``, ``licence``, ``own_data``.
        columns: Of these files, as in :func:`reid_lit.cards.attributes.read_attributes`.

    Raises:
        FileNotFoundError: the folder is no run's folder.
        ValueError: it is that of an evaluation, its config computes something, or a table cannot be used.
    """
    run = Run(folder)
    config = config_of(run)
    record = run.metrics()
    if "run" in record:
        raise InputError(f"run={folder}: an evaluation; its run, {record['run']}, has the card, with its scores")
    lineage = lineage_of_run(run, config)
    tests = tests_of(folder)
    wanted = wanted or Wanted()
    named = replace(wanted, of=wanted.of or (tests[0]["dataset"] if tests else ""))
    groups, notes = _groups(folder, config, named, columns)
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": str(config.get("name", folder.name)),
        "said": SAID | dict(said or {}),
        "model": described(config),
        "measured": dict(measured) if measured else None,
        "weights": weights_of(folder),
        "start": start_of(run, config, lineage),
        "lineage": lineage,
        "training": training_of(run, config),
        "tests": tests,
        "groups": sorted(groups, key=lambda group: _place(group, tests)),
        "calibration": calibration_of(folder),
        "sources": sources(folder),
    }
    content["used"] = _used(content, config)
    content["data"] = _data(content["used"])
    kind = kind_of_stamps(test["stamp"] for test in tests)
    content["missing"] = [said_of(text, kind) for text in (*missing(content, why_not), *notes)]
    return Card(content)


def sources(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file that a card is made of, by its path in the run's folder."""
    files = [folder / name for name in _SOURCES]
    for place in (folder, *evaluations(folder)):
        rankings = [*place.glob("pictures/*/rankings.json"), *place.glob("split_*/pictures/*/rankings.json")]
        files += [place / "metrics.json", *sorted(rankings)]
    return {file.relative_to(folder).as_posix(): sha256(file) for file in dict.fromkeys(files) if file.is_file()}


def _place(group: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> int:
    """Where the results name the test of a group."""
    names = [(test["folder"], test["dataset"]) for test in tests]
    name = (group["folder"], group["dataset"])
    return names.index(name) if name in names else len(names)


def _used(content: Mapping[str, Any], config: DictConfig) -> list[list[str]]:
    """Every data set by name, with what it was used for."""
    used = [[used.name, used.role] for used in sets_of(config, content["lineage"])]
    used += [["imagenet", "start of the weights"]] if content["start"]["kind"] == "imagenet" else []
    used += [[test["dataset"], "tested on"] for test in content["tests"]]
    calibration = content["calibration"]
    return used + ([[calibration["data"].get("name", "unknown"), "calibrated on"]] if calibration else [])


def _data(used: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The data sets by their terms, each once, with all that it was used for."""
    found: dict[str, dict[str, Any]] = {}
    for name, role in used:
        entry = terms_of(name)
        roles = found.setdefault(entry["title"], entry | {"roles": []})["roles"]
        roles += [role] if role not in roles else []
    return list(found.values())


def _groups(
    folder: Path, config: DictConfig, wanted: Wanted, columns: Sequence[str] | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The scores by group, and what is to be said of them."""
    places = [folder, *evaluations(folder)]
    tests = read_ranked_tests(folder, places)
    notes: list[str] = []
    if wanted.attributes:
        _check_known(tests, wanted)
    else:
        configs = [plain(config), *(plain(read_yaml(place / "config.yaml")) for place in places[1:])]
        tables, notes = _own(own_tables(configs), columns)
        wanted = replace(wanted, attributes=tables)
    notes += [f"Not a group: {text}." for table in wanted.attributes for text in table.passed]
    return groups_of(tests, wanted), notes


def _own(files: Sequence[Path], columns: Sequence[str] | None) -> tuple[list[Attributes], list[str]]:
    """The columns of a run's own tables, and why one cannot be read; that is an error where columns are named."""
    tables, notes = [], []
    for file in files:
        try:
            tables.append(read_attributes(file, columns))
        except UserError as error:
            if columns:
                raise
            notes.append(f"Groups by {file.name}: {error}.")
    return tables, notes


def _check_known(tests: Sequence[RankedTest], wanted: Wanted) -> None:
    """Raise InputError for a table that lists no query."""
    unknown = strangers(tests, wanted)
    if not tests:
        raise InputError(
            f"attributes={unknown[0].file}: the run has no test whose queries are known one by one; test it with"
            f" callbacks.pictures.rankings=20"
        )
    if unknown:
        raise InputError(
            f"attributes={unknown[0].file}: it lists none of the queries of"
            f" {', '.join(dict.fromkeys(test.dataset for test in tests))}, such as {tests[0].queries.path[0]}; give"
            f" their paths in a column path, or their persons' numbers in a column person (attributes_of={wanted.of}:"
            f" the test whose numbers these are)"
        )
