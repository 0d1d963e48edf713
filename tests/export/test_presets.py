"""Each preset against what its consumer documents; the consumer's arithmetic is written again here."""

import copy
import importlib.util
import json
import re
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import timm
import torch
import yaml
from jaxtyping import Float
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.script_modules import script
from torch import Tensor, nn

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.timm import timm_backbone
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import FailedError, InputError
from reid_lit.evaluation.protocol import Protocol
from reid_lit.export.exporting import Material, export
from reid_lit.export.files import opened, stamped
from reid_lit.export.formats import runner, written
from reid_lit.export.preset_graphs import FoldedGraph, unenlarging
from reid_lit.export.presets import PRESETS, chosen, wanted_by
from reid_lit.models.base import RetrievalModel
from reid_lit.models.recipe import Recipe
from reid_lit.records import Output
from reid_lit.testing.embedder import Embedder

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZE = (32, 16)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
ASKED = {"preset": None, "input_size": None, "format": "onnx", "color": "rgb", "range": 255, "dtype": "float32", "unit_length": False,
         "precision": "fp32", "opset": None, "batch": None}  # fmt: skip
"""The keys of conf/export.yaml that a preset looks at."""
IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Pooled(RetrievalModel):
    """A backbone and the mean of its map."""

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        feature = self.backbone(image).mean(dim=(2, 3))
        return Output(feature, feature, None)


def embedder_of(backbone, *, flip=False):
    transform = Transform(size=SIZE, interpolation="bicubic", train=[])
    recipe = Recipe(
        optimizer=torch.optim.SGD, scheduler={}, evaluation=Protocol(flip=flip), channels_last=True, frozen_epochs=0
    )
    model = Pooled(backbone=backbone, persons=2, recipe=recipe)
    return Embedder(model=model, transform=transform, batch_size=4, precision="32-true")


@pytest.fixture(scope="module")
def embedder():
    """A small network with padding, whose first layer is inside a block."""
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    body = nn.Sequential(stem, nn.Conv2d(8, 12, 3, padding=1))
    return embedder_of(Backbone(body, dim=12, mean=MEAN, std=STD))


@pytest.fixture(scope="module")
def crops():
    """Five drawn crops in BGR, as OpenCV reads them, of the network's size: so a consumer's enlargement can be undone."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 6, 3, 3), dtype=np.uint8)
    return [cv2.resize(each, SIZE[::-1], interpolation=cv2.INTER_CUBIC) for each in noise]


@pytest.fixture(scope="module")
def files(embedder, tmp_path_factory):
    """What presets wrote, by name: the model's file, which has the others beside it."""
    made = {}
    for name in ("boxmot", "deepstream", "openvino", "supervision"):
        preset, folder = PRESETS[name], tmp_path_factory.mktemp(name)
        if preset.format == "openvino":
            pytest.importorskip("openvino")
        graph = preset.graph(embedder, images=preset.images(embedder), unit_length=True)
        made[name] = folder / preset.file
        written(graph, preset.format, made[name], names=preset.names)
        preset.beside(made[name], graph, embedder)
    return made


def batch(crops, height, width):
    """Crops stretched as OpenCV does it, float32 (b 3 h w), 0 … 255."""
    resized = [cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR) for crop in crops]
    return np.stack(resized).transpose(0, 3, 1, 2).astype(np.float32)


def check(found, embedder, crops):
    """The features are ours of the same crops, and not ours of other colours."""
    expected = embedder(crops, color="bgr", normalize=True).numpy()
    swapped = embedder(crops, color="rgb", normalize=True).numpy()
    assert found.shape == expected.shape
    assert (found * expected).sum(1).min() > 0.999
    assert np.abs(found - expected).max() < 0.01 < np.abs(found - swapped).max(axis=1).min()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def shapes(file):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (given,), (gives,) = session.get_inputs(), session.get_outputs()
    return (given.name, given.shape), (gives.name, gives.shape)


@pytest.mark.parametrize("count", [1, 5])
def test_boxmot_normalises_by_imagenet_at_256_by_128(files, embedder, crops, count):
    images = batch(crops[:count], 256, 128)[:, ::-1] / 255
    fed = (images - IMAGENET_MEAN[:, None, None]) / IMAGENET_STD[:, None, None]
    found = runner(files["boxmot"])(fed.astype(np.float32))
    check(found, embedder, crops[:count])


