"""CLIP-ReID's two stages and PCL-CLIP on the tiny synthetic set, with towers of a few channels; and their oracles."""

import sys

import pytest
import torch
from hydra.utils import instantiate
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import QuickGELU, TextTransformer
from tests.models.steps import check_gradients, random_batch, same_states
from torch import nn
from torch.nn import functional as F

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.clip_projection import ProjectedToken
from reid_lit.backbones.clip_text import TextTower
from reid_lit.losses.batch_hard import batch_hard_triplet_loss
from reid_lit.losses.sup_con import sup_con_loss
from reid_lit.models.density_clusters import centres
from reid_lit.records import Tokens

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.15
    "ignore:.*does not have many workers",
    "ignore:.*is smaller than the logging interval",
    "ignore:.*in eval mode at the start",
)
WIDTH, DIM = 12, 8
POOL = (f"model.pool.features={WIDTH}", f"model.pool.dim={DIM}")
TEXT = ("model.text.width=16", "model.text.heads=2", "model.text.layers=2")
SIZE = ("transform.size=[32,16]", "transform.train.crop.pad=2")
SENTENCE = {"before": "A photo of a", "after": "person.", "tokens": 4}


class TinyTokens(nn.Module):
    """A tower of two blocks that gives tokens."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, WIDTH, 8, stride=8)
        self.first = self.token = None
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))

    def forward(self, image):
        maps = self.embed(image)
        patches = maps.flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(image), -1, -1) + patches.mean(1, keepdim=True), patches], dim=1)
        before = F.gelu(self.first(x))
        final = before + self.last(before)
        return Tokens(final[:, 0], final[:, 1:], (maps.shape[2], maps.shape[3]), before)


def tower(seed=0):
    torch.manual_seed(seed)
    return Backbone(TinyTokens(), dim=WIDTH, mean=[0.5] * 3, std=[0.5] * 3)


def built(config, persons, **parts):
    config.model.backbone = None
    torch.manual_seed(1)
    made = instantiate(config.model, _convert_="all")
    model = made.func(**made.keywords | {"backbone": tower()} | parts, persons=persons)
    model.log = model.log_dict = lambda *_, **__: None
    return model


@pytest.fixture
def fit_clip(fit):
    """A training of one experiment on the tiny set, with a tower of a few channels."""

    def tiny(config, persons):
        model = built(config, persons)
        del model.log, model.log_dict
        return model

    def run(experiment, *overrides, epochs=1):
        return fit(experiment, *SIZE, "before={}", *overrides, epochs=epochs, build=tiny)

    return run


PROMPTS = (
    "market_clip_prompts",
    "backbone.weights=none",
    *POOL,
    *TEXT,
    "loader.batch_size=6",
    "scheduler.build.warm_epochs=0",
    "optimizer.lr=0.05",
)


@pytest.fixture
def prompts(fit_clip, tmp_path):
    """A run of the first stage, with its checkpoint."""
    model, before, trainer = fit_clip(*PROMPTS, epochs=3)
    checkpoint = {"state_dict": model.state_dict(), "stage": 1}
    torch.save(checkpoint, tmp_path / "prompts.ckpt")
    return model, before, trainer, tmp_path / "prompts.ckpt"


def clip_file(tmp_path, prefix=""):
    """open_clip's text tower with a projection of images, and its file."""
    torch.manual_seed(3)
    text = TextTransformer(width=16, heads=2, layers=2, output_dim=DIM, act_layer=QuickGELU)
    state = {f"{prefix}{name}": value for name, value in text.state_dict().items()}
    state["visual.proj"] = torch.randn(WIDTH, DIM)
    torch.save(state, tmp_path / "clip.pth")
    return text, tmp_path / "clip.pth"


@pytest.mark.parametrize("prefix", ["", "text."])
def test_a_sentence_with_the_embeddings_of_words_is_that_sentence(tmp_path, prefix):
    text, file = clip_file(tmp_path, prefix)
    ours = TextTower(weights=str(file), width=16, heads=2, layers=2, dim=DIM, **SENTENCE)
    ids = SimpleTokenizer()(["A photo of a X X X X person.", "A photo of a red man in blue person."])
    assert ours.end == int(ids[0].argmax()) == 11
    with torch.no_grad():
        torch.testing.assert_close(ours(text.token_embedding(ids)[:, 5:9]), text(ids))
    assert not any(value.requires_grad for value in ours.parameters())


