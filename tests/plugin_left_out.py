"""A pytest plugin: the cheap tests first, and at the end what this machine could not run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

ORDER = ("", "unit", "typing", "contract", "integration", "cli", "e2e")
"""Folders of `tests`, cheapest first; "" is the folder itself, others come last."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order by folder; within a folder as pytest found them."""
    home = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        parts = item.path.relative_to(home).parts[:-1] if item.path.is_relative_to(home) else ("?",)
        folder = parts[0] if parts else ""
        return ORDER.index(folder) if folder in ORDER else len(ORDER)

    items.sort(key=rank)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests did not run here, grouped by reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(reason(report) for report in skipped)
    if not reasons:
        terminalreporter.write_line("left out on this machine: nothing")
        return
    terminalreporter.section("left out on this machine")
    for text, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4} test{'s' if count > 1 else ' '}  {text}")


def reason(report: pytest.TestReport) -> str:
    """Why *report*'s test was skipped, without pytest's prefix."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
