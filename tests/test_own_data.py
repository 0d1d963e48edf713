"""`init` and `describe`, and a user's own crops from a folder to a report, as users run them."""

import json
import re
import shutil

import pytest
from PIL import Image
from rich.console import Console

from reid_lit import describe, init
from reid_lit.data.problems import Problem
from reid_lit.data.sets import csv_file
from reid_lit.synthetic.plan import QUERY, PlannedImage
from reid_lit.synthetic.render import draw
from reid_lit.synthetic.worlds import WORLDS

SMALL = [
    "transform.size=[64,32]", "loader.batch_size=16", "machine.workers=1", "trainer.max_epochs=1",
    "trainer.log_every_n_steps=2", "hydra.run.dir=run",
]  # fmt: skip


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Thirty people who do not exist, a folder each with four images."""
    root, world = tmp_path_factory.mktemp("own") / "crops", WORLDS["plaza"]
    for person in range(30):
        (root / f"guest {person:02d}").mkdir(parents=True)
        for k in range(4):
            number = 10 * person + k
            drawing = PlannedImage(QUERY, "", person + 1, k % 2, 2 * person, number, 0, k * 1.5, number)
            Image.fromarray(draw(world, drawing, 0)).save(root / f"guest {person:02d}" / f"{k}.jpg", quality=85)
    (root / "read me.txt").write_text("no image")
    return root


def result(folder):
    (tested,) = json.loads((folder / "metrics.json").read_text())["results"]
    return tested


@pytest.mark.slow
def test_a_folder_of_thirty_people_trains_and_reports_with_one_command(command, people, tmp_path):
    done = command("+experiment=folder_softmax", f"dataset.root={people}", *SMALL, cwd=tmp_path)
    tested = result(tmp_path / "run")
    assert tested["stamp"]["camera_rule"] == "any_camera"
    assert tested["stamp"]["camera_rule_note"] == "auto: a single camera"
    assert tested["stamp"]["valid_queries"] == 15
    assert any("15 of 30 persons train" in note for note in tested["stamp"]["notes"])
    assert (tmp_path / "run" / "pictures" / "folder" / "ranked_lists.png").is_file()
    assert "Retrieval scores" in done.stdout
    assert "auto: a single camera" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_init_writes_a_list_and_the_command_that_trains_on_it(command, people, tmp_path):
    file = tmp_path / "a list.csv"
    arguments = [f"folder={people}", f'file="{file}"', "val_fraction=0.1"]
    done = command(*arguments, cwd=tmp_path, module="reid_lit.init")
    assert [path.name for path in tmp_path.iterdir()] == ["a list.csv"]
    assert "15 of 30 persons train, 3 validate" in done.stdout
    assert "files that are no images are left out: 1 .txt" in done.stdout
    split = csv_file.read(file)
    assert [len(shots) for shots in (split.train, split.query, split.gallery, split.validation.query)] == [
        60,
        12,
        36,
        3,
    ]
    printed = f"""python -m reid_lit.train +experiment=csv_softmax 'dataset.root="{file}"'"""
    assert printed in done.stdout
    command("+experiment=csv_softmax", f'dataset.root="{file}"', *SMALL, cwd=tmp_path)
    assert result(tmp_path / "run")["stamp"]["valid_queries"] == 12
    assert "val/mAP" in (tmp_path / "run" / "log" / "metrics.csv").read_text()


def test_a_list_is_not_overwritten_and_a_failed_one_leaves_nothing(compose, people, tmp_path, capsys):
    file = tmp_path / "reid.csv"
    asked = [f"folder={people}", f"file={file}"]
    init.init(compose(*asked, config_name="init"))
    before = file.read_text()
    with pytest.raises(FileExistsError, match="is there already; overwrite=true replaces it"):
        init.init(compose(*asked, "split_seed=1", config_name="init"))
    assert file.read_text() == before
    init.init(compose(*asked, "split_seed=1", "overwrite=true", config_name="init"))
    assert file.read_text() != before
    with pytest.raises(ValueError, match="do not fit pattern"):
        init.init(compose(*asked, "overwrite=true", "'pattern=\"x(?P<person>.)\"'".strip("'"), config_name="init"))
    assert [path.name for path in tmp_path.iterdir()] == ["reid.csv"]
    assert "persons by" not in capsys.readouterr().out


def test_a_person_who_is_nobody_is_named_with_the_key_of_init(compose, people, tmp_path):
    shutil.copytree(people, tmp_path / "crops")
    (tmp_path / "crops" / "guest 01").rename(tmp_path / "crops" / "unknown")
    with pytest.raises(ValueError, match=r"; junk=\[-1,unknown\] takes them for junk"):
        init.init(compose(f"folder={tmp_path / 'crops'}", config_name="init"))
    init.init(compose(f"folder={tmp_path / 'crops'}", "junk=[-1,unknown]", config_name="init"))
    assert "-1" in (tmp_path / "crops" / "reid.csv").read_text()


def test_a_list_that_trains_nobody_is_not_offered_for_training(compose, people, tmp_path, capsys):
    for part in ("query", "gallery"):
        shutil.copytree(people / "guest 01", tmp_path / "crops" / part / "ann")
    init.init(compose(f"folder={tmp_path / 'crops'}", config_name="init"))
    out = capsys.readouterr().out
    assert f"test_on=[{{dataset: csv, root: {tmp_path}/crops/reid.csv}}]" in out
    assert "reid_lit.train" not in out


def test_describe_counts_draws_and_says_where(compose, drawn, tmp_path, capsys):
    describe.describe(
        compose(
            "dataset=synthetic",
            "dataset.size=tiny",
            f"data_root={drawn}",
            f"output={tmp_path}",
            "headers=50",
            config_name="describe",
        )
    )
    told = json.loads((tmp_path / "describe.json").read_text())
    assert told["dataset"] == "synthetic_plaza"
    root = drawn / "synthetic" / "plaza-tiny-0"
    for name, folder in {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}.items():
        files = [path.name for path in (root / folder).glob("*.jpg")]
        listed = told["lists"][name]
        assert (listed["images"], listed["junk"]) == (len(files), sum(file.startswith("-1") for file in files))
        assert listed["persons"] == len({file[:4] for file in files if not file.startswith("-1")})
        assert listed["images_of_camera"] == {f"c{k}": sum(f"_c{k}s" in file for file in files) for k in (1, 2, 3)}
        assert listed["height"] == dict.fromkeys(("minimum", "median", "mean", "maximum"), 128)
        assert listed["files_looked_at"] == min(50, len(files))
    assert told["lists"]["gallery"]["distractors"] == 12
    assert told["lists"]["all"]["images"] == 196
    for picture in ("statistics", "contact_sheet"):
        assert (tmp_path / f"{picture}.png").stat().st_size > 10_000
    out = capsys.readouterr().out
    assert "of lists with more than 50 images, an even choice was looked at" in " ".join(out.split())
    assert f"{tmp_path} has describe.json, statistics.png and contact_sheet.png" in out


def test_describe_fits_a_terminal_of_80_columns(compose, people, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(describe, "Console", lambda: Console(width=80))
    describe.describe(
        compose(
            "dataset=folder",
            f"dataset.root={people}",
            "dataset.val_persons=3",
            f"output={tmp_path}",
            config_name="describe",
        )
    )
    tables = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert max(map(len, tables)) <= 80
    assert all(line.split("│")[1].strip() for line in tables)  # nothing had to be wrapped


@pytest.mark.slow
def test_describe_leaves_nothing_else_behind(command, drawn, tmp_path):
    command("dataset=synthetic", "dataset.size=tiny", f"data_root={drawn}", cwd=tmp_path, module="reid_lit.describe")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("**/*") if path.is_file()) == [
        f"describe/synthetic_plaza/{name}" for name in ("contact_sheet.png", "describe.json", "statistics.png")
    ]


def test_members_of_a_joint_data_set_are_described_one_by_one(compose, drawn, people, tmp_path):
    members = f"[{{dataset: synthetic, size: tiny}}, {{dataset: folder, root: {people}}}]"
    asked = ["dataset=joint", f"dataset.members={members}", f"data_root={drawn}", f"output={tmp_path}"]
    config = compose(*asked, config_name="describe")
    describe.describe(config)
    told = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("*/describe.json")}
    assert {name: each["lists"]["all"]["persons"] for name, each in told.items()} == {
        "synthetic_plaza": 21,
        "folder": 30,
    }


def test_what_init_cannot_list_is_told_by_the_lists_own_name(compose, people, tmp_path, monkeypatch):
    def refuse(file):
        raise Problem(kind="lists", place=file, fact=f"{file.resolve()} is wrong", cure="mend it").error()

    monkeypatch.setattr(csv_file, "read", refuse)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'reid.csv'} is wrong; mend it")):
        init.init(compose(f"folder={people}", f"file={tmp_path / 'reid.csv'}", config_name="init"))
    assert not list(tmp_path.iterdir())
