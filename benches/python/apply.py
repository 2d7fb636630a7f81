"""What applying masks to logits costs: on the CPU as a multiple of ``logits.neg_()`` on the same tensor, on a GPU as a share of the
bandwidth of its memory; torch's own ways and XGrammar's kernels beside it.

Every answer is compared with torch's own operators before anything is timed. Each figure on the CPU is the best of many turns, taken in
turn with the others; on a GPU the median, by events, with the cache emptied before each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from maskwright.torch import apply_token_bitmask_inplace, reference

try:
    import xgrammar
except ImportError:
    xgrammar = None

COLUMNS = 128_256
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def bitmask(rows: int, allowed: float, generator: torch.Generator, *, run: int = 1) -> torch.Tensor:
    """Runs of tokens allowed at random."""
    bits = (torch.rand(rows, -(-COLUMNS // run), generator=generator) < allowed).repeat_interleave(run, 1)[:, :COLUMNS]
    return (bits.reshape(rows, -1, 32).long() << torch.arange(32)).sum(-1).to(torch.int32)


def best(calls: dict[str, Callable[[], object]], turns: int, rare: set[str]) -> dict[str, float]:
    """The best time of each, in microseconds; the rare ones are slow and run in one turn of ten."""
    found = dict.fromkeys(calls, float("inf"))
    for turn in range(turns):
        for name, call in calls.items():
            if name in rare and turn % 10:
                continue
            start = time.perf_counter()
            call()
            found[name] = min(found[name], (time.perf_counter() - start) * 1e6)
    return found


def on_cpu(all_rows: list[int], turns: int) -> None:
    """Print a table of multiples."""
    generator = torch.Generator().manual_seed(0)
    print(f"{COLUMNS:,} columns, {torch.get_num_threads()} thread(s); microseconds, and multiples of neg_")
    print(f"{'dtype':9} {'rows':>4} {'allowed':>7} {'neg_':>9} {'maskwright':>18} {'xgrammar':>18}")
    for name, dtype in DTYPES.items():
        for rows in all_rows:
            logits = torch.randn(rows, COLUMNS, generator=generator).to(dtype)
            for allowed in (0.02, 0.9):
                mask = bitmask(rows, allowed, generator)
                right, ours = logits.clone(), logits.clone()
                reference.apply(right, mask, None, None)
                apply_token_bitmask_inplace(ours, mask)
                assert torch.equal(ours, right)
                calls: dict[str, Callable[[], object]] = {
                    "neg_": ours.neg_,
                    "maskwright": lambda ours=ours, mask=mask: apply_token_bitmask_inplace(ours, mask),
                }
                if xgrammar is not None:
                    calls["xgrammar"] = lambda ours=ours, mask=mask: xgrammar.apply_token_bitmask_inplace(ours, mask, backend="cpu")
                took = best(calls, turns, {"xgrammar"})
                line = f"{name:9} {rows:4} {allowed:7.0%} {took['neg_']:9.1f}"
                for peer in ("maskwright", "xgrammar"):
                    if peer in took:
                        line += f" {took[peer]:9.1f} ({took[peer] / took['neg_']:5.2f})"
                print(line)


MASKS: dict[str, tuple[float, int]] = {
    "all": (1.0, 1),
    "90 % in runs": (0.9, 256),
    "90 % random": (0.9, 1),
    "2 % in runs": (0.02, 256),
    "2 % random": (0.02, 1),
    "none": (0.0, 1),
}
#: Of a sector of memory, the least that is read or written.
SECTOR = 32


class Gpu:
    """Times on one device."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        # Several times the cache; written as long as the host takes to launch what is timed.
        self._cache = torch.empty(1 << 27, dtype=torch.int32, device="cuda")
        other = torch.empty_like(self._cache)
        #: What a copy reads and writes, in bytes a microsecond.
        self.bandwidth = 2 * self._cache.nbytes / self.median(lambda: other.copy_(self._cache))
        tiny, mask = torch.zeros(1, 32, device="cuda"), torch.zeros(1, 1, dtype=torch.int32, device="cuda")
        #: What events say of a kernel that has nothing to do.
        self.least = self.median(lambda: apply_token_bitmask_inplace(tiny, mask))

    def median(self, call: Callable[[], object]) -> float:
        """Microseconds."""
        call()
        times = []
        for _ in range(self.turns):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            self._cache.zero_()
            begin.record()
            call()
            end.record()
            times.append((begin, end))
        torch.cuda.synchronize()
        return statistics.median(begin.elapsed_time(end) * 1e3 for begin, end in times)

    @staticmethod
    def host(call: Callable[[], object]) -> float:
        """What a call costs the thread that makes it, in microseconds."""
        found = float("inf")
        for _ in range(20):
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(50):
                call()
            found = min(found, (time.perf_counter() - start) / 50 * 1e6)
        return found


