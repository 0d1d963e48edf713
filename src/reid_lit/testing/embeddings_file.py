"""A file of embeddings, with all that is needed to score them without the model."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reid_lit.errors import InputError, MissingFileError
from reid_lit.evaluation.marks import UNKNOWN, view_names
from reid_lit.evaluation.on_disk import StoredEmbeddings
from reid_lit.kinds import PERSON, Kind, read_kind
from reid_lit.paths import write_whole
from reid_lit.records import Moment, Rules, Shot, Split, absolute_path
from reid_lit.run.evaluated import Evaluated
from reid_lit.testing.provenance import Provenance

FORMAT = "reid_lit embeddings"
VERSION = 2
WITH_WORDS = 1
"""The version whose files kept all words of their run; only what they say of the evaluation is read."""
LISTS = ("query", "gallery", "images")
MARKS = {"clothes": "clothes", "track": "tracks", "clock": "clocks", "seconds": "times", "view": "views"}
"""What a list may have of each image, and what several of them are called."""
WRITE = "python -m reid_lit.embed run=<folder> writes such a file"


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The embeddings of a test's query and gallery, or of plain images.

    Attributes:
        origin: How they were made.
        name: The data set's name.
        shots: The images of each list: ``query`` and ``gallery``, or ``images`` alone.
        embedding: ``(images dim)`` float32 for each list.
        rules: What the data set's protocol prescribes.
        notes: Facts about the data set, for the protocol stamp.
        test: The row of results: its name, ``split_id`` and ``average``, as in :class:`reid_lit.testing.tests.Test`.
        evaluated: How the run is evaluated, see :class:`reid_lit.run.evaluated.Evaluated`.
        kind: What the data set shows.
    """

    origin: Provenance
    name: str
    shots: Mapping[str, Sequence[Shot]]
    embedding: Mapping[str, Float[Tensor, "images dim"]]
    rules: Rules = field(default=Rules())
    notes: Sequence[str] = ()
    test: Mapping[str, Any] = field(default_factory=dict)
    evaluated: Evaluated = field(default=Evaluated())
    kind: Kind = PERSON

    def without_stripes(self) -> "Embeddings":
        """The embeddings of the whole images alone, where stripes follow them."""
        if self.origin.local is None:
            return self
        whole = {name: rows[:, : self.origin.local[1]].contiguous() for name, rows in self.embedding.items()}
        return replace(self, embedding=whole, origin=replace(self.origin, local=None))

    @property
    def split(self) -> Split:
        """The lists as a split."""
        query, gallery = (tuple(self.shots[role]) for role in ("query", "gallery"))
        split = Split(name=self.name, train=(), query=query, gallery=gallery, rules=self.rules, kind=self.kind)
        return replace(split, notes=tuple(self.notes))


def write(path: Path, content: Embeddings) -> Path:
    """Write a safetensors file, whole or not at all.

    Raises:
        ValueError: embeddings are not finite, or not one an image.
    """
    tensors: dict[str, Tensor] = {}
    every = [shot for shots in content.shots.values() for shot in shots]
    names = {
        "clocks": sorted({shot.taken.clock for shot in every if shot.taken is not None}),
        "views": list(view_names(every)),
    }
    for name, shots in content.shots.items():
        embedding = content.embedding[name].detach().cpu().float().contiguous()
        _check(path, name, embedding, shots)
        tensors[f"{name}.embedding"] = embedding
        tensors[f"{name}.person"] = torch.tensor([shot.person_id for shot in shots], dtype=torch.int64)
        tensors[f"{name}.camera"] = torch.tensor([shot.camera_id for shot in shots], dtype=torch.int64)
        tensors |= {f"{name}.{mark}": values for mark, values in _marks(shots, names).items()}
        tensors[f"{name}.paths"] = _packed(shots)
    facts = {
        "name": content.name,
        "rules": asdict(content.rules),
        "notes": list(content.notes),
        "test": dict(content.test),
        "kind": list(content.kind),
        **names,
    }
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "origin": json.dumps(asdict(content.origin)),
        "facts": json.dumps(facts),
        "evaluated": json.dumps(asdict(content.evaluated)),
    }
    return write_whole(path, lambda part: save_file(tensors, part, metadata))


