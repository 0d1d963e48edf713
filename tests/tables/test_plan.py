"""Tables: from rows and labels to overrides, from overrides to jobs."""

import itertools
import json

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from reid_lit.command.replay import replayed
from reid_lit.run import composing
from reid_lit.run.identity import evaluation_hash, training_hash
from reid_lit.tables import command
from reid_lit.tables.command import TableRequest, chosen_rows, read_request, reword_table
from reid_lit.tables.plan import chains, places_of
from reid_lit.tables.plan_file import read_plan, write_plan
from reid_lit.tables.results import read_cell
from reid_lit.tables.spec import (
    SIZES,
    TableError,
    cells,
    own_keys,
    read_file,
    read_table,
    rows_of,
    status,
    table_names,
)

SPEC = {
    "title": "Made up", "source": "nobody", "paper": "made", "metrics": ["rank1", "mAP"], "unit": "percent",
    "base": ["+experiment=market_strong"],
    "across": {"dataset": {"m": {"set": ["dataset=market1501"]}, "d": {"set": ["dataset=dukemtmc"]}}, "seed": [0, 1]},
    "tolerance": {"rank1": 1.0},
    "laptop": {
        "base": ["+experiment=synthetic_strong"], "across": {"dataset": {"s": {"set": []}}}, "drop": ["backbone"],
        "set": ["dataset.size=tiny"],
    },
    "real": {
        "base": ["+experiment=real_strong"], "across": {"dataset": {"m": {"set": []}}}, "run": ["A", "C"],
        "minutes": 30, "test_minutes": 6,
    },
    "rows": [
        {"name": "A", "set": ["loss=id"], "published": {"m": {"rank1": 90.0, "mAP": 80.0}}},
        {"name": "B, step", "set": ["loss=id"], "evaluate": ["evaluation.ap=trapezoid"], "only": ["m"]},
        {"name": "C", "set": ["loss=id_triplet", "backbone=resnet34"], "real": {"set": ["loss=id"], "minutes": 60}},
        {"name": "Q", "quoted": True, "published": {"m": {"rank1": 1.0}}},
        {"name": "W", "waiting": "not built"},
    ],
}  # fmt: skip


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(command, "read_table", lambda name: SPEC)


def test_rows_times_labels_without_those_that_a_row_leaves_out():
    found = cells(SPEC)
    assert [(cell.row, cell.label) for cell in found] == [(0, "m"), (0, "d"), (1, "m"), (2, "m"), (2, "d")]
    assert found[0].train == ("+experiment=market_strong", "dataset=market1501", "loss=id")
    assert found[2].evaluate == ("evaluation.ap=trapezoid",)


def test_on_a_laptop_its_own_base_and_labels_and_the_dropped_keys_left_out():
    found = cells(SPEC, "laptop", ["loss=id_circle"])
    assert [(cell.row, cell.label) for cell in found] == [(0, "s"), (1, "s"), (2, "s")]
    assert found[2].train == ("+experiment=synthetic_strong", "dataset.size=tiny", "loss=id_circle")


def test_what_the_user_says_of_the_test_wins_over_what_a_row_is_tested_by():
    found = cells(SPEC, "paper", ["evaluation.ap=sklearn", "seed=3"])
    assert found[2].evaluate == ("evaluation.ap=sklearn",)
    assert found[0].evaluate == ("evaluation.ap=sklearn",)
    assert found[0].train[-2:] == ("evaluation.ap=sklearn", "seed=3")


def test_a_size_has_its_own_base_and_rows_their_own_overrides_for_it():
    found = cells(SPEC, "real")
    assert [(cell.row, cell.label) for cell in found] == [(0, "m"), (1, "m"), (2, "m")]
    assert found[2].train == ("+experiment=real_strong", "loss=id")
    assert chosen_rows(SPEC, (), "real") == [0, 2]  # the second is run where it is asked for
    assert chosen_rows(SPEC, ("2",), "real") == [1]
    assert chosen_rows(SPEC, ()) == [0, 1, 2]


