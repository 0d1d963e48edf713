"""The images of tests as files of embeddings, by the weights of a finished run."""

from collections.abc import Callable, Iterator
from pathlib import Path

from omegaconf import DictConfig

from reid_lit.data.sets.plain import PlainImages
from reid_lit.errors import InputError
from reid_lit.run.datasets import make_data, split_ids, with_split
from reid_lit.run.evaluated import Evaluated
from reid_lit.run.lineage import read_lineage
from reid_lit.run.machine import make_trainer
from reid_lit.run.split_rounds import trained_run
from reid_lit.testing.embedder import Embedder
from reid_lit.testing.embeddings_file import Embeddings, write
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
        ValueError: ``config.file`` is given for several tests.
    """
    ids = split_ids(config)
    for part in [config] if ids is None else [with_split(config, split_id) for split_id in ids]:
        tests = _tests(part)
        if config.file and (ids or len(tests) > 1):
            names = ", ".join(test.data.split.name for test in tests)
            raise InputError(f"file={config.file} is for one test, but there are {names}; leave it out for a file each")
        for test in tests:
            file = Path(config.file or Path(config.run, "embeddings", f"{test.data.split.name}.safetensors"))
            yield file, _embed(part, test, file, computed)


def _tests(config: DictConfig) -> list[Test]:
    """The tests to embed; plain images are a test without queries."""
    data = make_data(config)
    if isinstance(data, PlainImages):
        data.setup("predict")
        return [Test(data=data, row=data.split.name, average="", split_id=None)]
    tests = find_tests(config, data)
    check_unseen(read_lineage(trained_run(config).folder).trained, tests)
    return tests


def _embed(config: DictConfig, test: Test, file: Path, computed: Computed | None) -> dict[str, int]:
    """Write one test's file; the number of images in each of its lists."""
    run = trained_run(config)
    model = trained_model(config, run)
    trainer = make_trainer(config)
    if computed is not None and trainer.strategy.root_device.type == "cpu":
        size, precision = config.loader.test_batch_size, str(trainer.precision)
        computed(Embedder(model=model, transform=test.data.transform, batch_size=size, precision=precision))
    origin = provenance_of(model, test.data.transform, str(trainer.precision))
    split = test.data.split
    shots = {"query": split.query, "gallery": split.gallery} if split.query else {"images": split.gallery}
    parts = embedded(trainer, model, test.data).split([len(images) for images in shots.values()])
    content = Embeddings(
        origin=origin,
        name=split.name,
        shots=shots,
        embedding=dict(zip(shots, parts, strict=True)),
        rules=split.rules,
        notes=split.notes,
        test={"row": test.row, "split_id": test.split_id, "average": test.average},
        evaluated=Evaluated.of_run(run, config),
        kind=split.kind,
    )
    write(file, content)
    return {name: len(images) for name, images in shots.items()}
