"""A finished run's embeddings as files, scored without it; distractors from files and folders."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import reid_lit.embed
import reid_lit.evaluate
from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.plain import PlainImages
from reid_lit.data.transforms.transform import Transform
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate
from reid_lit.testing import distractors
from reid_lit.testing.distractors import behind, embed_in_chunks, of_file
from reid_lit.testing.embeddings_file import read, write
from reid_lit.testing.rescoring import evaluate_stored


def results(folder):
    return json.loads((folder / "metrics.json").read_text())["results"]


@pytest.fixture(scope="session")
def files(trained, command):
    """The embeddings of the run's two tests."""
    folder, _ = trained
    done = command(f"run={folder}", cwd=folder.parent, module="reid_lit.embed")
    found = [folder / "embeddings" / f"synthetic_{world}.safetensors" for world in ("plaza", "campus")]
    assert done.stdout.count("embeddings of") == 2
    return found


def test_scores_of_files_are_those_of_the_run_to_the_last_bit(trained, files, command, tmp_path):
    command(f"embeddings=[{files[0]},{files[1]}]", "hydra.run.dir=out", cwd=tmp_path, module="reid_lit.evaluate")
    for own, of_run in zip(results(tmp_path / "out"), results(trained[0]), strict=True):
        assert own["scores"] == of_run["scores"]
        assert own["stamp"] == of_run["stamp"]
        assert own["dataset"] == of_run["dataset"]
    for picture in ("ranked_lists", "failures", "cmc"):
        again, first = (
            (folder / "pictures" / "synthetic_plaza" / f"{picture}.png").read_bytes()
            for folder in (tmp_path / "out", trained[0])
        )
        assert again == first
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["name"], metrics["trained_on"]) == ("synthetic_softmax", "synthetic")
    assert metrics["embeddings"] == list(map(str, files))


def stored(compose, *overrides):
    """The scores of files, in this process."""
    config = compose("+experiment=synthetic_softmax", *overrides, "~callbacks.pictures", config_name="evaluate")
    evaluate_stored(config)
    return Path(config.run_dir)


def test_another_evaluation_of_a_file_needs_no_model(files, compose):
    folder = stored(compose, f"embeddings={files[0]}", "evaluation=standard", "evaluation.flip=true")
    stamp = results(folder)[0]["stamp"]
    assert (stamp["ap"], stamp["distance"], stamp["test_time_augmentation"]) == ("step", "euclidean", "flip")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["evaluation.flip=false"], "embedded with flip=true, but evaluation.flip=false; set evaluation.flip=true"),
        (["evaluation.crops=[56,28]"], r"with crops=null, but evaluation\.crops=\[56,28\]; set evaluation\.crops=null"),
        (["evaluation.feature=feature"], "embedded with feature=embedding, but evaluation.feature=feature"),
        (["distractors=[.]"], "is a folder, whose images a model must embed; give run="),
        (["distractors=[nowhere.safetensors]"], "no embeddings at .*nowhere.safetensors"),
    ],
)
def test_a_file_must_hold_what_is_evaluated(files, compose, overrides, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        stored(compose, f"embeddings={files[0]}", *overrides)


def test_a_file_of_another_model_is_refused_and_one_of_the_run_is_not(trained, files, compose, tmp_path):
    stored(compose, f"embeddings={files[0]}", f"run={trained[0]}")
    content = read(files[0])
    other = write(tmp_path / "other.safetensors", replace(content, origin=replace(content.origin, model="f" * 64)))
    with pytest.raises(ValueError, match=r"other\.safetensors was embedded by the model ffffffffffff, but .* holds"):
        stored(compose, f"embeddings={other}", f"run={trained[0]}")
    with pytest.raises(ValueError, match=r"other\.safetensors: its embeddings cannot be compared .*model: .*ffff"):
        stored(compose, f"embeddings={files[0]}", f"distractors=[{other}]")


def test_plain_images_are_no_test(files, compose, tmp_path):
    content = read(files[0])
    images = {"images": content.shots["gallery"]}
    file = write(tmp_path / "plain.safetensors", replace(content, shots=images, embedding={"images": content.embedding["gallery"]}))  # fmt: skip
    with pytest.raises(ValueError, match="holds plain images, no query and gallery"):
        stored(compose, f"embeddings={file}")


def test_a_test_is_not_its_own_distractor(files):
    content = read(files[0])
    with pytest.raises(
        ValueError, match=r"of .*plaza\.safetensors are images of synthetic_plaza's own query or gallery"
    ):
        behind([of_file(files[0], content.origin)])(content.split)


def test_cameras_count_only_where_they_are_numbered_alike(files):
    content = read(files[0])
    source = of_file(files[0], content.origin)
    assert source.camera("synthetic_plaza").tolist() == [shot.camera_id for role in ("query", "gallery") for shot in content.shots[role]]  # fmt: skip
    assert source.camera("synthetic_campus").unique().tolist() == [-1]


def test_distractors_from_a_folder_and_a_file_rank_as_one_gallery(trained, files, drawn, command, tmp_path):
    run, _ = trained
    folder = drawn / "synthetic" / "campus-tiny-0" / "bounding_box_train"
    command(
        f"run={run}", "test_on=[synthetic]", f"distractors=[{folder},{files[1]}]", "hydra.run.dir=out", cwd=tmp_path,
        module="reid_lit.evaluate",
    )  # fmt: skip
    (place,) = (run / "evaluate" / "distractors").glob("bounding_box_train-*/embedding.npy")
    own, more = read(files[0]), read(files[1])
    extra = torch.cat([torch.from_numpy(np.load(place)), more.embedding["query"], more.embedding["gallery"]])
    lists = Lists.of(own.split.query, own.split.gallery)
    strangers = replace(
        lists,
        gallery_person=torch.cat([lists.gallery_person, 10_000 + torch.arange(len(extra))]),
        gallery_camera=torch.cat([lists.gallery_camera, torch.full((len(extra),), -1)]),
    )
    protocol = Protocol(ap="trapezoid", distance="cosine", flip=True)
    gallery = torch.cat([own.embedding["gallery"], extra])
    expected = evaluate(Ranker(own.embedding["query"], gallery, strangers, protocol))
    (row,) = results(tmp_path / "out")
    assert row["scores"] == expected.scores
    assert row["stamp"]["streamed"] == len(extra)
    assert row["stamp"]["distractors"] == expected.stamp["distractors"]
    assert [path.name for path in (tmp_path / "out" / "pictures" / "synthetic_plaza").iterdir()] == ["cmc.png"]


@pytest.fixture
def plain(tmp_path, drawn):
    """Twenty images, and the calls that embedding them takes: each image becomes its place in the list, twice."""
    source = sorted((drawn / "synthetic" / "plaza-tiny-0" / "bounding_box_train").glob("*.jpg"))[:20]
    (tmp_path / "images").mkdir()
    for file in source:
        (tmp_path / "images" / file.name).write_bytes(file.read_bytes())
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=3, workers=0)
    data = PlainImages(root=tmp_path / "images", transform=transform, sampler=ShuffleSampler, loader=loader)
    data.setup("predict")
    place = {shot.path: float(number) for number, shot in enumerate(data.split.gallery)}
    calls = []

    def embed():
        calls.append(len(data.split.gallery))
        return torch.tensor([[place[shot.path]] * 2 for shot in data.split.gallery])

    return data, embed, calls


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_killed_embedding_goes_on_where_it_was(plain, monkeypatch, tmp_path, dtype):
    monkeypatch.setattr(distractors, "CHUNK", 8)
    data, embed, calls = plain

    def killed():
        if len(calls) == 1:
            raise KeyboardInterrupt
        return embed()

    with pytest.raises(KeyboardInterrupt):
        embed_in_chunks(data, tmp_path / "store", dtype, killed)
    data.split = data.read()
    rows = embed_in_chunks(data, tmp_path / "store", dtype, embed)
    assert calls == [8, 8, 4]
    assert (rows.shape, rows.dtype) == ((20, 2), dtype)
    assert torch.equal(rows.read(0, 20), torch.arange(20.0)[:, None].expand(20, 2))
    embed_in_chunks(data, tmp_path / "store", dtype, embed)
    assert calls == [8, 8, 4]  # all there
    assert len(data.split.gallery) == 20


