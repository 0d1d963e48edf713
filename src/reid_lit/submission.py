"""``python -m reid_lit.submission run=<folder>``: the file that the SynergySports challenge asks for."""

from pathlib import Path

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.paths import write_whole
from reid_lit.run.folder import required_run


def submission(config: DictConfig) -> None:
    """Write the distances of the hidden test's queries to its gallery, by the weights of ``config.run``.

    Raises:
        ValueError: no run is named.
    """
    required_run(config)
    # imported when work starts: torch and Lightning take seconds
    from rich.console import Console

    from reid_lit.command.arithmetic import set_arithmetic
    from reid_lit.data.sets.synergy_submission import write
    from reid_lit.testing.hidden_distances import hidden_distances

    set_arithmetic()
    distance, query, gallery = hidden_distances(config)
    file = Path(config.file)
    write_whole(file, lambda partial: write(partial, distance, query, gallery))
    Console().print(f"{file}: {len(query)} queries × {len(gallery)} gallery images", markup=False, soft_wrap=True)


if __name__ == "__main__":
    launch(submission, config_name="submission")
