"""Results that go with the source: what is copied, what is not, what several machines add up to, and what is refused."""

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from reid_lit.errors import InputError, MissingFileError
from reid_lit.overrides import merged
from reid_lit.records import Shot
from reid_lit.report import report
from reid_lit.run import composing
from reid_lit.run.folder import Run
from reid_lit.run.query_scores import halve_query_scores, read_query_scores, write_query_scores
from reid_lit.tables.claims.command import _in_its_repository
from reid_lit.tables.claims.ledger import ledger
from reid_lit.tables.command import read_request
from reid_lit.tables.differences import differences
from reid_lit.tables.jobs import JobMaker
from reid_lit.tables.kept import PLACE, keep, kept_folder
from reid_lit.tables.plan_file import PLAN, read_plan, write_plan
from reid_lit.tables.spec import REAL, cells, read_table, rows_of

BASELINE, WARM = "Baseline-S", "+warmup"
ABSOLUTE = re.compile(r"(?<![\w.:/\]})~-])/\w[^/\s\"',]*/")


def pair(made_up, *seeds):
    for seed in seeds:
        made_up.run("strong/table1", WARM, "market1501", seed, 0.1)
        made_up.run("strong/table1", BASELINE, "market1501", seed, 0.0)


def verdict(folder):
    content = ledger(["strong"], [REAL], [folder], "python …")
    (entry,) = [entry for entry in content["papers"][0]["claims"] if entry["id"] == "strong-warmup"]
    return entry["verdict"], [part["seeds"] for part in entry["measured"]]


def test_the_ledger_says_the_same_of_what_is_kept(made_up, tmp_path):
    pair(made_up, 0, 1, 2)
    (table,) = keep(made_up.folder, tmp_path / "measured", [REAL])
    assert (table.numbers, table.new, table.cut) == (6, 6, 0)
    assert verdict(tmp_path / "measured") == verdict(made_up.folder) == ("seen", [[0, 1, 2]])


def test_scores_of_queries_are_kept_in_half_precision(tmp_path):
    shots = [Shot(Path(f"{place}.jpg"), place, 0) for place in range(4)]
    arrays = {
        "first_match": np.array([1, 0, 65_535, 400_000], np.int32),
        "average_precision": np.array([0.25, np.nan, 1 / 3, 1e-3], np.float32),
    }
    file = write_query_scores(tmp_path / "run", "market1501", shots, arrays, row="market1501", average="")
    halve_query_scores(file, tmp_path / "copy" / "queries" / file.name)
    before = (tmp_path / "copy" / "queries" / file.name).stat().st_mtime_ns
    halve_query_scores(file, tmp_path / "copy" / "queries" / file.name)
    assert (tmp_path / "copy" / "queries" / file.name).stat().st_mtime_ns == before  # nothing to commit again
    (own,), (kept,) = (read_query_scores(tmp_path / name, "market1501") for name in ("run", "copy"))
    assert (kept.queries, kept.row) == (own.queries, own.row)
    np.testing.assert_allclose(kept.values("mAP"), own.values("mAP"), rtol=1e-3)
    for metric in ("rank1", "rank10"):
        np.testing.assert_array_equal(kept.values(metric), own.values(metric))
    np.testing.assert_array_equal(kept.persons, own.persons)
    assert sum(kept.arrays[name].nbytes for name in arrays) * 2 == sum(value.nbytes for value in arrays.values())


def test_what_is_kept_names_no_place_and_holds_no_weights(made_up, tmp_path):
    pair(made_up, 0)
    for run in (made_up.folder / "trainings").iterdir():
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "last.ckpt").write_bytes(b"weights")
        (run / "labelled_list.txt").write_text("image")
        (run / "config.yaml").write_text(f"model: {{}}\nroot: /data/secret/WARD\nrun_dir: {run}\n")
    keep(made_up.folder, tmp_path / "measured", [REAL])
    files = [file for file in (tmp_path / "measured").rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".yaml", ".json", ".safetensors"}
    for file in files:
        if file.suffix != ".safetensors":
            text = file.read_text()
            assert str(tmp_path) not in text
            assert "secret" not in text
    (config, *_) = (tmp_path / "measured" / "trainings").glob("*/config.yaml")
    assert f"root: WARD\nrun_dir: tables/trainings/{config.parent.name}\n" in config.read_text()