def _marks(shots: Sequence[Shot], names: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """Clothes, tracks, views and times of some images, where any are known; -1 is none."""
    found = {
        "clothes": [shot.clothes_id for shot in shots],
        "track": [shot.track_id for shot in shots],
        "clock": [None if shot.taken is None else names["clocks"].index(shot.taken.clock) for shot in shots],
        "view": [None if shot.view is None else names["views"].index(shot.view) for shot in shots],
    }
    known = {name: values for name, values in found.items() if any(value is not None for value in values)}
    marks = {
        name: torch.tensor([UNKNOWN if value is None else value for value in values], dtype=torch.int64)
        for name, values in known.items()
    }
    if "clock" in marks:
        seconds = [0.0 if shot.taken is None else shot.taken.seconds for shot in shots]
        marks["seconds"] = torch.tensor(seconds, dtype=torch.float64)
    return marks


def _packed(shots: Sequence[Shot]) -> Tensor:
    """Absolute paths as bytes, a zero between two: a header of strings may not grow beyond 100 MB."""
    paths = b"\0".join(os.fsencode(absolute_path(shot.path)) for shot in shots)
    return torch.from_numpy(np.frombuffer(paths, np.uint8).copy())


def read_metadata(path: Path) -> dict[str, Any]:
    """The ``origin``, ``facts`` and ``evaluated`` of a file, and its ``lists``; no embedding is read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, no file of ours, or of another format version.
    """
    if not path.is_file():
        raise MissingFileError(f"no embeddings at {path.resolve()}; {WRITE}")
    try:
        with safe_open(path, "pt") as file:
            metadata, names = file.metadata() or {}, set(file.keys())
    except SafetensorError as error:
        raise InputError(f"{path}: damaged, cut short or no safetensors file ({error}); {WRITE}") from error
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path}: a safetensors file, but none of ours, without persons and cameras; {WRITE}")
    if (version := metadata.get("version")) not in (str(VERSION), str(WITH_WORDS)):
        raise InputError(f"{path}: format version {version}, and this release reads {VERSION}; {WRITE}")
    parsed: dict[str, Any] = {key: json.loads(metadata[key]) for key in ("origin", "facts")}
    if version == str(WITH_WORDS):
        parsed["evaluated"] = Evaluated.of_words(json.loads(metadata["overrides"]))
    else:
        parsed["evaluated"] = Evaluated.checked(json.loads(metadata["evaluated"]))
    lists = [name for name in LISTS if f"{name}.embedding" in names]
    return parsed | {"origin": Provenance.from_json(parsed["origin"]), "lists": lists}


def read(path: Path) -> Embeddings:
    """Read all of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, no file of ours, of another version, or its embeddings are not finite or not one an
            image.
    """
    metadata = read_metadata(path)
    facts, lists = metadata["facts"], metadata["lists"]
    shots = {name: images_of(path, name) for name in lists}
    with safe_open(path, "pt") as file:
        embedding = {name: file.get_tensor(f"{name}.embedding") for name in lists}
    for name in lists:
        _check(path, name, embedding[name], shots[name])
    return Embeddings(
        origin=metadata["origin"],
        name=facts["name"],
        shots=shots,
        embedding=embedding,
        rules=Rules(**facts["rules"]),
        notes=facts["notes"],
        test=facts["test"],
        evaluated=metadata["evaluated"],
        kind=read_kind(facts.get("kind")),
    )


def images_of(path: Path, name: str) -> tuple[Shot, ...]:
    """The images of a list of a file, in the order of their embeddings.

    Args:
        path: The file.
        name: Of the list.

    Raises:
        ValueError: the numbers of its paths, persons and cameras differ.
    """
    with safe_open(path, "pt") as file:
        parts = {key: file.get_tensor(f"{name}.{key}") for key in ("person", "camera", "paths")}
        named, facts = set(file.keys()), json.loads((file.metadata() or {})["facts"])
        marks = {mark: file.get_tensor(f"{name}.{mark}") for mark in MARKS if f"{name}.{mark}" in named}
    packed = parts["paths"].numpy().tobytes()
    files = packed.split(b"\0") if packed else []
    counts = {"persons": len(parts["person"]), "cameras": len(parts["camera"]), "paths": len(files)}
    counts |= {MARKS[mark]: len(values) for mark, values in marks.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} {name_of_part}" for name_of_part, count in counts.items())
        raise InputError(f"{path}: {listed} of the {name} do not fit together; {WRITE}")
    told = {mark: values.tolist() for mark, values in marks.items()}
    people = zip(files, parts["person"].tolist(), parts["camera"].tolist(), strict=True)
    return tuple(
        Shot(Path(os.fsdecode(file)), person, camera, **_marks_of(told, place, facts))
        for place, (file, person, camera) in enumerate(people)
    )


def _marks_of(told: Mapping[str, Sequence[Any]], place: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of one image, as a shot has it."""
    known = {mark: values[place] for mark, values in told.items() if values[place] != UNKNOWN}
    taken = Moment(facts["clocks"][known["clock"]], told["seconds"][place]) if "clock" in known else None
    view = facts["views"][known["view"]] if "view" in known else None
    return {"clothes_id": known.get("clothes"), "track_id": known.get("track"), "taken": taken, "view": view}


def _check(path: Path, name: str, embedding: Tensor, shots: Sequence[Shot]) -> None:
    if len(embedding) != len(shots):
        raise InputError(f"{path}: {len(embedding)} {name} embeddings of {len(shots)} images; {WRITE}")
    broken = (~embedding.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
    if broken:
        raise InputError(
            f"{path}: {len(broken)} of {len(embedding)} {name} embeddings are not finite, the first at {broken[0]}"
            f" ({shots[broken[0]].path}); the model diverged, or ran in a precision that is too low"
        )


def rows_of(path: Path, name: str) -> StoredEmbeddings:
    """The place of a list's embeddings in a file, to be read piece by piece.

    Args:
        path: A file that :func:`read_metadata` accepts.
        name: One of its lists.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[f"{name}.embedding"]
    images, dim = entry["shape"]
    return StoredEmbeddings(path, 8 + length + entry["data_offsets"][0], (images, dim))