def test_files_without_the_text_tower_are_refused(tmp_path):
    _, file = clip_file(tmp_path)
    small = {"heads": 2, "layers": 2, "dim": DIM}
    with pytest.raises(ValueError, match=r"lacks \d+ of the 29 tensors of the text tower, such as .* \[.*\]; give the"):
        TextTower(weights=str(file), width=18, **small, **SENTENCE)
    with pytest.raises(
        ValueError, match=r"^weights=imagenet: timm has CLIP's image tower alone; give the file of both"
    ):
        TextTower(weights="imagenet", width=16, **small, **SENTENCE)
    with pytest.raises(ValueError, match=r"^tokens=90: the sentence has 98 tokens, and the tower reads 77"):
        TextTower(weights="none", width=16, **small, **SENTENCE | {"tokens": 90})
    with pytest.raises(ValueError, match=r"^heads=3: width=16 is no multiple of it"):
        TextTower(weights="none", width=16, **small | {"heads": 3}, **SENTENCE)


def test_without_open_clip_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs open-clip-torch .*; pip install 'reid-lit\[clip\]'"):
        TextTower(weights="none", width=16, heads=2, layers=2, dim=DIM, **SENTENCE)


def test_the_projection_comes_from_the_file_of_the_image_tower(tmp_path):
    make = {"features": WIDTH, "dim": DIM, "name": "vit_base_patch16_clip_quickgelu_224.openai"}
    _, file = clip_file(tmp_path)
    matrix = torch.load(file)["visual.proj"]
    token = torch.randn(2, WIDTH)
    tokens = Tokens(token, torch.randn(2, 4, WIDTH), (2, 2), before := torch.randn(2, 5, WIDTH))
    views = ProjectedToken(**make, weights=str(file)).views(tokens)
    for got, expected in zip(views, (before[:, 0], token, token @ matrix), strict=True):
        torch.testing.assert_close(got, expected)
    beside = {"text_projection": matrix, "text_projection.weight": matrix.T, "attn.proj.weight": matrix.T}
    for name, value in (
        ("head.weight", matrix.T),  # timm's
        ("module.visual.proj", matrix),  # of a parallel training
        ("image_encoder.proj", matrix),  # CLIP-ReID's
        ("proj", matrix),  # the image tower alone
        ("visual.head.proj", matrix),  # timm's tower in open_clip
        ("visual_projection.weight", matrix.T),  # transformers'
        ("pool.projection.weight", matrix.T),  # our own runs'
    ):
        torch.save(beside | {name: value}, file)
        torch.testing.assert_close(ProjectedToken(**make, weights=str(file))(tokens), torch.cat(views[1:], 1))
    with pytest.raises(
        ValueError, match=r"the projection has to be one of \[9, 12\], and is pool.projection.weight \["
    ):
        ProjectedToken(**make | {"dim": 9}, weights=str(file))
    torch.save({"a.proj": matrix, "b.proj": 2 * matrix}, file)
    with pytest.raises(ValueError, match=r"and is a\.proj \[8, 12\], b\.proj \[8, 12\]; give the file"):
        ProjectedToken(**make, weights=str(file))
    torch.save({"other": matrix}, file)
    with pytest.raises(ValueError, match=r"and is under no name that ends in proj, .*; give the file"):
        ProjectedToken(**make, weights=str(file))


