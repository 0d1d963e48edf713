"""Files of weights: which one a run is tested by, and how any is read without executing what it holds."""

import contextlib
import re
import zipfile
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError
from reid_lit.memory import free_memory


class _Inert:
    """Stands where a file has what nothing here reads, such as a number of numpy, whose classes are not called."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


_INERT: list[Any] = [
    (_Inert, name)
    for name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "argparse.Namespace")
]
"""A best score beside the tensors, as torchreid keeps it, and the options of a command, as DINO does."""


def weights_file(folder: Path) -> Path:
    """The checkpoint of a run that is tested: of the chosen epoch if there is one, else the last."""
    chosen = folder / "checkpoints" / "chosen.ckpt"
    return chosen if chosen.is_file() else chosen.with_name("last.ckpt")


def read_checkpoint(file: Path) -> dict[str, Any]:
    """A checkpoint as ``torch.load(weights_only=True)`` reads it.

    Raises:
        InputError: the file holds code (an arbitrary pickle) or is damaged; nothing of it was executed.
    """
    import torch  # here, so that a page or a report can name the file without loading torch

    check_size(file)
    _check_whole(file)
    try:
        with torch.serialization.safe_globals(_INERT):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, ... for the many kinds of damage
        raise InputError(
            f"{file}: refused, since it is damaged or holds code in addition to tensors{_detail(error)};"
            " in the project that wrote it, save a plain state_dict: torch.save(model.state_dict(), 'plain.pth')"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: holds a {type(content).__name__}, not a state_dict; save model.state_dict()")
    return content


def check_size(file: Path) -> None:
    """Raise InputError for a file of weights that the free memory cannot hold, as it is or unpacked.

    torch never packs what it writes, and would unpack it into memory in one piece.
    """
    size = file.stat().st_size if file.is_file() else 0
    unpacked = size
    if size and zipfile.is_zipfile(file):
        with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
            unpacked = sum(record.file_size for record in archive.infolist())
    if unpacked > 2 * size:
        raise InputError(
            f"{file}: refused, since its {size:,} bytes would become {unpacked:,}: torch.save packs nothing, so this is"
            " no file of weights"
        )
    free, of = free_memory()
    if size > free:
        raise InputError(f"{file}: {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB of {of} are free; free some")


def _check_whole(file: Path) -> None:
    """Raise InputError for an empty file, and for a byte of a checkpoint that is not as it was written.

    torch writes a zip archive with a checksum for each tensor, and does not look at it when it reads.
    """
    if file.is_file() and file.stat().st_size == 0:
        raise InputError(f"{file}: empty, as a power failure leaves a file; copy it anew, or start the run again")
    if not zipfile.is_zipfile(file):  # torch's older format, which has no checksums, or no checkpoint at all
        return
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{file}: damaged ({error}); copy it anew, or start the run again") from error
    if damaged is not None:
        raise InputError(
            f"{file}: damaged, {damaged} in it has another checksum than it was written with; copy it anew"
        )


_ADVICE = re.compile(r"\x1b\[[0-9;]*m|\(1\).*|Please file an issue.*|Re-running.*", re.IGNORECASE | re.DOTALL)
"""Terminal codes, and torch's advice to read such a file all the same."""


def _detail(error: Exception) -> str:
    """What torch found, in brackets, without its advice to switch the check off."""
    found = re.search(r"Unsupported (?:operand|class)[^\n]*?(?= was not| by default|$)", str(error))
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    text = found[0] if found else _ADVICE.sub("", str(error)).strip().partition("\n")[0]
    if "TorchScript" in str(error):
        text = "a TorchScript archive, which is code"
    elif named:
        text = f"it asks for {named[1]}"
    elif text.isdecimal():  # the key of a table: its first byte means nothing
        text = "it is no file of torch.save"
    return f" ({text})" if text else ""
