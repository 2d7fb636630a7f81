"""One case in one engine: compile, walk the texts cold and warm, in a process that may be killed.

Invariant: engines never run at the same time; each keeps its process, and what it has learned, until a case kills it.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from dataclasses import dataclass, field
from typing import Any

from engines import ENGINES, Engine
from measuring import Stopwatch
from vocabularies import Vocabulary


@dataclass
class Case:
    """A schema or grammar with texts that match it."""

    name: str
    kind: str
    source: Any
    texts: list[str]


@dataclass
class Outcome:
    """What one engine did with one case; times in microseconds."""

    ttfm: float | None = None
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    #: Of maskwright: the cold masks that had something to learn, with the acceptance that led to each.
    learning: list[float] = field(default_factory=list)
    full_walks: int = 0
    #: Seconds of CPU that the engine's process used while it had nothing to do before this case.
    idle: float = 0.0
    #: Why it took no part.
    refused: str | None = None
    #: What is wrong, whoever else passed.
    wrong: str | None = None

    @property
    def passed(self) -> bool:
        return self.refused is None and self.wrong is None


def learned(engine: Any) -> int:
    """Grows with every mask that could not be looked up."""
    return engine.statistics()["misses"]


def walk(engine: Engine, tokens: list[int], stop: int, times: list[float], learning: list[float] | None) -> str | None:
    """Feed one text, timing mask and commit of each token together; what it refuses, if anything."""
    watch, row, lead = Stopwatch(), engine.row, 0.0
    engine.start()
    for place, token in enumerate(tokens):
        if learning is None:
            watch.start()
            engine.fill()
            accepted = engine.commit(token)
            times.append(watch.stop())
        else:
            before = learned(engine)
            watch.start()
            engine.fill()
            filled = watch.stop()
            if learned(engine) > before:
                # The acceptance that led here may have met new states, too.
                learning.append(filled + lead)
            watch.start()
            accepted = engine.commit(token)
            lead = watch.stop()
            times.append(filled + lead)
        allowed = row[token >> 5] >> (token & 31) & 1
        if not allowed or not accepted:
            times.pop()
            wrong = f"refuses its text after {place} of {len(tokens)} tokens"
            return wrong if not allowed and not accepted else f"mask and commit disagree on token {place}"
    engine.fill()
    return None if row[stop >> 5] >> (stop & 31) & 1 else "does not let its text end"


def disagreement(engine: Any, tokens: list[int], size: int, chance: random.Random) -> str | None:
    """Whether the masks along a text say of sampled tokens what accepting them says."""
    engine.start()
    for place, token in enumerate(tokens):
        engine.fill()
        if chance.random() < 0.05:
            some = chance.sample(range(size), min(size, 300))
            bit = lambda other: bool(engine.row[other >> 5] >> (other & 31) & 1)  # noqa: E731
            for other in some[:8] + [other for other in some if bit(other)][:8] + [token]:
                if bit(other) != engine.accepts(other):
                    return f"mask and acceptance disagree on token {other} after {place} tokens"
        engine.commit(token)
    return None


def run(engine: Any, name: str, case: Case, texts: list[list[int]], vocabulary: Vocabulary) -> Outcome:
    """One case: cold, warm, and checked if the engine is ours."""
    outcome, ours = Outcome(), name == "maskwright"
    if case.kind == "ebnf":
        # A grammar is judged on its own: nothing another one taught may help. Schemas of one server follow each other.
        engine.fresh()
    try:
        watch = Stopwatch(threads=True)
        watch.start()
        engine.compile(case.kind, case.source)
        engine.start()
        engine.fill()
        outcome.ttfm = watch.stop()
        for times in (outcome.cold, outcome.warm):
            for tokens in texts:
                problem = walk(engine, tokens, vocabulary.stop, times, outcome.learning if ours and times is outcome.cold else None)
                if problem is not None:
                    outcome.refused = problem
                    outcome.wrong = problem if ours and "disagree" in problem else None
                    return outcome
            if ours and times is outcome.cold:
                outcome.full_walks = engine.statistics()["full_walks"]
        if ours:
            chance = random.Random(case.name)
            for tokens in texts:
                outcome.wrong = outcome.wrong or disagreement(engine, tokens, len(vocabulary.tokens), chance)
    except Exception as error:
        outcome.refused = f"{type(error).__name__}: {str(error)[:100]}".replace("\n", " ")
    return outcome


def serve(name: str, vocabulary: Vocabulary, pipe: Any) -> None:
    """The life of an engine's process."""
    engine = ENGINES[name](vocabulary)
    pipe.send("ready")
    while True:
        before = time.process_time()
        pipe.poll(None)
        idle = time.process_time() - before
        case, texts = pipe.recv()
        outcome = run(engine, name, case, texts, vocabulary)
        outcome.idle = idle
        pipe.send(outcome)


class Runner:
    """An engine in a process of its own, which is replaced when it dies or takes too long."""

    def __init__(self, name: str, vocabulary: Vocabulary, timeout: float):
        self.name, self.vocabulary, self.timeout = name, vocabulary, timeout
        self.begin()

    def begin(self) -> None:
        # A fork has the tokenizer already.
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(self.name, self.vocabulary, theirs), daemon=True)
        self.process.start()
        theirs.close()
        if self.pipe.recv() != "ready":
            raise RuntimeError(f"{self.name} does not start")

    def run(self, case: Case, texts: list[list[int]]) -> Outcome:
        self.pipe.send((case, texts))
        try:
            if self.pipe.poll(self.timeout):
                return self.pipe.recv()
            outcome = Outcome(refused=f"not done after {self.timeout:g} s")
        except (EOFError, ConnectionResetError):
            outcome = Outcome(refused="crashed")
        self.end()
        self.begin()
        return outcome

    def end(self) -> None:
        self.process.kill()
        self.process.join()
