"""What applying masks to logits on the CPU costs, as a multiple of ``logits.neg_()`` on the same tensor, and XGrammar's kernel beside it.

Every answer is compared with torch's own operators before anything is timed. Each figure is the best of many turns, taken in turn with
the others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from maskwright.torch import apply_token_bitmask_inplace, reference

COLUMNS = 128_256
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def bitmask(rows: int, allowed: float, generator: torch.Generator) -> torch.Tensor:
    """Tokens allowed at random."""
    bits = (torch.rand(rows, COLUMNS, generator=generator) < allowed).view(rows, -1, 32).long()
    return (bits << torch.arange(32)).sum(-1).to(torch.int32)


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


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        import xgrammar
    except ImportError:
        xgrammar = None

    generator = torch.Generator().manual_seed(0)
    print(f"{COLUMNS:,} columns, {options.threads} thread(s); microseconds, and multiples of neg_")
    print(f"{'dtype':9} {'rows':>4} {'allowed':>7} {'neg_':>9} {'maskwright':>18} {'xgrammar':>18}")
    for name, dtype in DTYPES.items():
        for rows in options.rows:
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
                took = best(calls, options.turns, {"xgrammar"})
                line = f"{name:9} {rows:4} {allowed:7.0%} {took['neg_']:9.1f}"
                for peer in ("maskwright", "xgrammar"):
                    if peer in took:
                        line += f" {took[peer]:9.1f} ({took[peer] / took['neg_']:5.2f})"
                print(line)


if __name__ == "__main__":
    main()
