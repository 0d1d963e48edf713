"""Encoders from maps to vectors, and the decoder that gives the map back."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.errors import InputError
from reid_lit.layers.neck import check_persons

Kernel = tuple[int, int]
"""Rows and columns."""


def fitted_kernels(rows: int, columns: int, layers: int) -> list[Kernel]:
    """Kernels of ``layers`` convolutions without padding that make one element of a map, as even as can be.

    >>> fitted_kernels(7, 7, 3), fitted_kernels(8, 4, 3)
    ([(3, 3), (3, 3), (3, 3)], [(4, 2), (3, 2), (3, 2)])
    """
    return list(zip(_shares(rows, layers), _shares(columns, layers), strict=True))


def _shares(length: int, layers: int) -> list[int]:
    share, rest = divmod(length - 1, layers)
    return [1 + share + (layer < rest) for layer in range(layers)]


def chosen_kernels(
    kernels: Sequence[int | Sequence[int]] | None, *, rows: int, columns: int, layers: int
) -> list[Kernel]:
    """The kernels as they are given, square ones by one number; :func:`fitted_kernels` for None.

    Raises:
        ValueError: there is no layer, or they are not as many as the layers, or make anything but one element of the
            map.
    """
    if layers < 1:
        raise InputError(
            "widths=[]: the encoders need one layer or more; give the channels of each, such as [512, 2048]"
        )
    fitted = fitted_kernels(rows, columns, layers)
    if kernels is None:
        return fitted
    pairs = [(size, size) if isinstance(size, int) else (size[0], size[1]) for size in kernels]
    left = tuple(length - sum(pair[axis] - 1 for pair in pairs) for axis, length in enumerate((rows, columns)))
    if len(pairs) != layers or left != (1, 1) or min(map(min, pairs)) < 1:
        raise InputError(
            f"kernels={list(kernels)}: {layers} convolutions without padding have to make 1 × 1 of the backbone's"
            f" {rows} × {columns} map; give null, or {[list(pair) for pair in fitted]}"
        )
    return pairs


class MapEncoder(nn.Module):
    """Convolutions without padding from a map to a vector, each but the last with batch norm and ReLU.

    Args:
        channels: Channels of the map.
        widths: Channels of each layer; the last are the vector's.
        kernels: Of each layer, which together make one element of the map.

    Source: Li et al., *Adaptation and Re-Identification Network*, CVPR Workshops 2018: a fully convolutional network of
        three layers; widths, kernels and norms are not given there.
    """

    def __init__(self, *, channels: int, widths: Sequence[int], kernels: Sequence[Kernel]) -> None:
        super().__init__()
        self.dim = widths[-1]
        self.layers = _stack(nn.Conv2d, [channels, *widths], kernels)

    def forward(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch dim"]:
        """(b c h w) → (b dim).

        Raises:
            ValueError: the maps are larger than those that the kernels were made for.
        """
        vector = self.layers(maps)
        if vector.shape[2:] != (1, 1):
            rows, columns = maps.shape[2:]
            raise InputError(
                f"maps of {rows} × {columns} do not become 1 × 1: the encoders were built for images of the size that"
                f" is trained on; test on images or crops of that size, which test_scale=1.0 gives"
            )
        return vector.flatten(1)


class MapDecoder(nn.Module):
    """Transposed convolutions from a vector to a map, the mirror image of :class:`MapEncoder`.

    Args:
        dim: Channels of the vector.
        widths: Channels of each layer; the last are the map's.
        kernels: Of each layer, from the vector on; the encoder's in reverse give its map size.

    Source: Li et al. 2018, D_C; widths, kernels and norms are not given there.
    """

    def __init__(self, *, dim: int, widths: Sequence[int], kernels: Sequence[Kernel]) -> None:
        super().__init__()
        self.layers = _stack(nn.ConvTranspose2d, [dim, *widths], kernels)

    def forward(self, vector: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch channels rows columns"]:
        """(b dim) → (b c h w)."""
        return self.layers(vector[:, :, None, None])


def _stack(
    kind: type[nn.Conv2d] | type[nn.ConvTranspose2d], channels: Sequence[int], kernels: Sequence[Kernel]
) -> nn.Sequential:
    """Convolutions with Kaiming's initialisation, batch norm and ReLU between them."""
    layers: list[nn.Module] = []
    last = len(kernels) - 1
    for place, (before, after, kernel) in enumerate(zip(channels[:-1], channels[1:], kernels, strict=True)):
        convolution = kind(before, after, kernel, bias=place == last)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers.append(convolution)
        if place < last:
            layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        elif convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
    return nn.Sequential(*layers)


def dropout_classifier(dim: int, persons: int, *, hidden: int | None, dropout: float, std: float) -> nn.Sequential:
    """Dropout, then a linear layer whose weights are drawn from a normal distribution.

    Args:
        dim: Length of what is classified.
        persons: Classes.
        hidden: Channels of a layer before that, with batch norm, ReLU and Kaiming's initialisation; None: none.
        dropout: Probability that a channel of what the last layer sees is dropped.
        std: Standard deviation of the last layer's weights.

    Raises:
        ValueError: there are fewer than two persons, or the hidden layer has no channel.
    """
    check_persons(persons)
    if hidden is not None and hidden < 1:
        raise InputError(f"classifier_hidden={hidden}: a layer has 1 channel or more; null is no hidden layer")
    linear = nn.Linear(hidden or dim, persons)
    nn.init.normal_(linear.weight, std=std)
    nn.init.zeros_(linear.bias)
    if hidden is None:
        return nn.Sequential(nn.Dropout(dropout), linear)
    first = nn.Linear(dim, hidden, bias=False)
    nn.init.kaiming_normal_(first.weight, nonlinearity="relu")
    return nn.Sequential(first, nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Dropout(dropout), linear)
