"""ImageNet weights that are installed as Python packages: found, checked, their tensors named as timm does."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

from omegaconf import OmegaConf

from reid_lit.errors import InputError, MissingPackageError

_TABLE = Path(__file__).with_name("installed.yaml")


@dataclass(frozen=True, kw_only=True)
class InstalledWeights:
    """An entry of ``installed.yaml``, which says what each of its values is.

    Attributes:
        name: timm's name of the network.
    """

    name: str
    package: str
    version: str
    file: str
    sha256: str
    licence: str
    stages: Sequence[int]
    first_block: int
    renames: Mapping[str, str]
    pip: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """What installs the package."""
        return " ".join(filter(None, ("pip install", self.pip.get("options"), f"{self.package}=={self.version}")))

    @property
    def facts(self) -> dict[str, str]:
        """What a run keeps of them."""
        kept = ("name", "package", "version", "file", "sha256", "licence")
        return {key: str(getattr(self, key)) for key in kept}

    def path(self) -> Path:
        """The file in the installed package, which is not imported.

        Raises:
            MissingPackageError: the package is not installed; the message has the command that installs it.
            InputError: the file is not there, or is another one.
        """
        try:
            file = Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError as error:
            reason = f" ({self.pip['reason']})" if "reason" in self.pip else ""
            raise MissingPackageError(
                f"weights=imagenet: those of {self.name} are in the package {self.package}, which is not installed:"
                f" {self.command}{reason}"
            ) from error
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "none, since there is no such file"
        if found != self.sha256:
            raise InputError(
                f"weights=imagenet: the SHA-256 of {file} is {found}, and that of {self.package} {self.version} is"
                f" {self.sha256}: {self.command} --force-reinstall"
            )
        return file

    def rename(self, key: str) -> str:
        """The key that timm has for a tensor, for the file's own.

        >>> installed_weights("mobilenetv2_100").rename("features.3.conv.6.weight")
        'blocks.1.1.conv_pwl.weight'
        """
        layer, _, tensor = key.rpartition(".")
        return f"{self._layers.get(layer, layer)}.{tensor}"

    @functools.cached_property
    def _layers(self) -> dict[str, str]:
        """The renames with a line for each block."""
        return counted_layers(self.renames, stages=self.stages, first_block=self.first_block)


def counted_layers(layers: Mapping[str, str], *, stages: Sequence[int], first_block: int) -> dict[str, str]:
    """The names of layers with a line for each block.

    Args:
        layers: A layer of a file: its name here; ``{block}`` stands for every block, an earlier line wins.
        stages: How many blocks each stage of the network has.
        first_block: What the file calls the first of them; it counts them through.

    >>> counted_layers({"b{block}": "blocks.{block}"}, stages=[1, 2], first_block=0)
    {'b0': 'blocks.0.0', 'b1': 'blocks.1.0', 'b2': 'blocks.1.1'}
    """
    places = [f"{stage}.{block}" for stage, blocks in enumerate(stages) for block in range(blocks)]
    named: dict[str, str] = {}
    for layer, renamed in layers.items():
        for number, place in enumerate(places, first_block):
            named.setdefault(layer.replace("{block}", str(number)), renamed.replace("{block}", place))
    return named


def installed_weights(name: str) -> InstalledWeights | None:
    """The entry of a network, by timm's name with its tag; None where no package is known to hold its weights."""
    entry = _table().get(name)
    return InstalledWeights(name=name, **entry) if entry else None


@functools.cache
def _table() -> dict[str, dict]:
    return cast(dict[str, dict], OmegaConf.to_container(OmegaConf.load(_TABLE)))
