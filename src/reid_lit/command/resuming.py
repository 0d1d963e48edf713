"""Words beside ``resume=``: what the checkpoint decides is refused, what may change is said."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reid_lit.command.replay import repeats_nothing
from reid_lit.errors import InputError
from reid_lit.overrides import assignment, key_of, literal, unquoted, value_of
from reid_lit.paths import packaged
from reid_lit.progress import first_rank
from reid_lit.run.claim import claimed, last_checkpoints
from reid_lit.run.composing import composing, training_config
from reid_lit.run.folder import Run, check_epochs
from reid_lit.run.identity import is_of, training_part
from reid_lit.run.lineage import STARTS
from reid_lit.run.started_from import seen_from_here
from reid_lit.wording import counted

_log = logging.getLogger(__name__)

Changes = Mapping[str, tuple[Any, Any]]
"""Keys, or groups of options, with the value before and the one asked for."""

_ABSENT = object()
_OWN = frozenset({"resume", "run_dir", "repeat", "trust"})
_LENGTH = "trainer.max_epochs"
_SAID = 5
"""Keys that a line names; of more it gives the number."""


def check_resumed(typed: Sequence[str], arguments: Sequence[str]) -> None:
    """Refuse the words beside ``resume=`` that would be recorded and not done; say what the others mean.

    The config that the run was started with is composed, and the one with these words, and both are compared key by
    key. What decides the weights (``conf/keys.yaml``: all that is not ``tested``, ``around`` or ``own``) is decided by
    the checkpoint, but for the keys of its list ``resumed``. A run without a checkpoint begins anew, by any words.
    Words that are all (``repeat=false``) may name another experiment, where what it learns is the same.

    Args:
        typed: The words of this command line.
        arguments: The run's own words and these, as Hydra gets them.

    Raises:
        InputError: a word would not be done, or another length needs another schedule and ``stretch=true`` is not said.
    """
    folder = next((unquoted(value_of(word)) for word in typed if key_of(word) == "resume"), "null")
    if folder in ("", "null") or not last_checkpoints(Path(folder)):
        return
    run, whole, asked = Run(Path(folder)), repeats_nothing(typed), {*_about_the_run(typed)}
    if not asked and not whole:
        return
    own = seen_from_here(run, run.overrides())
    known = {*_about_the_run(own)}
    if asked == known or (asked < known and not whole):  # nothing else is asked: composing takes 0.3 s
        return
    if not whole:
        _check_experiment(run, own, typed)
    with composing():
        before, after = (training_config([*_about_the_run(words)]) for words in (own, arguments))
    if before is None:  # Hydra explains it better, where they are repeated
        if whole and first_rank():
            _log.warning("%s: its words of before compose no more; they are not compared with these", run.folder)
        return
    if after is None:
        _check_options(run, before, typed)
        return
    _refuse(run, before, after, typed)
    changed = dict(_differences(_plain(before), _plain(after)))
    _check_splits(run, changed, whole=whole)
    _check_length(run, before, after, changed)
    others = [key for key in changed if key not in (_LENGTH, "stretch")]
    if others and first_rank():
        named = _by_words(before, after, typed, {key: changed[key] for key in others})
        _log.warning("from here on: %s", _named(named, "in place of"))


def _about_the_run(words: Sequence[str]) -> Iterator[str]:
    """The words that are about the config, and not about Hydra or the folder."""
    for word in words:
        key = key_of(word)
        if not word.startswith("-") and key not in _OWN and key.partition("/")[0].partition(".")[0] != "hydra":
            yield word


def _plain(config: DictConfig) -> dict[str, Any]:
    """The config without Hydra's part, interpolations as they stand."""
    whole: Any = OmegaConf.to_container(config, resolve=False)
    return {key: value for key, value in whole.items() if key != "hydra"}


