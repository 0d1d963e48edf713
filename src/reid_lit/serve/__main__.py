"""``python -m reid_lit.serve gallery=<folder>``: a gallery as a service, with a page in the browser."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.errors import InputError


def serve(config: DictConfig) -> None:
    """Answer until the process is told to end."""
    from reid_lit.serve.command import run  # it imports torch

    run(config)


def _check_named(values: Mapping[str, Any]) -> None:
    """Raise InputError unless a gallery is named."""
    if not values.get("gallery"):
        raise InputError("no gallery is named; python -m reid_lit.serve gallery=<folder>")


if __name__ == "__main__":
    launch(serve, config_name="serve", replay=False, first=_check_named)
