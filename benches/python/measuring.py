"""Clocks, quantiles, the machine's name, and the yardstick of all masks: copying one."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

#: Time on the CPU: a busy neighbour does not count.
cpu = time.thread_time_ns


def quantile(values: Sequence[float], q: float) -> float:
    """The value that a share `q` of the others does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def reading_costs() -> float:
    """What reading the clock adds to a time, in microseconds."""
    times = []
    for _ in range(2000):
        start = cpu()
        times.append(cpu() - start)
    return quantile(times, 0.25) / 1e3


def best(call: Callable[[], object], *, inner: int = 20, turns: int = 7) -> float:
    """CPU time of one call in microseconds: the best of several turns of many calls, Python's own loop included."""
    found = float("inf")
    for _ in range(turns):
        start = cpu()
        for _ in range(inner):
            call()
        found = min(found, (cpu() - start) / inner / 1e3)
    return found


def copying(words: int) -> float:
    """Copying one row of a mask (16 KiB for 128k tokens) between buffers that stay, from Python: the limit of what a warm mask can cost."""
    ours, theirs = np.zeros(words, np.int32), np.full(words, -1, np.int32)
    took = best(lambda: np.copyto(ours, theirs), inner=200, turns=15)
    assert (ours == theirs).all()
    return took


def machine() -> str:
    """The model of the processor and the number of its cores that may be used; nothing that says whose machine it is."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{model}, {cores} core{'s' if cores > 1 else ''}"


def resident() -> int:
    """Bytes of memory that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
