import pytest
import torch
from torch.nn import functional as F

from reid_lit.layers.embae import Decoder, IdentityEncoder, NuisanceEncoders

SIZES = {"hidden": 7, "dim": 3}


def written_out(layers, feature):
    """Dense → ReLU → BatchNorm over the rows → Dense, in the words of the recipe."""
    first, _, norm, last = layers
    hidden = (feature @ first.weight.T + first.bias).clamp_min(0)
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + norm.eps).sqrt()
    return hidden @ last.weight.T + last.bias


def test_the_identity_encoder_is_dense_relu_norm_dense_and_has_no_classifier():
    torch.manual_seed(0)
    neck, feature = IdentityEncoder(features=5, persons=9, **SIZES), torch.randn(8, 5)
    torch.testing.assert_close(neck(feature), written_out(neck.layers, feature))
    assert neck.dim == 3
    assert neck.classify(neck(feature)) is None


def test_the_image_s_camera_picks_the_network():
    torch.manual_seed(0)
    nuisance = NuisanceEncoders(features=5, cameras=4, **SIZES).double()
    feature, camera = torch.randn(9, 5, dtype=torch.double), torch.tensor([2, 0, 2, 0, 1, 0, 1, 2, 2])
    codes = nuisance(feature, camera)
    for number in range(3):
        own = camera == number
        torch.testing.assert_close(codes[own], written_out(nuisance.branches[number], feature[own]))


def test_one_network_for_all_cameras_does_not_look_at_them():
    torch.manual_seed(0)
    nuisance, feature = NuisanceEncoders(features=5, cameras=None, **SIZES), torch.randn(6, 5)
    codes = nuisance(feature, torch.tensor([0, 90, 2, 0, 7, 1]))
    torch.testing.assert_close(codes, written_out(nuisance.branches[0], feature))


@pytest.mark.parametrize("rows", [0, 1])
def test_a_camera_with_less_than_two_images_uses_and_keeps_its_running_statistics(rows):
    torch.manual_seed(0)
    nuisance = NuisanceEncoders(features=5, cameras=2, **SIZES)
    feature, camera = torch.randn(4, 5), torch.tensor([0] * (4 - rows) + [1] * rows)
    codes = nuisance(feature, camera)
    first, _, norm, last = nuisance.branches[1]
    hidden = F.relu(first(feature[camera == 1])) / (1 + norm.eps) ** 0.5
    torch.testing.assert_close(codes[camera == 1], last(hidden))
    codes.sum().backward()
    assert all(parameter.grad is not None for parameter in nuisance.parameters())
    assert torch.equal(norm.running_mean, torch.zeros(7))
    assert norm.num_batches_tracked == 0


def test_a_camera_without_a_network_is_named():
    nuisance = NuisanceEncoders(features=5, cameras=2, **SIZES)
    with pytest.raises(ValueError, match=r"an image of camera 3, but the nuisance encoders end at camera 1; give the"):
        nuisance(torch.randn(2, 5), torch.tensor([0, 3]))
    with pytest.raises(ValueError, match=r"^cameras=0: give the number"):
        NuisanceEncoders(features=5, cameras=0, **SIZES)


def test_the_decoder_reads_identity_then_nuisance():
    decoder = Decoder(dim=5, features=6, hidden=4)
    identity, nuisance = torch.randn(2, 3), torch.randn(2, 2)
    first, _, last = decoder.layers
    expected = F.relu(identity @ first.weight[:, :3].T + nuisance @ first.weight[:, 3:].T + first.bias)
    torch.testing.assert_close(decoder(identity, nuisance), expected @ last.weight.T + last.bias)
