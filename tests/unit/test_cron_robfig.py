"""Every answer of robfig/cron v3 that tests/data holds is ours too."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from workerkit.cron import Expression
from workerkit.errors import ConfigurationError

DATA = Path(__file__).parents[1] / "data" / "cron-robfig-v3.jsonl"


def answer(row: dict) -> dict:
    """Ours to *row*, in its own form: as many next times as it has, or an error."""
    try:
        expression = Expression.parse(row["expr"], row["tz"])
    except ConfigurationError:
        return {"error": True}
    times, moment = [], datetime.fromisoformat(row["from"])
    for _ in range(max(1, len(row.get("next", [])))):
        found = expression.next(moment)
        if found is None:
            break
        moment = found
        times.append(f"{found:%Y-%m-%dT%H:%M:%SZ}")
    return {"next": times}


def test_every_row_agrees():
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2000
    wrong = []
    for row in rows:
        ours = answer(row)
        theirs = {"error": True} if row.get("error") else {"next": row.get("next", [])}
        if ours != theirs:
            wrong.append(f"{row['expr']!r} in {row['tz']} from {row['from']}:\n"
                         f"  robfig {theirs}\n  ours   {ours}")  # fmt: skip
    assert not wrong, f"{len(wrong)} of {len(rows)} disagree, the first:\n" + "\n".join(wrong[:5])
