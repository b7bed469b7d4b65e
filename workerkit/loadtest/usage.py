"""CPU, memory and open files of processes, sampled while they are under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from ..core.worker import BaseWorker

EVERY = 1.0
"""Seconds between two samples; one of a process costs 0.1 ms."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at `at` seconds from the start: `cpu` in cores since the sample before."""

    at: float
    cpu: float
    rss: int
    files: int


@dataclass(frozen=True, slots=True)
class Usage:
    """One process over a run. `cpu` in cores on average, `peak` at most; bytes of memory."""

    name: str
    pid: int
    cpu: float
    peak: float
    rss: int
    rss_peak: int
    files: int
    samples: tuple[Sample, ...]


class Sampler(BaseWorker):
    """Samples those that *processes* names, each as (name, pid), until stopped.

    One that starts meanwhile is taken in, one that ends keeps what it has.
    """

    def __init__(self, processes: Callable[[], Mapping[str, int]], every: float = EVERY) -> None:
        super().__init__("usage")
        self._processes = processes
        self._every = every
        self._samples: dict[tuple[str, int], list[Sample]] = {}
        self._seen: dict[tuple[str, int], tuple[psutil.Process, float, float]] = {}

    def work(self) -> None:
        """One sample of each after the other."""
        began = time.monotonic()
        while True:
            self._take(began)
            if self.stopping.wait(self._every):
                self._take(began)
                return

    def usage(self) -> tuple[Usage, ...]:
        """What was seen so far, by name."""
        return tuple(
            Usage(
                name=name,
                pid=pid,
                cpu=sum(s.cpu for s in samples) / len(samples),
                peak=max(s.cpu for s in samples),
                rss=samples[-1].rss,
                rss_peak=max(s.rss for s in samples),
                files=samples[-1].files,
                samples=tuple(samples),
            )
            for (name, pid), samples in sorted(self._samples.items())
            if samples
        )

    def _take(self, began: float) -> None:
        for name, pid in self._processes().items():
            with suppress(psutil.Error):
                self._take_one(name, pid, began)

    def _take_one(self, name: str, pid: int, began: float) -> None:
        process, at, used = self._seen.get((name, pid)) or (psutil.Process(pid), 0.0, -1.0)
        now = time.monotonic()
        with process.oneshot():
            times = process.cpu_times()
            rss = process.memory_info().rss
        total = times.user + times.system
        if used >= 0 and now > at:
            files = process.num_fds() if hasattr(process, "num_fds") else 0
            sample = Sample(round(now - began, 3), (total - used) / (now - at), rss, files)
            self._samples.setdefault((name, pid), []).append(sample)
        self._seen[name, pid] = process, now, total