def test_a_size_may_have_rows_and_stages_of_its_own_and_run_what_the_paper_quotes():
    stage = {"name": "S", "set": ["+experiment=real_source"]}
    own = {"name": "Direct", "at": {"m": {"set": ["seed=3"]}}}
    real = {"quoted": False, "start": "S", "gives": "model.weights", "set": ["loss=id"]}
    rows = [*SPEC["rows"][:3], {"name": "Q", "quoted": True, "real": real}]
    spec = SPEC | {"rows": rows, "real": SPEC["real"] | {"stages": [stage], "rows": [own]}}
    assert [row["name"] for row in rows_of(spec, "real")] == ["A", "B, step", "C", "Q", "Direct"]
    assert [row["name"] for row in rows_of(spec, "paper")] == ["A", "B, step", "C", "Q"]
    quoted, direct = cells(spec, "real")[-2:]
    assert (quoted.row, quoted.start.train, quoted.gives) == (3, ("+experiment=real_source",), "model.weights")
    assert (direct.row, direct.train) == (4, ("+experiment=real_strong", "seed=3"))
    assert len(cells(spec)) == len(cells(SPEC))


def test_a_size_that_a_table_has_not_is_refused():
    spec = {key: value for key, value in SPEC.items() if key != "real"}
    with pytest.raises(TableError, match=r"Made up: there is no size=real; choose paper or laptop"):
        cells(spec, "real")
    with pytest.raises(TableError, match=r"nothing of this table is trained, so there is no size=laptop"):
        cells({key: value for key, value in spec.items() if key != "laptop"}, "laptop")


