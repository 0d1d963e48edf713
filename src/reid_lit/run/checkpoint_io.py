"""Checkpoints that are whole or not there, on any file system."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import TorchCheckpointIO
from typing_extensions import override

from reid_lit.errors import WriteError
from reid_lit.overrides import resume_command
from reid_lit.paths import write_whole
from reid_lit.run.folder import Run


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the one before, waits until it is on the disk, and puts it in its place.

    Lightning's own goes through ``$TMPDIR``: where that is another file system, a kill at the wrong moment leaves
    neither the new checkpoint nor the old one, and a small one stops the training.
    """

    @override
    def save_checkpoint(
        self, checkpoint: Mapping[str, Any], path: str | os.PathLike, storage_options: Any | None = None
    ) -> None:
        file = Path(path)
        try:
            write_whole(file, lambda part: _save(dict(checkpoint), part))
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError for a full disk
            raise WriteError(
                f"{file} cannot be written ({error}); the checkpoint of the epoch before is whole. Make room, then"
                f" {resume_command(Run(file.parent.parent).started.folder)} goes on"
            ) from error


def _save(checkpoint: dict[str, Any], part: Path) -> None:
    with part.open("wb") as stream:  # given a path, torch writes its name into the file
        torch.save(checkpoint, stream)
