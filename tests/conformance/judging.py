"""What the ratchets share: an engine over bytes, work in children that may hang, and baselines keyed by content.

Masks are checked against `accept` elsewhere, so verdicts over the 256 bytes are those of any tokenizer; and bytes are quick.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import json
import os
import select
import signal
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import maskwright as mw

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
# The independent validator, for those who import this.
import oracle  # noqa: F401

#: The reason of an entry that `--update` has just added. The check fails until somebody writes a better one.
UNEXAMINED = "to be examined"
_BYTES_OF_A_KEY = 5
#: A child is waited for this many times its limit.
_PATIENCE = 15
#: So many unknown tests are listed.
_SHOWN = 40


def compiler() -> mw.GrammarCompiler:
    """A compiler for the vocabulary of the 256 bytes, which remembers nothing."""
    tokens = [bytes([byte]) for byte in range(256)]
    return mw.GrammarCompiler(mw.TokenizerInfo(tokens, vocab_size=257, stop_token_ids=[256]), cache_enabled=False)


def accepts(compiled: mw.CompiledGrammar, text: str) -> bool:
    """Is the text accepted to its end?"""
    matcher = mw.GrammarMatcher(compiled, max_rollback_tokens=0)
    return matcher.accept_string(text.encode("utf-8", "surrogatepass")) and matcher.is_completed()


def key_of(*content: Any) -> str:
    """A short name for something JSON can say, by what it says."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[: 2 * _BYTES_OF_A_KEY]


def isolated(work: Callable[[int], Any], count: int, limit: float) -> Iterator[tuple[int, Any]]:
    """Yield `(i, work(i))` for each `i`, in order; `None` where it took more than `limit` seconds of the processor, or died.

    Works in forked children. A busy machine does not count: only after many times that long an answer is not waited for any more.
    """
    first = 0
    while first < count:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            try:
                with os.fdopen(writer, "w", buffering=1) as out:
                    for i in range(first, count):
                        # Past the limit the signal ends the child.
                        signal.setitimer(signal.ITIMER_PROF, limit)
                        out.write(json.dumps(work(i)) + "\n")
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(writer)
        rest = b""
        started = time.monotonic()
        while True:
            ready, _, _ = select.select([reader], [], [], max(0.0, started + _PATIENCE * limit - time.monotonic()))
            chunk = os.read(reader, 1 << 16) if ready else b""
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                started = time.monotonic()
                yield first, json.loads(line)
                first += 1
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if first < count:
            yield first, None
            first += 1


class Baseline:
    """Verdicts as they were: each that is not "pass", with its reason, and the keys of all that is known (without such a file: everything)."""

    def __init__(self, known: Path | None, exceptions: Path) -> None:
        self.known_file, self.exceptions_file = known, exceptions
        self.known: set[str] = set()
        if known is not None and known.exists():
            for line in known.read_text().splitlines():
                packed = base64.b64decode(line.partition(" ")[2])
                self.known |= {packed[i : i + _BYTES_OF_A_KEY].hex() for i in range(0, len(packed), _BYTES_OF_A_KEY)}
        #: Key to verdict and reason.
        self.exceptions: dict[str, tuple[str, str]] = {}
        if exceptions.exists():
            for group in tomllib.loads(exceptions.read_text()).get("group", []):
                for key in group["tests"]:
                    self.exceptions[key] = (group["verdict"], group["reason"])

    def expected(self, key: str) -> str | None:
        """The verdict recorded for a key; None if it is unknown."""
        if key in self.exceptions:
            return self.exceptions[key][0]
        everything_is_known = self.known_file is None and self.exceptions_file.exists()
        return "pass" if key in self.known or everything_is_known else None

    def changes(self, verdicts: dict[str, str]) -> dict[str, tuple[str | None, str]]:
        """What is not as recorded: key to the verdict then (None: unknown) and now."""
        compared = ((key, self.expected(key), now) for key, now in verdicts.items())
        return {key: (then, now) for key, then, now in compared if then != now}

    def unexamined(self) -> list[str]:
        """Keys of exceptions without a reason."""
        return [key for key, (_, reason) in self.exceptions.items() if reason.startswith(UNEXAMINED)]

    def update(self, verdicts: dict[str, str], names: dict[str, str], section: Callable[[str], str], reasons: dict[str, str]) -> None:
        """Record what was found, and keep the reasons already there. What this run did not meet is forgotten."""
        sections = collections.defaultdict(list)
        groups: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
        for key, verdict in verdicts.items():
            sections[section(key)].append(key)
            if verdict != "pass":
                then, reason = self.exceptions.get(key, (None, ""))
                if then != verdict or reason.startswith(UNEXAMINED):
                    reason = reasons.get(key) or UNEXAMINED
                groups[verdict, reason].append(key)
        if self.known_file is not None:
            self._write_known(self.known_file, sections)
        parts = ["# What does not pass, and why. Keys are hashes of the content; `--update` keeps the reasons, and leaves new ones to be written.\n"]
        for (verdict, reason), keys in sorted(groups.items(), key=lambda g: (g[0], min(names[k] for k in g[1]))):
            listed = "\n".join(f"{_toml(key)} = {_toml(names[key])}" for key in sorted(keys, key=lambda k: (names[k], k)))
            parts.append(f"\n[[group]]\nverdict = {_toml(verdict)}\nreason = {_toml(reason)}\n[group.tests]\n{listed}\n")
        self.exceptions_file.write_text("".join(parts))

    @staticmethod
    def _write_known(path: Path, sections: dict[str, list[str]]) -> None:
        lines = [f"{name} {base64.b64encode(bytes.fromhex(''.join(sorted(keys)))).decode()}" for name, keys in sorted(sections.items())]
        path.write_text("\n".join(lines) + "\n")


def _toml(text: str) -> str:
    """A string of TOML; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def report_changes(baseline: Baseline, verdicts: dict[str, str], names: dict[str, str], command: str) -> int:
    """Print what is not as recorded; return the exit status."""
    changes = baseline.changes(verdicts)
    unknown = {key: now for key, (then, now) in changes.items() if then is None}
    changed = {key: change for key, change in changes.items() if change[0] is not None}
    if unknown:
        counts = collections.Counter(unknown.values())
        print(f"{len(unknown)} unknown tests: " + ", ".join(f"{name} {n}" for name, n in counts.most_common()))
        for key in [key for key, now in unknown.items() if now != "pass"][:_SHOWN]:
            print(f"  unknown, {unknown[key]}: {names[key]} [{key}]")
    for key, (then, now) in changed.items():
        print(f"  {then} -> {now}: {names[key]} [{key}]")
    unexamined = [key for key in baseline.unexamined() if key in verdicts]
    for key in unexamined:
        print(f"  without a reason in {baseline.exceptions_file.name}: {names[key]} [{key}]")
    if changed:
        print(f"{len(changed)} verdicts changed. If that is meant, run: {command} --update")
    return 1 if changed or unexamined else 0
