"""Errors that a user can act on; a command ends with their words alone, and with a traceback for any other."""


class UserError(Exception):
    """Something that a user gave, or a machine lacks: the message names the fact, the value and the cure.

    A part that is built from a config names its own argument (``margin=-1: a margin is a number of at least 0``); the
    command puts the key of that part before it (``loss.terms.triplet.loss.margin=-1: …``).
    """


class InputError(UserError, ValueError):
    """A value, an image, a file or a combination of them that cannot be used."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or a folder that is not there."""


class FailedError(UserError, RuntimeError):
    """Something that was started has not come to its end."""
