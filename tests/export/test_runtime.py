"""``runtime=``: a graph computes what torch does, or it is refused; what it makes can be compared, and says what made it."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

import reid_lit
from reid_lit.errors import FailedError, InputError, MissingPackageError
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.export import runtime as module
from reid_lit.export.runtime import compute_by, fastest, load
from reid_lit.testing.embeddings_file import read

pytest.importorskip("onnxruntime", reason="the extra export")
pytest.importorskip("openvino", reason="the extra export")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_graph_gives_what_torch_gives_and_says_so(embedder, crops, tmp_path, runtime):
    ours, by_graph = embedder(), embedder()
    compute_by(by_graph, runtime, folder=tmp_path)
    images = [crops(40, 24, 1)[0].transpose(1, 2, 0), crops(90, 50, 1)[0].transpose(1, 2, 0)]
    expected, found = (each(images, color="rgb") for each in (ours, by_graph))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert (by_graph.origin.runtime, by_graph.origin.precision) == (runtime, "32-true")
    assert ours.origin.runtime == "torch"
    assert ours.origin.differences(by_graph.origin) == []
    assert len(list((tmp_path / "export").iterdir())) == {"onnx": 1, "openvino": 2}[runtime]


def test_a_graph_is_kept_and_one_of_another_model_is_made_anew(embedder, tmp_path, monkeypatch):
    compute_by(embedder(), "onnx", folder=tmp_path)
    (kept,) = (tmp_path / "export").iterdir()
    content = kept.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(module, "written", None)
        compute_by(embedder(), "onnx", folder=tmp_path)
    other = embedder()
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.mul_(torch.rand_like(parameter))
    compute_by(other, "onnx", folder=tmp_path)
    (foreign,) = set((tmp_path / "export").iterdir()) - {kept}
    for harm in (foreign.read_bytes(), content[:1000], b""):
        kept.write_bytes(harm)
        compute_by(embedder(), "onnx", folder=tmp_path)
        assert kept.read_bytes()[:200] == content[:200]
        assert kept.stat().st_size == len(content)


def test_a_folder_that_cannot_be_written_to_stays_as_it_is(embedder, tmp_path):
    (tmp_path / "export").write_text("a file")
    by_graph = embedder()
    compute_by(by_graph, "onnx", folder=tmp_path)
    assert by_graph.origin.runtime == "onnx"
    without = embedder()
    compute_by(without, "onnx", folder=None)
    assert without.origin.runtime == "onnx"


def test_a_graph_that_computes_something_else_is_refused(embedder, tmp_path, monkeypatch):
    real = module.runner
    monkeypatch.setattr(
        module, "runner", lambda *given, **options: lambda x: real(*given, **options)(x[:, ::-1].copy())
    )
    swapped = embedder()
    with pytest.raises(FailedError, match="least cosine to ours"):
        compute_by(swapped, "onnx", folder=tmp_path)
    assert swapped.origin.runtime == "torch"
    assert not (tmp_path / "export").exists()
    compute_by(swapped, "auto", folder=tmp_path)  # what does not pass is left out
    assert swapped.origin.runtime == "torch"


def test_auto_takes_the_fastest_of_those_that_are_installed(embedder, tmp_path, monkeypatch):
    def missing(file, *, threads):
        if file.suffix == ".xml":
            raise MissingPackageError("openvino is not installed")
        return real(file, threads=threads)

    real, asked = module.runner, []

    def chosen(_, graphs, crops):
        asked.append((sorted(graphs), crops.shape, crops.dtype))
        return "onnx"

    monkeypatch.setattr(module, "runner", missing)
    monkeypatch.setattr(module, "fastest", chosen)
    made = embedder()
    compute_by(made, "auto", folder=tmp_path)
    assert asked == [(["onnx"], (24, 3, 64, 32), np.uint8)]
    assert made.origin.runtime == "onnx"


@pytest.mark.parametrize(("torch_takes", "name"), [(5, "openvino"), (2, "torch")])
def test_the_fastest_is_the_one_of_the_least_time(embedder, crops, monkeypatch, torch_takes, name):
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def taking(*seconds):
        left = list(seconds)

        def run(_):
            clock[0] += left.pop(0)
            return np.zeros((8, 1), np.float32)

        return run

    made = embedder()
    made.embed_prepared = taking(torch_takes, torch_takes, torch_takes)
    assert fastest(made, {"onnx": taking(4, 6, 4), "openvino": taking(9, 3, 9)}, crops()) == name


def test_stripes_are_left_out_of_what_a_graph_gives(embedder):
    made = embedder()
    made.model.evaluation = dataclasses.replace(
        made.model.evaluation,
        local=LocalDistance(
            matching="dmli", feature="local", global_weight=1.0, local_weight=1.0, nearest=None, whole=4, channels=3
        ),
    )
    made.model.check_compared = lambda: None
    made.model.compute_by("onnx", lambda image: torch.arange(10.0).expand(len(image), 10))
    assert made.of_whole_images().model.embed(torch.zeros(2, 3, 8, 4)).tolist() == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"runtime": "onx"}, "runtime=onx: unknown; give one of torch, onnx, openvino, auto"),
        ({"runtime": "onnx", "device": "cuda"}, "computes on the CPU"),
        ({"runtime": "openvino", "precision": "bf16-mixed"}, "computes in float32"),
    ],
)
def test_words_that_do_not_go_together_are_refused_at_once(tmp_path, words, said):
    with pytest.raises(InputError, match=said):
        load(tmp_path / "nothing", **words)


def test_the_commands_and_a_gallery_take_it(trained, command, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    words = (f"run={run}", "machine.accelerator=cpu", "test_on=[synthetic]")
    for runtime in ("torch", "onnx"):
        command(*words, f"runtime={runtime}", f"file={runtime}.safetensors", cwd=tmp_path, module="reid_lit.embed")
    ours, found = (read(tmp_path / f"{runtime}.safetensors") for runtime in ("torch", "onnx"))
    assert (ours.origin.runtime, found.origin.runtime) == ("torch", "onnx")
    assert ours.origin.differences(found.origin) == []
    for name in ("query", "gallery"):  # torch's are in bfloat16, as the run was trained
        assert torch.cosine_similarity(found.embedding[name], ours.embedding[name]).min() > 0.9995
    made = reid_lit.load(run, runtime="onnx")
    paths = [shot.path for shot in found.shots["query"]][:3]
    torch.testing.assert_close(made(paths), found.embedding["query"][:3], rtol=1e-3, atol=1e-3)
    pytest.importorskip("lancedb", reason="the extra gallery")
    galleries = pytest.importorskip("reid_lit.gallery")
    gallery = galleries.create(tmp_path / "doors", run)
    gallery.enrol([str(path) for path in paths])
    again = galleries.open(tmp_path / "doors", runtime="onnx")
    assert [answer.hits[0].score for answer in again.query(paths)] == pytest.approx([1, 1, 1], abs=1e-3)
    assert again.embedder.origin.runtime == "onnx"
