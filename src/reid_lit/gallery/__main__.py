"""``python -m reid_lit.gallery <verb> gallery=<folder>``: enrol images, look others up, and their safeguards."""

import sys
from functools import partial

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.errors import InputError
from reid_lit.overrides import assignment, unquoted
from reid_lit.wording import unknown

VERBS = {
    "create": "gallery=<folder> run=<run>",
    "enrol": "gallery=<folder> <images, folders or a .csv list>",
    "query": "gallery=<folder> <images or folders> [top=10] [camera=…] [since=…]",
    "list": "gallery=<folder> [person=…] [camera=…]",
    "erase": "gallery=<folder> person=…",
    "export": "gallery=<folder> file=rows.parquet",
    "rotate": "gallery=<folder> key=@<file> new_key=@<file>",
    "expire": "gallery=<folder>",
    "token": "gallery=<folder> [make=<name> roles=[query] expires=30d] [revoke=<name>]",
    "audit": "gallery=<folder> [who=<token>] [act=query] [since=…]",
    "verify": "gallery=<folder>",
    "import": "gallery=<folder> file=rows.parquet",
    "index": "gallery=<folder>",
}
"""What follows each verb; its ``--help`` says more."""

WITH_IMAGES = ("enrol", "query")


def work(config: DictConfig, *, verb: str) -> None:
    """Do what the verb says."""
    from reid_lit.gallery.command import run_verb  # it imports torch

    run_verb(verb, config)


def reword(verb: str, words: list[str]) -> list[str]:
    """The images, which are named without a key, as a list under their key.

    Raises:
        ValueError: there are none, or the verb takes none.
    """
    images = [word for word in words if "=" not in word and not word.startswith(("-", "+", "~"))]
    others = [word for word in words if word not in images]
    is_helped = any(word.startswith("-") for word in others)
    if verb not in WITH_IMAGES and images:
        raise InputError(f"{verb} takes no images, such as {images[0]}; {usage(verb)}")
    if verb in WITH_IMAGES and not images and not is_helped and not any(word.startswith("images=") for word in others):
        raise InputError(f"no image is named to {verb}; {usage(verb)}")
    if not is_helped and not any(word.startswith("gallery=") for word in others):
        raise InputError(f"no gallery is named; {usage(verb)}")
    _check_secret(others)
    others = [_quoted(word) if word.startswith(_TEXTS) else word for word in others]
    return [assignment("images", images), *others] if images else others


_TEXTS = ("purpose=", "store=")


def _quoted(word: str) -> str:
    """A text with blanks and commas, or an address, as it was typed, so that Hydra takes it whole."""
    key, _, text = word.partition("=")
    return word if text[:1] in ("'", '"') or text in ("", "null") else assignment(key, text)


def _check_secret(words: list[str]) -> None:
    """Refuse a token that stands on the command line itself, before anything could write it down."""
    for word in words:
        if word.startswith("token=") and word != "token=null":
            text = unquoted(word.removeprefix("token="))
            if not text.startswith("@"):
                raise InputError("token: give token=@<file>, or REID_TOKEN in the environment; others see words")


def usage(verb: str) -> str:
    """The words of a verb."""
    return f"python -m reid_lit.gallery {verb} {VERBS[verb]}"


def main() -> None:
    """The command.

    Raises:
        SystemExit: there is no such verb.
    """
    verb, *words = sys.argv[1:] or ["--help"]
    if verb in ("-h", "--help"):
        lines = [usage(each) for each in VERBS]
        sys.stdout.write("\n".join([*lines, "", "python -m reid_lit.gallery <verb> --help says more", ""]))
        return
    if verb not in VERBS:
        sys.exit(unknown("verb", verb, VERBS))
    sys.argv[1:] = words
    task = partial(work, verb=verb)
    task.__name__ = "gallery"  # type: ignore[attr-defined]
    launch(task, config_name=f"gallery_verb/{verb}", replay=False, reword=partial(reword, verb))


if __name__ == "__main__":
    main()
