"""Which of the ticks that were missed are still run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workerkit.cron.misfire import judge

NOON = datetime(2026, 1, 14, 12, 0, 0, tzinfo=UTC)
TICKS = [NOON - timedelta(minutes=minutes) for minutes in (3, 2, 1)]


@pytest.mark.parametrize(
    ("misfire", "run", "left_out"),
    [("all", TICKS, []), ("latest", TICKS[2:], TICKS[:2]), ("skip", TICKS[1:], TICKS[:1])],
)
def test_a_tick_misfires_when_it_is_later_than_its_grace(misfire, run, left_out):
    """The second is late by just the grace."""
    assert judge(TICKS, NOON, misfire, grace=120.0) == (run, left_out)


@pytest.mark.parametrize("misfire", ["all", "latest", "skip"])
def test_without_a_misfire_every_tick_is_run(misfire):
    assert judge(TICKS, NOON, misfire, grace=180.0) == (TICKS, [])
