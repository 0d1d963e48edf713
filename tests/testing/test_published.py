"""Models of other projects: every tensor in its place, tested as it was there, or a line that says why not."""

import json

import pytest
import safetensors.torch
import torch
from tests.backbones import layouts

import reid_lit
from reid_lit.backbones.base import Backbone
from reid_lit.evaluate import _reword
from reid_lit.run.composing import composed
from reid_lit.run.published import check_published, entries, published
from reid_lit.testing.published_weights import PublishedWeights
from reid_lit.testing.retesting import evaluate_run

NON_LOCAL = (0, 2, 3, 0)
RESNET = layouts.resnet(50)
WITH_BLOCKS = layouts.resnet(50, non_local=NON_LOCAL)


def saved(folder, shapes, wrap=dict):
    state = layouts.numbered(shapes)
    torch.save(wrap(state), folder / "model.pth")
    return folder / "model.pth", state


def wrapped(state):
    return {
        "state_dict": {f"module._orig_mod.{name}": value for name, value in state.items()},
        "epoch": 60,
        "rank1": 0.9,
    }


PLACES = {
    "fastreid/sbs_R50": (
        layouts.fastreid(WITH_BLOCKS, pool=True),
        {
            "backbone.layer3.5.conv2.weight": "backbone.body.model.layer3.5.conv2.weight",
            "backbone.NL_2.1.theta.bias": "backbone.body.model.layer2.non_local_1.theta.bias",
            "backbone.NL_3.0.W.1.running_var": "backbone.body.model.layer3.non_local_0.W.1.running_var",
            "heads.bottleneck.0.running_mean": "neck.norm.running_mean",
            "heads.pool_layer.p": "pool.p",
            "heads.weight": "neck.classifier.weight",
        },
    ),
    "fastreid/bagtricks_R50-ibn": (
        layouts.fastreid(layouts.resnet(50, ibn=True), old=True),
        {
            "backbone.layer1.0.bn1.IN.weight": "backbone.body.model.layer1.0.bn1.IN.weight",
            "heads.bnneck.weight": "neck.norm.weight",
            "heads.classifier.weight": "neck.classifier.weight",
        },
    ),
    "reid-strong-baseline/resnet18": (
        layouts.strong_baseline(layouts.resnet(18), 512),
        {"base.bn1.bias": "backbone.body.model.bn1.bias", "bottleneck.bias": "neck.norm.bias"},
    ),
    "torchreid/osnet_x0_25": (layouts.osnet("x0_25"), {"conv3.2.0.bn.bias": "backbone.body.conv3.2.0.bn.bias", "fc.0.bias": "neck.embed.0.bias"}),
    "torchreid/osnet_ibn_x1_0": (layouts.osnet(kind="ibn"), {"conv2.1.IN.bias": "backbone.body.conv2.1.IN.bias"}),
    "torchreid/osnet_ain_x1_0": (
        layouts.osnet(kind="ain"),
        {
            "conv2.0.conv2.0.layers.0.bn.bias": "backbone.body.conv2.0.conv2a.bn.bias",
            "conv4.1.conv2.3.layers.2.conv1.weight": "backbone.body.conv4.1.conv2d.2.conv1.weight",
            "pool3.0.conv.weight": "backbone.body.conv3.2.0.conv.weight",
            "fc.1.running_var": "neck.embed.1.running_var",
        },
    ),
    "layumi/ResNet-50": (
        layouts.layumi(RESNET),
        {"classifier.add_block.1.bias": "neck.embed.1.bias", "classifier.classifier.0.weight": "neck.classifier.weight"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("entry", "wrap"), [(entry, (dict, wrapped)[n % 2]) for n, entry in enumerate(PLACES)])
def test_every_tensor_of_a_file_has_its_place(tmp_path, entry, wrap):
    shapes, places = PLACES[entry]
    file, state = saved(tmp_path, shapes, wrap)
    embed = reid_lit.load(file, as_=entry, device="cpu")
    own = {name: value for name, value in embed.model.state_dict().items() if "num_batches" not in name}
    for theirs, ours in places.items():
        assert torch.equal(own[ours], state[theirs]), theirs
    left = {name for name in state if name.startswith("model.fc.")}
    numbers = sorted(float(value.flatten()[0]) for name, value in state.items() if name not in left)
    assert sorted(float(value.flatten()[0]) for value in own.values()) == numbers
    assert embed.model.stamp["weights"].startswith(f"model.pth as {entry};")
    assert embed.model.backbone.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


WAYS = {  # size, resizing, distance, feature, flip, AP, as each project's test has them
    "fastreid/sbs_R50": ([384, 128], "bicubic", "cosine", "embedding", False, "step"),
    "fastreid/AGW_R50-ibn": ([256, 128], "bicubic", "cosine", "embedding", False, "step"),
    "reid-strong-baseline/resnet50": ([256, 128], "bilinear", "cosine", "embedding", False, "step"),
    "torchreid/osnet_x1_0": ([256, 128], "bilinear", "euclidean", "embedding", False, "step"),
    "torchreid/osnet_ain_x1_0": ([256, 128], "bilinear", "cosine", "embedding", False, "step"),
    "layumi/DenseNet-121": ([256, 128], "bicubic", "cosine", "embedding", True, "trapezoid"),
    "layumi/PCB": ([384, 192], "bicubic", "cosine", "pooled", True, "trapezoid"),
}


@pytest.mark.parametrize("entry", WAYS)
def test_it_is_tested_as_it_was_there(tmp_path, entry, compose):
    file, _ = saved(tmp_path, {"x": (1,)})
    config = compose(*published(entry).words(file), config_name="evaluate")
    evaluation = config.evaluation
    way = (list(config.transform.size), config.transform.interpolation, evaluation.distance, evaluation.feature)
    assert (*way, evaluation.flip, evaluation.ap) == WAYS[entry]


@pytest.mark.parametrize("entry", [entry for entry in entries() if entry not in WAYS])
def test_every_entry_composes(tmp_path, entry):
    file, _ = saved(tmp_path, {"x": (1,)})
    assert composed(tuple(published(entry).words(file)))["evaluation"]["camera_rule"] == "cross_camera"


def test_a_files_names_tell_the_version_of_the_code(tmp_path):
    def words(entry, shapes):
        return published(entry).words(saved(tmp_path, shapes)[0])

    small = {"conv1.weight": (64, 3, 7, 7)}
    assert "backbone.stem_pool=padded" in words("fastreid/sbs_R50", layouts.fastreid(small, old=True))
    assert "backbone.stem_pool=padded" not in words("fastreid/sbs_R50", layouts.fastreid(small))
    assert "model.pool.learned=true" in words("fastreid/AGW_R50", layouts.fastreid(small, pool=True))
    assert "model.pool.learned=true" not in words("fastreid/AGW_R50", layouts.fastreid(small))


def refused(file, entry):
    with pytest.raises(ValueError, match="weights=") as error:
        reid_lit.load(file, as_=entry, device="cpu")
    return str(error.value)


def test_what_the_network_lacks_is_refused_though_all_of_it_matches(tmp_path):
    file, _ = saved(tmp_path, layouts.fastreid(WITH_BLOCKS))
    text = refused(file, "fastreid/bagtricks_R50")
    assert "matched 100.0% (backbone 265 of 265, neck 4 of 4, classifier 1 of 1); unexpected 60 (backbone." in text
    assert text.endswith("this is a resnet50 with non-local blocks [0, 2, 3, 0]")


def test_another_width_is_named(tmp_path):
    file, _ = saved(tmp_path, layouts.osnet("x0_25"), wrapped)
    text = refused(file, "torchreid/osnet_x1_0")
    assert "backbone 0 of 479" in text
    assert "of another shape 480" in text
    assert "backbone.body.conv1.conv.weight is [16, 3, 7, 7] and [64, 3, 7, 7] here" in text
    assert text.endswith("this is an osnet_x0_25")


def test_a_missing_neck_is_refused_and_a_missing_classifier_is_not(tmp_path):
    shapes = layouts.osnet("x0_25")
    without_neck = {name: shape for name, shape in shapes.items() if not name.startswith("fc.1.")}
    assert "neck 2 of 6, classifier 2 of 2); missing 4 (neck.embed.1.weight" in refused(
        saved(tmp_path, without_neck)[0], "torchreid/osnet_x0_25"
    )
    without = {name: shape for name, shape in shapes.items() if not name.startswith("classifier.")}
    state = layouts.numbered(without)
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    embed = reid_lit.load(tmp_path / "model.safetensors", as_="torchreid/osnet_x0_25", device="cpu")
    assert embed.model.persons == 2


def test_values_and_other_numbers_of_the_images_are_looked_at(tmp_path):
    state = layouts.numbered(layouts.osnet("x0_25"))
    state["conv5.bn.bias"][3] = float("nan")
    torch.save(state, tmp_path / "model.pth")
    assert "backbone.body.conv5.bn.bias of our names holds values that are not finite" in refused(
        tmp_path / "model.pth", "torchreid/osnet_x0_25"
    )
    own = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    backbone = Backbone(torch.nn.Identity(), dim=3, **own)
    for mean, fits in (([123.675, 116.28, 103.53], True), ([103.53, 116.28, 123.675], False)):  # FastReID's; BGR
        torch.save({"model": {"pixel_mean": torch.tensor(mean).view(1, 3, 1, 1)}}, tmp_path / "mean.pth")
        read = PublishedWeights.read(tmp_path / "mean.pth", published("fastreid/sbs_R50"))
        assert (read.given["mean"].flatten().tolist(), read.tensors) == (pytest.approx(mean), {})
        if fits:
            read._check_given(backbone)
        else:
            with pytest.raises(
                ValueError, match=r"its mean is \[103\.5, 116\.3, 123\.7\], and here \[123\.7, 116\.3, 103\.5\]"
            ):
                read._check_given(backbone)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": "a.pth"}, r"weights=a\.pth: say what they are by as=.*, one of fastreid/bagtricks_R50, .*run=<folder>"),
        ({"as": "fastreid/sbs_R50"}, r"as=fastreid/sbs_R50: give its file too"),
        ({"weights": "a.pth", "as": "fastreid/sbs_r50"}, r"did you mean fastreid/sbs_R50\?"),
        ({"weights": "a.pth", "as": "open/x"}, r"as=open/x: there is no such project; give one of fastreid/"),
        ({"weights": "a.pth", "as": "fastreid/sbs_S50"}, r"cannot be tested here: its ResNeSt-50 has non-local blocks"),
        ({"weights": "a.pth", "as": "layumi/PCB", "run": "runs/a"}, r"weights=a\.pth and run=runs/a: give one of them"),
    ],
)  # fmt: skip
def test_words_that_do_not_go_together_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        check_published(values)


