"""``python -m reid_lit.pack dataset=<option> out=<folder>``: a data set in a few large files."""

from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from reid_lit.command.launch import launch
from reid_lit.errors import InputError
from reid_lit.overrides import assignment
from reid_lit.wording import counted


def pack(config: DictConfig) -> None:
    """Write a pack of ``config.dataset``, or of each data set that it is made of, and say how it is used.

    Raises:
        InputError: no folder is named.
    """
    if OmegaConf.is_missing(config, "out"):
        raise InputError("no folder is named; give out=<a new folder for the pack>")
    # imported when work starts: torch and Lightning take seconds
    from rich.console import Console

    from reid_lit.data.packing.pack import pack as write
    from reid_lit.files.index import Encoding
    from reid_lit.run.datasets import make_data, members_of, with_root

    encoding = None
    if config.size is not None:
        pixels = tuple(config.size) if isinstance(config.size, ListConfig) else (config.size,)
        encoding = Encoding(size=pixels, interpolation=config.interpolation, quality=config.quality)
    out = Path(config.out).expanduser()
    members = members_of(config)
    for member in members:
        root = out / Path(member.dataset.root).name if len(members) > 1 else out
        packed = make_data(with_root(member, root))
        index = write(make_data(member), packed, encoding=encoding, shard_mb=config.shard_mb)
        files, size = sum(len(shard.names) for shard in index.shards), sum(shard.size for shard in index.shards) / 1e6
        shards = counted(len(index.shards), "shard")
        fact = f"{packed.root}: {files:,} files in {shards} of {size:,.1f} MB, {index.images}"
        Console().print(f"{fact}; read by {assignment('dataset.root', root)}", markup=False, soft_wrap=True)
    if len(members) > 1:
        Console().print(f"all of them are read by {assignment('data_root', out)}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    launch(pack, config_name="pack")
