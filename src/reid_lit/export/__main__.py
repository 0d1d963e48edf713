"""``python -m reid_lit.export run=<folder>``: a model as a file of ONNX, OpenVINO or torch, kept if it passes."""

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.run.folder import required_run


def export(config: DictConfig) -> None:
    """Write the model of ``config.run`` as a file for other programs, if it passes the gate.

    Raises:
        ValueError: no run is named, or a word is none of those that there are.
        RuntimeError: the file is refused.
    """
    required_run(config, instead="a file of weights")
    # imported when work starts: torch and Lightning take seconds
    from rich.console import Console

    from reid_lit.export.command import exported

    console = Console()
    files = exported(config, console)
    console.print(f"written: {', '.join(map(str, files))}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    launch(
        export, config_name="export", replay=False, first=lambda words: required_run(words, instead="a file of weights")
    )