def _differences(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The keys whose values differ, with both."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            place = f"{key}.{name}" if key else str(name)
            yield from _differences(before.get(name, _ABSENT), after.get(name, _ABSENT), place)
    elif before != after:
        yield key, (before, after)


def _refuse(run: Run, before: DictConfig, after: DictConfig, typed: Sequence[str]) -> None:
    """Raise InputError for words that change what the checkpoint decides."""
    learnt = dict(_differences(training_part(_plain(before)), training_part(_plain(after))))
    decided = {key: each for key, each in learnt.items() if not (_may_change(key, *each) or _is_same_run(key, *each))}
    if not decided:
        return
    raise _decided(run, _by_words(before, after, typed, decided))


def _by_words(before: DictConfig, after: DictConfig, typed: Sequence[str], changed: Changes) -> Changes:
    """Keys that have changed; those of a group whose option has changed as that option."""
    options = {key: (_option(before, key), _option(after, key)) for key in map(key_of, typed) if _is_group(key)}
    options = {
        group: values
        for group, values in options.items()
        if values[0] != values[1] and any(_is_below(key, group) for key in changed)
    }
    return {
        **options,
        **{key: values for key, values in changed.items() if not any(_is_below(key, group) for group in options)},
    }


def _check_options(run: Run, before: DictConfig, typed: Sequence[str]) -> None:
    """Raise InputError for another option of a learnt group, which does not compose with the run's own words."""
    options = {key_of(word): value_of(word) for word in typed if _is_group(key_of(word))}
    asked = {
        group: (_option(before, group), option)
        for group, option in options.items()
        if option != _option(before, group) and not any(is_of(kind, group) for kind in ("around", "tested"))
    }
    if asked:
        raise _decided(run, asked)


def _is_group(key: str) -> bool:
    return "." not in key and (packaged("conf") / key).is_dir()


def _check_experiment(run: Run, own: Sequence[str], typed: Sequence[str]) -> None:
    """Raise InputError for another experiment, which may not compose with the run's own words."""
    before, after = (
        next((value_of(word) for word in reversed(words) if key_of(word) == "experiment"), None)
        for words in (own, typed)
    )
    if after not in (None, before):
        raise _decided(run, {"experiment": (_ABSENT if before is None else before, after)})


def _decided(run: Run, asked: Changes) -> InputError:
    return InputError(
        f"beside resume={run.folder}: {_named(asked, 'where the run has')}; the checkpoint decides that, so it would be"
        f" written down and not done. Leave it out, or start a new run from these weights:"
        f" {assignment('backbone.weights', run.folder)} in place of resume="
    )


def _option(config: DictConfig, group: str) -> Any:
    return OmegaConf.select(config, f"hydra.runtime.choices.{group}")


def _is_below(key: str, group: str) -> bool:
    return key == group or key.startswith(f"{group}.")


def _may_change(key: str, before: Any, after: Any) -> bool:
    """Whether a learnt key may change when a run goes on: it is listed, or it says where data sets are."""
    return is_of("resumed", key) or (
        key.startswith("dataset.") and (key.endswith(".root") or _rootless(before) == _rootless(after))
    )


def _rootless(value: Any) -> Any:
    """Data sets of a list, such as the members of a joint one, without where they lie."""
    if isinstance(value, list):
        return [_rootless(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {key: _rootless(each) for key, each in value.items() if key != "root"}


def _is_same_run(key: str, before: Any, after: Any) -> bool:
    """Whether a run that is started from is the same training under another experiment's name, or in another folder."""
    digests = [re.search(r"-([0-9a-f]{12})/?$", str(value)) for value in (before, after)]
    return key in STARTS and None not in digests and len({digest[1] for digest in digests if digest}) == 1


def _named(values: Changes, between: str) -> str:
    """Keys with the value that is asked for and the one before, in a line."""
    parts = []
    for key, (before, after) in values.items():
        now = f"{key} taken away" if after is _ABSENT else assignment(key, after)
        parts.append(f"{now} {between} {'none' if before is _ABSENT else literal(before)}")
    more = len(parts) - _SAID
    return ", ".join(parts[:_SAID]) + (f", and {more} more" if more > 0 else "")


def _check_splits(run: Run, changed: Mapping[str, Any], *, whole: bool) -> None:
    """Refuse another length or test of a run some of whose splits are finished: they are not repeated.

    By words that are all of a job's, the finished splits are tested again: a job cannot leave its test out.
    """
    done = sorted(run.folder.glob("split_*/metrics.json"))
    asked = {key: values for key, values in changed.items() if key == _LENGTH or is_of("tested", key)}
    if done and asked and whole and _LENGTH not in asked:
        with claimed(run.folder, resumed=True):
            for results in done if first_rank() else []:
                _log.warning("%s is tested again: %s", results.parent.name, _named(asked, "in place of"))
                results.unlink()
    elif done and asked:
        raise InputError(
            f"beside resume={run.folder}: {_named(asked, 'where the run has')}; {done[0].parent.name} of this run is"
            f" finished and would not be repeated. Leave it out, and test by python -m reid_lit.evaluate"
            f" {assignment('run', run.folder)} afterwards; or start a new run"
        )


def _check_length(run: Run, before: DictConfig, after: DictConfig, changed: Mapping[str, Any]) -> None:
    """Refuse another number of epochs where the schedule depends on it, unless it is to be stretched."""
    if _LENGTH not in changed or after.stretch or not _depends_on_length(before, after):
        return
    asked, until_now = after.trainer.max_epochs, before.trainer.max_epochs
    if _is_limit(asked) and (not _is_limit(until_now) or asked < until_now):
        check_epochs(run, asked)
    raise InputError(
        f"trainer.max_epochs={literal(asked)} beside resume=: scheduler={_option(after, 'scheduler')} is laid out over"
        f" the whole training, of {_epochs(until_now)} until now, and the rate would jump. Leave it out; or give"
        f" stretch=true: from here on the rate is that of a training of {_epochs(asked)}"
    )


def _is_limit(epochs: int | None) -> bool:
    return epochs not in (None, -1)


def _epochs(epochs: int | None) -> str:
    return counted(epochs, "epoch") if epochs is not None and _is_limit(epochs) else "trainer.max_steps alone"


def _depends_on_length(before: DictConfig, after: DictConfig) -> bool:
    """Whether a schedule asks for the number of steps, or copies the number of epochs."""
    if after.scheduler.interval == "step":
        return True
    return any(
        OmegaConf.to_container(before[part], resolve=True) != OmegaConf.to_container(after[part], resolve=True)
        for part in ("scheduler", "optimizer")
    )
