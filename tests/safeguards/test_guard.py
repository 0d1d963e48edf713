"""The door: what the policy does not allow is refused with a line, and the log says who asked for what."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from reid_lit.errors import ExistingFileError, InputError, MissingFileError
from reid_lit.safeguards.guard import LONGEST, Caller, Guard, set_policy
from reid_lit.safeguards.policy import OPEN, guarded
from reid_lit.safeguards.refusals import AccessError, PurposeError, RateError, RoleError, TokenError, TopError
from reid_lit.safeguards.retention import Retention


@pytest.fixture
def policy(tmp_path):
    return replace(guarded(tmp_path / "out"), limits={"query": "3/hour"}, limits_by_token={"fast": {"query": "9/hour"}})


@pytest.fixture
def guard(folder, policy, clock):
    set_policy(folder, policy)
    return Guard(folder, clock=clock)


def caller(guard, name, *roles, purpose="case 7", expires=None):
    return Caller(token=guard.tokens.make(name, roles, expires=expires), purpose=purpose)


def logged(guard):
    return [
        {key: value for key, value in line.items() if key not in ("n", "time", "after", "policy")}
        for line in guard.log.lines()
    ]


def ask(guard, act, who, **asked):
    with guard.access(act, who, **asked) as access:
        access.counts["found"] = 2
    return access


def test_an_open_gallery_refuses_and_logs_nothing(folder, clock):
    guard = Guard(folder, clock=clock)
    for act in ("enrol", "query", "list", "erase", "expire", "rotate", "audit", "verify"):
        ask(guard, act, Caller(), amount=10_000, top=10_000)
    assert guard.log is None
    assert guard.sees_all(ask(guard, "query", Caller()))
    assert list(folder.iterdir()) == []


def test_each_access_is_logged_with_who_what_and_what_for(guard):
    ask(guard, "query", caller(guard, "kiosk", "query"), facts=lambda: {"ids": guard.hashed(["a", "b"])})
    (line,) = logged(guard)
    assert line == {
        "who": "kiosk", "act": "query", "purpose": "case 7", "ids": guard.hashed(["a", "b"]), "state": "done", "found": 2,
    }  # fmt: skip
    assert guard.log.verify() == []


def test_the_log_is_shown_by_what_its_lines_say(guard, folder, clock):
    ask(guard, "query", caller(guard, "kiosk", "query"))
    ask(guard, "enrol", caller(guard, "door", "enrol"))
    reader = caller(guard, "reader", "audit")
    assert [line["who"] for line in guard.audit(reader, act="query")] == ["kiosk"]
    assert [line["who"] for line in guard.audit(reader, who="door", state="done")] == ["door"]
    assert guard.audit(reader, since="2100-01-01T00:00:00+00:00") == []
    with pytest.raises(RoleError, match="may not audit"):
        guard.audit(caller(guard, "other", "query"))
    open_one = Guard(folder.parent / "none", clock=clock)
    with pytest.raises(InputError, match="audit=off: this gallery's policy has no log"):
        open_one.audit(Caller())


def test_lines_that_are_gathered_are_written_together_and_a_beginning_at_once(guard, monkeypatch):
    who = caller(guard, "all", "query", "enrol")
    with guard.gathered():
        ask(guard, "query", who)
        with pytest.raises(PurposeError):
            ask(guard, "query", replace(who, purpose=None))
        assert logged(guard) == []
        with guard.access("enrol", who):
            assert [line["state"] for line in logged(guard)] == ["done", "refused", "begun"]
        assert len(logged(guard)) == 3
    assert [(line["act"], line["state"]) for line in logged(guard)] == [
        ("query", "done"), ("query", "refused"), ("enrol", "begun"), ("enrol", "done"),
    ]  # fmt: skip
    assert guard.log.verify() == []
    monkeypatch.setattr(type(guard.log), "add", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"), guard.gathered():
        ask(guard, "query", who)


def test_refused_accesses_are_logged_with_the_reason(guard, clock):
    query = caller(guard, "kiosk", "query")
    old = caller(guard, "old", "query", expires=clock() + timedelta(seconds=1))
    clock.on(minutes=1)
    refusals = [
        (TokenError, "query", Caller(), {}, "unknown", "needs a token"),
        (TokenError, "query", Caller(token=query.token[:-1] + "-"), {}, "unknown", "unknown to this gallery"),
        (TokenError, "query", old, {}, "unknown", "old was expired"),
        (RoleError, "erase", query, {}, "kiosk", "kiosk may not erase: its roles are query; erase needs erase"),
        (RoleError, "export", query, {}, "kiosk", "the policy allows export to no role"),
        (PurposeError, "query", replace(query, purpose=" "), {}, "kiosk", "query needs a purpose"),
        (PurposeError, "query", replace(query, purpose="x" * (LONGEST + 1)), {}, "kiosk", "1,001 characters"),
        (TopError, "query", query, {"top": 11}, "kiosk", "top=11: the policy of this gallery shows 10 at most"),
        (RateError, "query", query, {"amount": 4}, "kiosk", "4 at once are more than the limit"),
    ]
    for kind, act, who, asked, name, said in refusals:
        with pytest.raises(kind, match=said), guard.access(act, who, **asked):
            pytest.fail("it was let in")
        line = logged(guard)[-1]
        assert (line["who"], line["act"], line["state"]) == (name, act, "refused")
        assert said in line["why"]
    assert len(logged(guard)) == len(refusals)
    text = guard.log.file.read_text()
    assert query.token not in text
    assert old.token not in text


def test_rates_are_those_of_the_token(guard):
    slow, fast = caller(guard, "slow", "query"), caller(guard, "fast", "query")
    ask(guard, "query", slow, amount=3)
    ask(guard, "query", fast, amount=9)
    with pytest.raises(RateError):
        ask(guard, "query", slow)
    again = Guard(guard.folder, clock=guard.clock)
    with pytest.raises(RateError):
        ask(again, "query", fast)


def test_roles_are_combined(guard):
    both = caller(guard, "both", "enrol", "erase")
    assert ask(guard, "enrol", both).who == "both"
    assert ask(guard, "erase", both).roles == ("enrol", "erase")
    with pytest.raises(RoleError):
        ask(guard, "query", both)


def test_what_changes_a_gallery_is_logged_before_and_after(guard):
    ask(guard, "erase", caller(guard, "cleaner", "erase"))
    assert [line["state"] for line in logged(guard)] == ["begun", "done"]
    with (
        pytest.raises(ZeroDivisionError),
        guard.access("erase", caller(guard, "c2", "erase")),
    ):
        raise ZeroDivisionError("secret words")
    assert logged(guard)[-1]["state"] == "failed"
    assert logged(guard)[-1]["why"] == "ZeroDivisionError"
    assert "secret words" not in guard.log.file.read_text()


def test_what_is_no_match_is_shown_to_roles_that_may_see_it(guard, folder, policy, clock):
    who = caller(guard, "kiosk", "query")
    assert not guard.sees_all(ask(guard, "query", who))
    (folder / "policy.yaml").write_text(
        replace(policy, roles={**policy.roles, "query": ("query", "below_threshold")}).as_yaml()
    )
    changed = Guard(folder, clock=clock)
    assert changed.sees_all(ask(changed, "query", who))
    first, second = (json.loads(line)["policy"] for line in guard.log.file.read_text().splitlines())
    assert first != second  # the log tells that the policy was changed


def test_the_number_shown_is_that_of_the_policy_where_none_is_asked_for(folder, clock):
    guard = Guard(folder, clock=clock)
    assert (guard.top(None), guard.top(50)) == (10, 50)
    set_policy(folder, replace(OPEN, top=4))
    guard = Guard(folder, clock=clock)
    assert guard.top(None) == 4
    with pytest.raises(TopError):
        ask(guard, "query", Caller(), top=5)


def test_without_tokens_the_user_of_the_machine_is_logged(folder, tmp_path, clock):
    set_policy(folder, replace(OPEN, audit=tmp_path / "out"))
    guard = Guard(folder, clock=clock)
    ask(guard, "query", Caller())
    guard.note("token", name="kiosk")
    assert all(line["who"].startswith("os:") for line in logged(guard))


def test_a_caller_does_not_show_its_token():
    assert "reid_secret" not in repr(Caller(token="reid_secret"))


def test_without_its_key_a_gallery_is_not_opened(folder, policy, clock):
    set_policy(folder, policy)
    with pytest.raises(ExistingFileError, match="is there already"):
        set_policy(folder, policy)
    (policy.audit / "audit.key").unlink()
    with pytest.raises(MissingFileError, match="no key of the audit log"):
        Guard(folder, clock=clock)


def test_all_refusals_have_a_status_for_a_service():
    assert {kind.status for kind in (TokenError, RoleError, PurposeError, TopError, RateError)} == {401, 403, 400, 429}
    assert issubclass(RateError, AccessError)


def test_retention_dates_rows_by_their_numbers(folder, clock):
    kept = Retention(folder, clock=clock)
    kept.mark(-1)
    kept.mark(9)
    clock.on(days=1)
    kept.mark(9)  # nothing new: no mark
    kept.mark(19)
    assert kept.over(timedelta(days=1)) == 9
    assert kept.over(timedelta(days=2)) is None
    assert kept.over(timedelta(0)) == 19
    clock.on(days=30)
    assert kept.over(timedelta(days=30)) == 19
    kept.forget(9)
    assert kept.over(timedelta(days=30)) == 19
    kept.forget(19)
    assert kept.over(timedelta(0)) is None
