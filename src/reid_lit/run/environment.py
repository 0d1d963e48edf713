"""What a run ran on."""

import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "timm", "hydra-core", "torchmetrics", "numpy")


def environment() -> dict[str, Any]:
    """Versions, machine, git commit and command of this process."""
    import torch  # takes a second; a run's folder can be read without it

    commit, changed = _git()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.executable).name, "-m", *_module(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "machine": platform.platform(),
        "processor": _processor(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "git_commit": commit,
        "git_uncommitted_changes": changed,
    }


def _processor() -> str:
    """The processor as its maker calls it; of systems that do not say so, its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, named), platform.processor() or platform.machine())


def _module() -> list[str]:
    import __main__

    spec = getattr(__main__, "__spec__", None)
    return [spec.name] if spec else []


def _git() -> tuple[str | None, bool | None]:
    """The commit of the checkout that this package runs from, and whether files differ; None from a wheel."""

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        ask("ls-files", "--error-unmatch", Path(__file__).name)  # a wheel inside another project's checkout is not ours
        return ask("rev-parse", "HEAD"), bool(ask("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None
