"""A policy is one file: what it says is read back, and what it cannot mean is refused."""

from dataclasses import fields
from datetime import timedelta

import pytest

from reid_lit.errors import InputError
from reid_lit.safeguards.moments import duration, expiry, spelt
from reid_lit.safeguards.policy import FILE, OPEN, Policy, guarded, read_policy


@pytest.mark.parametrize("kind", ["open", "guarded"])
def test_a_policy_is_read_as_it_was_written_with_a_comment_for_each_key(folder, tmp_path, kind):
    policy = OPEN if kind == "open" else guarded(tmp_path / "out: 'side'")
    text = policy.as_yaml()
    (folder / FILE).write_text(text)
    assert read_policy(folder) == policy
    for each in fields(Policy):
        before, _, _ = text.partition(f"\n{each.name}: " if each.name != "roles" else "\nroles:")
        assert before.splitlines()[-1].startswith("#"), each.name


def test_a_gallery_that_never_had_a_policy_is_open_and_one_that_lost_it_is_not(folder):
    assert read_policy(folder) == OPEN
    (folder / "tokens.json").write_text("{}")
    with pytest.raises(InputError, match=r"policy.yaml is missing, and tokens.json is there; restore"):
        read_policy(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\ntokens: off", "\ntoken: off", "no key of a policy 'token'; did you mean tokens"),
        ("\ntokens: off", "", "no key tokens; write it: off | required"),
        ("\ntokens: off", "\ntokens: on", "tokens=on: give off or required"),
        ("\ntokens: off", "\ntokens: require", "tokens=require: give off or required"),
        ("\ntokens: off", "\ntokens: off\ntokens: required", "cannot be read"),
        ("\ntokens: off", "\ntokens: [", "cannot be read"),
        ("\naudit: off", "\naudit: logs", "audit=logs: give off, or the absolute path"),
        ("\naudit: off", "\naudit: true", "audit=True: give off, or the absolute path"),
        ("\naudit: off", "\naudit: {folder}/x", "inside the gallery"),
        ("\ntop: null", "\ntop: 0", "top=0: give a number from 1"),
        ("\ntop: null", "\ntop: true", "top=True: give a number"),
        ("\nttl: null", "\nttl: 30", "ttl=30: give a length of time such as"),
        ("\nttl: null", "\nttl: 0d", "ttl=0d: give a length of time such as"),
        ("\nlimits: {}", "\nlimits: {qurey: 1/hour}", "no act with a rate 'qurey'; did you mean query"),
        ("\nlimits: {}", "\nlimits: {query: often}", "limits.query=often: give rates such as 60/minute"),
        ("\nlimits: {}", "\nlimits: {query: 0/hour}", "limits.query=0/hour: give rates"),
        ("\nlimits: {}", "\nlimits: 3", "limits: give keys with values"),
        ("\nlimits_by_token: {}", "\nlimits_by_token: {kiosk: {query: 3}}", "limits_by_token.kiosk.query=3: give"),
        ("  query: [query]", "  query: [qury]", "roles.query: no act 'qury'; did you mean query"),
        ("  query: [query]", "  visit: [query]", "no role 'visit'"),
        ("  query: [query]", "  query: query", "roles.query=query: give a list"),
    ],
)
def test_what_a_policy_cannot_mean_is_refused(folder, old, new, said):
    text = OPEN.as_yaml()
    assert old in text
    (folder / FILE).write_text(text.replace(old, new.replace("{folder}", str(folder))))
    with pytest.raises(InputError, match=f"policy.yaml:? .*{said.replace('|', '[|]')}"):
        read_policy(folder)


def test_roles_say_what_may_be_done(tmp_path):
    policy = guarded(tmp_path)
    assert policy.allows("query", ("query",))
    assert not policy.allows("erase", ("query", "enrol", "audit"))
    assert policy.allows("erase", ("query", "erase"))
    assert not any(policy.allows(act, ("enrol", "query", "audit", "erase")) for act in ("export", "below_threshold"))


def test_lengths_of_time(clock):
    for text in ("90m", "12h", "30d"):
        assert spelt(duration(text, name="ttl")) == text
    assert duration("2w", name="ttl") == timedelta(days=14)
    for text in ("d", "1y", "-1d", "1.5h", "9999999w", ""):
        with pytest.raises(InputError, match="give a length of time"):
            duration(text, name="ttl")
    assert expiry(None, at=clock()) is None
    assert expiry("3d", at=clock()) == expiry("2026-01-04", at=clock())
    with pytest.raises(InputError, match="that is over"):
        expiry("2025-12-31", at=clock())
