"""Errors that a user can act on; a command ends with their words alone, and with a traceback for any other."""

from reid_lit.kinds import said


class UserError(Exception):
    """Something that a user gave, or a machine lacks: the message names the fact, the value and the cure.

    A part knows nothing of the config that it is built from. It begins with its own argument, ``name=value:``, where
    that argument is one of the config's: ``margin=-1: give a number of at least 0, or null for the soft margin``. Of
    the arguments of a part in it, it gives the way there: ``terms.hard.weight=-1: …``. The value is as the config has
    it, by ``str`` or ``repr``. The command puts the key of the part before the name, ``loss.terms.hard.loss.margin=-1:
    …`` (:func:`reid_lit.command.refusals.refusal`), so the cure need not name another key of the config.

    It is written of persons, and says what the data set shows (:func:`reid_lit.kinds.said`).
    """

    def __str__(self) -> str:
        return said(super().__str__())


class InputError(UserError, ValueError):
    """A value, an image, a file or a combination of them that cannot be used."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or a folder that is not there."""


class FailedError(UserError, RuntimeError):
    """Something that was started has not come to its end."""


class MissingPackageError(UserError, ModuleNotFoundError):
    """A package that is not installed, or cannot be imported; the message says how to install it."""


class ExistingFileError(UserError, FileExistsError):
    """A file or a folder that is there already and is not to be overwritten."""


class WriteError(UserError, OSError):
    """A file or a folder that cannot be written."""


class NotFiniteError(UserError, FloatingPointError):
    """A loss, a weight or a feature that is infinite or no number."""
