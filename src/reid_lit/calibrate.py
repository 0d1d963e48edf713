"""``python -m reid_lit.calibrate run=<folder>``: which scores mean the same person, and how surely."""

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.run.folder import required_run


def calibrate(config: DictConfig) -> None:
    """Measure what the scores of ``config.run`` mean, on persons that it has not learnt from, and write it beside it.

    Raises:
        ValueError: no run is named, or the images cannot be used.
    """
    required_run(config)
    # imported when work starts: torch and Lightning take seconds
    from rich.console import Console

    from reid_lit.calibration.command import calibrated
    from reid_lit.calibration.text import show
    from reid_lit.command.arithmetic import set_arithmetic

    set_arithmetic()
    calibration, files = calibrated(config)
    console = Console()
    show(calibration, console)
    console.print(f"written: {', '.join(map(str, files))}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    launch(calibrate, config_name="calibrate")
