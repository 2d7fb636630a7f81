"""Processes in which nothing has been learned: forks of one that has only read a tokenizer.

Invariant: the parent compiles nothing and starts no threads, so that every fork begins alike.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from typing import Any

import maskwright as mw


def warm_process() -> None:
    """Touch memory and code as a server has long touched its own: a first mask shall not pay for the first use of their pages."""
    for _ in range(2):
        bytearray(24 << 20)
    small = mw.GrammarCompiler(mw.TokenizerInfo([bytes([byte]) for byte in range(256)] + [b"</s>"], stop_token_ids=256), max_threads=1)
    row = mw.allocate_token_bitmask(1, 257)
    for grammar, text in (
        (small.compile_json_schema({"properties": {"a": {"maxLength": 9}}}), '{"a": "b", "c": [1.5, true]}'),
        (small.compile_regex("(ab|c)+"), "abc"),
        (small.compile_grammar('root ::= "(" root ")" | "x"'), "((x))"),
    ):
        matcher = mw.GrammarMatcher(grammar)
        for byte in text.encode():
            matcher.fill_next_token_bitmask(row)
            matcher.accept_token(byte)


def forked(call: Callable[[], Any]) -> dict[str, Any]:
    """What `call` returns (`done`), or why it does not (`failed`), in a process that learns from no other and teaches none."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = {"done": call()}
        except BaseException as error:
            traceback.print_exc(limit=2)
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        with os.fdopen(writer, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"failed": "crashed"}