def test_boxmot_finds_name_shapes_and_metadata(files, embedder):
    file = files["boxmot"]
    (name, shape), (output, _) = shapes(file)
    assert (name, output) == ("images", "output0")
    assert isinstance(shape[0], str)
    assert shape[1:] == [3, 256, 128]
    assert "osnet_x0_25" in file.name
    assert not [
        word for word in ("clip", "veri", "vehicleid", "lmbn", "hacnn") if word in file.name
    ]  # other sizes, other means
    metadata = json.loads((file.parent / f"{file.name}.metadata.json").read_text())
    assert metadata.pop("source")
    assert metadata == {
        "schema_version": 1,
        "source_sha256": embedder.origin.model,
        "model_name": "osnet_x0_25",
        "num_classes": 1,
        "preprocess": "resize",
        "model_kwargs_schema_version": 1,
        "model_kwargs": {"img_size": [256, 128]},
        "img_size": [256, 128],
    }


def test_ultralytics_divides_by_255_and_feeds_a_square(embedder, crops):
    preset = PRESETS["ultralytics"]
    assert (preset.format, preset.names) == ("onnx", ("images", "output0"))
    graph = preset.graph(embedder, images=preset.images(embedder), unit_length=preset.unit_length)
    assert graph.input.size == (32, 32)
    fed = np.ascontiguousarray(batch(crops, 32, 32)[:, ::-1]) / 255
    check(graph(torch.from_numpy(fed)).numpy(), embedder, crops)


def test_a_consumers_enlargement_is_undone():
    """Crops that were small are as they were; an antialiased line would not be."""
    line = torch.rand(1, 1, 16, 1, dtype=torch.float64)
    enlarged = torch.nn.functional.interpolate(line, size=(40, 1), mode="bilinear")[0, 0]
    torch.testing.assert_close(unenlarging(40, 16).double() @ enlarged, line[0, 0], rtol=1e-5, atol=1e-5)


def test_input_size_own_resizes_nothing(embedder, crops):
    asked = {**ASKED, "preset": "boxmot", "input_size": "own"}
    wanted = wanted_by(chosen(OmegaConf.create(asked)), OmegaConf.create(asked), embedder)
    assert wanted.input.size == SIZE
    assert not wanted.graph(embedder, images=wanted.input, unit_length=True).resizes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"preset": "botsort"}, "preset=botsort: unknown; give one of boxmot, "),
        ({"preset": "openvino", "color": "bgr"}, "color=bgr: preset=openvino decides it"),
        ({"preset": "boxmot", "format": "openvino"}, "format=openvino: preset=boxmot decides it"),
        ({"preset": "boxmot", "input_size": 7}, "input_size=7: give own"),
        ({"input_size": "own"}, "input_size=own: it is for preset="),
    ],
)
def test_what_a_preset_decides_is_not_asked_for(words, said):
    with pytest.raises(InputError, match=said):
        chosen(OmegaConf.create({**ASKED, **words}))


@pytest.mark.parametrize("count", [1, 5])
def test_deepstream_subtracts_offsets_and_has_one_factor(files, embedder, crops, count):
    config = yaml.safe_load(files["deepstream"].with_suffix(".yml").read_text())["ReID"]
    channels, height, width = config["inferDims"]
    assert (channels, height, width, config["reidFeatureSize"]) == (3, *SIZE, 12)
    assert config["onnxFile"] == files["deepstream"].name
    assert isinstance(config["netScaleFactor"], float)
    assert [
        config[key] for key in ("reidType", "inputOrder", "colorFormat", "keepAspc", "addFeatureNormalization")
    ] == [2, 0, 0, 0, 0]
    offsets = np.array(config["offsets"])[:, None, None]
    fed = config["netScaleFactor"] * (batch(crops[:count], height, width)[:, ::-1] - offsets)
    check(runner(files["deepstream"])(fed.astype(np.float32)), embedder, crops[:count])


def test_deepstream_has_the_deviation_in_the_first_layer(files, embedder):
    graph = onnx.load(files["deepstream"]).graph
    before = [node.op_type for node in graph.node[: [node.op_type for node in graph.node].index("Conv")]]
    assert not set(before) & {"Add", "Sub", "Mul", "Div"}
    images = PRESETS["deepstream"].images(embedder)
    folded = FoldedGraph(embedder, images=images, unit_length=True)
    ratio = folded.model.backbone.body[0][0].weight / embedder.model.backbone.body[0][0].weight
    expected = 1 / (255 * 0.01735207 * torch.tensor(STD))
    torch.testing.assert_close(ratio, expected.view(1, 3, 1, 1).expand_as(ratio))


