"""The images of tests as files of embeddings, by the weights of a finished run."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from reid_lit.data.sets.plain import PlainImages
from reid_lit.errors import ExistingFileError, InputError, MissingFileError
from reid_lit.records import Shot, Split, absolute
from reid_lit.run.datasets import make_data, split_ids, with_split
from reid_lit.run.evaluated import Evaluated
from reid_lit.run.lineage import read_lineage
from reid_lit.run.machine import make_trainer
from reid_lit.run.split_rounds import trained_run
from reid_lit.testing.embedded_tests import ROUND
from reid_lit.testing.embedder import Embedder
from reid_lit.testing.embeddings_file import Embeddings, images_of, read_metadata, write
from reid_lit.testing.inference import embedded, provenance_of
from reid_lit.testing.tests import Test, find_tests, trained_model
from reid_lit.testing.unseen import check_unseen

Computed = Callable[[Embedder], None]
"""Lets another runtime compute the embeddings of a model."""


def embed_tests(config: DictConfig, computed: Computed | None = None) -> Iterator[tuple[Path, dict[str, int]]]:
    """Write the query and gallery of each test, or plain images, as the weights of ``config.run`` embed them.

    Args:
        config: The command's.
        computed: Called with the model before it embeds; None: torch computes.

    Yields:
        Each file, and the number of images in each of its lists.

    Raises:
        ExistingFileError: a file is there, and has embeddings of other images.
        ValueError: ``config.file`` is given for several tests.
    """
    ids = split_ids(config)
    for split_id in [None] if ids is None else ids:
        part = config if split_id is None else with_split(config, split_id)
        tests = _tests(part)
        if config.file and (ids or len(tests) > 1):
            names = ", ".join(test.data.split.name for test in tests)
            raise InputError(f"file={config.file} is for one test, but there are {names}; leave it out for a file each")
        for test in tests:
            if split_id is not None:
                _name_after(test, split_id)
            file = Path(config.file or Path(config.run, "embeddings", f"{test.data.split.name}.safetensors"))
            _check_place(file, test.data.split)
            yield file, _embed(part, test, split_id, file, computed)


def _tests(config: DictConfig) -> list[Test]:
    """The tests to embed; plain images are a test without queries."""
    data = make_data(config)
    if isinstance(data, PlainImages):
        data.setup("predict")
        return [Test(data=data, row=data.split.name, average="", split_id=None)]
    tests = find_tests(config, data)
    check_unseen(read_lineage(trained_run(config).folder).trained, tests)
    return tests


def _name_after(test: Test, split_id: int) -> None:
    """Name a test's lists after the split whose training embeds them: each split has files of its own."""
    split = test.data.split
    test.data.split = replace(split, name=f"{split.name}_split_{split_id}")


def _check_place(file: Path, split: Split) -> None:
    """Raise ExistingFileError if the file is there, and has not the embeddings of these images."""
    if not file.exists():
        return
    try:
        images = {name: images_of(file, name) for name in read_metadata(file)["lists"]}
    except (InputError, MissingFileError):  # it is none of ours
        images = {}
    if {name: absolute(shots) for name, shots in images.items()} != {
        name: absolute(shots) for name, shots in _lists(split).items()
    }:
        raise ExistingFileError(
            f"{file.resolve()} is there already, and has no embeddings of these images of {split.name}; name another"
            f" by file=<file>, or remove it"
        )


def _lists(split: Split) -> dict[str, tuple[Shot, ...]]:
    """The images of a test, or the plain images, by the names that a file gives them."""
    return {"query": split.query, "gallery": split.gallery} if split.query else {"images": split.gallery}


def _embed(
    config: DictConfig, test: Test, split_id: int | None, file: Path, computed: Computed | None
) -> dict[str, int]:
    """Write one test's file; the number of images in each of its lists."""
    run = trained_run(config)
    model = trained_model(config, run)
    trainer = make_trainer(config)
    if computed is not None and trainer.strategy.root_device.type == "cpu":
        size, precision = config.loader.test_batch_size, str(trainer.precision)
        computed(Embedder(model=model, transform=test.data.transform, batch_size=size, precision=precision))
    origin = provenance_of(model, test.data.transform, str(trainer.precision))
    split = test.data.split
    shots = _lists(split)
    parts = embedded(trainer, model, test.data).split([len(images) for images in shots.values()])
    content = Embeddings(
        origin=origin,
        name=split.name,
        shots=shots,
        embedding=dict(zip(shots, parts, strict=True)),
        rules=split.rules,
        notes=split.notes,
        test={"row": test.row, "split_id": test.split_id, "average": test.average}
        | ({} if split_id is None else {ROUND: split_id}),
        evaluated=Evaluated.of_run(run, config),
        kind=split.kind,
    )
    write(file, content)
    return {name: len(images) for name, images in shots.items()}
