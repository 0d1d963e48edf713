"""Rates over SQLite are those of the package's own storage in memory, and processes share them."""

import gc
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from limits import parse
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from reid_lit.errors import InputError
from reid_lit.safeguards import limits as ours
from reid_lit.safeguards.refusals import RateError


@pytest.fixture
def moment(monkeypatch):
    """The time that both storages are told."""

    class Moment:
        now = 1_000_000.0

    monkeypatch.setattr(time, "time", lambda: Moment.now)
    return Moment


@pytest.fixture
def pair(folder, moment, monkeypatch):
    memory = MemoryStorage()
    memory.timer.join()
    monkeypatch.setattr(
        memory, "_MemoryStorage__schedule_expiry", lambda: None
    )  # a thread, which would run at any time
    monkeypatch.setattr(memory, "expire", memory._MemoryStorage__expire_events, raising=False)
    mine = storage_from_string(f"reid-sqlite://{folder / 'limits.sqlite'}")
    yield memory, mine
    mine.close()


def test_the_scheme_gives_our_storage(pair):
    assert isinstance(pair[1], ours.SQLiteStorage)
    assert pair[1].check()


@pytest.mark.parametrize("seed", range(4))
def test_moving_windows_are_those_of_the_storage_in_memory(pair, moment, seed):
    import random

    draw = random.Random(seed)
    limiters = [MovingWindowRateLimiter(storage) for storage in pair]
    rates = [parse("5/minute"), parse("12/hour"), parse("3/second")]
    answers = []
    for step in range(300):
        moment.now += draw.choice([0, 0.25, 1, 7, 30, 60, 600])
        pair[0].expire()
        rate, name, cost = draw.choice(rates), draw.choice("ab"), draw.choice([1, 1, 2, 4])
        first, second = (limiter.hit(rate, name, cost=cost) for limiter in limiters)
        assert first == second, step
        answers.append(first)
        stats = [limiter.get_window_stats(rate, name) for limiter in limiters]
        assert stats[0].remaining == stats[1].remaining
        assert stats[0].reset_time == stats[1].reset_time
        assert limiters[0].test(rate, name) == limiters[1].test(rate, name)
        if step % 97 == 96:
            for storage in pair:
                storage.clear(rate.key_for(name))
    assert 50 < sum(answers) < 280


def test_fixed_windows_are_those_of_the_storage_in_memory(pair, moment):
    import random

    draw = random.Random(0)
    limiters = [FixedWindowRateLimiter(storage) for storage in pair]
    rate = parse("5/minute")
    for _ in range(200):
        moment.now += draw.choice([0, 1, 20, 60])
        pair[0].expire()
        assert limiters[0].hit(rate, "a") == limiters[1].hit(rate, "a")
        stats = [limiter.get_window_stats(rate, "a") for limiter in limiters]
        assert stats[0] == stats[1]
        assert pair[0].get(rate.key_for("a")) == pair[1].get(rate.key_for("a"))
    for storage in pair:
        storage.reset()
        assert storage.get(rate.key_for("a")) == 0


def test_a_clock_that_goes_back_locks_nobody_out(folder, moment):
    limits = ours.Limits(folder)
    limits.spend("2/minute", "query", "kiosk", amount=2)
    moment.now -= 86_400
    with pytest.raises(RateError):
        limits.spend("2/minute", "query", "kiosk", amount=1)
    moment.now += 61
    limits.spend("2/minute", "query", "kiosk", amount=1)


def test_over_the_limit_is_said_with_the_time_to_wait(folder, moment):
    limits = ours.Limits(folder)
    limits.spend("3/minute;4/hour", "query", "kiosk", amount=3)
    moment.now += 20
    with pytest.raises(RateError, match="query: kiosk is over its limit, 3 per 1 minute; try again in 40 s") as caught:
        limits.spend("3/minute;4/hour", "query", "kiosk", amount=1)
    assert caught.value.status == 429
    assert caught.value.seconds == pytest.approx(40)
    limits.spend("3/minute", "query", "other", amount=1)
    limits.spend("3/minute", "enrol", "kiosk", amount=1)
    with pytest.raises(RateError, match="5 at once are more than the limit of kiosk"):
        limits.spend("4/hour", "erase", "kiosk", amount=5)
    moment.now += 41
    limits.spend("3/minute;4/hour", "query", "kiosk", amount=1)
    with pytest.raises(RateError, match="4 per 1 hour"):
        limits.spend("3/minute;4/hour", "query", "kiosk", amount=1)


def spend_some(folder):
    limits, allowed = ours.Limits(folder), 0
    for _ in range(60):
        try:
            limits.spend("50/hour", "query", "kiosk", amount=1)
        except RateError:
            continue
        allowed += 1
    return allowed


def test_two_processes_share_a_rate(folder):
    ours.Limits(folder).spend("50/hour", "query", "kiosk", amount=1)  # a connection before the fork
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        allowed = list(pool.map(spend_some, [folder, folder]))
    assert sum(allowed) == 49


def test_a_damaged_file_is_said(folder):
    (folder / ours.FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match=r"limits.sqlite: .*if it is damaged, remove it"):
        ours.Limits(folder).spend("1/hour", "query", "kiosk", amount=1)


def test_threads_share_a_rate_and_close_what_they_opened(folder):
    from concurrent.futures import ThreadPoolExecutor

    limits = ours.Limits(folder)

    def spend(_):
        try:
            limits.spend("20/hour", "query", "kiosk", amount=1)
        except RateError:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(spend, range(60))) == 20
    limits.storage.close()
    gc.collect()
    assert not (folder / "limits.sqlite-wal").exists()  # the last connection removes it
