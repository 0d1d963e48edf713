import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from reid_lit.backbones.mix_style import MixStyle, across_domains, mix_styles, of_other_domains
from reid_lit.backbones.timm import timm_backbone
from reid_lit.run.identity import training_hash
from reid_lit.training.low_memory import check_chunks


def layer(**changes):
    return MixStyle(**({"pairs": "random", "probability": 1.0, "alpha": 0.1} | changes)).train()


def style(values):
    """Mean and standard deviation of a list, one by one."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values) + 1e-6)


@pytest.mark.parametrize("pairs", ["random", "domains"])
def test_the_maps_are_those_of_the_papers_equations_written_out(pairs, monkeypatch):
    torch.manual_seed(0)
    mixing, maps = layer(pairs=pairs), 3 * torch.randn(5, 2, 3, 4, dtype=torch.float64) + 1
    mixing.domains = torch.tensor([0, 0, 1, 1, 1])
    partner, shares = [3, 4, 1, 0, 1], torch.tensor([0.0, 1.0, 0.25, 0.5, 0.9])
    monkeypatch.setattr(mixing, "_partners", lambda *_: torch.tensor(partner))
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda _, shape: shares.view(shape))
    mixed = mixing(maps)
    for image in range(5):
        for channel in range(2):
            own, other = (style(maps[k, channel].flatten().tolist()) for k in (image, partner[image]))
            share = shares[image].item()
            mean, spread = (share * a + (1 - share) * b for a, b in zip(own, other, strict=True))
            for row in range(3):
                for column in range(4):
                    plain = (maps[image, channel, row, column].item() - own[0]) / own[1]
                    assert mixed[image, channel, row, column].item() == pytest.approx(
                        plain * spread + mean, rel=1e-4, abs=1e-5
                    )


def test_no_gradient_flows_through_a_style(monkeypatch):
    torch.manual_seed(0)
    mixing, maps = layer(), torch.randn(3, 2, 4, 4, requires_grad=True)
    monkeypatch.setattr(mixing, "_partners", lambda *_: torch.tensor([1, 2, 0]))
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda _, shape: torch.full(shape, 0.3))
    mixing(maps).sum().backward()
    spread = (maps.detach().var((2, 3), correction=0) + 1e-6).sqrt()
    expected = 0.3 + 0.7 * spread[[1, 2, 0]] / spread
    torch.testing.assert_close(maps.grad, expected[:, :, None, None].expand_as(maps))


@pytest.mark.parametrize("changes", [{"probability": 0.0}, {"training": False}])
def test_maps_stay_in_a_test_and_where_no_batch_is_mixed(changes):
    mixing, maps = layer(probability=changes.get("probability", 1.0)), torch.rand(4, 2, 3, 3)
    assert mixing.train(changes.get("training", True))(maps) is maps


def test_half_of_the_batches_are_mixed_and_partners_are_a_permutation():
    torch.manual_seed(0)
    mixing, maps = layer(probability=0.5), torch.rand(6, 1, 2, 2)
    assert 70 <= sum(mixing(maps) is not maps for _ in range(200)) <= 130
    assert sorted(mixing._partners(6, maps.device).tolist()) == list(range(6))


def test_shares_are_of_the_beta_distribution():
    torch.manual_seed(0)
    low = torch.arange(2.0).view(1, 1, 1, 2).repeat(2000, 1, 1, 1)
    low[1000:] += 1  # of the same spread: the mean of a map is the share
    mixing = layer(pairs="domains")
    mixing.domains = torch.arange(2000) // 1000
    shares = 1.5 - mixing(low)[:1000].mean((1, 2, 3))
    assert shares.mean().item() == pytest.approx(0.5, abs=0.05)
    assert shares.var().item() == pytest.approx(1 / 4 / 1.2, abs=0.02)  # of Beta(α, α): 1 / (4 (2 α + 1))


def test_partners_are_of_another_domain_and_each_of_them_may_come():
    torch.manual_seed(0)
    domains = torch.tensor([0, 1, 1, 2, 0, 2])
    drawn = torch.stack([of_other_domains(domains) for _ in range(200)])
    assert (domains[drawn] != domains).all()
    for image, domain in enumerate(domains):
        assert set(drawn[:, image].tolist()) == set((domains != domain).nonzero().flatten().tolist())
    assert of_other_domains(torch.zeros(4, dtype=torch.int64)).tolist() == [0, 1, 2, 3]


def test_domains_that_are_not_known_are_refused():
    mixing = layer(pairs="domains")
    for domains in (None, torch.zeros(3)):
        mixing.domains = domains
        with pytest.raises(ValueError, match=r"^pairs=domains: the data sets of these 2 images .* mix_style=random"):
            mixing(torch.rand(2, 1, 2, 2))


MIXED = partial(mix_styles, pairs="random", probability=0.5, alpha=0.1)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("resnet18.tv_in1k", {"layer1.2", "layer2.2"}),
        ("tf_efficientnet_lite0.in1k", {"blocks.1.2", "blocks.2.2"}),
    ],
)
def test_styles_are_mixed_behind_stages_and_names_of_weights_stay(name, places):
    plain = timm_backbone(name=name, weights="none")
    mixed = timm_backbone(name=name, weights="none", mix_style=partial(MIXED, stages=[1, 2]))
    assert {key for key, part in mixed.body.model.named_modules() if isinstance(part, MixStyle)} == places
    mixed.load_state_dict(plain.state_dict())
    image = torch.rand(2, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(mixed.eval()(image), plain.eval()(image), rtol=0, atol=0)


def test_a_network_without_such_stages_is_refused():
    with pytest.raises(ValueError, match=r"^mix_style\.stages=\[1, 5\]: ResNet has the stages 1, 2, 3, 4 to mix"):
        timm_backbone(name="resnet18.tv_in1k", weights="none", mix_style=partial(MIXED, stages=[1, 5]))
    with pytest.raises(ValueError, match=r"DenseNet has the stages none to mix styles behind; choose among them, or a"):
        timm_backbone(name="densenet121.tv_in1k", weights="none", mix_style=partial(MIXED, stages=[1]))
    with pytest.raises(ValueError, match=r"^mix_style\.stages=\[\]: no style is mixed"):
        MIXED(None, stages=[])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": "other"}, r"^pairs='other': choose one of random, domains"),
        ({"probability": 1.5}, r"^probability=1\.5: give a number from 0 to 1"),
        ({"alpha": 0.0}, r"^alpha=0\.0: give a number above 0"),
    ],
)
def test_settings_out_of_their_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        layer(**changes)


def test_a_training_without_it_keeps_its_name_and_one_with_it_has_another(compose):
    def digest(*words):
        return training_hash(OmegaConf.to_container(compose("backbone=resnet18_scratch", *words)), 0)

    assert "mix_style" not in compose().backbone
    assert len({digest(), digest("mix_style=random"), digest("mix_style=domains")}) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("mix_style=domains",),
            r"^mix_style=domains mixes the styles of several data sets, and somewhere is one; set",
        ),
        (("mix_style=domains", "trainer=low_memory", "trainer.chunk=4"), r"^trainer\.chunk=4: mix_style=domains needs"),
    ],
)
def test_domains_need_several_data_sets_and_whole_batches(compose, fake_data, words, message):
    config = compose("+experiment=market_strong", "backbone=resnet18_scratch", *words)
    model = instantiate(config.model, _convert_="all")(persons=3)
    assert len(across_domains(model)) == 2
    check = partial(check_chunks, config, model)
    if "trainer=low_memory" not in words:
        check = partial(model.check_training, fake_data(), 1)
    with pytest.raises(ValueError, match=message):
        check()


def test_each_step_tells_of_which_set_its_images_are(compose, fake_data):
    words = ("+experiment=market_strong", "backbone=resnet18_scratch", "mix_style=domains")
    model = instantiate(compose(*words).model, _convert_="all")(persons=3)
    model._trainer = SimpleNamespace(datamodule=fake_data(domains=torch.tensor([0, 0, 1, 1, 2])))
    model.on_train_batch_start(SimpleNamespace(index=torch.tensor([4, 0, 2])), 0)
    assert [part.domains.tolist() for part in across_domains(model)] == [[2, 0, 1]] * 2
