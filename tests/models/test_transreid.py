"""TransReID against plain loops: jigsaw, the camera as a side input, rates by layers, and what each branch learns."""

import math

import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.pixel_erasing import PixelErase
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import InputError
from reid_lit.layers.jigsaw import JigsawBranch, jigsaw
from reid_lit.models.schedules import warm_cosine_epochs
from reid_lit.records import Batch

SMALL = (
    "backbone=vit_tiny",
    "backbone.weights=none",
    "backbone.drop_path=0.0",
    "+backbone.options.depth=3",
    "+backbone.options.embed_dim=32",
    "+backbone.options.num_heads=2",
    "transform.size=[64,32]",
)
JIGSAW = ("model=transreid_jpm", "loss=id_triplet_jigsaw", "evaluation.feature=joined")


@pytest.fixture
def build(compose):
    def built(*overrides):
        torch.manual_seed(0)
        config = compose("+experiment=market_transreid", *SMALL, *overrides)
        model = instantiate(config.model, _convert_="all")(persons=4)
        model.log = model.log_dict = lambda *_, **__: None
        return model

    return built


def batch():
    torch.manual_seed(1)
    return Batch(torch.rand(8, 3, 64, 32), torch.arange(8) % 4, torch.arange(8) // 4, torch.arange(8))


@pytest.mark.parametrize("count", [128, 9, 210])
def test_patches_are_shifted_shuffled_and_cut_as_a_loop_does_it(count):
    order = [*range(4, count), *range(4)]
    if count % 2:
        order.append(order[-2])
    half = len(order) // 2
    riffled = [card for pair in zip(order[:half], order[half:], strict=True) for card in pair]
    length = count // 4
    expected = [riffled[start * length : (start + 1) * length] for start in range(4)]
    pieces = jigsaw(torch.arange(float(count)).view(1, count, 1), shift=4, groups=2, pieces=4)
    assert [piece[0, :, 0].tolist() for piece in pieces] == expected
    assert count != 210 or length == 52


@pytest.mark.parametrize("wrong", [{"pieces": 9}, {"groups": 9}, {"shift": 8}, {"shift": 300}])
def test_too_few_patches_for_pieces_are_refused(wrong):
    with pytest.raises(InputError, match=r"pieces=\d groups=\d shift=\d+: an image has 8 patches, which are too few"):
        jigsaw(torch.zeros(1, 8, 2), **{"shift": 4, "groups": 2, "pieces": 4} | wrong)
    assert len(jigsaw(torch.zeros(1, 8, 2), shift=7, groups=8, pieces=8)) == 8


def test_a_piece_takes_the_class_token_and_patches_and_no_register():
    branch = JigsawBranch(block=Sum(), norm=nn.Identity(), prefix=3, shift=1, groups=2, pieces=2)
    tokens = torch.tensor([[100.0, 7000.0, 9000.0, 1.0, 2.0, 3.0, 4.0]]).unsqueeze(2).expand(1, 7, 2)
    assert branch(tokens)[0, :, 0].tolist() == [100 + 2 + 4, 100 + 3 + 1]  # 2 3 4 1 in two rows, read by columns


class Sum(nn.Module):
    """A block whose tokens are the sum of all that it sees."""

    def forward(self, tokens):
        return tokens.sum(1, keepdim=True)


@pytest.mark.parametrize(("rate", "start", "low"), [(0.008, 0.01 * 0.008, 0.002 * 0.008), (3.5e-4, 1e-5, 1e-6)])
def test_the_schedule_is_that_of_transreid_and_of_clip_reids_stage_1(rate, start, low):
    epochs = 120
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = warm_cosine_epochs(optimizer, epochs=epochs, warm_epochs=5, warm_start=start / rate, final=low / rate)
    for t in range(1, epochs + 1):
        expected = low + 0.5 * (rate - low) * (1 + math.cos(math.pi * t / epochs))
        if t < 5:
            expected = start + t * (rate - start) / 5
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-9)
        optimizer.step()
        schedule.step()
    assert expected == pytest.approx(low)
    with pytest.raises(ValueError, match=r"warm_epochs=5 must be at least 0 and below trainer\.max_epochs=5"):
        warm_cosine_epochs(optimizer, epochs=5, warm_epochs=5, warm_start=0.01, final=0.002)
    with pytest.raises(ValueError, match=r"warm_start=2.0 and final=0.0 must be in \[0, 1\]"):
        warm_cosine_epochs(optimizer, epochs=9, warm_epochs=5, warm_start=2.0, final=0.0)


