"""A gallery behind its policy: roles, purpose, limits, log and retention, in Python and by the commands."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import reid_lit.gallery
from reid_lit.errors import FailedError, InputError, MissingFileError, UserError
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.guarded import GuardedGallery, open_guarded
from reid_lit.gallery.making import create, open_gallery
from reid_lit.gallery.rows import Entry, Where
from reid_lit.safeguards.guard import Caller, Guard, set_policy
from reid_lit.safeguards.policy import OPEN, guarded
from reid_lit.safeguards.refusals import AccessError, PurposeError, RateError, RoleError, TokenError, TopError

pytest.importorskip("lancedb")
DAY = timedelta(days=1)


class Clock:
    def __init__(self):
        self.time = datetime.now(UTC)

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="session")
def made(calibrated_run, crops, tmp_path_factory):
    """A gallery of some images, without a policy."""
    gallery = create(tmp_path_factory.mktemp("made") / "gallery", calibrated_run)
    gallery.enrol([Entry(path=str(path), person=path.name.split("_")[0]) for path in crops[:12]])
    return gallery


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "gallery")
    return tmp_path / "gallery"


@pytest.fixture
def strict(tmp_path):
    return replace(guarded(tmp_path / "out"), ttl=None, limits={})


@pytest.fixture
def ask(folder, clock):
    """The gallery for a new token of some roles, under a policy."""

    def opened(policy, *roles, purpose="case 7", name="anna"):
        if not (folder / "policy.yaml").exists():
            set_policy(folder, policy)
        guard = Guard(folder, clock=clock)
        names = [token.name for token in guard.tokens.all()]
        token = guard.tokens.make(f"{name}{len(names)}", roles, expires=None) if roles else None
        return GuardedGallery(open_gallery(folder), guard, Caller(token=token, purpose=purpose))

    return opened


def logged(gallery):
    return list(gallery.guard.log.lines())


def test_without_a_policy_a_gallery_opens_as_it_is(folder, crops):
    gallery = open_guarded(folder)
    assert type(gallery) is Gallery
    assert gallery.query(crops[0])[0].as_json().keys() == {"query", "images", "match", "hits"}
    set_policy(folder, OPEN)
    assert type(open_guarded(folder)) is Gallery
    files = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert not files & {"audit.jsonl", "tokens.json", "limits.sqlite", "retention.json"}


def test_with_a_policy_python_goes_through_it(folder, strict, crops, monkeypatch):
    set_policy(folder, strict)
    monkeypatch.delenv("REID_TOKEN", raising=False)
    with pytest.raises(TokenError):
        reid_lit.gallery.open(folder).query(crops[0])
    token = Guard(folder).tokens.make("anna", ["query"], expires=None)
    assert reid_lit.gallery.open(folder, token=token, purpose="case 7").query(crops[0])
    monkeypatch.setenv("REID_TOKEN", token)
    assert reid_lit.gallery.open(folder, purpose="case 7").query(crops[0])


def test_each_verb_needs_its_role_and_refused_ones_are_logged(ask, strict, crops, tmp_path):
    verbs = {
        "enrol": lambda gallery: gallery.enrol(str(crops[20])),
        "query": lambda gallery: gallery.query(crops[0]),
        "list": lambda gallery: gallery.rows(),
        "erase": lambda gallery: gallery.erase(Where(persons=("nobody",))),
        "export": lambda gallery: gallery.export(tmp_path / "x.parquet"),
        "expire": lambda gallery: gallery.expire(),
        "audit": lambda gallery: gallery.audit(),
        "verify": lambda gallery: gallery.verify(),
    }
    allowed = {role: strict.roles[role] for role in strict.roles}
    for role, acts in allowed.items():
        gallery = ask(strict, role)
        before = len(gallery)
        for act, do in verbs.items():
            if act in acts:
                continue
            with pytest.raises(RoleError, match=f"may not {act}"):
                do(gallery)
            line = logged(gallery)[-1]
            assert (line["act"], line["state"]) == (act, "refused")
        assert len(gallery) == before
        for act in set(acts) & set(verbs) - {"expire"}:
            do = verbs[act]
            do(gallery)
            line = logged(gallery)[-1]
            assert (line["act"], line["state"], line["purpose"]) == (act, "done", "case 7")
    assert not (tmp_path / "x.parquet").exists()
    assert gallery.guard.log.verify() == []


def test_a_query_is_logged_by_hashes_and_counts_alone(ask, strict, crops):
    gallery = ask(strict, "query")
    person = crops[0].name.split("_")[0]
    gallery.query(crops[:2], where=Where(persons=(person,), cameras=("door",)))
    gallery.query(crops[0])
    gallery.query(np.zeros((32, 16, 3), np.uint8), color="rgb")
    first, second, third = logged(gallery)
    assert (len(first["images"]), first["queries"], first["top"], first["cameras"]) == (2, 2, 10, ["door"])
    assert first["images"][0] == second["images"][0] != third["images"][0]
    text = gallery.guard.log.file.read_text()
    assert crops[0].name not in text
    assert f'"{person}"' not in text
    assert gallery.caller.token not in text
    from reid_lit.gallery.enrolling import content_id

    assert content_id(str(crops[0])) not in text


def test_purpose_top_and_rates_are_those_of_the_policy(ask, strict, crops):
    policy = replace(strict, top=3, limits={"query": "4/hour", "enrol": "2/hour"})
    gallery = ask(policy, "query", "enrol")
    assert len(gallery.query(crops[0])) == 1
    with pytest.raises(TopError, match="top=4: the policy of this gallery shows 3 at most"):
        gallery.query(crops[0], top=4)
    assert len(gallery.query(crops[:8], track=True)) == 1  # a track is one query
    with pytest.raises(RateError, match="over its limit"):
        gallery.query(crops[:3])
    assert len(gallery.query(crops[:2])) == 2
    before = len(gallery)
    with pytest.raises(RateError, match="3 at once are more than the limit"):
        gallery.enrol([str(path) for path in crops[20:23]])
    assert len(gallery) == before
    with pytest.raises(PurposeError, match="query needs a purpose"):
        ask(policy, "query", purpose=None).query(crops[0])
    ask(policy, "enrol", purpose=None).enrol(str(crops[20]))


def test_what_is_no_match_is_withheld_whatever_rate_is_asked_for(ask, strict, folder, crops, clock, made):
    plain = made.query(crops[:4], top=10)
    calibration = made.calibration
    rate = calibration.rate(None)
    lowest = calibration.at(rate).threshold
    gallery = ask(strict, "query")
    for fmr in (None, 0.05):
        found = gallery.query(crops[:4], fmr=fmr)
        for answer, whole in zip(found, plain, strict=True):
            shown = [hit.path for hit in whole.hits if hit.score >= lowest]
            assert [hit.path for hit in answer.hits] == shown
            assert answer.withheld.number == len(whole.hits) - len(shown)
            assert answer.withheld.threshold == pytest.approx(lowest)
    policy = replace(strict, roles={**strict.roles, "audit": ("below_threshold",)})
    (folder / "policy.yaml").write_text(policy.as_yaml())
    seen = ask(policy, "query", "audit").query(crops[:4])
    assert [len(answer.hits) for answer in seen] == [len(answer.hits) for answer in plain]
    assert seen[0].withheld is None


def test_no_match_shows_neither_path_nor_person(ask, strict, crops, tmp_path, monkeypatch):
    from rich.console import Console

    from reid_lit.gallery import guarded as module
    from reid_lit.gallery.page import write_answers
    from reid_lit.gallery.text import show_found

    gallery = ask(strict, "query")
    high = replace(
        gallery.calibration, thresholds=tuple(replace(each, threshold=1.5) for each in gallery.calibration.thresholds)
    )
    monkeypatch.setattr(module, "withheld", lambda found, _, real=module.withheld: real(found, high))
    found = gallery.query(crops[0])
    assert found[0].hits == ()
    assert found[0].is_match is False
    said = json.dumps(found[0].as_json())
    page = write_answers(tmp_path / "a.html", gallery, found, filters="", prior=0.5, approximate=False).read_text()
    console = Console(record=True, width=200)
    show_found(found, console)
    printed = console.export_text()
    assert "no match: no score reaches the threshold 1.500" in printed
    assert "10 images are withheld" in printed
    assert "no match" in page
    assert "was not calibrated" not in page
    for text in (said, printed, page):
        assert crops[1].name not in text
        assert crops[2].name not in text
    assert gallery.thumbnails([0, 1]) == {}


def test_withholding_needs_a_calibrated_run(uncalibrated_run, crops, strict, tmp_path):
    gallery = create(tmp_path / "g", uncalibrated_run)
    gallery.enrol(str(crops[0]))
    set_policy(gallery.folder, replace(strict, tokens="off"))
    with pytest.raises(InputError, match="below_threshold=withheld: the run was not calibrated"):
        open_guarded(gallery.folder, purpose="x").query(crops[0])


def test_rows_older_than_ttl_are_erased_really_and_it_is_logged(ask, strict, folder, crops, clock):
    policy = replace(strict, ttl=30 * DAY)
    gallery = ask(policy, "enrol", "query", "erase")
    gallery.query(crops[0])  # rows from before the policy count from the first access on
    start = clock.time
    clock.time = start + 10 * DAY
    result = gallery.enrol([
        Entry(path=str(crops[20]), person="new"),
        Entry(path=str(crops[21]), person="taken later", time=clock.time - 25 * DAY),
        Entry(path=str(crops[22]), person="too old", time=clock.time - 31 * DAY),
    ])  # fmt: skip
    assert (result.added, len(result.refused)) == (2, 1)
    assert "longer ago than ttl=30d" in result.refused[0]
    assert len(gallery) == 14

    def persons():
        again = ask(policy, "audit", "erase")
        return sorted({row["person"] for row in again.rows() if row["person"].startswith(("new", "taken"))}), len(again)

    clock.time = start + 14 * DAY
    assert persons() == (["new", "taken later"], 14)
    clock.time = start + 16 * DAY
    assert persons() == (["new"], 13)
    line = next(line for line in reversed(logged(gallery)) if line["act"] == "expire")
    assert (line["who"], line["state"], line["erased"]) == ("policy", "done", 1)
    clock.time = start + 31 * DAY
    assert persons() == (["new"], 1)
    assert ask(policy, "query").query(crops[0])[0].withheld.number <= 1
    clock.time = start + 41 * DAY
    assert ask(policy, "erase").expire() == 1
    assert not [
        path for path in (folder / "store").rglob("*") if path.is_file() and b"taken later" in path.read_bytes()
    ]
    assert list((folder / "vectors").glob("*.vectors")) == []
    assert gallery.guard.log.verify() == []


def test_a_clock_that_goes_back_erases_nothing(ask, strict, crops, clock):
    policy = replace(strict, ttl=30 * DAY)
    ask(policy, "query").query(crops[0])
    clock.time -= 400 * DAY
    gallery = ask(policy, "query")
    gallery.query(crops[0])
    assert len(gallery) == 12
    assert logged(gallery)[-1]["clock"].startswith("back by ")


def test_without_ttl_there_is_nothing_to_expire(ask, strict):
    with pytest.raises(InputError, match="ttl=null: the policy keeps all rows"):
        ask(strict, "erase").expire()


def damage(folder, what):
    gallery = open_gallery(folder)
    if what == "log":
        file = folder / "audit.jsonl"
        file.write_bytes(file.read_bytes().replace(b"case 7", b"case 8", 1))
    elif what == "copy":
        (file,) = (folder / "vectors").glob("*.vectors")
        content = np.fromfile(file, np.float32)
        content[gallery.facts.dim * 3] += 1
        content.tofile(file)
    elif what == "store":
        for file in (folder / "store").rglob("data/*.lance"):
            file.write_bytes(file.read_bytes()[:200])
    else:
        from reid_lit.gallery.rows import table_of

        vector = np.zeros((1, gallery.facts.dim), np.float32)
        vector[0, 0] = np.inf if what == "not finite" else 2
        number = 50 if what == "number" else 3 if what == "twice" else 11
        vector[0, 0] = 1 if what in ("number", "twice") else vector[0, 0]
        gallery.engine.add(table_of([Entry(path="x")], ["x"], vector, first=number))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("log", "line 1 was changed"),
        ("copy", "the copy of the vectors differs in row 3; remove"),
        ("not finite", "1 vector is not finite: row 11"),
        ("length", "1 vector is not of length 1: row 11"),
        ("number", "row 50 has a number that was not given yet"),
        ("twice", "a number is that of two rows: row 3"),
        ("store", "cannot be read"),
    ],
)
def test_verify_finds_what_is_wrong(ask, strict, folder, crops, what, said):
    gallery = ask(strict, "audit", "query")
    gallery.query(crops[0])
    assert gallery.verify() == []
    damage(folder, what)
    faults = ask(strict, "audit").verify()
    assert any(said in fault for fault in faults), faults


def test_verify_answers_where_the_log_takes_no_line_and_only_who_may(ask, strict, crops):
    gallery = ask(strict, "audit", "query")
    gallery.query(crops[0])
    other = ask(strict, "query")
    gallery.guard.log.head_file.unlink()
    with pytest.raises(FailedError, match="no access is answered"):
        gallery.query(crops[0])
    assert any("is missing" in fault for fault in gallery.verify())
    with pytest.raises((AccessError, FailedError)):
        other.verify()


def test_a_gallery_is_closed_without_the_key_of_its_log(ask, strict, folder, crops):
    ask(strict, "query").query(crops[0])
    (strict.audit / "audit.key").rename(strict.audit / "lost")
    with pytest.raises(MissingFileError, match="no key of the audit log"):
        open_guarded(folder)
    assert len(open_gallery(folder)) == 12
    (strict.audit / "audit.key").write_text("ab" * 32)
    with pytest.raises(InputError, match="of another key, or was changed"):
        ask(strict, "query").query(crops[0])


def test_a_sealed_gallery_has_the_same_policy(calibrated_run, crops, strict, tmp_path, clock):
    gallery = create(tmp_path / "sealed", calibrated_run, key=f"@{tmp_path}/gallery.key")
    policy = replace(
        strict, tokens="off", ttl=30 * DAY, roles={**strict.roles, "audit": ("audit", "verify", "list", "export")}
    )
    set_policy(gallery.folder, policy)
    ours = GuardedGallery(gallery, Guard(gallery.folder, clock=clock), Caller(purpose="case 7"))
    entries = [
        Entry(path=str(path), person=f"person {k}", time=clock.time - k * DAY) for k, path in enumerate(crops[:6])
    ]
    assert ours.enrol(entries).added == 6
    ours.query(crops[0], where=Where(cameras=("entrance",)))
    assert ours.verify() == []
    clock.time += 26 * DAY
    ours.guard._looked = -1e9
    assert [row["person"] for row in ours.rows()] == [f"person {k}" for k in range(5)]
    kept = b"".join(path.read_bytes() for path in gallery.folder.rglob("*") if path.is_file())
    for text in ("person 1", "entrance", crops[0].name):
        assert text.encode() not in kept
    with pytest.raises(InputError, match="plain=false"):
        ours.export(tmp_path / "x.parquet")
    assert logged(ours)[-1]["state"] == "failed"


@pytest.fixture
def verb(compose, tmp_path, capsys, monkeypatch):
    """A verb of the command in this process: what it prints."""
    from reid_lit.gallery.__main__ import reword
    from reid_lit.gallery.command import run_verb

    monkeypatch.chdir(tmp_path)

    def do(name, *words, token=None):
        monkeypatch.setenv("REID_TOKEN", token or "")
        words = reword(name, ["gallery=doors", *map(str, words)])
        run_verb(name, compose(*words, config_name=f"gallery_verb/{name}"))
        return capsys.readouterr().out

    return do


def refused(said, verb, *words, **options):
    with pytest.raises(UserError, match=said):
        verb(*words, **options)


def test_the_verbs(verb, calibrated_run, crops, tmp_path):
    run = f"run={calibrated_run}"
    refused("policy=guarded needs audit=<folder>", verb, "create", run, "policy=guarded")
    refused("inside the gallery", verb, "create", run, "policy=guarded", "audit=doors/log")
    refused("policy=strict: give open, guarded or none", verb, "create", run, "policy=strict")
    assert not (tmp_path / "doors").exists()
    assert "token gallery=doors make=<name>" in verb("create", run, "policy=guarded", "audit=log")
    enrol = verb("token", "make=door", "roles=[enrol]").strip()
    query = verb("token", "make=anna", "roles=[query,audit]", "expires=30d").strip()
    refused("no role 'admin'", verb, "token", "make=x", "roles=[admin]")
    refused("this gallery needs a token", verb, "enrol", crops[0])
    refused("give token=@<file>", verb, "enrol", crops[0], f"token={enrol}")
    (tmp_path / "secret").write_text(enrol)
    assert "2 images are enrolled" in verb("enrol", crops[0], crops[1], "token=@secret")
    refused("query needs a purpose", verb, "query", crops[0], token=query)
    answer = json.loads(verb("query", crops[0], "purpose=case 7, A. Smith", "json=true", token=query))
    assert answer[0]["match"] is True
    refused("anna may not rotate", verb, "rotate", f"new_key=@{tmp_path}/new", token=query)
    refused("anna may not erase", verb, "erase", "all=true", token=query)
    lines = [json.loads(line) for line in verb("audit", "json=true", "who=anna", token=query).splitlines()]
    assert [(line["act"], line["state"]) for line in lines] == [
        ("query", "refused"),
        ("query", "done"),
        ("rotate", "refused"),
        ("erase", "refused"),
    ]
    assert lines[1]["purpose"] == "case 7, A. Smith"
    assert verb("audit", f"until={lines[0]['time']}", "who=anna", "json=true", token=query) == ""
    assert "case 7" in verb("audit", "act=query", "state=done", token=query).replace("\n", " ")
    assert "2 rows are whole; the log is whole" in verb("verify", token=query)
    assert "anna" in verb("token")
    verb("token", "revoke=anna")
    refused("anna was revoked", verb, "verify", token=query)
    (tmp_path / "secret").unlink()
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert enrol.encode() not in everything
    assert query.encode() not in everything


def test_a_gallery_of_no_policy(verb, calibrated_run, crops, tmp_path):
    verb("create", f"run={calibrated_run}", "policy=none")
    assert not (tmp_path / "doors" / "policy.yaml").exists()
    verb("enrol", crops[0])
    assert "1 row is whole; nothing is logged" in verb("verify")
    refused("is not sealed: it has no key to change", verb, "rotate", f"new_key=@{tmp_path}/new")
    refused("audit=off: this gallery's policy has no log", verb, "audit")


def test_the_command_refuses_a_wrong_policy_in_one_line(calibrated_run, command, tmp_path):
    create(tmp_path / "doors", calibrated_run)
    (tmp_path / "doors" / "policy.yaml").write_text(OPEN.as_yaml().replace("\ntop:", "\ntpo:"))
    words = ["list", "gallery=doors", "purpose=a, b", "token=@secret"]
    (tmp_path / "secret").write_text("reid_1")
    done = command(*words, cwd=tmp_path, module="reid_lit.gallery", check=False)
    assert "no key of a policy 'tpo'; did you mean top" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doors", "secret"]