def test_rows_that_differ_in_evaluation_share_a_training(compose, tmp_path):
    places = places_of(
        SPEC, TableRequest("made/up", labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    )
    wanted = [place for place in places if place.wanted]
    assert len(wanted) == 3
    first, second, third = wanted
    assert first.training.folder == second.training.folder != third.training.folder
    assert first.evaluation is None
    assert second.evaluation.module == "reid_lit.evaluate"
    assert second.evaluation.folder.parent == first.training.folder / "evaluate"
    assert [len(chain.jobs) for chain in chains(places)] == [2, 1]
    assert not any(override.startswith("evaluation") for override in first.training.overrides)


def test_a_test_of_a_training_repeats_no_word_of_the_table_or_matrix_that_trained_it(compose, tmp_path):
    """Its scores are those of the row, whatever the training's own test was, and where it was trained."""
    request = TableRequest("made/up", rows=("B, step",), labels={"seed": ("0",)}, table_dir=str(tmp_path))
    (place,) = [place for place in places_of(SPEC, request) if place.wanted]
    (place.training.folder / ".hydra").mkdir(parents=True)
    theirs = [*place.training.overrides, "name=direct", "machine=gpu", "evaluation.flip=false", "test_on=[ward]"]
    OmegaConf.save(OmegaConf.create(theirs), place.training.folder / ".hydra" / "overrides.yaml")
    words = place.evaluation.command()[3:]
    assert replayed(words) == words


@pytest.mark.parametrize(("own_test", "ap"), [(False, "trapezoid"), (True, "step")])
def test_an_addition_to_a_test_keeps_the_scoring_of_a_rows_experiment_and_a_matrix_tests_all_alike(
    compose, tmp_path, own_test, ap
):
    row = {"name": "A", "set": ["loss=id"], "evaluate": ["evaluation=rerank"]}
    spec = SPEC | {"base": ["+experiment=market_softmax"], "rows": [row], "own_test": own_test}
    request = TableRequest("made/up", labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    (place,) = [place for place in places_of(spec, request) if place.wanted]
    words = [word for word in place.evaluation.overrides if not word.startswith("run=")]
    evaluation = compose(*words, config_name="evaluate").evaluation
    assert (evaluation.ap, evaluation.rerank.k1) == (ap, 20)


def test_the_test_of_another_command_is_no_result_of_a_plan(compose, tmp_path):
    request = TableRequest("made/up", rows=("A",), labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    places = places_of(SPEC, request)
    (place,) = [place for place in places if place.wanted]
    write_plan(SPEC, request, places, "command")
    place.training.folder.mkdir(parents=True)
    (place.training.folder / "metrics.json").write_text('{"results": [{"scores": {}, "stamp": {}}]}')

    def results(test):
        (place.training.folder / "job.json").write_text(json.dumps({"facts": {"test": test}}))
        cells = [cell for cell in read_plan(request.folder)["cells"] if cell["asked"]]
        return [read_cell(cell) is not None for cell in cells], place.tested_otherwise

    assert results(place.test) == ([True], False)
    assert results("of a matrix") == ([False], True)


def labelled(chain):
    """The rows under which the jobs of a chain are logged."""
    return [next(word for word in job.overrides if word.startswith("labels.row=")) for job in chain.jobs]


@pytest.mark.parametrize(("rows", "names"), [
    (("A", "B, step"), ["A", "B, step"]),
    (("B, step",), ["B, step (training)", "B, step"]),
    (("B, step", "A"), ["A", "B, step"]),
])  # fmt: skip
def test_a_row_names_the_job_whose_scores_the_table_shows(compose, tmp_path, rows, names):
    spec = SPEC | {"rows": [row for name in rows for row in SPEC["rows"] if row["name"] == name]}
    request = TableRequest("made/up", labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    (chain,) = chains(places_of(spec, request))
    assert labelled(chain) == [f'labels.row="{name}"' for name in names]
    assert all("labels.table=up" in job.overrides for job in chain.jobs)


def test_sizes_of_a_table_are_logged_apart(compose, tmp_path):
    request = TableRequest("made/up", size="laptop", table_dir=str(tmp_path))
    jobs = [job for chain in chains(places_of(SPEC, request)) for job in chain.jobs]
    assert all("labels.table=up-laptop" in job.overrides for job in jobs)


def test_what_a_row_starts_from_is_logged_under_its_own_row(compose, tmp_path):
    rows = [{"name": "A", "start": "S", "gives": "model.weights"}, {"name": "S", "set": ["loss=id"]}]
    request = TableRequest("made/up", labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    first, second = chains(places_of(SPEC | {"rows": rows}, request))
    assert (labelled(first), labelled(second)) == (['labels.row="S"'], ['labels.row="A"'])
    assert second.before == (first.training,)


def test_a_training_done_for_another_table_is_found_by_what_it_is_made_of(compose, tmp_path):
    ask = TableRequest("made/up", rows=("A",), labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    (place,) = [place for place in places_of(SPEC, ask) if place.wanted]
    identity = place.training.folder.name.rpartition("-")[2]
    other = tmp_path / "trainings" / f"another_name-{identity}"
    other.mkdir(parents=True)
    (other / "metrics.json").write_text("{}")
    (place,) = [place for place in places_of(SPEC, ask) if place.wanted]
    assert place.training.folder == other
    assert place.training.done


def test_of_several_folders_of_a_training_the_one_that_is_done_counts(compose, tmp_path):
    ask = TableRequest("made/up", rows=("A",), labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))

    def found():
        (place,) = [place for place in places_of(SPEC, ask) if place.wanted]
        return place.training.folder

    digest = found().name.rpartition("-")[2]
    killed, begun, done = (tmp_path / "trainings" / f"{name}-{digest}" for name in ("a", "b", "c"))
    (killed / ".hydra").mkdir(parents=True)
    assert found() == killed
    (begun / "checkpoints").mkdir(parents=True)
    (begun / "checkpoints" / "last.ckpt").touch()
    assert found() == begun
    done.mkdir()
    (done / "metrics.json").write_text("{}")
    assert found() == done


@pytest.mark.parametrize(
    ("facts", "tested_again"),
    [({}, False), ({"seed": 0, "table": "a/b"}, False), ({"test": "of a matrix"}, True), ({"tests": {"a": "b"}}, True)],
)
def test_the_own_test_of_a_training_counts_only_where_it_is_the_one_of_the_row(compose, tmp_path, facts, tested_again):
    request = TableRequest("made/up", rows=("A",), labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    (place,) = [place for place in places_of(SPEC, request) if place.wanted]
    assert place.evaluation is None
    place.training.folder.mkdir(parents=True)
    (place.training.folder / "metrics.json").write_text("{}")
    (place.training.folder / "job.json").write_text(json.dumps({"facts": facts}))
    (place,) = [place for place in places_of(SPEC, request) if place.wanted]
    assert (place.evaluation is not None) == tested_again


def test_a_row_starts_from_the_training_of_a_stage(compose, tmp_path):
    stage = {"name": "S", "set": ["loss=id"]}
    spec = SPEC | {"stages": [stage], "rows": [{"name": "A", "start": "S", "gives": "model.weights"}]}
    request = TableRequest("made/up", labels={"dataset": ("m",), "seed": ("0",)}, table_dir=str(tmp_path))
    first, second = chains(places_of(spec, request))
    assert second.before == (first.training,)
    assert f"model.weights={first.training.folder}" in second.training.overrides
    assert (first.ready, second.ready) == (True, False)
    first.training.folder.mkdir(parents=True)
    (first.training.folder / "metrics.json").write_text("{}")
    assert second.ready


def test_a_training_keeps_its_name_where_the_tables_are_moved(compose, tmp_path):
    stage = {"name": "S", "set": ["loss=id"]}
    spec = SPEC | {"stages": [stage], "rows": [{"name": "A", "start": "S", "gives": "model.weights"}]}
    names = []
    for folder in ("here", "there"):
        words = {"dataset": ("m",), "seed": ("0",)}
        _, second = chains(places_of(spec, TableRequest("made/up", labels=words, table_dir=str(tmp_path / folder))))
        names.append(second.training.folder.name)
    assert names[0] == names[1]


def small(**changed):
    base = {key: {} for key in ("evaluation", "dataset", "transform", "backbone", "model", "optimizer", "callbacks")}
    base |= {
        "loader": {"batch_size": 4},
        "machine": {"devices": 1, "workers": 2},
        "test_on": [],
        "distractors": [],
        "name": "a",
        "data_root": "/x",
    }
    return base | changed


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"name": "b"}, True), ({"data_root": "/y"}, True), ({"evaluation": {"ap": "step"}}, True), ({"test_on": ["d"]}, True),
        ({"machine": {"devices": 2, "workers": 0}}, True), ({"labels": {"row": "x"}}, True), ({"callbacks": {"pictures": 1}}, True),
        ({"loader": {"batch_size": 8}}, False), ({"optimizer": {"lr": 1}}, False), ({"dataset": {"a": 1}}, False),
    ],
)  # fmt: skip
def test_what_changes_no_weight_changes_no_training(changed, same):
    assert (training_hash(small(), 0) == training_hash(small(**changed), 0)) == same
    assert training_hash(small(), 0) != training_hash(small(), 1)
    assert (evaluation_hash(small()) == evaluation_hash(small(evaluation={"ap": "step"}))) is False


def test_the_words_of_a_table_survive_hydra(made):
    words = [
        "+table=made/up",
        "seed=0,2",
        "dataset=m",
        "rows=1,C",
        "size=paper",
        'dataset.root="Märkte, $x \\\\"',
        "plan=true",
        "~callbacks.progress",
    ]
    line = reword_table(["hydra/launcher=joblib", *words])
    assert line[:2] == ["hydra/launcher=joblib", "+table=made/up"]
    assert line[2].startswith("+table_words=[")
    assert OverridesParser.create().parse_override(line[2]).value() == words
    ask = read_request(words)
    assert ask.labels == {"seed": ("0", "2"), "dataset": ("m",)}
    assert ask.rows == ("1", "C")
    assert ask.plan_only
    assert ask.overrides == ('dataset.root="Märkte, $x \\\\"', "~callbacks.progress")
    assert reword_table(["seed=1,2", "-m"]) == ["seed=1,2", "-m"]


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["rows=XYZ"], ["no row 'XYZ'", "3 C"]),
        (["rows=Q"], ["rows=Q", "quotes"]),
        (["rows=4,5"], ["rows=Q", "quotes"]),
        (["rows=W"], ["rows=W", "not built"]),
        (["dataset=synthetic"], ["no dataset 'synthetic'", "size=laptop"]),
        (["transfer=m"], ["transfer=m: this table calls that dataset; give dataset=m"]),
        (["seed=x"], ["no seed 'x'"]),
        (["size=large"], ["size=large is unknown; choose paper, real or laptop"]),
        (["plan=perhaps"], ["plan=perhaps is unknown; choose true or false"]),
    ],
)
def test_what_a_table_has_not_is_said(made, words, facts):
    with pytest.raises(TableError) as error:
        reword_table(["+table=made/up", *words])
    assert all(fact in str(error.value) for fact in facts)


