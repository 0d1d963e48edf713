"""What the trainings of a matrix are tested on, by themselves or afterwards."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_lit.cross_domain.plan import Training
from reid_lit.cross_domain.words import Domain
from reid_lit.jobs.job import Job, recorded
from reid_lit.overrides import assignment, literal
from reid_lit.run.identity import composed, evaluation_hash


def with_tests(training: Training, targets: Sequence[Domain], rows: Mapping[str, str]) -> Job:
    """The training, told what to test on, which its record keeps."""
    job = training.job
    facts = {"tests": named(targets, rows), "protocol": training.protocol}
    return Job(
        name=job.name, folder=job.folder, overrides=(*job.overrides, _test_on(targets)), facts=facts,
        whole_machine=job.whole_machine,
    )  # fmt: skip


def evaluation_of(training: Training, targets: Sequence[Domain], rows: Mapping[str, str]) -> Job:
    """The test of a finished training on ``targets``."""
    told = (*training.overrides, _test_on(targets))
    folder = training.job.folder / "evaluate" / evaluation_hash(composed(told))
    return Job(
        name=f"{training.job.name}: tested on {', '.join(target.name for target in targets)}",
        folder=folder,
        overrides=(*told, training.job.overrides[-1], assignment("run", training.job.folder)),
        module="reid_lit.evaluate",
        resumable=False,
        whole_machine=training.job.whole_machine,
        facts={"tests": named(targets, rows), "protocol": training.protocol},
    )


def _test_on(targets: Sequence[Domain]) -> str:
    return f"test_on={literal([target.entry for target in targets])}"


def named(targets: Sequence[Domain], rows: Mapping[str, str]) -> dict[str, str]:
    """The row of results of each target, tested in this order: rows of one name are numbered, as a test does."""
    found: dict[str, str] = {}
    seen: list[str] = []
    for target in targets:
        seen.append(row := rows.get(target.name, target.name))
        found[literal(target.entry)] = row if seen.count(row) == 1 else f"{row}_{seen.count(row)}"
    return found


def serves(folder: Path, training: Training, target: Domain) -> str | None:
    """The row of results in ``folder`` that tells how the training does on ``target``; None: there is none."""
    facts = recorded(folder).get("facts", {})
    if not (folder / "metrics.json").is_file() or facts.get("protocol") != training.protocol:
        return None
    return facts.get("tests", {}).get(literal(target.entry))


def lacking_tests(training: Training) -> list[Domain]:
    """The targets that a finished training was not tested on by its protocol."""
    folders = [training.job.folder, *sorted(training.job.folder.glob("evaluate/*"))]
    return [target for target in training.targets if not any(serves(folder, training, target) for folder in folders)]
