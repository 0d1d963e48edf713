"""The examination of a copy of a data set."""

from collections.abc import Collection
from pathlib import Path

from reid_lit.checkup.counts import compare, facts
from reid_lit.checkup.diagnosis import Diagnosis, Fact
from reid_lit.checkup.files import damage, digests, duplicates
from reid_lit.checkup.folders import Others, find_misplaced, look_around, read
from reid_lit.checkup.matches import camera_rule, cameras_per_person, without_match
from reid_lit.checkup.packs import in_the_source, look_at_pack
from reid_lit.data.base import ReidData
from reid_lit.data.feeding.images import bad_images
from reid_lit.data.feeding.value_range import as_range, range_fault
from reid_lit.data.passed_over import PASSED
from reid_lit.data.problems import LISTS, MISPLACED, MISSING, VALUES, Problem, check_text
from reid_lit.evaluation.protocol import Protocol
from reid_lit.files.access import state
from reid_lit.kinds import speak_of
from reid_lit.progress import progress
from reid_lit.records import Split
from reid_lit.wording import counted


def examine(data: ReidData, *, protocol: Protocol | None = None, others: Others = dict) -> Diagnosis:
    """Find everything that is wrong with a data set's folder, without changing it.

    Args:
        data: The data set; it need not be set up.
        protocol: Its camera rule decides which queries have a match, unless the data set prescribes one.
        others: Gives the readers of all other data sets; this folder may hold one of them.
    """
    packed, broken = look_at_pack(data.root)
    split, problems = read(data, prepare=True)
    if split is None:
        return Diagnosis(
            name=type(data).__name__, root=data.root, findings=tuple(look_around(data, problems, others)), facts=()
        )
    speak_of(split.kind)
    problems = [find_misplaced(problem, split, data.root) for problem in problems]
    if packed:
        problems = [in_the_source(problem) for problem in problems]
    explained = {problem.place for problem in problems}
    if all(problem.kind != LISTS for problem in problems):  # images that do not fit their lists explain wrong counts
        problems += compare(split, data.official(), data.root, explained=explained)
    protocol = protocol or Protocol()
    gone = [problem.place for problem in problems if problem.kind in (MISSING, MISPLACED)]
    problems += broken
    damaged, files = ([], []) if broken else _look_at_files(split, data, protocol, gone)
    problems += damaged
    problems += without_match(split, protocol, data.root)
    passed = data.passed_over(split)
    problems += [each.problem(data.root) for each in passed if each.doubtful]
    check_text((shot.path for shot in split.shots), data.root, problems.append)
    known = [*facts(split, data.official()), *cameras_per_person(split), *packed, *files]
    known += [Fact(name=PASSED, value=str(each)) for each in passed if not each.doubtful]
    known += [Fact(name="note", value=note) for note in split.notes]
    return Diagnosis(name=split.name, root=data.root, findings=tuple(problems), facts=tuple(known))


def _look_at_files(
    split: Split, data: ReidData, protocol: Protocol, gone: Collection[Path]
) -> tuple[list[Problem], list[Fact]]:
    """The problems of image files outside the folders that are gone, and the number of files, bytes and copies."""
    shots = [shot for shot in split.shots if not any(shot.path.is_relative_to(folder) for folder in gone)]
    paths = dict.fromkeys(shot.path for shot in shots)
    with progress("reading all images") as tell:
        bad = bad_images(
            paths, root=data.root, max_pixels=data.max_pixels, processes=data.loader.processes(1), tell=tell
        )
    whole = [path for path in paths if path not in bad]
    with progress("comparing all images") as tell:
        groups = digests(whole, tell=tell)
    size = sum(state(path)[0] for path in whole)
    copies = sum(len(group) - 1 for group in groups)
    value = f"{counted(len(paths), 'file', grouped=True)} of {size / 1e6:,.1f} MB; copies among them: {copies:,}"
    sizes = [Fact(name="images on disk", value=value)]
    rule = camera_rule(split.tested[0], protocol)
    problems = [
        *damage(bad, shots, data.root),
        *_values(whole, data),
        *duplicates(split, groups, data.root, camera_rule=rule),
    ]
    return problems, sizes


def _values(paths: list[Path], data: ReidData) -> list[Problem]:
    """Images of 16 bit or of floats that would lose their contrast."""
    fault = range_fault(paths, as_range(data.value_range))
    fact, _, cure = fault.partition("; ")
    return [Problem(kind=VALUES, place=data.root, fact=f"dataset.{fact}", cure=cure)] if fault else []