def test_what_float16_cannot_hold_is_refused(plain, tmp_path):
    data, embed, _ = plain
    with pytest.raises(ValueError, match="not finite as float16; set distractors_dtype=float32"):
        embed_in_chunks(data, tmp_path / "store", "float16", lambda: embed() * 1e6)
    assert not (tmp_path / "store" / "done.txt").exists()


def test_a_full_disk_is_noticed_before_the_first_chunk_is_written(plain, tmp_path, monkeypatch):
    data, embed, _ = plain
    monkeypatch.setattr(distractors.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    with pytest.raises(ValueError, match=r"20 embeddings of 2 numbers take .* GB .* are free; .*float16"):
        embed_in_chunks(data, tmp_path / "store", "float32", embed)


def test_nothing_to_evaluate_says_what_to_give(compose):
    with pytest.raises(ValueError, match=r"no run is named; give run=.*, or embeddings=<file of reid_lit\.embed>"):
        reid_lit.evaluate.evaluate(compose(config_name="evaluate"))


@pytest.mark.parametrize("module", ["evaluate", "embed", "submission", "page"])
def test_without_a_run_nothing_is_begun(command, tmp_path, module):
    done = command(cwd=tmp_path, module=f"reid_lit.{module}", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("no run is named; give run=<folder of a finished run>")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_data_set_on_the_command_line_is_what_is_embedded(trained, drawn, command, tmp_path):
    run, crops = trained[0], drawn / "synthetic" / "campus-tiny-0" / "query"
    tested = command(
        f"run={run}", "dataset.world=campus", "file=one.safetensors", cwd=tmp_path, module="reid_lit.embed"
    )  # the run was tested on both worlds
    assert tested.stdout.count("embeddings of") == 1
    assert read(tmp_path / "one.safetensors").name == "synthetic_campus"
    command(  # which has no dataset.size, that the run was told
        f"run={run}", "dataset=images", f"dataset.root={crops}", "file=two.safetensors", cwd=tmp_path, module="reid_lit.embed"
    )  # fmt: skip
    assert len(read(tmp_path / "two.safetensors").shots["images"]) == len(list(crops.glob("*.jpg")))
    command(
        f"run={run}", "dataset=synthetic", "dataset.world=campus", "hydra.run.dir=out", cwd=tmp_path, module="reid_lit.evaluate"
    )  # fmt: skip
    assert [row["dataset"] for row in results(tmp_path / "out")] == ["synthetic_campus"]


def test_several_tests_do_not_go_into_one_file(compose, drawn):
    config = compose(
        "+experiment=synthetic_softmax", "dataset.size=tiny", f"data_root={drawn}", "run=nowhere", "file=one.safetensors",
        "test_on=[synthetic,{dataset: synthetic, world: campus}]", config_name="embed",
    )  # fmt: skip
    with pytest.raises(
        ValueError, match=r"file=one\.safetensors is for one test, but there are synthetic_plaza, synthetic_campus"
    ):
        reid_lit.embed.embed(config)
