"""A finished run's embeddings as files, scored without it; distractors from files and folders."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import reid_lit.embed
import reid_lit.evaluate
from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.plain import PlainImages
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import ExistingFileError, InputError
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.on_disk import StoredEmbeddings
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate
from reid_lit.records import Shot, Split
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import Run
from reid_lit.testing import dataset_embeddings, distractors, rescoring
from reid_lit.testing import tests as module_tests
from reid_lit.testing.distractors import behind, embed_in_chunks, of_file
from reid_lit.testing.embeddings_file import read, write
from reid_lit.testing.provenance import Provenance
from reid_lit.testing.rescoring import evaluate_stored

ORIGIN = Provenance(
    model="a", feature="embedding", flip=True, size=(64, 32), interpolation="bilinear", mean=(0.0,), std=(1.0,),
    precision="32-true",
)  # fmt: skip


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
        (["distractors=nowhere.safetensors"], "no embeddings at .*nowhere.safetensors"),
        (["distractors=true"], "distractors=true: give a list, such as distractors="),
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


def test_files_of_one_name_are_no_splits_of_one_test(files, compose, caplog):
    folder = stored(compose, f"embeddings=[{files[0]},{files[1]},{files[0]}]")
    rows = results(folder)
    assert [row["dataset"] for row in rows] == ["synthetic_plaza", "synthetic_campus", "synthetic_plaza_2"]
    assert rows[0]["scores"] == rows[2]["scores"]
    assert not any("splits" in row for row in rows)
    assert (folder / "queries" / "synthetic_plaza_2.safetensors").is_file()
    assert f"{files[0]} is another test of the same name: its row is synthetic_plaza_2" in caplog.text


@pytest.fixture
def embedded_splits(compose, tmp_path, monkeypatch):
    """Embeds two directions of two splits by the weights of each; the images are numbers."""

    def tests_of(config):
        data = make_data(config)
        shots = tuple(
            Shot(tmp_path / f"{config.dataset.split_id}_{person}_{camera}.png", person, camera)
            for camera in (0, 1)
            for person in range(3)
        )
        views = [
            Split(name=f"viper_{way}", train=(), query=shots[:3], gallery=shots[3:]) for way in ("a_to_b", "b_to_a")
        ]
        found = []
        for view in views:
            own = copy.copy(data)
            own.split = view
            split_id = config.dataset.split_id
            found.append(module_tests.Test(data=own, row=view.name, average="viper", split_id=split_id))
        return found

    vectors = torch.Generator().manual_seed(0)
    monkeypatch.setattr(dataset_embeddings, "_tests", tests_of)
    monkeypatch.setattr(dataset_embeddings, "trained_model", lambda config, run: run.folder.name)
    monkeypatch.setattr(dataset_embeddings, "make_trainer", lambda config: SimpleNamespace(precision="32-true"))
    monkeypatch.setattr(dataset_embeddings, "provenance_of", lambda model, *_: replace(ORIGIN, model=model))
    monkeypatch.setattr(dataset_embeddings, "embedded", lambda *_: torch.randn(6, 4, generator=vectors))
    for split_id in (0, 1):
        (tmp_path / "trained" / f"split_{split_id}").mkdir(parents=True)
    words = ("+experiment=market_softmax", "dataset=viper", "dataset.split_id=[0,1]", f"run={tmp_path}/trained")
    return words, lambda *more: dict(dataset_embeddings.embed_tests(compose(*words, *more, config_name="embed")))


def test_each_split_of_a_run_has_files_of_its_own(embedded_splits, compose, tmp_path, monkeypatch):
    words, embed = embedded_splits
    found = sorted(embed())
    assert [file.stem for file in found] == [
        f"viper_{way}_split_{split_id}" for way in ("a_to_b", "b_to_a") for split_id in (0, 1)
    ]
    assert [read(file).origin.model for file in found] == ["split_0", "split_1"] * 2
    monkeypatch.setattr(rescoring, "model_hash", lambda weights: weights)
    monkeypatch.setattr(Run, "read_weights", lambda run: {"state_dict": run.folder.name})
    asked = [
        f"embeddings=[{','.join(map(str, found))}]",
        "~callbacks.pictures",
        "evaluation.flip=true",
        "evaluation.roc=[0.5]",
    ]
    config = compose(*words, *asked, config_name="evaluate")
    evaluate_stored(config)
    rows = {row["dataset"]: row for row in results(Path(config.run_dir))}
    assert rows.keys() == {"viper", "viper_a_to_b", "viper_b_to_a"}
    assert all(row["splits"] == [0, 1] for row in rows.values())
    assert len(list(Path(config.run_dir, "queries").iterdir())) == 4
    parts = json.loads(Path(config.run_dir, "metrics.json").read_text())["splits"]
    assert "load(<the run whose weights have the hash split_1" in parts[1]["details"]["apply"]["how"]


def test_a_file_of_other_images_is_not_replaced(embedded_splits, tmp_path):
    _, embed = embedded_splits
    (first, *_) = sorted(embed())
    embed()  # the same images again
    content = read(first)
    write(first, replace(content, shots=content.shots | {"query": content.shots["gallery"]}))
    with pytest.raises(ExistingFileError, match=r"_split_0\.safetensors is there already, and has no embeddings of"):
        embed()
    first.write_text("a text of somebody")
    with pytest.raises(ExistingFileError, match="name another by file=<file>, or remove it"):
        embed()
    assert first.read_text() == "a text of somebody"


def test_one_data_set_to_be_tested_on_is_a_list_of_it(compose, monkeypatch):
    asked = []
    monkeypatch.setattr(module_tests, "with_dataset", lambda config, entry: asked.append(entry))
    monkeypatch.setattr(module_tests, "_of_entry", lambda config: [])
    config = compose("+experiment=synthetic_softmax", "test_on=ward", config_name="evaluate")
    module_tests.find_tests(config, make_data(config))
    assert asked == ["ward"]


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


def test_a_copy_of_a_true_match_is_no_distractor(tmp_path):
    def shots(folder, *persons):
        (tmp_path / folder).mkdir(exist_ok=True)
        found = [Shot(tmp_path / folder / f"{person}_{place}.png", person, 0) for place, person in enumerate(persons)]
        for place, shot in enumerate(found):
            shot.path.write_bytes(f"{folder == 'asked'} {shot.person_id} {place}".encode())
        return tuple(found)

    def source(folder, images):
        rows = StoredEmbeddings(tmp_path, 0, (len(images), 2))
        return distractors.Source(name=folder, dataset="", rows=(rows,), shots=images)

    test = Split(name="somewhere", train=(), query=shots("asked", 1, 2), gallery=shots("gallery", 1, 2, 3))
    copied = shots("copied", 1, 2, 3)
    with pytest.raises(InputError, match=r"2 distractors of copied are images of somewhere's own query or gallery, by"):
        behind([source("copied", copied)])(test)
    strangers = source("strangers", (copied[2], *shots("strangers", 4, 5)))
    assert len(behind([strangers])(test).camera) == 3  # a copy of a person that no query shows is no true match
    with pytest.raises(InputError, match="distractors: 3 images of strangers are in strangers too, such as"):
        behind([strangers, strangers])
    with pytest.raises(InputError, match="distractors: 1 image of part are in strangers too"):
        behind([strangers, source("part", strangers.shots[:1])])


def test_images_that_are_query_and_gallery_are_distractors_once(files, tmp_path):
    content = read(files[0])
    twice = {"query": content.shots["gallery"][:2], "gallery": content.shots["gallery"]}
    rows = {name: content.embedding["gallery"][: len(shots)].clone() for name, shots in twice.items()}
    file = write(tmp_path / "twice.safetensors", replace(content, shots=twice, embedding=rows))
    assert len(of_file(file, content.origin).shots) == len(content.shots["gallery"])


@pytest.mark.parametrize("name", ["csv", "csv_2", "folder", "folder_split_1"])
def test_cameras_of_another_list_are_other_cameras(files, tmp_path, name):
    content = read(files[0])
    file = write(tmp_path / "own.safetensors", replace(content, name=name))
    assert of_file(file, content.origin).camera(name).unique().tolist() == [-1]


def test_distractors_of_a_published_model_lie_in_the_folder_of_its_evaluation(compose):
    config = compose("+experiment=synthetic_softmax", config_name="evaluate")
    assert distractors.kept_in(config) == Path(config.run_dir) / "distractors"
    of_run = compose("+experiment=synthetic_softmax", "run=there", config_name="evaluate")
    assert distractors.kept_in(of_run) == Path("there/evaluate/distractors")


def test_thresholds_of_a_file_name_the_model_that_embedded_it(trained, files, compose):
    hashed = read(files[0]).origin.model[:12]
    for words, named in (([], f"<the run whose weights have the hash {hashed}…>"), ([f"run={trained[0]}"], "'/")):
        folder = stored(compose, f"embeddings={files[0]}", "evaluation.roc=[0.1]", *words)
        how = results(folder)[0]["details"]["apply"]["how"]
        assert f"embed = reid_lit.load({named}" in how


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