def test_deepstream_folds_for_the_mirror_image_too(embedder, crops):
    flipping = embedder_of(embedder.model.backbone, flip=True)
    images = PRESETS["deepstream"].images(flipping)
    rgb = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2)
    found = FoldedGraph(flipping, images=images, unit_length=True)(torch.from_numpy(images.of(rgb)))
    torch.testing.assert_close(found, flipping(crops, color="bgr", normalize=True), rtol=1e-4, atol=1e-4)


def test_deepstream_needs_a_convolution_first():
    embedder = embedder_of(Backbone(nn.InstanceNorm2d(3), dim=3, mean=MEAN, std=STD))
    with pytest.raises(FailedError, match="first layer is InstanceNorm2d"):
        FoldedGraph(embedder, images=PRESETS["deepstream"].images(embedder), unit_length=True)


@pytest.mark.parametrize("count", [1, 5])
def test_openvino_takes_bgr_of_0_to_255(files, embedder, crops, count):
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(files["openvino"])
    assert [each.any_name for each in (*model.inputs, *model.outputs)] == ["data", "reid_embedding"]
    assert [str(each) for each in model.inputs[0].partial_shape] == ["?", "3", "32", "16"]
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled({"data": batch(crops[:count], *SIZE)})["reid_embedding"]
    check(found, embedder, crops[:count])


