"""An earlier run taken up again: what it was told, before what the command line says."""

from pathlib import Path

from reid_lit.overrides import assignment, key_of
from reid_lit.run.folder import Run


def replayed(arguments: list[str]) -> list[str]:
    """Command-line arguments with those of an earlier run before them.

    ``resume=<folder>`` goes on in that folder; ``run=<folder>`` tests what lies there; ``embeddings=<file>`` without
    either, what such a run has embedded. Each takes everything that the earlier run was told, and what is given beside
    it wins. A data set that is given beside ``run`` is what is tested on, in place of the run's ``test_on``.

    Raises:
        FileNotFoundError: the folder is no run's folder, or there is no such file.
        ValueError: the file holds no embeddings.
    """
    given = {key_of(argument) for argument in arguments}
    for position, argument in enumerate(arguments):
        key, _, value = argument.partition("=")
        if key in ("resume", "run") and value not in ("", "null"):
            folder = value.strip("\"'")
            run, hidden = Run(Path(folder)), given | {"resume", "run", "hydra.run.dir"}
            earlier = [each for each in run.overrides() if key_of(each) not in hidden]
            told = [*earlier, *arguments[:position], assignment(key, Path(folder)), *arguments[position + 1 :]]
            if key == "run":
                return _with_own_data(run, told, arguments)
            stays = "hydra.run.dir" not in given
            return [*told, assignment("hydra.run.dir", Path(folder))] if stays else told
    files = [value for key, _, value in (each.partition("=") for each in arguments) if key == "embeddings"]
    if files and files[0] not in ("", "null"):
        from reid_lit.testing.embeddings_file import read_metadata  # it imports torch

        first = files[0].strip("[]").split(",")[0].strip("\"' ")
        hidden = given | {"resume", "hydra.run.dir"}
        return [*(each for each in read_metadata(Path(first))["overrides"] if key_of(each) not in hidden), *arguments]
    return arguments


def _with_own_data(run: Run, told: list[str], arguments: list[str]) -> list[str]:
    """What is told, without what the run was told of its own data set where ``arguments`` name another one.

    Ranks and the jobs of a sweep are started with what was replayed already, and replay it again: then the experiment
    stands among ``arguments``, and all that they say is meant.
    """
    given = {key_of(argument): argument.partition("=")[2] for argument in arguments}
    if "dataset" in given and given["dataset"] != run.option("dataset"):  # which has other keys
        told = [each for each in told if each in arguments or not key_of(each).startswith("dataset.")]
    named = any(key == "dataset" or key.startswith("dataset.") for key in given)
    if not named or {"test_on", "experiment"} & set(given):
        return told
    return [*(each for each in told if key_of(each) != "test_on"), "test_on=[]"]
