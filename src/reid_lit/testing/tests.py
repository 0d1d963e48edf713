"""Tests of a model on one data set or several, with all of their tests and splits."""

import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict

from reid_lit.data.base import ReidData
from reid_lit.errors import InputError
from reid_lit.evaluation.ahead import check_scorable
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import Result
from reid_lit.evaluation.tracks import shown_of
from reid_lit.evaluation.views import check_crops
from reid_lit.kinds import PERSON, said
from reid_lit.models.base import RetrievalModel
from reid_lit.records import JUNK, Split
from reid_lit.run.datasets import chosen, make_data, split_ids, with_dataset, with_split
from reid_lit.run.folder import Run
from reid_lit.run.listed import listed
from reid_lit.run.published import published
from reid_lit.run.results import Row
from reid_lit.testing.inference import provenance_of
from reid_lit.testing.kept_queries import keep_queries
from reid_lit.testing.published_weights import PublishedWeights
from reid_lit.testing.thresholds import with_application

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A query and a gallery to be tested on.

    Attributes:
        data: The datamodule whose ``split`` holds them.
        row: Name of the row of results: the same for all splits of one test.
        average: Name of the row that averages this test with others; empty: none.
        split_id: The numbered split; None where there is a single one.
    """

    data: ReidData
    row: str
    average: str
    split_id: int | None


def trained_model(config: DictConfig, run: Run) -> RetrievalModel:
    """The model of ``run``, built as ``config`` says; keys that only a training needs are removed from ``config``.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: it holds code or is damaged.
    """
    checkpoint = run.read_weights()
    model = _built(config, persons=checkpoint["persons"])
    model.load_weights(checkpoint)
    return model


def published_model(config: DictConfig) -> RetrievalModel:
    """The model that ``config.weights`` are of, as ``config.as`` says; ``config`` as :func:`trained_model` leaves it.

    Raises:
        MissingFileError: there is no such file.
        InputError: it holds code, is damaged, or is none of this recipe.
    """
    read = PublishedWeights.read(Path(config.weights).expanduser(), published(config["as"]))
    model = _built(config, persons=read.persons)
    read.load_into(model)
    return model


def _built(config: DictConfig, *, persons: int) -> RetrievalModel:
    """The model of a config, at its start; keys that only a training needs are removed."""
    with open_dict(config):
        config.backbone.weights = "none"  # the checkpoint has them
        config.trainer.logger = False  # the run's log stays as it is
        for training_only in ("checkpoint", "learning_rate", "health", "features"):
            config.callbacks.pop(training_only, None)
    return instantiate(config.model, _convert_="all")(persons=persons)


def find_tests(config: DictConfig, data: ReidData, *, needed: bool = True) -> list[Test]:
    """The tests of ``test_on``, read and checked; those of the run's own data set when it names none.

    A training whose ``test_on`` is null has no test, and reads none: what it is tested on later is not known to it.

    Args:
        config: The run's config; an entry of ``test_on`` is an option of ``dataset``, or a mapping with ``dataset`` and
            keys that differ from that option (``{dataset: ward, root: /data/WARD}``).
        data: The data set that the run trains on.
        needed: Whether there must be a test: a training does without where ``test_on`` is null, and on images without
            persons, which it says.

    Raises:
        ValueError: nothing is to be tested, there are no test persons, a test cannot be scored as the evaluation asks
            (see :func:`~reid_lit.evaluation.ahead.check_scorable`), or its crops do not fit into the images.
        FileNotFoundError: a data set is not there.
    """
    if config.test_on is None:
        if needed:
            raise InputError("test_on=null: this run tests nothing itself; name data sets: test_on=[market1501]")
        return []
    tests: list[Test] = []
    for entry in listed(config, "test_on", such="market1501") or [chosen()]:
        if entry == chosen() and not needed and _nobody_known(data):
            _log.warning(
                "%s: %s; test_on=[…] names labelled sets, now or in reid_lit.evaluate",
                data.split.name,
                said("no person is known on its images, so nothing is tested on them"),
            )
            continue
        if entry == chosen():
            split_id = config.dataset.get("split_id") if data.SPLITS > 1 else None
            entry_tests = _read(data, split_id)
        else:
            entry_tests = _of_entry(with_dataset(config, entry))
        tests += _named_apart(entry_tests, {test.row for test in tests})
    protocol: Protocol = instantiate(config.evaluation)
    for test in tests:  # before hours of training
        check_scorable(test.data.split, protocol)
    if protocol.crops is not None:
        for test in tests:
            check_crops(protocol.crops, test.data.transform.test_size)
    return tests


def check_validation(config: DictConfig, data: ReidData) -> None:
    """Raise InputError where the persons that a training validates with cannot be scored; before it starts.

    Args:
        config: The run's config.
        data: What is trained on, after ``setup``.

    Raises:
        ValueError: as :func:`find_tests` does of a test.
    """
    if data.validation is None:
        return
    protocol: Protocol = instantiate(config.evaluation)
    try:
        check_scorable(data.validation, protocol)
        if protocol.crops is not None:
            check_crops(protocol.crops, data.transform.test_size)
    except InputError as error:
        drawn = f"dataset.val_persons={data.val_persons} draws them: give another number, or 0 for no validation"
        cure = f"; {drawn}" if data.val_persons else ""
        raise InputError(f"the validation persons of {data.split.name} cannot be scored: {error}{cure}") from error


def _nobody_known(data: ReidData) -> bool:
    """Whether a data set, after ``setup``, has images to adapt to and none whose persons are known to test on."""
    nobody = any(shot.person_id == JUNK for shot in data.split.train)
    return nobody and not any(test.query or test.gallery for test in data.split.tested)


def _of_entry(config: DictConfig) -> list[Test]:
    ids = split_ids(config)
    if ids is None:
        return _read(make_data(config), None)
    return [test for split_id in ids for test in _read(make_data(with_split(config, split_id)), split_id)]


def _read(data: ReidData, split_id: int | None) -> list[Test]:
    data.prepare_data()
    data.setup("test")
    if _nobody_known(data):
        raise InputError(
            f"{data.split.name} has images of unknown persons alone, so nothing can be tested on them; name labelled"
            " data sets in test_on, such as test_on=[market1501]"
        )
    if not all(test.query for test in data.split.tested):
        raise InputError(
            f"{data.split.name} is read without test persons; name other data sets in test_on, or choose persons to"
            f" test (dataset.train_on=split, for MSMT17 train; dataset.test_on=val for SynergySports)"
        )
    tests = []
    for view in data.tests():
        average = view.split.average or data.split.average
        tests.append(Test(data=view, row=view.split.name, average=average, split_id=split_id))
    return tests


def _named_apart(tests: list[Test], taken: set[str]) -> list[Test]:
    """The tests under names that no other entry has; each split has its own name for pictures and log entries."""
    several = len({test.split_id for test in tests}) > 1
    number = next(n for n in itertools.count(1) if not taken & {_numbered(test.row, n) for test in tests})
    named = []
    for test in tests:
        row = _numbered(test.row, number)
        name = f"{row}_split_{test.split_id}" if several else row
        test.data.split = dataclasses.replace(test.data.split, name=name)
        named.append(dataclasses.replace(test, row=row, average=test.average and _numbered(test.average, number)))
    return named


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def run_tests(
    trainer: pl.Trainer,
    model: RetrievalModel,
    tests: list[Test],
    behind: Callable[[Split], Distractors | None] | None = None,
    *,
    run: Run,
) -> list[Row]:
    """Test ``model`` and return a row of results for each test, in JSON's types.

    Args:
        trainer: Runs the tests.
        model: The model.
        tests: The tests.
        behind: Gives the distractors of a test's gallery, on disk.
        run: The folder that keeps the scores of each query.

    Raises:
        RuntimeError: a test gave no result.
        ValueError: embeddings are not finite, some distractors are images of the test, or see
            :func:`reid_lit.evaluation.scores.evaluate`.
    """
    rows = []
    for test in tests:
        start = time.perf_counter()
        result = model.test_on(trainer, test.data, behind(test.data.split) if behind else None)
        named = {"row": test.row, "split_id": test.split_id, "average": test.average}
        seconds = time.perf_counter() - start
        keep_queries(run, shown_of(test.data.split, model.evaluation), result, named)
        origin = partial(provenance_of, model, test.data.transform, str(trainer.precision))
        with_application(result, model.evaluation, origin, run.folder)
        row = result_row(test.data.split, result, named, precision=str(trainer.precision), seconds=seconds)
        if (whole := test.data.whole()) is not None:
            row["stamp"]["whole"] = whole
        row["stamp"] |= model.stamp
        if model.selected is not None:
            row["stamp"]["weights"] = "epoch {epoch}, chosen by {figure} without labels".format(**model.selected)
        rows.append(row)
    return rows


def result_row(split: Split, result: Result, named: Mapping[str, Any], *, precision: str, seconds: float) -> Row:
    """A row of results, in JSON's types.

    Args:
        split: The query and gallery of the test.
        result: The scores.
        named: ``row``, ``split_id`` and ``average`` of a :class:`Test`.
        precision: Lightning's name of the arithmetic that embedded the images.
        seconds: How long it took.
    """
    stamp = {"protocol": split.rules.name or named["row"]} | result.stamp
    if split.kind != PERSON:
        stamp["kind"] = list(split.kind)
    return {
        "dataset": named["row"],
        **({} if named["split_id"] is None else {"split_id": named["split_id"]}),
        **({"average": named["average"]} if named["average"] else {}),
        "scores": result.scores,
        **({"details": result.details} if result.details else {}),
        "stamp": stamp | {"precision": precision, "notes": [said(note, split.kind) for note in split.notes]},
        "test_seconds": round(seconds, 1),
    }
