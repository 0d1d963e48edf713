"""``python -m reid_lit.card`` on a finished run."""

import json
import subprocess
import sys

from reid_lit.testing.load import load


def test_a_card_is_written(trained, command, tmp_path):
    folder, _ = trained
    ranking = json.loads((folder / "pictures" / "synthetic_plaza" / "rankings.json").read_text())
    persons = sorted(set(ranking["query"]["person"]))
    (tmp_path / "persons.csv").write_text(
        "person,coat\n" + "".join(f"{p},{'red' if p % 2 else 'blue'}\n" for p in persons)
    )
    done = command(
        f"run={folder}", f"output={tmp_path}/model.md", "attributes=persons.csv", "least_persons=2", "resamples=20",
        cwd=tmp_path, module="reid_lit.card",
    )  # fmt: skip
    assert f"written: {tmp_path}/model.md, {tmp_path}/model.json" in done.stdout
    card = json.loads((tmp_path / "model.json").read_text())
    origin = load(folder, device="cpu").origin
    assert (card["measured"]["dimension"], card["measured"]["sha256"]) == (512, origin.model)
    results = json.loads((folder / "metrics.json").read_text())["results"]
    assert [test["scores"] for test in card["tests"]] == [result["scores"] for result in results]
    plaza = next(test for test in card["groups"] if test["dataset"] == "synthetic_plaza")
    assert plaza["all"]["rank1"]["value"] == results[0]["scores"]["rank1"]
    assert abs(plaza["all"]["mAP"]["value"] - results[0]["scores"]["mAP"]) < 1e-6
    assert sum(group["queries"] for group in plaza["columns"]["coat"]) == plaza["all"]["queries"]
    assert "| coat | queries | persons | rank-1 |" in (tmp_path / "model.md").read_text()


def test_bad_words_are_refused(trained, command, tmp_path):
    folder, _ = trained
    (tmp_path / "others.csv").write_text("person,coat\n90001,red\n")
    for words, said in (
        ([f"run={folder}", "build=false", "attributes=others.csv"], "it lists none of the queries of"),
        ([f"run={folder}", "resamples=0"], "resamples=0 least_persons=10: give at least 1 and at least 2"),
        ([f"run={tmp_path}", "build=false"], "is no run's folder"),
    ):
        done = command(*words, cwd=tmp_path, module="reid_lit.card", check=False)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (1, True, False), done.stderr
    assert not list(tmp_path.glob("*.md"))


def test_a_card_needs_no_torch(trained):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'pytorch_lightning', 'timm', 'cv2', 'scipy')))\n"
        f"from reid_lit.cards.card import card_of\nassert '## Model details' in card_of({str(trained[0])!r}).text()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