def test_the_first_stage_learns_prompts_alone_on_features_that_are_kept(prompts, caplog):
    model, before, trainer, _ = prompts
    after = model.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"prompts", "texts", "person_ids"}
    assert before["prompts"].std() == pytest.approx(0.02, rel=0.1)
    data = trainer.datamodule
    assert after["person_ids"].tolist() == [*data.split.persons]
    torch.testing.assert_close(after["texts"], model.text_features(batch=5))
    batches = list(trainer.train_dataloader)
    assert all(batch.image.numel() == 0 for batch in batches)
    assert sorted(torch.cat([batch.index for batch in batches]).tolist()) == [*range(len(data.split.train))]
    images = torch.cat([batch.image for batch in data.plain_dataloader()])
    with torch.no_grad():
        token = model.backbone(data.as_tested(images)).class_token
        torch.testing.assert_close(model._images, model.pool.projection(token), atol=1e-5, rtol=1e-4)
        person = torch.tensor(data._labels)
        losses = []
        for tokens in (before["prompts"], after["prompts"]):
            text = model.text(tokens[person])
            losses.append(sup_con_loss(model._images, text, person) + sup_con_loss(text, model._images, person))
    assert losses[1] < losses[0]
    assert any("the text tower has random weights" in record.message for record in caplog.get_records("setup"))


def test_prompts_that_go_on_have_their_towers_from_the_checkpoint(compose, caplog):
    model = built(compose("+experiment=market_clip_prompts", "backbone.weights=none", *POOL, *TEXT), persons=3)
    model.on_load_checkpoint({})
    super(type(model), model).on_fit_start()
    assert "random weights" not in caplog.text


def test_a_step_of_the_first_stage_is_the_loss_both_ways(compose):
    model = built(compose("+experiment=market_clip_prompts", "backbone.weights=none", *POOL, *TEXT), persons=3)
    model._images = torch.randn(6, DIM)
    batch = random_batch(images=6, persons=3)
    text = model.text(model.prompts[batch.person])
    expected = sup_con_loss(model._images, text, batch.person) + sup_con_loss(text, model._images, batch.person)
    loss = model.train().training_step(batch, 0)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    check_gradients(model)
    assert [name for name, value in model.named_parameters() if value.grad is not None] == ["prompts"]
    assert not model.backbone.training
    assert [len(params) for _, params in model._groups().values()] == [1, 0]


def test_the_second_stage_goes_on_from_the_first_and_leaves_the_texts(fit_clip, prompts):
    first, _, _, file = prompts
    model, _, _ = fit_clip(
        "market_clip_reid", *POOL, f"model.weights={file}", "sampler.persons=4", "loader.batch_size=16",
        "optimizer.lr=1.0e-3", epochs=1,
    )  # fmt: skip
    assert torch.equal(model.texts, first.texts)
    assert torch.equal(model.person_ids, first.person_ids)
    moved = {
        name
        for name, value in model.backbone.named_parameters()
        if not torch.equal(value, first.backbone.get_parameter(name))
    }
    assert moved == {name for name, _ in model.backbone.named_parameters()}
    first.person_ids += 1
    torch.save({"state_dict": first.state_dict(), "stage": 1}, file)
    with pytest.raises(ValueError, match=r"has prompts of other persons than the training list; train the prompts"):
        model.on_fit_start()


def test_a_step_of_the_second_stage_is_the_sum_of_its_six_losses(compose):
    model = built(compose("+experiment=market_clip_reid", *POOL, "before={}"), persons=4).train()
    model.texts.normal_()
    for neck in model.necks:
        nn.init.normal_(neck.classifier.weight)
    batch = random_batch(images=8, persons=4, size=(32, 16))
    tokens = model.backbone(batch.image)
    before, token, projected = model.pool.views(tokens)
    logits = [F.linear(F.batch_norm(view, None, None, training=True), neck.classifier.weight) for neck, view in zip(model.necks, (token, projected), strict=True)]  # fmt: skip
    smoothed = [
        F.cross_entropy(each, batch.person, label_smoothing=0.1) for each in (*logits, projected @ model.texts.T)
    ]
    triplets = [
        batch_hard_triplet_loss(view, batch.person, margin=0.3, squared=False) for view in (before, token, projected)
    ]
    expected = 0.25 * (smoothed[0] + smoothed[1]) + sum(triplets) + smoothed[2]
    loss = model.training_step(batch, 0)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    loss.backward()
    check_gradients(model)
    output = model.eval()(batch.image)
    assert output.feature.shape == (8, WIDTH + DIM)
    before, token, projected = model.pool.views(model.backbone(batch.image))
    torch.testing.assert_close(model.embed(batch.image), torch.cat([token, projected], 1))  # before the necks


