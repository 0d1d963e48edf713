"""Whether a test shows what weights have learnt from: an image, a copy of one, or a person on other images."""

from collections.abc import Collection, Sequence

from reid_lit.data.families import of_known_persons
from reid_lit.errors import InputError
from reid_lit.files.copies import copies
from reid_lit.records import Split, absolute, common_images
from reid_lit.testing.tests import Test
from reid_lit.wording import counted


def check_unseen(trained: Collection[str], tests: Sequence[Test]) -> None:
    """Raise InputError if a test shows an image that was trained on, such as one of another split of the data set.

    Data sets that show the same persons on other images are looked at by person (:mod:`reid_lit.data.families`).

    Args:
        trained: Absolute paths of the training images, as :func:`~reid_lit.records.absolute` gives them.
        tests: The tests.

    Raises:
        ValueError: a test shows such an image or such a person.
    """
    known = frozenset(trained)
    for test in tests if known else ():
        split = test.data.split
        seen, what = learnt_images(split, known)
        if seen:
            number = "" if test.split_id is None else f" (split {test.split_id})"
            raise InputError(
                f"{split.name}{number} tests on {what}, such as {seen[0]}: the scores would say nothing; test on the"
                f" split that was left out in training, or on another data set"
            )


def learnt_images(split: Split, known: frozenset[str]) -> tuple[list[str], str]:
    """The images of a query and its gallery that weights have learnt from, or whose persons; and how many, in words.

    Args:
        split: One test; with the training list of its data set.
        known: Absolute paths of the images that the weights have learnt from.
    """
    shown = absolute((*split.query, *split.gallery))
    if seen := common_images(shown, known):
        return seen, _trained(len(seen))
    own = common_images(known, absolute(split.train))  # lists of one data set share nobody; the doctor finds copies
    if seen := copies(shown, known.difference(own)):
        return seen, f"{_trained(len(seen))}, by their content"
    seen, of_whom = of_known_persons(shown, known)
    if not seen:
        return [], ""
    return seen, f"{counted(len(seen), 'image')} of persons that were trained on in other images ({of_whom})"


def _trained(images: int) -> str:
    return f"{counted(images, 'image that was', 'images that were')} trained on"