def test_rates_fall_from_the_last_layer_to_the_first_and_biases_learn_twice_as_fast(build):
    model = build("model.layer_decay=0.5", *JIGSAW)
    groups = model._groups()
    rates = {id(value): rate for rate, values in groups.values() for value in values}
    body = model.backbone.body.model
    expected = [
        (body.pos_embed, 0.5**4),
        (body.patch_embed.proj.bias, 2 * 0.5**4),
        (body.blocks[0].attn.qkv.weight, 0.5**3),
        (body.blocks[2].attn.qkv.bias, 2 * 0.5),
        (model.branch.blocks[0].attn.qkv.weight, 0.5),
        (body.norm.weight, 1.0),
        (body.norm.bias, 2.0),
        (model.neck.classifier.weight, 1.0),
        (model.necks[3].norm.weight, 1.0),
    ]
    for value, rate in expected:
        assert rates[id(value)] == pytest.approx(rate)
    assert len(rates) == sum(value.requires_grad for value in model.parameters())


@pytest.mark.parametrize("options", [(), JIGSAW, ("model.cameras=2",), (*JIGSAW, "model.cameras=2")], ids=len)
def test_a_step_reaches_every_parameter(build, options):
    model, images = build(*options).train(), batch()
    model.training_step(images, 0).backward()
    still = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not still
    flat = [name for name, value in model.named_parameters() if value.requires_grad and not value.grad.any()]
    assert flat == []


def test_branches_are_the_public_codes_arithmetic(build):
    model, images = build(*JIGSAW).eval(), batch().image
    with torch.no_grad():
        for value in model.branch.parameters():
            value.add_(0.05 * torch.randn_like(value))  # no more a copy
        output, tokens = model(images), model.backbone(images)
        before = tokens.before
        order = [4, 5, 6, 7, 0, 1, 2, 3]
        riffled = [card for pair in zip(order[:4], order[4:], strict=True) for card in pair]
        locals_ = []
        for start in range(0, 8, 2):
            rows = [0, *(1 + card for card in riffled[start : start + 2])]
            locals_.append(model.branch.norm(model.branch.blocks[0](before[:, rows]))[:, 0])
        torch.testing.assert_close(output.feature, tokens.class_token)
        torch.testing.assert_close(output.parts["part_feature"], torch.stack(locals_, 1))
        joined = torch.cat([output.feature, *(each / 4 for each in locals_)], 1)
        torch.testing.assert_close(output.named("joined"), joined)
        assert model.evaluation.feature == "joined"


def test_branches_that_no_loss_reads_are_refused_and_a_test_without_them_is_said(build, fake_data, caplog):
    with pytest.raises(
        InputError, match=r"loss: its terms read feature, logits, and none reads part_feature or .*jigsaw"
    ):
        build("model=transreid_jpm", "evaluation.feature=joined").check_data(fake_data(), 1)
    build(*JIGSAW).check_data(fake_data(), 1)
    assert not caplog.records
    build("model=transreid_jpm", "loss=id_triplet_jigsaw").check_data(fake_data(), 1)
    assert "evaluation.feature=feature tests the whole image's branch alone; evaluation.feature=joined" in caplog.text


def test_the_experiment_with_branches_has_its_three_keys(compose):
    config = compose("+experiment=market_transreid_jpm", *SMALL)
    assert (config.evaluation.feature, config.loss.terms.id_parts.reads) == ("joined", "part_logits")
    assert instantiate(config.model, _convert_="all")(persons=4).parts[-1] == "joined"