def moved(mask: torch.Tensor, item_size: int) -> int:
    """The bytes that must be read and written: the mask, and sectors in which a logit changes; those that change in part are read first."""
    refused = ((mask.unsqueeze(-1) >> torch.arange(32)) & 1).flatten(1) == 0
    sectors = refused.view(refused.shape[0], -1, SECTOR // item_size)
    touched, whole = int(sectors.any(-1).sum()), int(sectors.all(-1).sum())
    return mask.nbytes + SECTOR * (2 * touched - whole)


def on_cuda(all_rows: list[int], turns: int, names: list[str]) -> None:
    """Print a table of times, beside what memory allows."""
    start = time.perf_counter()
    for size, dtype in {2: torch.bfloat16, 4: torch.float32}.items():
        apply_token_bitmask_inplace(torch.zeros(1, 32, dtype=dtype, device="cuda"), torch.zeros(1, 1, dtype=torch.int32, device="cuda"))
        torch.cuda.synchronize()
        now = time.perf_counter()
        print(f"first use with {8 * size} bits: {(now - start) * 1e3:.0f} ms")
        start = now
    gpu, generator = Gpu(turns), torch.Generator().manual_seed(0)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print(f"a copy moves {gpu.bandwidth / 1e6:.2f} TB/s; a kernel with nothing to do takes {gpu.least:.1f} µs")
    print(f"{COLUMNS:,} columns; microseconds; of maskwright's, the share of that bandwidth for the bytes that must move")
    heads = ("maskwright", "share", "fill_", "masked_fill_", "where", "xgr triton", "xgr torch")
    print(f"{'dtype':9} {'rows':>4} {'allowed':13} {'MB':>6} " + " ".join(f"{head:>12}" for head in heads))
    for name in names:
        for rows in all_rows:
            logits = torch.randn(rows, COLUMNS, generator=generator).to(DTYPES[name])
            for kind, (allowed, run) in MASKS.items():
                mask = bitmask(rows, allowed, generator, run=run)
                right, ours, words = logits.clone(), logits.cuda(), mask.cuda()
                reference.apply(right, mask, None, None)
                apply_token_bitmask_inplace(ours, words)
                assert torch.equal(ours.cpu(), right)
                refused = ((words.unsqueeze(-1) >> torch.arange(32, device="cuda")) & 1).flatten(1) == 0
                minus_infinity = torch.full((), float("-inf"), dtype=ours.dtype, device="cuda")
                took = [
                    gpu.median(lambda ours=ours, words=words: apply_token_bitmask_inplace(ours, words)),
                    gpu.median(lambda ours=ours: ours.fill_(float("-inf"))),
                    gpu.median(lambda ours=ours, refused=refused: ours.masked_fill_(refused, float("-inf"))),
                    gpu.median(lambda ours=ours, refused=refused, low=minus_infinity: torch.where(refused, low, ours)),
                ]
                if xgrammar is not None:
                    calls = (partial(xgrammar.apply_token_bitmask_inplace, ours, words, backend=b) for b in ("triton", "torch_native"))
                    took.extend(map(gpu.median, calls))
                megabytes = moved(mask, ours.element_size()) / 1e6
                share = megabytes / took[0] / gpu.bandwidth * 1e6
                cells = [f"{took[0]:12.1f}", f"{share:12.0%}", *(f"{time:12.1f}" for time in took[1:])]
                print(f"{name:9} {rows:4} {kind:13} {megabytes:6.1f} " + " ".join(cells))
    ours = torch.zeros(1, COLUMNS, device="cuda")
    words = torch.zeros(1, COLUMNS // 32, dtype=torch.int32, device="cuda")
    refused = torch.zeros(1, COLUMNS, dtype=torch.bool, device="cuda")
    costs = {
        "maskwright": gpu.host(lambda: apply_token_bitmask_inplace(ours, words)),
        "masked_fill_": gpu.host(lambda: ours.masked_fill_(refused, 0.0)),
    }
    if xgrammar is not None:
        costs["xgrammar"] = gpu.host(lambda: xgrammar.apply_token_bitmask_inplace(ours, words))
    print("a call costs the host: " + ", ".join(f"{name} {took:.1f} µs" for name, took in costs.items()))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=["bfloat16", "float32"], help="on a GPU")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=100)
    options = parser.parse_args()
    if options.device == "cuda":
        on_cuda(options.rows or [1, 32, 256], options.turns, options.dtypes)
        return
    torch.set_num_threads(options.threads)
    on_cpu(options.rows or [1, 8, 64], options.turns)


if __name__ == "__main__":
    main()
