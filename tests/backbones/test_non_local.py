import pytest
import timm
import torch
from tests.backbones import layouts

from reid_lit.backbones.non_local import NonLocal, add_non_local, non_local_resnet


@torch.no_grad()
def test_each_position_sees_all_others():
    torch.manual_seed(0)
    block = NonLocal(6).double().eval()
    for value in block.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    maps = torch.randn(2, 6, 3, 2, dtype=torch.float64)
    weights = {name: getattr(block, name) for name in ("g", "theta", "phi")}
    for image, result in zip(maps, block(maps), strict=True):
        flat = image.flatten(1)
        theta, phi, value = (
            [float(weights[name].weight.flatten() @ flat[:, n] + weights[name].bias) for n in range(6)]
            for name in ("theta", "phi", "g")
        )
        for here in range(6):
            seen = sum(theta[here] * phi[there] * value[there] for there in range(6)) / 6
            outer, norm = block.W
            out = outer.weight.flatten() * seen + outer.bias
            out = (out - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
            torch.testing.assert_close(result.flatten(1)[:, here], flat[:, here] + out)


@torch.no_grad()
def test_blocks_follow_the_last_blocks_of_a_stage_and_begin_as_the_identity():
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=0).eval()
    image = torch.rand(1, 3, 32, 32)
    before, names = model.forward_features(image), set(model.state_dict())
    add_non_local(model, [0, 1, 2, 0])
    assert list(dict(model.layer2.named_children())) == ["0", "1", "non_local_0"]
    assert list(dict(model.layer3.named_children())) == ["0", "non_local_0", "1", "non_local_1"]
    torch.testing.assert_close(model.forward_features(image), before)
    assert names < set(model.state_dict())


@pytest.mark.parametrize("counts", [[0, 2, 3], [0, 3, 0, 0], [0, -1, 0, 0]])
def test_counts_that_do_not_fit_are_refused(counts):
    with pytest.raises(
        ValueError, match=r"non_local=\[0, .*\]: give a number for each of the four stages, at most \[2, 2, 2, 2\]"
    ):
        add_non_local(timm.create_model("resnet18", num_classes=0), counts)


def test_the_stem_pools_without_a_pixel_at_the_top_and_the_left_or_with_one():
    maps = torch.zeros(1, 64, 8, 8)
    maps[:, :, 0, 0] = 1
    maps[:, :, 2, 2] = 2
    pools = {}
    for stem_pool in ("ceil", "padded"):
        backbone = non_local_resnet(name="resnet18", weights="none", non_local=[0, 0, 0, 0], stem_pool=stem_pool)
        pools[stem_pool] = backbone.body.model.maxpool(maps)
    assert pools["ceil"].shape == pools["padded"].shape == (1, 64, 4, 4)
    assert pools["ceil"][0, 0, 0, 0] == 2  # rows and columns 0 to 2
    assert pools["padded"][0, 0, 0, 0] == 1  # -1 to 1
    with pytest.raises(ValueError, match=r"stem_pool='valid': choose one of padded, ceil"):
        non_local_resnet(name="resnet18", weights="none", non_local=[0, 0, 0, 0], stem_pool="valid")


def test_a_training_starts_from_fastreids_file(tmp_path):
    state = layouts.numbered(layouts.fastreid(layouts.resnet(50, ibn=True, non_local=(0, 2, 3, 0)), pool=True))
    torch.save({"model": state}, tmp_path / "sbs.pth")
    backbone = non_local_resnet(
        name="resnet50_ibn_a", weights=str(tmp_path / "sbs.pth"), non_local=[0, 2, 3, 0], stem_pool="ceil"
    )
    own = backbone.body.model.state_dict()
    assert torch.equal(own["layer3.non_local_2.W.0.bias"], state["backbone.NL_3.2.W.0.bias"])
    assert torch.equal(own["layer3.0.bn1.BN.running_var"], state["backbone.layer3.0.bn1.BN.running_var"])
