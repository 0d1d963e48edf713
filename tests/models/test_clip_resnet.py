"""CLIP's ResNet as image tower: open_clip's and timm's forward passes, three views, and CLIP-ReID's two stages."""

import pytest
import timm
import torch
from hydra.utils import instantiate
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import QuickGELU, TextTransformer
from tests.models.steps import check_gradients, epoch_rates, random_batch
from torch import nn
from torch.nn import functional as F

from reid_lit.backbones.attention_pool import AttentionPool
from reid_lit.backbones.base import normalised
from reid_lit.backbones.clip_projection import ProjectedToken
from reid_lit.backbones.clip_resnet import clip_resnet
from reid_lit.losses.batch_hard import batch_hard_triplet_loss
from reid_lit.models.clip_prompts import ClipPrompts
from reid_lit.models.clip_reid import ClipReid
from reid_lit.records import LastMaps, Tokens

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.15
    "ignore:.*does not have many workers",
    "ignore:.*is smaller than the logging interval",
    "ignore:.*in eval mode at the start",
)
NAME = "resnet50_clip.openai"
CHANNELS, DIM, HEADS = 256, 8, 4
THIN = {"width_factor": 0.125}
POOL = {"features": CHANNELS, "dim": DIM, "heads": HEADS, "name": NAME}
SMALL = (
    "transform.size=[64,32]", "+backbone.options.width_factor=0.125",
    f"model.pool.features={CHANNELS}", f"model.pool.dim={DIM}", f"model.pool.heads={HEADS}",
)  # fmt: skip
TEXT = ("model.text.width=16", "model.text.heads=2", "model.text.layers=1")


def towers(size=64):
    """open_clip's two towers with drawn weights and statistics."""
    torch.manual_seed(2)
    image = ModifiedResNet([3, 4, 6, 3], output_dim=DIM, heads=HEADS, image_size=size, width=8).eval()
    for name, value in image.state_dict().items():
        if "running_var" in name or (value.ndim == 1 and name.endswith("weight")):
            value.uniform_(0.5, 1.0)
        elif value.ndim == 1:
            value.normal_(std=0.1)
    text = TextTransformer(width=16, heads=2, layers=1, output_dim=DIM, act_layer=QuickGELU)
    return image, text


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    """A file of both towers by open_clip's names, and the image tower."""
    image, text = towers()
    file = tmp_path_factory.mktemp("clip") / "clip.pth"
    torch.save({f"visual.{name}": value for name, value in image.state_dict().items()} | text.state_dict(), file)
    return file, image


def started(file, size, last_stride):
    """Our tower and pool from a file."""
    backbone = clip_resnet(name=NAME, weights=str(file), last_stride=last_stride, options=THIN).eval()
    return backbone, AttentionPool(**POOL, size=size, last_stride=last_stride, weights=str(file))


def stages_of(theirs, image):
    """What open_clip's tower gives behind its third and fourth stage, and behind its attention pool."""
    x = theirs.stem(image)
    for stage in (theirs.layer1, theirs.layer2, theirs.layer3):
        x = stage(x)
    return x, theirs.layer4(x), theirs(image)


