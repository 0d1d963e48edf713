"""`reid_lit.load`: what a run has learnt, in Python."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

import reid_lit
from reid_lit.testing.embeddings_file import read
from reid_lit.testing.load import _first_device


@pytest.fixture(scope="module")
def embedder(trained):
    return reid_lit.load(trained[0], device="cpu")


@pytest.fixture(scope="module")
def written(trained, command, tmp_path_factory):
    """What `reid_lit.embed` makes of the run's own test."""
    file = tmp_path_factory.mktemp("embedded") / "plaza.safetensors"
    command(f"run={trained[0]}", "test_on=[synthetic]", f"file={file}", cwd=file.parent, module="reid_lit.embed")
    return read(file)


@pytest.fixture(scope="module")
def files(drawn):
    return sorted((drawn / "synthetic" / "plaza-tiny-0" / "query").glob("*.jpg"))[:3]


def test_embeddings_are_those_of_the_command(embedder, written):
    shots = [*written.shots["query"], *written.shots["gallery"]]
    expected = torch.cat([written.embedding["query"], written.embedding["gallery"]])
    found = embedder([shot.path for shot in shots])
    torch.testing.assert_close(found, expected)
    assert found.dtype == torch.float32
    assert embedder.origin == written.origin  # weights, flip, size, precision
    assert not embedder.model.training


def test_an_image_is_a_file_an_image_of_pil_or_an_array(embedder, files):
    one = embedder(files[0])
    assert one.shape[0] == 1
    with Image.open(files[0]) as image:
        array = np.asarray(image)
        for same in (str(files[0]), image, iter([image])):
            assert torch.equal(embedder(same), one)
        for same in (array, array[None], [array]):
            assert torch.equal(embedder(same, color="rgb"), one)
            assert torch.equal(
                embedder(
                    [each[..., ::-1] for each in same] if isinstance(same, list) else same[..., ::-1], color="bgr"
                ),
                one,
            )
    rows = embedder(files, normalize=True)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    assert embedder(files).norm(dim=1).max() > 1.1
    assert embedder.prepared(files[0]).shape == (1, 3, 64, 32)


def test_an_array_says_the_order_of_its_colours(embedder, files):
    with Image.open(files[0]) as image:
        array = np.asarray(image)
    for call in (embedder, embedder.prepared):
        with pytest.raises(ValueError, match=r"image 0 is an array, .* color='rgb' .* or color='bgr' \(cv2\.imread"):
            call(array)
        with pytest.raises(ValueError, match=r"color='hsv' is unknown; give rgb or bgr"):
            call(array, color="hsv")
    assert not torch.allclose(embedder(array, color="rgb"), embedder(array, color="bgr"))
    assert torch.equal(embedder.prepared(array, color="bgr"), embedder.prepared(array, color="rgb").flip(1))


def test_a_photograph_that_lies_on_its_side_is_embedded_upright(embedder, files, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90° to the right
    with Image.open(files[0]) as image:
        image.rotate(90, expand=True).save(tmp_path / "side.png", exif=exif)
        with Image.open(tmp_path / "side.png") as lying:
            assert torch.equal(embedder.prepared(lying), embedder.prepared(image))
        assert torch.equal(embedder.prepared(tmp_path / "side.png"), embedder.prepared(image))


def test_batches_change_nothing(trained, files, embedder):
    small = reid_lit.load(trained[0], device="cpu", precision="32-true")
    whole = small(files)
    small.batch_size = 2
    torch.testing.assert_close(small(files), whole, rtol=1e-4, atol=1e-4)
    assert small.origin.precision == "32-true"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((8, 4, 3), np.float32), r"image 1 is float32 \[8, 4, 3\]; give a file, an image of PIL, or a uint8"),
        (np.zeros((8, 4), np.uint8), r"image 1 is uint8 \[8, 4\]; give a file"),
        (torch.zeros(3, 8, 4, dtype=torch.uint8), r"image 1 is torch\.uint8 \[3, 8, 4\]; give a file"),
        (None, r"image 1 is NoneType; give a file"),
        ("nowhere.jpg", r"nowhere\.jpg: not a readable image"),
    ],
)
def test_what_is_no_image_is_named(embedder, files, bad, message):
    with pytest.raises(ValueError, match=message):
        embedder([files[0], bad])
    embedder.batch_size, kept = 1, embedder.batch_size
    with pytest.raises(ValueError, match=message):  # in a later batch too
        embedder([files[0], bad])
    embedder.batch_size = kept


def test_a_broken_image_is_named(embedder, files, tmp_path):
    cut = tmp_path / "cut.png"
    with Image.open(files[0]) as image:
        image.save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cut\.png: not a readable image"):
        embedder(cut)
    with Image.open(cut) as image, pytest.raises(ValueError, match=r"cut\.png: not a readable image .*copy it anew"):
        embedder(image)
    with pytest.raises(ValueError, match="no image is given to be embedded"):
        embedder([])


