"""Cron: when a job is due, in the words of robfig/cron v3."""

from __future__ import annotations

from .expression import EPOCH, Expression

__all__ = ["EPOCH", "Expression"]
