"""Clocks, quantiles, the machine's name, and the yardstick of all masks: copying one."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np


class Stopwatch:
    """The lesser of the time that passed and the time on the CPU, in microseconds: neither busy neighbours nor reading the clock counts.

    With `threads`, work of other threads of the process counts as well.
    """

    def __init__(self, threads: bool = False):
        self.clock = time.process_time_ns if threads else time.thread_time_ns

    def start(self) -> None:
        self.used = self.clock()
        self.passed = time.perf_counter_ns()

    def stop(self) -> float:
        passed = time.perf_counter_ns() - self.passed
        used = self.clock() - self.used
        return min(passed, used) / 1e3


def quantile(values: Sequence[float], q: float) -> float:
    """The value that a share `q` of the others does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def best(call: Callable[[], object], *, inner: int = 20, turns: int = 7) -> float:
    """Time of one call in microseconds: the best of several turns of many calls, Python's own loop included."""
    watch, found = Stopwatch(), float("inf")
    for _ in range(turns):
        watch.start()
        for _ in range(inner):
            call()
        found = min(found, watch.stop() / inner)
    return found


def copying(words: int) -> float:
    """Copying one row of a mask (16 KiB for 128k tokens) between buffers that stay, from Python: the limit of what a warm mask can cost."""
    ours, theirs = np.zeros(words, np.int32), np.full(words, -1, np.int32)
    took = best(lambda: np.copyto(ours, theirs), inner=200, turns=15)
    assert (ours == theirs).all()
    return took


def spare_cores(threads: int, turns: int = 40) -> float:
    """How many cores' work so many threads get done now: the best speed-up of hashing, which shares nothing. A busy machine gives fewer
    than it has, and then no batch can gain more.
    """
    # So much that handing it out, which the interpreter does for one thread at a time, does not count.
    data, answers = bytes(4 << 20), queue.SimpleQueue[bytes]()
    tasks = [queue.SimpleQueue[bool]() for _ in range(threads)]

    def work(own: queue.SimpleQueue[bool]) -> None:
        while own.get():
            answers.put(hashlib.sha256(data).digest())

    workers = [threading.Thread(target=work, args=(own,), daemon=True) for own in tasks]
    for worker in workers:
        worker.start()
    alone = together = float("inf")
    for _ in range(turns):
        start = time.perf_counter_ns()
        right = [hashlib.sha256(data).digest() for _ in tasks]
        alone = min(alone, time.perf_counter_ns() - start)
        start = time.perf_counter_ns()
        for own in tasks:
            own.put(True)
        assert [answers.get() for _ in tasks] == right
        together = min(together, time.perf_counter_ns() - start)
    for own in tasks:
        own.put(False)
    return max(1.0, alone / together)


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


class _Allocated(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def held() -> int:
    """Bytes that are allocated now, to the byte where the C library tells; memory that is merely kept for later does not count."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return resident()
    ask.restype = _Allocated
    answer = ask()
    return answer.uordblks + answer.hblkhd