def test_results_of_several_machines_add_up(made_up, tmp_path):
    other = type(made_up)(tmp_path / "elsewhere" / "tables")
    pair(made_up, 0)
    pair(other, 0, 2)
    keep(made_up.folder, tmp_path / "measured", [REAL])
    (table,) = keep(other.folder, tmp_path / "measured", [REAL])
    assert (table.numbers, table.new) == (4, 2)
    assert verdict(tmp_path / "measured")[1] == [[0, 2]]
    (again,) = keep(other.folder, tmp_path / "measured", [REAL])
    assert (again.numbers, again.new) == (4, 0)


def test_a_training_goes_once_its_results_are_replaced(made_up, tmp_path):
    pair(made_up, 0)
    keep(made_up.folder, tmp_path / "measured", [REAL])
    for file in made_up.folder.glob("*/*/plan.json"):
        plan = json.loads(file.read_text())
        old = Path(plan["cells"][0]["training"])
        new = old.rename(old.with_name("another_recipe"))
        plan["cells"][0] |= {"training": str(new), "folder": str(new)}
        file.write_text(json.dumps(plan))
    keep(made_up.folder, tmp_path / "measured", [REAL])
    names = {folder.name for folder in (tmp_path / "measured" / "trainings").iterdir()}
    assert len(names) == 2
    assert "another_recipe" in names
    assert old.name not in names


def evaluated(made_up, training, seed, *, name="abc"):
    """Evaluate a training for a cell of another table; the folder of that table."""
    folder = training / "evaluate" / name
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text((training / "metrics.json").read_text())
    plan = made_up.plan("strong/table4", REAL)
    places = {"training": str(training), "folder": str(folder)}
    plan["cells"].append({"row": 0, "label": "market1501", "seed": seed, "asked": True} | places)
    file = made_up.folder / "strong" / "table4-real" / PLAN
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(plan))
    return file.parent


def starts(training, *times):
    (training / "environment.json").write_text(json.dumps([{"gpus": [], "time": time} for time in times]))


def test_an_evaluation_goes_with_the_training_that_it_is_of(made_up, tmp_path, caplog):
    """Trainings of two machines have one name; scores of the one do not stand beside the other."""
    other = type(made_up)(tmp_path / "elsewhere" / "tables")
    into = tmp_path / "measured"
    kept = into / "strong" / "table4-real"
    for seed in (0, 1):
        training = made_up.run("strong/table1", WARM, "market1501", seed, 0.1)
        starts(training, "Monday")
        evaluated(made_up, training, seed)
        starts(other.run("strong/table1", WARM, "market1501", seed, 0.1), ["Tuesday", "Monday"][seed])
    keep(made_up.folder, into, [REAL])
    starts(training, "Monday", "Wednesday")  # it went on, and is the same one
    assert {table.numbers for table in keep(made_up.folder, into, [REAL])} == {2}
    assert not caplog.records
    stays = next(cell["training"] for cell in read_plan(kept)["cells"] if cell["seed"] == 0)
    files = {file: file.read_bytes() for file in Path(stays).rglob("*") if file.is_file()}
    (table,) = keep(other.folder, into, [REAL])  # of seed 0 it would lose an evaluation
    assert (table.numbers, table.new) == (2, 0)
    said = "stays as it is kept: it was trained anew, and these results of it are missing: strong/table4/"
    assert [said in record.getMessage() for record in caplog.records] == [True]
    assert "market1501 seed 0. Run them too" in caplog.text
    assert {file: file.read_bytes() for file in Path(stays).rglob("*") if file.is_file()} == files
    first, second = keep(other.folder, into, [REAL], replace=True)
    assert (first.numbers, first.new) == (2, 0)
    assert (second.folder, second.numbers) == (kept, 1)
    assert [cell["seed"] for cell in read_plan(kept)["cells"]] == [1]
    assert "table4-real: 1 result left out: the training was replaced by another one" in caplog.text
    assert len(list(into.glob("trainings/*/evaluate"))) == 1
    keep(made_up.folder, into, [REAL])  # and back: all of it comes
    assert [cell["seed"] for cell in read_plan(kept)["cells"]] == [0, 1]


def test_a_part_of_a_test_set_is_left_out(made_up, tmp_path):
    pair(made_up, 0)
    cut = made_up.run("strong/table1", WARM, "market1501", 1, 0.1) / "metrics.json"
    metrics = json.loads(cut.read_text())
    for whole in (False, [True, False]):  # the second: of a mean over two splits
        metrics["results"][0]["stamp"] = metrics["results"][0]["stamp"] | {"whole": whole}
        cut.write_text(json.dumps(metrics))
        (table,) = keep(made_up.folder, tmp_path / "measured", [REAL])
        assert (table.numbers, table.cut) == (2, 1)