@pytest.fixture(scope="module")
def beside(files):
    """The module that lies beside a model, imported as a consumer does, and the model's file."""
    file = files["supervision"]
    stamped(file, {"input": {"size": list(SIZE), "interpolation": "bicubic"}})
    spec = importlib.util.spec_from_file_location("reid_embedder", file.with_name("reid_embedder.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, file


def test_supervision_embeds_the_boxes_of_a_frame(beside, embedder, crops):
    module, file = beside
    assert "reid_lit" not in {
        line.split()[1].partition(".")[0]
        for line in file.with_name("reid_embedder.py").read_text().splitlines()
        if line.startswith(("import", "from"))
    }
    frame = np.concatenate(crops, axis=1)
    boxes = np.array([[16 * place, 0, 16 * place + 16, 32] for place in range(5)], np.float32)
    boxes[4, 2:] += 7.5  # beyond the frame
    model = module.Embedder(file, batch_size=2)
    found = model.extract_embeddings(SimpleNamespace(xyxy=boxes), frame)
    expected = embedder(crops, color="bgr", normalize=True).numpy()
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert np.abs(found - embedder(crops, color="rgb", normalize=True).numpy()).max() > 0.01
    assert model.extract_embeddings(SimpleNamespace(xyxy=boxes[:0]), frame).shape == (0, 12)
    empty = np.array([[-9, -9, -5, -5], [500, 500, 600, 600]], np.float32)
    assert model.extract_embeddings(SimpleNamespace(xyxy=empty), frame).shape == (2, 12)


def test_the_embedder_fills_a_fixed_batch(beside, embedder, crops, tmp_path):
    module, _ = beside
    preset, file = PRESETS["supervision"], tmp_path / "fixed.onnx"
    graph = preset.graph(embedder, images=preset.images(embedder), unit_length=True)
    written(graph, "onnx", file, names=preset.names, batch=4)
    stamped(file, {"input": {"size": list(SIZE), "interpolation": "bicubic"}})
    model = module.Embedder(file)
    rgb = [np.ascontiguousarray(crop[..., ::-1]) for crop in crops]
    expected = embedder(crops, color="bgr", normalize=True).numpy()
    np.testing.assert_allclose(model(rgb), expected, atol=0.01)  # five: a whole batch, and one of a batch
    assert model([]).shape == (0, 12)


def test_fiftyone_embeds_rgb_arrays_of_any_size(beside, embedder, crops, monkeypatch):
    """Its own classes are not here: what it asks of a model is."""
    module, file = beside
    models = ModuleType("fiftyone.core.models")
    models.Model, models.EmbeddingsMixin = type("Model", (), {}), type("EmbeddingsMixin", (), {})
    for name in ("fiftyone", "fiftyone.core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "fiftyone.core.models", models)
    model = module.fiftyone_model(file)
    assert isinstance(model, models.Model)
    assert isinstance(model, models.EmbeddingsMixin)
    assert (model.media_type, model.has_embeddings, model.ragged_batches, model.transforms) == (
        "image",
        True,
        False,
        None,
    )
    images = [crop[..., ::-1] for crop in (crops[0], crops[1][:20])]
    expected = embedder([np.ascontiguousarray(image) for image in images], color="rgb", normalize=True).numpy()
    np.testing.assert_allclose(model.embed_all(images), expected, atol=0.01)
    np.testing.assert_allclose(model.embed(images[1]), expected[1], atol=0.01)


@pytest.fixture(scope="module")
def pooled():
    """The least network of timm, alone."""
    torch.manual_seed(0)
    return embedder_of(timm_backbone(name="test_resnet", weights="none"))


@pytest.mark.parametrize("name", PRESETS)
def test_the_pages_consumer_is_short_and_names_the_file(name):
    with script("try_presets") as module:
        code = re.findall(rf"^### `{name}`$.*?(?=^##|\Z)", module.DOCS.read_text(), re.M | re.S)[0]
        (*_, block) = re.findall(r"```python\n(.*?)```", code, re.S)
        assert module.block(name) in (block, module.NO_DATABASE)
    compile(block, name, "exec")
    assert sum(bool(line.strip()) for line in block.splitlines()) <= 10
    assert f"exports/{name}" in block
    assert PRESETS[name].file in block or name in ("roboflow", "deepstream")  # a folder; a name in the YAML


def write_roboflow(embedder, folder):
    preset = PRESETS["roboflow"]
    graph = preset.graph(embedder, images=preset.images(embedder), unit_length=False)
    preset.write(graph, preset.format, folder / preset.file, precision="fp32", batch=None, names=preset.names)
    preset.beside(folder / preset.file, graph, embedder)


def test_roboflow_builds_the_network_by_name(pooled, tmp_path, crops):
    write_roboflow(pooled, tmp_path)
    config = json.loads((tmp_path / "reid_config.json").read_text())
    network = timm.create_model(config["architecture"].removeprefix("timm:"), pretrained=False, num_classes=0).eval()
    network.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    told = config["preprocessing"]
    assert (told["input_size"], told["interpolation"], told["resize_mode"], told["to_rgb"]) == (
        list(SIZE),
        "bicubic",
        "stretch",
        True,
    )
    mean, std = (np.array(told[key])[:, None, None] for key in ("mean", "std"))
    fed = (batch(crops, *SIZE)[:, ::-1] / 255 - mean) / std
    found = torch.nn.functional.normalize(network(torch.from_numpy(fed.astype(np.float32)))).detach().numpy()
    check(found, pooled, crops)


def test_roboflow_passes_the_gate_and_keeps_what_it_is(pooled, tmp_path, crops):
    config = OmegaConf.create({**ASKED, "preset": "roboflow"})
    wanted = wanted_by(chosen(config), config, pooled)
    pixels = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2)
    material = Material(crops=np.ascontiguousarray(pixels), tests="none here")
    files = export(pooled, wanted, tmp_path / "weights.safetensors", material, {})
    assert {file.name for file in files} == {"weights.safetensors", "reid_config.json", "weights.safetensors.json"}
    found = opened(tmp_path / "weights.safetensors", weights=pooled.origin.model)
    assert set(found.content["files"]) == {"weights.safetensors", "reid_config.json"}
    np.testing.assert_allclose(found.features(pixels), pooled(crops, color="bgr").numpy(), rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="precision=fp16: preset=roboflow"):
        export(pooled, replace(wanted, precision="fp16"), tmp_path / "weights.safetensors", material, {})


@pytest.mark.parametrize("kind", ["stride", "neck", "other"])
def test_roboflow_refuses_what_its_loader_would_leave_out(pooled, tmp_path, kind):
    embedder = copy.deepcopy(pooled)
    if kind == "stride":
        strided = next(layer for layer in embedder.model.backbone.modules() if getattr(layer, "stride", 1) == (2, 2))
        strided.stride = (1, 1)
    elif kind == "neck":
        embedder.model.forward = lambda image: Output(
            *(2 * (embedder.model.backbone(image).mean((2, 3)).cumsum(1),)), None
        )
    else:
        embedder = embedder_of(Backbone(nn.Conv2d(3, 4, 1), dim=4, mean=MEAN, std=STD))
    with pytest.raises(InputError, match=r"preset=roboflow: .*preset=supervision"):
        write_roboflow(embedder, tmp_path)


def test_roboflow_leaves_the_mirror_image_out(pooled):
    flipping = embedder_of(pooled.model.backbone, flip=True)
    assert not PRESETS["roboflow"].model(flipping).origin.flip
    assert flipping.origin.flip