def test_a_row_whose_name_has_a_comma_is_one_row(made):
    assert read_request(["+table=made/up", "rows=B, step"]).rows == ("B, step",)


def test_there_is_no_such_table():
    with pytest.raises(TableError, match=r"no table 'made/up'"):
        read_table("made/up")


def test_an_override_that_is_none_of_ours_is_named_with_its_row(compose, tmp_path):
    spec = SPEC | {"rows": [{"name": "A", "set": ["optimizer.lrr=1"]}]}
    with pytest.raises(TableError, match=r"row 'A', m: .*lrr"):
        places_of(spec, TableRequest("made/up", table_dir=str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in table_names() for size in SIZES if size in ("paper", *read_table(name))]
)
def test_every_table_can_be_planned(monkeypatch, tmp_path, name, size):
    monkeypatch.setattr(composing, "composed", lambda overrides: small(optimizer=overrides))
    spec = read_table(name)
    ask = read_request([f"+table={name}", f"size={size}", f"table_dir={tmp_path}"])
    places = places_of(spec, ask)
    rows = rows_of(spec, size)
    runs = [place for place, row in enumerate(rows) if status(row) == "run"]
    chosen = own_keys(spec, size).get("run", [rows[place]["name"] for place in runs])
    assert [rows[place]["name"] for place in chosen_rows(spec, (), size)] == chosen
    assert {place.cell.row for place in places} == set(runs)
    jobs = [job.folder for chain in chains(places) for job in chain.jobs]
    assert len(jobs) == len(set(jobs))
    asked_for = {place.last.folder for place in places if place.wanted}
    assert asked_for <= set(jobs)
    written = json.loads(write_plan(spec, ask, places, "command").read_text())
    assert len(written["cells"]) == len(places)