def test_the_test_of_another_command_is_not_kept(made_up, tmp_path):
    pair(made_up, 0)
    for file in made_up.folder.glob("*/*/plan.json"):
        plan = json.loads(file.read_text())
        cell = plan["cells"][0]
        cell["test"] = "as planned"
        (Path(cell["training"]) / "job.json").write_text(json.dumps({"state": "done", "facts": {"test": "another"}}))
        file.write_text(json.dumps(plan))
    (table,) = keep(made_up.folder, tmp_path / "measured", [REAL])
    assert (table.numbers, table.cut) == (1, 0)


def test_own_results_go_before_those_that_are_kept(made_up, tmp_path):
    pair(made_up, 0, 1, 2)
    keep(made_up.folder, tmp_path / "measured", [REAL])
    other = type(made_up)(tmp_path / "elsewhere" / "tables")
    for seed, (row, skill) in itertools.product(range(3), ((WARM, 0.0), (BASELINE, 0.3))):
        other.run("strong/table1", row, "market1501", seed, skill)
    both = ledger(["strong"], [REAL], [other.folder, tmp_path / "measured"], "python …")
    assert [entry["verdict"] for entry in both["papers"][0]["claims"] if entry["id"] == "strong-warmup"] == ["reversed"]


def test_the_command_reports_tables_and_claims(made_up, tmp_path, capsys):
    pair(made_up, 0, 1, 2)
    into = tmp_path / "measured"
    report(["keep", f"table_dir={made_up.folder}", f"into={into}"])
    assert "Claims by all that is kept there: 1 seen" in capsys.readouterr().out
    assert "| +warmup |" in (into / "strong" / "table1-real" / "report.md").read_text()
    claims = (into / "claims.md").read_text()
    assert "strong-warmup" in claims
    assert f"table_dir={into.name}`" in claims


def test_reports_of_tables_kept_before_are_written_again_too(made_up, tmp_path):
    pair(made_up, 0, 1, 2)
    into = tmp_path / "kept"
    report(["keep", f"table_dir={made_up.folder}", f"into={into}"])
    other = into / "strong" / "other-real"
    shutil.copytree(into / "strong" / "table1-real", other)
    (other / "report.md").write_text("what its trainings gave before")
    report(["keep", f"table_dir={made_up.folder}", f"into={into}"])
    assert "| +warmup |" in (other / "report.md").read_text()


def test_nothing_to_keep_and_the_same_folder_are_refused(made_up, tmp_path):
    with pytest.raises(MissingFileError, match=r"no result of a table of size=real; run one first"):
        keep(tmp_path, tmp_path / "measured", [REAL])
    pair(made_up, 0)
    with pytest.raises(InputError, match="is where results are kept"):
        keep(made_up.folder, made_up.folder, [REAL])
    weights = tmp_path / "run" / "trainings" / "a" / "checkpoints"
    weights.mkdir(parents=True)
    for run in (type(made_up)(tmp_path / "elsewhere" / "tables"), type(made_up)(tmp_path / "run")):
        if run.folder.parent != tmp_path:
            pair(run, 1)
        with pytest.raises(InputError, match=r"into=.*: tables were run there, as .*; give a folder for results alone"):
            keep(made_up.folder, run.folder, [REAL])
    assert weights.is_dir()
    with pytest.raises(InputError, match=r"replace=yes: .*true, false"):
        report(["keep", f"table_dir={made_up.folder}", f"into={tmp_path / 'measured'}", "replace=yes"])
    with pytest.raises(InputError, match="word of keep"):
        report(["keep", "from=tables"])


def test_no_training_goes_on_from_what_is_kept(made_up, tmp_path):
    pair(made_up, 0)
    keep(made_up.folder, tmp_path / "measured", [REAL])
    request = read_request(["+table=strong/table1", "size=real", f"table_dir={tmp_path / 'measured'}"])
    with pytest.raises(InputError, match="keeps results without weights"):
        write_plan(read_table("strong/table1"), request, [], "command")


KEPT = kept_folder() or Path(PLACE)


