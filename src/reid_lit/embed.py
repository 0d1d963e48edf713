"""``python -m reid_lit.embed run=<folder> dataset=<option>``: the embeddings of a data set as a file."""

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.run.folder import required_run


def embed(config: DictConfig) -> None:
    """Write the query and gallery of each test, or plain images, as the weights of ``config.run`` embed them.

    Raises:
        ValueError: no run is named, or ``config.file`` is given for several tests.
    """
    required_run(config)
    # imported when work starts: torch and Lightning take seconds
    from rich.console import Console

    from reid_lit.command.arithmetic import set_arithmetic
    from reid_lit.export.runtime import of_config
    from reid_lit.testing.dataset_embeddings import embed_tests

    set_arithmetic()
    for file, numbers in embed_tests(config, of_config(config)):
        counts = ", ".join(f"{number} {what}" for what, number in numbers.items())
        Console().print(f"{file}: embeddings of {counts}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    launch(embed, config_name="embed")
