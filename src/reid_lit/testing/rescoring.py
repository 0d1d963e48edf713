"""The evaluation of files of embeddings, without a model."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from reid_lit.callbacks.pictures import Pictures
from reid_lit.errors import InputError
from reid_lit.evaluation.ahead import check_scorable
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import Result
from reid_lit.evaluation.tracks import shown_of
from reid_lit.files.access import is_file
from reid_lit.kinds import speak_of
from reid_lit.records import Split
from reid_lit.run.datasets import chosen, with_split
from reid_lit.run.folder import Run
from reid_lit.run.listed import texts
from reid_lit.run.logged import check_loggers, log_results
from reid_lit.run.results import Row, record
from reid_lit.run.split_rounds import trained_run
from reid_lit.testing.distractors import EXAMPLE, behind, of_file
from reid_lit.testing.embedded_tests import ROUND, numbered, numbers_apart
from reid_lit.testing.embeddings_file import Embeddings, read, read_metadata
from reid_lit.testing.kept_queries import keep_queries
from reid_lit.testing.provenance import Provenance, model_hash
from reid_lit.testing.tests import result_row
from reid_lit.testing.thresholds import with_application

_log = logging.getLogger(__name__)


def evaluate_stored(config: DictConfig) -> float | None:
    """Score the files of ``config.embeddings``; with ``config.run`` too, only what that run's weights embedded.

    Returns:
        The score named by ``objective`` of the first file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file is none of ours or damaged, or does not hold what is evaluated.
    """
    check_loggers(config)
    files = [Path(file) for file in texts(config, "embeddings", such="a.safetensors,b.safetensors")]
    named = texts(config, "distractors", such=EXAMPLE)
    numbers = numbers_apart([read_metadata(file)["facts"]["test"] for file in files])
    run = Run(Path(config.run_dir))
    run.record_start(config)
    rows = [_scored(config, file, number, named, run) for file, number in zip(files, numbers, strict=True)]
    facts = {"embeddings": [str(file) for file in files], "distractors": named}
    results = record(run, config, {"trained_on": chosen()} | facts, rows)
    log_results(config, run)
    return results[0]["scores"].get(config.objective)


def _scored(config: DictConfig, file: Path, number: int, distractors: Sequence[str], run: Run) -> Row:
    """Score a file and draw its pictures; the row of results, which is the ``number``-th of its name."""
    content = numbered(read(file), number)
    speak_of(content.kind)
    protocol: Protocol = instantiate(config.evaluation)
    protocol = _laid_out(file, content.origin, protocol.under(content.rules))
    content = content.without_stripes() if protocol.local is None else content
    _check_lists(file, content)
    _check_protocol(file, content.origin, protocol)
    if not OmegaConf.is_missing(config, "run"):
        _check_model(file, content.origin, trained_run(_of_round(config, content)))
    split, named = content.split, content.test
    if number > 1:
        _log.warning("%s is another test of the same name: its row is %s", file, named["row"])
    check_scorable(split, protocol, streamed=bool(distractors))
    start = time.perf_counter()
    sources = [of_file(Path(entry), content.origin) for entry in distractors]
    scores = _gathered(content, protocol, behind(sources)(split), accelerator=config.trainer.accelerator)
    result: Result = scores.compute()
    _draw(config, split, scores, result)
    seconds = time.perf_counter() - start
    keep_queries(run, shown_of(split, protocol), result, named)
    place = None if OmegaConf.is_missing(config, "run") or ROUND in named else run.folder  # which names one model
    with_application(result, protocol, lambda: content.origin, place)
    row = result_row(split, result, named, precision=content.origin.precision, seconds=seconds)
    return row | ({ROUND: named[ROUND]} if ROUND in named else {})


def _of_round(config: DictConfig, content: Embeddings) -> DictConfig:
    """The config with the split whose training embedded a file, where the run trained several."""
    split_id = content.test.get(ROUND)
    is_one = isinstance(split_id, int) and "split_id" in config.dataset
    return with_split(config, split_id) if is_one else config  # type: ignore[arg-type]


def _check_lists(file: Path, content: Embeddings) -> None:
    if "query" not in content.shots:
        raise InputError(f"{file} holds plain images, no query and gallery; name it in distractors=[{file}]")


def _laid_out(file: Path, origin: Provenance, protocol: Protocol) -> Protocol:
    """The protocol for the stripes of a file.

    Raises:
        ValueError: it compares stripes, and the file has none, or others.
    """
    if protocol.local is None:
        return protocol
    feature, whole, channels = origin.local or (None, 0, 0)
    if feature is None:
        raise InputError(
            f"{file} has no stripes, which evaluation.local compares; set evaluation.local=null, or embed it anew by a"
            " model with a local branch (model=alignedreid) and evaluation=aligned"
        )
    if feature != protocol.local.feature:
        raise InputError(
            f"{file} has the stripes {feature}, but evaluation.local.feature={protocol.local.feature}; set"
            f" evaluation.local.feature={feature}, or embed it anew with the other"
        )
    return replace(protocol, local=protocol.local.of(whole=whole, channels=channels))


def _check_protocol(file: Path, origin: Provenance, protocol: Protocol) -> None:
    for name, stored, evaluated in (
        ("feature", origin.feature, protocol.feature),
        ("flip", str(origin.flip).lower(), str(protocol.flip).lower()),
        ("crops", _yaml(origin.crops), _yaml(protocol.crops)),
    ):
        if stored != evaluated:
            raise InputError(
                f"{file} was embedded with {name}={stored}, but evaluation.{name}={evaluated}; set"
                f" evaluation.{name}={stored}, or embed it anew with evaluation.{name}={evaluated}"
            )


def _yaml(crops: Sequence[int] | None) -> str:
    return "null" if crops is None else f"[{','.join(map(str, crops))}]"


def _check_model(file: Path, origin: Provenance, run: Run) -> None:
    """Raise InputError unless the file was made with the run's weights."""
    weights = model_hash(run.read_weights()["state_dict"])
    if weights != origin.model:
        raise InputError(
            f"{file} was embedded by the model {origin.model[:12]}, but {run.folder} holds {weights[:12]};"
            " embed it anew with that run, or leave run out"
        )


def _gathered(
    content: Embeddings, protocol: Protocol, distractors: Distractors | None, *, accelerator: str
) -> RetrievalScores:
    """The metric, with all embeddings of the file."""
    split = content.split
    shots = (*split.query, *split.gallery)
    device = "cuda" if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"
    scores = RetrievalScores.of(split, protocol, distractors=distractors).to(device)
    embedding = torch.cat([content.embedding["query"], content.embedding["gallery"]])
    person, camera = (torch.tensor([getattr(shot, key) for shot in shots]) for key in ("person_id", "camera_id"))
    scores.update(*(part.to(device) for part in (embedding, person, camera, torch.arange(len(shots)))))
    return scores


def _draw(config: DictConfig, split: Split, scores: RetrievalScores, result: Result) -> None:
    """Draw the pictures that a test draws, if the images are still there."""
    if "pictures" not in config.callbacks:
        return
    pictures: Pictures = instantiate(config.callbacks.pictures)
    gone = [shot.path for shot in (*split.query, *split.gallery) if not is_file(shot.path)]
    if gone:
        _log.warning("no pictures of %s: %d of its images are gone, such as %s", split.name, len(gone), gone[0])
        return
    pictures.draw(split, scores, result)