def test_the_camera_is_added_to_every_token_at_lambda(build):
    model, images = build("model.cameras=2").eval(), batch()
    model.check_compared()
    with torch.no_grad(), model.seen_by(images.camera):
        got = model(images.image).feature
        tokens = []
        for image, camera in zip(images.image, images.camera, strict=True):
            body = model.backbone.body.model
            x = body.patch_embed.proj((image[None] - 0.5) / 0.5).flatten(2).mT
            x = torch.cat([body.cls_token, x], 1) + body.pos_embed + 3.0 * model.cameras.weight[camera]
            tokens.append(body.norm(body.blocks(x))[0, 0])
    torch.testing.assert_close(got, torch.stack(tokens), rtol=1e-4, atol=1e-5)


def test_an_unknown_camera_is_refused_and_so_are_images_without_one(build):
    model, images = build("model.cameras=2").eval(), batch().image
    with pytest.raises(InputError, match=r"model\.cameras: .* needs the camera of each image, .*an export, a gallery"):
        model.embed(images)
    with pytest.raises(InputError, match=r"model\.cameras=2: no vector was learnt for camera 3, counted from 1; test"):  # noqa: SIM117
        with model.seen_by(torch.full((8,), 2)):
            model.embed(images)
    with pytest.raises(InputError, match=r"trainer\.chunk: a model with model\.cameras takes whole batches"):  # noqa: SIM117
        with model.seen_by(torch.zeros(3, dtype=torch.int64)):
            model(images)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("backbone=resnet18", *JIGSAW), r"model=transreid_jpm: this backbone gives no tokens"),
        (("backbone=resnet18", "model.cameras=2"), r"model\.cameras=2: this backbone gives no tokens; choose a vision"),
        (("backbone=resnet18", "model.layer_decay=0.7"), r"layer_decay=0\.7: this backbone is no vision transformer"),
        (("backbone=resnet18", "model.layer_decay=1.7"), r"layer_decay=1\.7: give a number in \(0, 1\]"),
    ],
)
def test_what_needs_tokens_says_so(compose, overrides, words):
    config = compose("+experiment=market_transreid", *overrides, "backbone.weights=none")
    with pytest.raises(Exception, match=words):
        instantiate(config.model, _convert_="all")(persons=4)


@pytest.mark.parametrize("given", [0.5, [0.485, 0.456, 0.406], None])
def test_noise_is_standard_normal_in_a_normalised_image_and_aspects_are_log_uniform(given):
    erase = PixelErase(probability=1.0, area=[0.2, 0.2], aspect=[0.3, 1 / 0.3], mean=given, std=given)
    transform = Transform(size=[32, 32], interpolation="bicubic", train=[erase])
    noise = ImageNoise(torch.arange(64), seed=0, epoch=0)
    if given is None:
        with pytest.raises(InputError, match=r"mean=null and std=null of the erasing noise are those of the model"):
            erase(torch.zeros(64, 3, 32, 32), noise)
    transform.normalised_by([0.48, 0.46, 0.41], [0.27, 0.26, 0.28])
    mean, std = (given, given) if given else ([0.48, 0.46, 0.41], [0.27, 0.26, 0.28])
    erased = erase(torch.zeros(64, 3, 32, 32), noise)
    inside = erased != 0
    assert torch.equal(inside.any(1), inside.all(1))  # every colour of a pixel
    values = (erased - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    for colour in range(3):
        assert values[:, colour][inside[:, colour]].mean().abs() < 0.03
        assert values[:, colour][inside[:, colour]].std() == pytest.approx(1, abs=0.03)
    aspects = erase.aspects(torch.linspace(0, 1, 1001)[None]).log()
    assert aspects.median().abs() < 1e-5
    assert aspects.diff().std() < 1e-5


@pytest.mark.parametrize("wrong", [{"mean": 2.0}, {"std": 0.0}, {"std": [0.5, 0.5]}, {"mean": [0.5, 0.5, -0.1]}])
def test_noise_of_impossible_numbers_is_refused(wrong):
    (argument,) = wrong
    with pytest.raises(InputError, match=rf"^{argument}=.*: give one number or three, in \[0, 1\] as images are"):
        PixelErase(**{"probability": 1.0, "area": [0.2, 0.2], "aspect": [0.3, 3.0], "mean": 0.5, "std": 0.5} | wrong)