def test_biases_learn_at_twice_the_rate(compose):
    model = built(compose("+experiment=market_clip_reid", *POOL, "before={}"), persons=4)
    names = {id(value): name for name, value in model.named_parameters()}
    rates = {names[id(value)]: scale for scale, values in model._groups().values() for value in values}
    assert rates == {
        name: 2.0 if "bias" in name else 1.0 for name, value in model.named_parameters() if value.requires_grad
    }
    assert {"backbone.body.last.bias", "backbone.body.token", "necks.0.classifier.weight"} <= rates.keys()


def test_without_prompts_the_second_stage_does_not_start(compose):
    model = built(compose("+experiment=market_clip_reid", *POOL, "before={}"), persons=4)
    with pytest.raises(ValueError, match=r"^weights=null, but stage 2 starts from a run of stage 1; train the prompts"):
        model.on_fit_start()


PCL = (
    "market_pcl_clip",
    "backbone.weights=none",
    "model.frozen=[body.embed]",
    *POOL,
    "sampler.images=4",
    "sampler.iterations=2",
    "loader.batch_size=8",
)


def test_a_memory_of_persons_starts_each_epoch_with_their_means(fit_clip):
    states = []
    model, before, trainer = None, None, None

    def watch(module):
        states.append(
            ({name: value.clone() for name, value in module.state_dict().items()}, module.memories[0].memory.clone())
        )

    from reid_lit.models.person_memory import PersonMemory

    start = PersonMemory.on_train_epoch_start

    def seen(self):
        start(self)
        watch(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PersonMemory, "on_train_epoch_start", seen)
        model, before, trainer = fit_clip(*PCL, "optimizer.lr=0.1", epochs=2)
    data = trainer.datamodule
    images = torch.cat([batch.image for batch in data.plain_dataloader()])
    assert len(states) == 2
    for state, memory in states:
        model.load_state_dict(state)
        with torch.no_grad():
            embedding = F.normalize(model.eval()(data.as_tested(images)).embedding, dim=1)
        expected = F.normalize(centres(embedding, torch.tensor(data._labels)), dim=1)
        torch.testing.assert_close(memory, expected, atol=1e-5, rtol=1e-4)
    kept = {name for name in before if torch.equal(before[name], states[1][0][name])}
    assert {"backbone.body.embed.weight", "backbone.body.embed.bias", "neck.norm.bias"} <= kept
    assert not kept & {"backbone.body.last.weight", "pool.projection.weight", "neck.classifier.weight"}


def test_a_step_of_pcl_is_a_quarter_of_the_id_loss_and_the_memorys(compose):
    model = built(compose(*[f"+experiment={PCL[0]}", *PCL[1:]]), persons=4).train()
    nn.init.normal_(model.neck.classifier.weight)
    batch = random_batch(images=8, persons=4, size=(32, 16))
    memory = F.normalize(torch.randn(4, WIDTH + DIM), dim=1)
    model.memories[0].restart(memory)
    _, token, projected = model.pool.views(model.backbone(batch.image))
    embedding = F.batch_norm(torch.cat([token, projected], 1), None, None, training=True)
    identity = F.cross_entropy(F.linear(embedding, model.neck.classifier.weight), batch.person, label_smoothing=0.1)
    contrast = F.cross_entropy(F.normalize(embedding, dim=1) @ memory.T / 0.05, batch.person)
    loss = model.training_step(batch, 0)
    torch.testing.assert_close(loss, 0.25 * identity + contrast, rtol=1e-4, atol=1e-5)
    loss.backward()
    check_gradients(model)
    assert not same_states({"memory": memory}, {"memory": model.memories[0].memory})  # it has followed the embeddings


def test_a_loss_without_a_memory_and_an_unknown_part_are_refused(compose):
    with pytest.raises(
        ValueError, match=r"^model=person_memory trains against a memory of the persons; set loss=id_mem"
    ):
        built(compose(f"+experiment={PCL[0]}", *PCL[1:], "loss=id"), persons=4)
    with pytest.raises(ValueError, match=r"^frozen=\[body\.stem\]: the backbone has no such part; give some of"):
        built(compose(f"+experiment={PCL[0]}", *PCL[1:], "model.frozen=[body.stem]"), persons=4)
