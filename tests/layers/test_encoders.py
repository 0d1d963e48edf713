import pytest
import torch

from reid_lit.layers.encoders import MapDecoder, MapEncoder, chosen_kernels, fitted_kernels


@pytest.mark.parametrize("size", [(7, 7), (8, 4), (2, 1), (1, 1), (14, 5)])
def test_the_decoder_gives_back_the_encoders_map_size(size):
    kernels = fitted_kernels(*size, 3)
    encoder = MapEncoder(channels=6, widths=[4, 4, 5], kernels=kernels)
    decoder = MapDecoder(dim=5, widths=[4, 4, 6], kernels=kernels[::-1])
    maps = torch.randn(3, 6, *size)
    vector = encoder(maps)
    assert vector.shape == (3, encoder.dim)
    assert decoder(vector).shape == maps.shape


def test_the_papers_map_takes_three_square_kernels():
    assert chosen_kernels(None, rows=7, columns=7, layers=3) == [(3, 3)] * 3
    assert chosen_kernels([3, 3, 3], rows=7, columns=7, layers=3) == [(3, 3)] * 3
    assert chosen_kernels([[2, 1], [1, 1]], rows=2, columns=1, layers=2) == [(2, 1), (1, 1)]


@pytest.mark.parametrize("kernels", [[3, 3, 3], [3, 3], [2, 2, [5, 1]], [8, 1, 0]])
def test_kernels_that_do_not_fit_are_refused_with_those_that_do(kernels):
    with pytest.raises(ValueError, match=r"1 × 1 of the backbone's 8 × 4 map; give null, or \[\[4, 2\]"):
        chosen_kernels(kernels, rows=8, columns=4, layers=3)


def test_the_output_is_linear_and_hidden_layers_are_normalised():
    encoder = MapEncoder(channels=6, widths=[4, 4, 5], kernels=fitted_kernels(7, 7, 3))
    kinds = [type(layer).__name__ for layer in encoder.layers]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]
    assert (encoder(torch.randn(8, 6, 7, 7)) < 0).any()