@pytest.mark.parametrize("file", sorted(KEPT.glob(f"*/*/{PLAN}")), ids=lambda file: "/".join(file.parts[-3:-1]))
def test_results_are_of_the_recipes_that_stand(file):
    """A recipe that was changed makes its results old: they are measured again, or taken out."""
    plan = read_plan(file.parent)
    spec, names = read_table(plan["table"]), [str(row["name"]) for row in plan["rows"]]
    now = {cell_key(cell, rows_of(spec, plan["size"])): cell for cell in cells(spec, plan["size"])}
    for cell in plan["cells"]:
        recipe = now[names[cell["row"]], cell["label"]]
        config = Run(Path(cell["folder"])).config()
        composed = composing.composed(merged([*recipe.train, *recipe.evaluate]))
        apart = differences(composed, to_plain(config), None)
        assert [line for line in apart if not (recipe.gives and line.startswith(f"{recipe.gives}:"))] == []


@pytest.mark.parametrize("file", sorted(KEPT.glob(f"*/*/{PLAN}")), ids=lambda file: "/".join(file.parts[-3:-1]))
def test_a_table_goes_on_from_its_results(file):
    """A default that is only worded anew does not rename the trainings that were made by it."""
    plan = read_plan(file.parent)
    spec, names = read_table(plan["table"]), [str(row["name"]) for row in plan["rows"]]
    lost = {cell["training"]: cell for cell in plan["cells"]}
    for overrides in (("trainer.precision=bf16-mixed",), ()):
        request = read_request([f"+table={plan['table']}", f"size={plan['size']}", *overrides])
        now = {
            cell_key(cell, rows_of(spec, plan["size"])): cell for cell in cells(spec, plan["size"], request.overrides)
        }
        for training, cell in tuple(lost.items()):
            recipe = now[names[cell["row"]], cell["label"]]
            place = JobMaker(request, "row").place(recipe, cell["seed"], wanted=False)
            # the name of one that starts from another one held, once, the place where that one lies
            if recipe.start or training.endswith(place.training.folder.name.rpartition("-")[2]):
                del lost[training]
    assert lost == {}


def test_a_kept_folder_is_named_from_the_root_of_its_repository(tmp_path, monkeypatch):
    assert _in_its_repository(tmp_path / "measured") == "measured"
    (tmp_path / ".git").write_text("gitdir: elsewhere")  # as in a worktree
    assert _in_its_repository(tmp_path / "experiments" / "measured") == "experiments/measured"
    monkeypatch.chdir(tmp_path)
    assert _in_its_repository(Path("experiments/measured")) == "experiments/measured"


def test_the_text_beside_the_ledger_gives_its_verdicts():
    text = (KEPT.parent / "README.md").read_text().partition("### The ledger\n\n")[2].partition("\n\n")[0]
    claims = (KEPT / "claims.md").read_text()
    (counts,) = re.findall(r"^Claims: (.*)\.$", claims, re.MULTILINE)
    numbers = {verdict: int(number) for number, verdict in re.findall(r"(\d+) ([a-z ]+)", counts)}
    (said,) = re.findall(
        r"of (\d+) claims (\d+) are \*\*seen.*\n*(\d+) \*\*reversed.* (\d+) undecided and (\d+) not tested", text
    )
    names = ("seen", "reversed", "undecided", "not tested")
    assert [int(number) for number in said] == [sum(numbers.values()), *(numbers[name] for name in names)]
    rows = re.findall(r"^\| .*?\(([\w-]+)[;)].*\| ([a-z ]+) \|$", claims, re.MULTILINE)
    order = ("reversed", "not seen", "undecided", "seen", "not tested")
    verdicts = {name: min((each for of, each in rows if of == name), key=order.index) for name, _ in rows}
    for verdict in ("seen", "reversed", "not seen"):
        (listed,) = re.findall(rf"\*\*{verdict}\*\*[^(\n]*\(([^)]*)\)", text)
        there = {name for name, each in verdicts.items() if each == verdict}
        assert set(re.findall(r"`([\w-]+)`", listed)) == there


def test_no_file_of_them_names_a_place():
    for file in (file for file in KEPT.rglob("*") if file.suffix in (".json", ".yaml", ".csv", ".md")):
        assert not ABSOLUTE.search(file.read_text()), file


def cell_key(cell, rows):
    return str(rows[cell.row]["name"]), cell.label


def to_plain(config):
    from omegaconf import OmegaConf

    return OmegaConf.to_container(config)