def test_a_run_is_named_by_its_folder_or_a_checkpoint(trained, embedder, files, tmp_path):
    """Nothing but the config and the weights is needed, and ImageNet's are not, whatever the config says."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    text = (trained[0] / "config.yaml").read_text()
    assert text.count("weights: none") == 2  # of the backbone, and of the model's copy of it
    (tmp_path / "run" / "config.yaml").write_text(text.replace("weights: none", "weights: /gone.pth"))
    file = tmp_path / "run" / "checkpoints" / "last.ckpt"
    shutil.copy(trained[0] / "checkpoints" / "last.ckpt", file)
    expected = embedder(files)
    for named in (tmp_path / "run", str(file)):
        assert torch.equal(reid_lit.load(named, device="cpu")(files), expected)
    split = tmp_path / "several" / "split_2" / "checkpoints"  # the config of splits lies above them
    split.mkdir(parents=True)
    shutil.copy(tmp_path / "run" / "config.yaml", tmp_path / "several")
    shutil.copy(file, split)
    assert torch.equal(reid_lit.load(split.parent, device="cpu")(files), expected)
    with pytest.raises(FileNotFoundError, match=r"trained several splits, .*load one of split_2 in it"):
        reid_lit.load(tmp_path / "several")


def test_the_chosen_epoch_is_loaded_unless_another_checkpoint_is_named(trained, files, tmp_path):
    shutil.copytree(trained[0] / "checkpoints", tmp_path / "checkpoints")
    shutil.copy(trained[0] / "config.yaml", tmp_path)
    chosen = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    chosen["state_dict"] = {key: value * 0 for key, value in chosen["state_dict"].items()}
    torch.save(chosen, tmp_path / "checkpoints" / "chosen.ckpt")
    assert reid_lit.load(tmp_path, device="cpu")(files).count_nonzero() == 0
    assert reid_lit.load(tmp_path / "checkpoints" / "last.ckpt", device="cpu")(files).count_nonzero() > 0


def test_what_is_no_finished_run_is_refused_with_the_cure(trained, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"is no run's folder: no config\.yaml .*; give the folder of a finished"
    ):
        reid_lit.load(tmp_path)
    shutil.copy(trained[0] / "config.yaml", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no .*last\.ckpt: the run was killed .*; train it with .* resume="):
        reid_lit.load(tmp_path)
    with pytest.raises(ValueError, match="precision='8' is none of 32-true, "):
        reid_lit.load(trained[0], precision="8")


def test_the_package_itself_is_cheap():
    code = "import json, sys, reid_lit; print(json.dumps([name in sys.modules for name in ('torch', 'hydra')]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, False]
    with pytest.raises(AttributeError, match="module 'reid_lit' has no attribute 'nothing'"):
        _ = reid_lit.nothing


@pytest.mark.parametrize("changed", [[], ["evaluation.flip=false"], ["evaluation.distance=euclidean"]], ids=str)
def test_thresholds_are_of_what_load_gives(trained, written, command, tmp_path, changed):
    """False positive rates, counted anew on the crops of the test, are those of the report to the last pair."""
    folder = tmp_path / "verified"
    rates = "evaluation.roc=[0.1,0.01]"
    done = command(f"run={trained[0]}", "evaluation=verification", rates, "evaluation.bootstrap=0", "test_on=[synthetic]",
                   f"hydra.run.dir={folder}", *changed, cwd=tmp_path, module="reid_lit.evaluate")  # fmt: skip
    assert "accept where embed.distance(embed(a), embed(b)) <= threshold" in " ".join(done.stdout.split())
    (row,) = json.loads((folder / "metrics.json").read_text())["results"]
    embed = reid_lit.load(folder, device="cpu")
    applied = row["details"]["apply"]
    assert f"embed = reid_lit.load({str(folder)!r})" in applied["how"]
    assert applied["embedding"] == json.loads(json.dumps(dataclasses.asdict(embed.origin)))
    assert (applied["embedding"]["flip"], applied["distance"]) == (
        "evaluation.flip=false" not in changed,
        "euclidean" if "evaluation.distance=euclidean" in changed else "cosine",
    )
    if not changed:  # what the run itself was tested by
        assert embed.origin == reid_lit.load(trained[0], device="cpu").origin
    shots = [written.shots["query"], written.shots["gallery"]]
    rows = embed([shot.path for side in shots for shot in side]).split([len(side) for side in shots])
    distance = embed.distance(*rows)
    persons = [torch.tensor([shot.person_id for shot in side]) for side in shots]
    impostors = distance[(persons[0][:, None] != persons[1]) & (persons[1] != -1)]
    assert len(impostors) == row["details"]["roc"]["impostor_pairs"]
    for point in row["details"]["roc"]["points"]:
        assert int((impostors <= point["threshold"]).sum()) == round(point["measured"] * len(impostors))


@pytest.mark.parametrize(("cuda", "mps", "device"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_first_gpu_is_taken_whoever_made_it(monkeypatch, cuda, mps, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: mps)
    assert _first_device() == device


def test_images_of_12_bits_are_embedded_by_a_range_and_refused_without(trained, files, embedder, tmp_path):
    with Image.open(files[0]) as image:
        grey = np.asarray(image.convert("L"))
    Image.fromarray(grey).save(tmp_path / "plain.png")
    Image.fromarray(grey.astype(np.uint16) * 16).save(tmp_path / "deep.png")
    expected = embedder.prepared(tmp_path / "plain.png")
    ranged = reid_lit.load(trained[0], device="cpu", value_range=[0, 4080])
    with Image.open(tmp_path / "deep.png") as opened:
        for image in (tmp_path / "deep.png", opened):
            assert torch.equal(ranged.prepared(image), expected)
            for call in (embedder, embedder.prepared):
                with pytest.raises(
                    ValueError, match=r"^value_range=null: .* give \[0,4095\].*; to load\(\), which has"
                ):
                    call(image)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    config = OmegaConf.load(trained[0] / "config.yaml")
    config.dataset.value_range = [0, 4080]  # as a run of such images keeps it
    OmegaConf.save(config, tmp_path / "run" / "config.yaml")
    shutil.copy(trained[0] / "checkpoints" / "last.ckpt", tmp_path / "run" / "checkpoints")
    assert torch.equal(reid_lit.load(tmp_path / "run", device="cpu").prepared(tmp_path / "deep.png"), expected)
