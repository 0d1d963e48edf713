"""What a file may be: its precision, its batch, its names, its opset; that each format computes ours is test_gate's."""

import hydra
import numpy as np
import pytest
import torch
from tests.script_modules import script

from reid_lit.errors import FailedError, InputError, MissingFileError
from reid_lit.export.formats import runner, written
from reid_lit.export.graph import Graph, Input
from reid_lit.paths import packaged


@pytest.fixture
def graph(embedder):
    return Graph(embedder("evaluation.flip=true"), unit_length=False)


def least_cosine(one, other):
    return float(torch.cosine_similarity(torch.from_numpy(one), torch.from_numpy(other)).min())


def test_int8_is_near(graph, crops, tmp_path):
    images = crops().astype(np.float32)
    file = tmp_path / "file.onnx"
    written(graph, "onnx", file, precision="int8", calibration=iter([images]))
    found, expected = runner(file, threads=1)(images), graph(torch.from_numpy(images)).numpy()
    assert 0.98 < least_cosine(found, expected) < 0.999999
    with pytest.raises(InputError, match="precision=int8: no images are given"):
        written(graph, "onnx", file, precision="int8")


def test_fp16_has_half_the_weights(graph, crops, tmp_path):
    images = crops().astype(np.float32)
    whole, half = (tmp_path / f"{name}.pt2" for name in ("whole", "half"))
    written(graph, "torch_export", whole)
    written(graph, "torch_export", half, precision="fp16")
    numbers = sum(value.numel() for value in graph.parameters())
    assert 1.5 * numbers < whole.stat().st_size - half.stat().st_size < 2.5 * numbers
    assert least_cosine(runner(half)(images), graph(torch.from_numpy(images)).numpy()) > 0.999


def test_a_traced_transformer_takes_any_number_of_images(embedder, crops, tmp_path):
    tokens = Graph(embedder("backbone=vit_tiny_scratch"), unit_length=True)
    images = crops().astype(np.float32)[:3]
    written(tokens, "torchscript", tmp_path / "file.torchscript")
    found = runner(tmp_path / "file.torchscript")(images)
    np.testing.assert_allclose(found, tokens(torch.from_numpy(images)).numpy(), atol=1e-5)


def test_a_batch_may_be_fixed_and_names_and_opset_given(graph, crops, tmp_path):
    import onnx

    images = crops().astype(np.float32)
    file = tmp_path / "file.onnx"
    written(graph, "onnx", file, opset=20, batch=2, names=("data", "reid_embedding"))
    model = onnx.load(file)
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["data", "reid_embedding"]
    assert model.opset_import[0].version == 20
    assert runner(file)(images[:2]).shape == (2, 512)
    with pytest.raises(Exception, match="Got: 3 Expected: 2"):
        runner(file)(images[:3])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"format": "onx"}, "format=onx: unknown; give one of onnx, openvino, torchscript, torch_export"),
        ({"format": "onnx", "precision": "int4"}, "precision=int4: unknown"),
        ({"format": "torchscript", "precision": "int8"}, "precision=int8: format=torchscript has no such files"),
        ({"format": "onnx", "opset": 17}, "opset=17: torch writes 18 or newer; give opset=18"),
        ({"format": "torch_export", "opset": 18}, "opset=18: format=torch_export has none"),
    ],
)
def test_what_no_file_can_be_is_refused(graph, tmp_path, words, said):
    with pytest.raises(InputError, match=said):
        written(graph, path=tmp_path / "file", **words)


def test_no_runtime_reads_another_file(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match="no runtime reads such a file"):
        runner(tmp_path / "a.txt")
    with pytest.raises(MissingFileError, match="writes such a file"):
        runner(tmp_path / "b.onnx")


class Unwritable(Graph):
    """What ONNX has no operator for."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.input = Input(size=(8, 4))

    def forward(self, images):
        return torch.linalg.svdvals(images[:, 0])


def test_an_operator_that_a_format_has_not_is_named(tmp_path):
    with pytest.raises(FailedError, match=r"format=onnx: not written, .*'aten._linalg_svd'.*; try another format"):
        written(Unwritable(), "onnx", tmp_path / "file.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:.*LeafSpec")
def test_the_script_gates_backbones_and_models_of_parts(tmp_path):
    with (
        script("try_exports") as tried,
        hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"),
    ):
        for name, ours in tried.embedders(["resnet18_scratch", "pcb"]):
            assert float(tried.cell(ours, "torch_export", tmp_path)) > 0.99999, name