def test_typed_words_win_and_an_addition_keeps_the_way_of_scoring(tmp_path):
    file, _ = saved(tmp_path, {"x": (1,)})
    words = _reword(
        [f"weights={file}", "as=torchreid/osnet_x0_25", "evaluation=verification", "transform.size=[64,32]"]
    )
    assert [word for word in words if word.startswith(("evaluation=", "transform.size="))] == [
        "evaluation=standard",
        "transform.size=[64,32]",
    ]
    assert any(word.startswith("evaluation.roc=") for word in words)
    assert _reword(words) == words or sorted(_reword(words)) == sorted(words)
    assert _reword(["run=runs/a"]) == ["run=runs/a"]


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_an_evaluation_says_whose_model_it_was_and_loads_again(tmp_path, drawn, compose):
    file = tmp_path / "model.pth"
    torch.save(layouts.drawn(layouts.osnet("x0_25")), file)
    typed = [f"weights={file}", "as=torchreid/osnet_x0_25", "transform.size=[32,16]", "dataset.size=tiny", f"data_root={drawn}",
             "machine=cpu", "machine.workers=0", "machine.progress_bar=false", "~callbacks.pictures"]  # fmt: skip
    config = compose(*_reword(typed), config_name="evaluate")
    evaluate_run(config)
    folder = tmp_path / "run"
    content = json.loads((folder / "metrics.json").read_text())
    assert (content["as"], content["trained_on"], content["name"]) == (
        "torchreid/osnet_x0_25",
        "unknown data",
        "torchreid_osnet_x0_25",
    )
    (row,) = content["results"]
    assert row["stamp"]["weights"] == "model.pth as torchreid/osnet_x0_25; what they learnt from is not known"
    assert row["stamp"]["distance"] == "euclidean"
    again = reid_lit.load(folder, device="cpu")
    assert again.transform.test_size == (32, 16)
    assert again.origin.model == reid_lit.load(file, as_="torchreid/osnet_x0_25", device="cpu").origin.model
