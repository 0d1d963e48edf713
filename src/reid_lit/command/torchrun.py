"""A command that torchrun has started several times: its ranks make one run."""

import os
from collections.abc import Sequence

from reid_lit.errors import InputError
from reid_lit.overrides import key_of
from reid_lit.progress import first_rank

_SWEEPS = {"-m", "--multirun", "hydra.mode=MULTIRUN"}


def of_one_run(words: Sequence[str]) -> list[str]:
    """The words of this rank: only the first of several ranks writes what Hydra writes.

    Lightning gives the ranks that it starts by itself such words too.

    Args:
        words: Of the command line, the words of an earlier run among them.

    Raises:
        InputError: the ranks would have folders of their own, or each would run a whole sweep.
    """
    ranks = os.environ.get("WORLD_SIZE", "1")
    if "LOCAL_WORLD_SIZE" not in os.environ or ranks == "1":  # torchrun's
        return list(words)
    if _SWEEPS & {*words}:
        raise InputError(
            f"-m under torchrun: each of its {ranks} ranks would run the whole sweep; start the sweep without torchrun,"
            f" its jobs start their own ranks on this machine"
        )
    if not any(key_of(word) == "hydra.run.dir" for word in words):
        raise InputError(
            f"hydra.run.dir is not given, and the time of its start would name the folder of each of torchrun's {ranks}"
            f" ranks; give hydra.run.dir=<a folder that all of them see>"
        )
    return list(words) if first_rank() else [*words, "hydra.output_subdir=null", "hydra/job_logging=stdout"]
