from __future__ import annotations

import random

import pytest

from workerkit.loadtest.soak import FILES, LAG, MEMORY, growth

MINUTES_3 = [float(second) for second in range(180)]


def steady(seed: int) -> list[float]:
    """Memory that fills its caches in 20 s, then goes up and down by pages and arenas."""
    chance = random.Random(seed)
    level, found = 80e6, []
    for second in range(180):
        if second < 20:
            level += 4e5
        elif chance.random() < 0.1:
            level += chance.choice((-262_144, 262_144))
        found.append(level + chance.choice((0, 4096, 8192)))
    return found


@pytest.mark.parametrize("seed", range(10))
def test_a_steady_process_is_not_accused(seed):
    assert growth("app", MEMORY, MINUTES_3, steady(seed)).check().holds is not False


@pytest.mark.parametrize("seed", range(10))
def test_a_process_that_leaks_100_kb_a_second_is_caught_in_3_minutes(seed):
    leaking = [level + 1e5 * at for at, level in zip(MINUTES_3, steady(seed), strict=True)]
    found = growth("app", MEMORY, MINUTES_3, leaking)
    assert found.check().holds is False
    assert found.slope.value == pytest.approx(360e6, rel=0.4)
    assert found.check().text.startswith("memory of app grows by less than")


def test_an_open_file_left_behind_each_second_is_caught():
    found = growth("app", FILES, MINUTES_3, [10 + at for at in MINUTES_3])
    assert found.check().holds is False
    assert growth("app", FILES, MINUTES_3, [10.0] * 180).check().holds is True


def test_what_fills_in_the_first_quarter_is_no_growth():
    filling = [min(at, 44.0) * 1e7 for at in MINUTES_3]
    found = growth("app", MEMORY, MINUTES_3, filling)
    assert (found.slope.value, found.check().holds) == (0.0, True)
    late = [min(at, 120.0) * 1e7 for at in MINUTES_3]
    assert growth("app", MEMORY, MINUTES_3, late).check().holds is False


def test_a_queue_that_grows_is_caught_and_one_that_breathes_is_not():
    assert growth("the events", LAG, MINUTES_3, [at * 5 for at in MINUTES_3]).check().holds is False
    breathing = [float(int(at) % 3) for at in MINUTES_3]
    assert growth("the events", LAG, MINUTES_3, breathing).check().holds is True


def test_what_was_watched_too_shortly_is_not_judged():
    check = growth("app", MEMORY, [0.0, 1.0], [1e6, 9e9]).check()
    assert (check.holds, check.seen) == (None, "0.00 MB/h [not known]")


def test_an_hour_is_judged_more_strictly_than_a_minute():
    assert MEMORY.limit(3600) == 2e6
    assert MEMORY.limit(60) == 120e6
    assert MEMORY.limit(24 * 3600) == 1e6
