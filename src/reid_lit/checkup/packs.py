"""Whether a pack is what its index says: every hash, and every header."""

from dataclasses import replace
from pathlib import Path

from reid_lit.checkup.diagnosis import Fact
from reid_lit.data.problems import Problem
from reid_lit.files.access import pack_of
from reid_lit.files.index import PackError
from reid_lit.progress import progress
from reid_lit.wording import counted

PACK = "pack"


def look_at_pack(root: Path) -> tuple[list[Fact], list[Problem]]:
    """What the pack of a data set holds, and its shards that are missing or other ones; nothing for a folder."""
    try:
        found = pack_of(root)
    except PackError:  # the reader says so
        found = None
    if found is None:
        return [], []
    pack, problems = found[0], []
    shards = pack.index.shards
    with progress("checking the pack") as tell:
        for number in range(len(shards)):
            try:
                pack.check_hash(number)
                pack.check_headers(number)
            except PackError as error:
                fact, _, cure = str(error).rpartition("; ")
                problems.append(Problem(kind=PACK, place=pack.root / shards[number].file, fact=fact, cure=cure))
            tell(number + 1, len(shards))
    size = sum(shard.size for shard in shards) / 1e6
    value = f"{counted(len(shards), 'shard')} of {size:,.1f} MB, {pack.index.images}"
    whole = "" if problems else "; all hashes and headers are those of the index"
    return [Fact(name="pack", value=value + whole)], problems


def in_the_source(problem: Problem) -> Problem:
    """The problem with a cure that can be done: nothing is moved inside a pack."""
    if not problem.cure.startswith("mv "):
        return problem
    return replace(problem, cure="correct the folder that was packed in this way, and pack it anew")