def test_each_seed_is_a_training_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(composing, "composed", lambda overrides: small(optimizer=overrides))
    places = places_of(SPEC, TableRequest("made/up", rows=("C",), labels={"seed": ("0", "7")}, table_dir=str(tmp_path)))
    wanted = [(place.cell.label, place.seed) for place in places if place.wanted]
    assert sorted(wanted) == sorted(itertools.product("dm", (0, 7)))
    assert all(f"seed={place.seed}" in place.training.overrides for place in places)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("  metric: [mAP]\n  rows: []", "no key of a table 'metric'; did you mean metrics"),
        ("  rows: [{name: A, evalute: []}]", "no key of a row 'evalute'; did you mean evaluate"),
        ("  rows: []\n  laptop: {sets: []}", r"no key of a table\.laptop 'sets'; did you mean set"),
        ("  rows: []\n  real: {minute: 1}", r"no key of a table\.real 'minute'; did you mean minutes"),
        ("  rows: [{name: A, real: {nightly: 1}}]", r"no key of a row\.real 'nightly'"),
        (
            "  rows: []\n  real: {stages: [{name: A, starts: B}]}",
            r"no key of a row of a size 'starts'; did you mean start",
        ),
    ],
)
def test_a_key_that_nothing_reads_is_refused(tmp_path, place, words):
    file = tmp_path / "table.yaml"
    file.write_text(f"table:\n  across: {{}}\n{place}\n")
    with pytest.raises(TableError, match=words):
        read_file(file)


def test_a_plan_says_what_is_missing_where_it_runs_and_where_it_will_lie(command, tmp_path):
    done = command(
        "+table=strong/table1", "plan=true", "rows=1", cwd=tmp_path, check=False,
        environment={"REID_DATA": str(tmp_path / "data"), "CUDA_VISIBLE_DEVICES": "4,7", "COLUMNS": "80"},
    )  # fmt: skip
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert (
        f"MISSING: Market-1501-v15.09.15: there is no {tmp_path}/data/Market-1501-v15.09.15; point $REID_DATA" in said
    )
    assert "2 numbers of 2 cannot be had without the data above; nothing was started" in said
    assert "2 jobs run at once on this machine: GPU 4, 7, a job each." in said
    assert f"The table will be in {tmp_path}/tables/strong/table1 (" in said
    assert "…" not in said
    assert not (tmp_path / "tables").exists()


def test_a_table_without_any_of_its_data_starts_no_job(command, tmp_path):
    done = command(
        "+table=strong/table1", "rows=1", cwd=tmp_path, check=False, environment={"REID_DATA": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "nothing was started" in done.stderr
    assert not list(tmp_path.glob("tables/trainings/*"))