def without_last_stride(theirs):
    """open_clip's tower, whose fourth stage is built with stride 1, as CLIP-ReID's public code builds it."""
    state = theirs.layer4.state_dict()
    theirs._inplanes = CHANNELS // 2
    theirs.layer4 = theirs._make_layer(CHANNELS // 4, 3, stride=1).eval()
    theirs.layer4.load_state_dict(state)
    table = theirs.attnpool.positional_embedding.detach()
    grid = F.interpolate(table[1:].T.reshape(1, -1, 2, 2), (4, 2), mode="bilinear").flatten(2)[0].T
    theirs.attnpool.positional_embedding = nn.Parameter(torch.cat([table[:1], grid]))
    return theirs


@torch.no_grad()
@pytest.mark.parametrize(("last_stride", "size"), [(2, (64, 64)), (1, (64, 32))])
def test_the_forward_pass_is_open_clips(clip_file, last_stride, size):
    file, theirs = clip_file
    if last_stride == 1:
        theirs = without_last_stride(towers()[0])
    backbone, pool = started(file, size, last_stride)
    image = torch.rand(2, 3, *size)
    before, maps, attended = stages_of(theirs, normalised(image, backbone.mean, backbone.std))
    got = backbone(image)
    assert maps.shape[2:] == torch.Size(pool.grid) == ((4, 2) if last_stride == 1 else (2, 2))
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(got.before, before, **close)
    torch.testing.assert_close(got.maps, maps, **close)
    token = maps.mean((2, 3))
    for view, expected in zip(pool.views(got), (before.mean((2, 3)), token, attended), strict=True):
        torch.testing.assert_close(view, expected, **close)
    torch.testing.assert_close(pool(got), torch.cat([token, attended], 1), **close)
    assert pool.widths == (CHANNELS // 2, CHANNELS, DIM)
    assert pool.dim == CHANNELS + DIM == pool(got).shape[1]


@torch.no_grad()
def test_clip_reids_own_prefix_gives_the_same_start(clip_file, tmp_path, caplog):
    file, theirs = clip_file
    other = tmp_path / "clip.pth"
    torch.save({f"image_encoder.{name}": value for name, value in theirs.state_dict().items()}, other)
    with caplog.at_level("INFO"):
        (first, pool), (second, same) = started(file, (64, 64), 2), started(other, (64, 64), 2)
    assert all("missing 0 []" in record.message for record in caplog.records if "matched" in record.message)
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(same(second(image)), pool(first(image)), rtol=0, atol=0)


@torch.no_grad()
def test_timms_own_file_starts_both(tmp_path):
    torch.manual_seed(0)
    theirs = timm.create_model(NAME, num_classes=DIM, img_size=64, **THIN).eval()
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    backbone, pool = started(tmp_path / "timm.pth", (64, 64), 2)
    image = torch.rand(2, 3, 64, 64)
    seen = normalised(image, backbone.mean, backbone.std)
    torch.testing.assert_close(backbone(image).maps, theirs.forward_features(seen), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(pool.views(backbone(image))[2], theirs(seen), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_map_of_another_size_is_pooled_with_a_resized_table(clip_file):
    file, _ = clip_file
    _, pool = started(file, (64, 64), 2)
    maps = LastMaps(torch.rand(2, CHANNELS, 3, 2), torch.rand(2, CHANNELS // 2, 3, 2))
    table = pool.pos_embed
    grid = F.interpolate(table[1:].T.reshape(1, -1, 2, 2), (3, 2), mode="bilinear").flatten(2)[0].T
    pool_of_grid = AttentionPool(**POOL, size=(96, 64), last_stride=2, weights="none")
    state = pool.state_dict() | {"pos_embed": torch.cat([table[:1], grid])}
    pool_of_grid.load_state_dict(state)
    torch.testing.assert_close(pool(maps), pool_of_grid(maps))


def test_files_and_backbones_of_another_kind_are_refused(clip_file, tmp_path):
    _, theirs = clip_file
    sizes = {"size": (64, 32), "last_stride": 1}
    with pytest.raises(
        ValueError, match=r"^heads=3: features=256 is no multiple of it; CLIP's have 64 channels a head"
    ):
        AttentionPool(**POOL | {"heads": 3}, **sizes, weights="none")
    torch.save({f"visual.{name}": value for name, value in theirs.state_dict().items() if "attn" not in name},
               tmp_path / "gap.pth")  # fmt: skip
    with pytest.raises(
        ValueError,
        match=r"0 of 9 tensors of the attention pool of resnet50_clip\.openai matched .*\. At least 100% must match",
    ):
        AttentionPool(**POOL, **sizes, weights=str(tmp_path / "gap.pth"))
    with pytest.raises(FileNotFoundError, match=r"^weights=imagenet: the file of resnet50_clip\.openai is not in a"):
        AttentionPool(**POOL, **sizes, weights="imagenet")
    with pytest.raises(ValueError, match=r"^name='resnet18' is none of CLIP's ResNets; give resnet50_clip"):
        clip_resnet(name="resnet18", weights="none")
    pool = AttentionPool(**POOL, **sizes, weights="none")
    tokens = Tokens(torch.rand(1, 8), torch.rand(1, 4, 8), (2, 2), torch.rand(1, 5, 8))
    with pytest.raises(
        ValueError,
        match=r"^model\.pool=AttentionPool reads the last two maps of .*; choose backbone=clip_reid_resnet50;",
    ):
        pool(tokens)
    projected = ProjectedToken(features=8, dim=4, name=NAME, weights="none")
    with pytest.raises(
        ValueError, match=r"^model\.pool=ProjectedToken reads tokens .*; choose backbone=clip_reid_vit_b16;"
    ):
        projected(torch.rand(1, 8, 2, 2))


def quiet(config, persons):
    torch.manual_seed(1)
    model = instantiate(config.model, _convert_="all")(persons=persons)
    model.log = model.log_dict = lambda *_, **__: None
    return model


def test_cameras_are_refused(compose):
    config = compose("+experiment=market_clip_reid_resnet50", *SMALL, "before={}", "model.cameras=6")
    with pytest.raises(
        ValueError, match=r"model\.cameras=6: this backbone gives no tokens; .*or give model\.cameras=0"
    ):
        quiet(config, persons=4)


def test_the_recipes_of_resnet50(compose):
    first, second = (compose(f"+experiment=market_clip_{stage}_resnet50") for stage in ("prompts", "reid"))
    assert (first.trainer.max_epochs, second.trainer.max_epochs) == (60, 120)
    for config in (first, second):
        assert (config.backbone.last_stride, config.backbone.mean) == (1, [0.485, 0.456, 0.406])
        assert (config.model.pool.features, config.model.pool.dim) == (2048, 1024)
    assert (first.model.text.dim, first.model.text.width, first.optimizer.weight_decay) == (1024, 512, 1e-4)
    assert (second.optimizer.lr, second.optimizer.weight_decay, second.model.bias_lr_scale) == (3.5e-4, 5e-4, 2)
    assert second.before.prompts.experiment == "market_clip_prompts_resnet50"
    weight = nn.Parameter(torch.zeros(1))
    scheduler = instantiate(second.scheduler.build)(torch.optim.SGD([weight], lr=1.0))
    rates = epoch_rates(scheduler, 120)
    public = [0.01 * (1 - min(epoch / 10, 1)) + min(epoch / 10, 1) for epoch in range(1, 121)]  # its index begins at 1
    public = [rate * 0.1 ** ((epoch >= 40) + (epoch >= 70)) for epoch, rate in enumerate(public, start=1)]
    assert rates == pytest.approx(public)


def test_a_step_of_the_second_stage_is_the_sum_of_its_six_losses(compose):
    model = quiet(compose("+experiment=market_clip_reid_resnet50", *SMALL, "before={}"), persons=4).train()
    model.texts.normal_()
    for neck in model.necks:
        nn.init.normal_(neck.classifier.weight)
    batch = random_batch(images=8, persons=4, size=(64, 32))
    views = before, token, projected = model.pool.views(model.backbone(batch.image))
    assert [view.shape[1] for view in (before, token, projected)] == [CHANNELS // 2, CHANNELS, DIM]
    behind = [F.batch_norm(view, None, None, training=True) for view in (token, projected)]
    logits = [F.linear(x, neck.classifier.weight) for x, neck in zip(behind, model.necks, strict=True)]
    smoothed = [F.cross_entropy(x, batch.person, label_smoothing=0.1) for x in (*logits, projected @ model.texts.T)]
    triplets = [batch_hard_triplet_loss(view, batch.person, margin=0.3, squared=False) for view in views]
    loss = model.training_step(batch, 0)
    torch.testing.assert_close(loss, sum(smoothed) + sum(triplets), rtol=1e-4, atol=1e-4)
    loss.backward()
    check_gradients(model)
    with torch.no_grad():
        _, token, projected = model.eval().pool.views(model.backbone(batch.image))
        torch.testing.assert_close(model.embed(batch.image), torch.cat([token, projected], 1))  # before the necks


def test_both_stages_go_from_a_file_of_both_towers(fit, clip_file, tmp_path):
    file, _ = clip_file
    first, before, _ = fit(
        "market_clip_prompts_resnet50", *SMALL, *TEXT, f"backbone.weights={file}",
        "loader.batch_size=6", "scheduler.build.warm_epochs=0", "optimizer.lr=0.05", epochs=1,
    )  # fmt: skip
    assert type(first) is ClipPrompts
    after = first.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"prompts", "texts", "person_ids"}  # and no statistics of a batch norm
    torch.save({"state_dict": after, "stage": 1}, tmp_path / "prompts.ckpt")
    second, start, trainer = fit(
        "market_clip_reid_resnet50", *SMALL, "before={}", f"model.weights={tmp_path / 'prompts.ckpt'}",
        "transform.train.crop.pad=2", "sampler.persons=4", "loader.batch_size=16", epochs=1,
    )  # fmt: skip
    assert type(second) is ClipReid
    assert torch.equal(second.texts, first.texts)
    erase = trainer.datamodule.transform.modules[-1]
    assert torch.equal(erase.mean, second.backbone.mean)
    assert erase.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])  # noise as the network sees it
    learnt = dict(second.named_parameters())
    for name in ("pool.pos_embed", "pool.q.weight", "pool.proj.bias", "backbone.body.model.stem.conv1.conv.weight"):
        moved = (learnt[name] - after[name]).abs().max()
        assert 0 < moved < 0.05, name  # it has gone on from the first stage's
        assert not torch.equal(start[name], after[name])


def test_pcl_clip_has_this_form_too(compose):
    words = ("model=pcl_clip_resnet50", "backbone=clip_reid_resnet50", "backbone.weights=none", "last_stride=one")
    model = quiet(compose("+experiment=market_pcl_clip", *words, *SMALL), persons=4).train()
    nn.init.normal_(model.neck.classifier.weight)
    memory = F.normalize(torch.randn(4, CHANNELS + DIM), dim=1)
    model.memories[0].restart(memory)
    batch = random_batch(images=8, persons=4, size=(64, 32))
    loss = model.training_step(batch, 0)
    loss.backward()
    assert loss.isfinite()
    used = {name for name, value in model.named_parameters() if value.requires_grad and value.grad is not None}
    assert used == {name for name, value in model.named_parameters() if value.requires_grad}
    assert model.eval().embed(batch.image).shape == (8, CHANNELS + DIM)
