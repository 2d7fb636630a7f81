"""Matchers and bitmasks."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import torch

import maskwright
from maskwright.compat.xgrammar import kernels
from maskwright.compat.xgrammar.base import XGRObject, runtime_errors
from maskwright.compat.xgrammar.compiler import CompiledGrammar

bitmask_dtype = torch.int32

_BACKENDS = ("auto", "cpu", "cuda", "triton", "torch_compile", "torch_native")


def get_bitmask_shape(batch_size: int, vocab_size: int) -> tuple[int, int]:
    """Return the shape of a bitmask: ``(batch_size, ceil(vocab_size / 32))``."""
    return (batch_size, math.ceil(vocab_size / 32))


def allocate_token_bitmask(batch_size: int, vocab_size: int) -> torch.Tensor:
    """Make a bitmask on the CPU in which every bit is set."""
    return torch.full(get_bitmask_shape(batch_size, vocab_size), -1, dtype=bitmask_dtype)


def reset_token_bitmask(bitmask: torch.Tensor) -> None:
    """Set every bit."""
    bitmask.fill_(-1)


def apply_token_bitmask_inplace(
    logits: torch.Tensor,
    bitmask: torch.Tensor,
    *,
    vocab_size: int | None = None,
    indices: list[int] | None = None,
    backend: Literal["auto", "cpu", "cuda", "triton", "torch_compile", "torch_native"] = "auto",
) -> None:
    """Set the logits of refused tokens to minus infinity; columns past the mask are left as they are. Every ``backend`` is the same."""
    if bitmask.device != logits.device:
        raise ValueError(
            f"logits and bitmask should be on the same device. But got logits.device: {logits.device}, bitmask.device: {bitmask.device}"
        )
    if backend not in _BACKENDS:
        raise ValueError(f"Unknown backend: {backend}. The value should be one of them: {list(_BACKENDS)}")
    covered = bitmask.shape[-1] * 32
    if vocab_size is None and covered < logits.shape[-1]:
        message = (
            f"The bitmask covers only {covered} tokens but logits have {logits.shape[-1]}, so logits[..., {covered}:] are left unmasked. "
            "Allocate the bitmask with the full vocab size, or pass vocab_size explicitly."
        )
        warnings.warn(message, stacklevel=2)
    kernels.apply(logits, bitmask, vocab_size, indices)


class GrammarMatcher(XGRObject):
    """See :class:`maskwright.GrammarMatcher`. Nothing raises after the end; like XGrammar's it then accepts no token at all."""

    _terminates_early: bool
    _temperature: float | None

    def __init__(
        self,
        compiled_grammar: CompiledGrammar,
        *,
        override_stop_tokens: int | list[int] | None = None,
        terminate_without_stop_token: bool = False,
        max_rollback_tokens: int = -1,
        default_temperature: float | None = None,
    ) -> None:
        if not isinstance(compiled_grammar, CompiledGrammar):
            raise ValueError("The grammar should be compiled before passing it to GrammarMatcher.")
        if max_rollback_tokens != -1:
            message = "max_rollback_tokens is deprecated. You don't need to set it and it's always unlimited (-1)."
            warnings.warn(message, DeprecationWarning, stacklevel=2)
        self._terminates_early = terminate_without_stop_token
        self._temperature = None if default_temperature is None else float(default_temperature)
        with runtime_errors():
            self._init_handle(maskwright.GrammarMatcher(compiled_grammar._handle, override_stop_tokens=override_stop_tokens))

    def accept_token(self, token_id: int, *, debug_print: bool = False) -> bool:
        """Consume one token; False if it is refused, or the text has ended."""
        handle = self._handle
        accepted: bool = not handle.is_terminated() and handle.accept_token(token_id)
        if debug_print:
            print(f"accept_token({token_id}): {accepted}")
        return accepted

    def accept_string(self, input_str: str | bytes, *, debug_print: bool = False) -> bool:
        """Consume a text, as one step to roll back; False if it is refused, or the text has ended."""
        handle = self._handle
        accepted: bool = not handle.is_terminated() and handle.accept_string(input_str)
        if debug_print:
            print(f"accept_string({input_str!r}): {accepted}")
        return accepted

    def fill_next_token_bitmask(self, bitmask: Any, index: int = 0, *, debug_print: bool = False) -> bool:
        """See :meth:`maskwright.GrammarMatcher.fill_next_token_bitmask`."""
        try:
            restricts: bool = self._handle.fill_next_token_bitmask(bitmask, index)
        except maskwright.BitmaskError as error:
            raise RuntimeError(str(error)) from error
        if debug_print:
            print(f"fill_next_token_bitmask(index={index}): {restricts}")
        return restricts

    def traverse_draft_tree(
        self,
        retrieve_next_token: torch.Tensor,
        retrieve_next_sibling: torch.Tensor,
        draft_tokens: torch.Tensor,
        token_bitmask: torch.Tensor,
        time_threshold: float = -1.0,
        temperatures: torch.Tensor | None = None,
    ) -> bool:
        """Write the mask of each node that can be reached, and zeros for one that is refused; the rows below that stay as they are.

        Returns:
            False if it took longer than ``time_threshold`` seconds, where that is above zero. The rows are written all the same.

        """
        start = time.monotonic()
        before = token_bitmask.clone()
        shape = tuple(before.shape)
        if len(shape) != 2 or shape[0] != len(draft_tokens):
            raise RuntimeError(f"token_bitmask must have a row for each of the {len(draft_tokens)} nodes, got shape {shape}")
        try:
            reached = self._handle.traverse_draft_tree(retrieve_next_token, retrieve_next_sibling, draft_tokens, token_bitmask)
        except ValueError as error:
            raise RuntimeError(str(error)) from error
        # Nothing comes behind a stop token, so XGrammar writes no mask there either.
        ends = set(self._handle.stop_token_ids)
        tokens, children, siblings = (x.tolist() for x in (draft_tokens, retrieve_next_token, retrieve_next_sibling))
        missed = {node for node, there in enumerate(reached) if not there or (node and tokens[node] in ends)}
        refused = set()
        for parent in set(range(len(tokens))) - missed:
            child = children[parent]
            while child != -1:
                refused.add(child)
                child = siblings[child]
        refused &= missed
        token_bitmask[list(refused)] = 0
        token_bitmask[list(missed - refused)] = before[list(missed - refused)]
        if temperatures is not None:
            temperatures.fill_(-1.0 if self._temperature is None else self._temperature)
            temperatures[list(missed)] = -1.0
        return not 0 < time_threshold < time.monotonic() - start

    def find_jump_forward_string(self) -> str:
        """See :meth:`maskwright.GrammarMatcher.find_jump_forward_string`."""
        return str(self._handle.find_jump_forward_string())

    def rollback(self, num_tokens: int = 1) -> None:
        """Undo steps; none if the number is not above zero."""
        self._handle.rollback(max(0, num_tokens))

    def get_captures(self, *, deduplicate: bool = True) -> list[tuple[str, bytes]]:  # noqa: ARG002
        """Return nothing: no grammar that can be compiled has captures."""
        return []

    def is_terminated(self) -> bool:
        """Has a stop token been accepted (or, with ``terminate_without_stop_token``, is the text complete)?"""
        return bool(self._handle.is_terminated() or (self._terminates_early and self._handle.is_completed()))

    def is_completed(self) -> bool:
        """Does the text match the grammar as it is?"""
        return bool(self._handle.is_completed())

    def reset(self) -> None:
        """Go back to the start."""
        self._handle.reset()

    def fork(self) -> GrammarMatcher:
        """Make an independent copy at the same place."""
        copy = GrammarMatcher._create_from_handle(self._handle.fork())
        copy._terminates_early, copy._temperature = self._terminates_early, self._temperature
        return copy

    @property
    def max_rollback_tokens(self) -> int:
        """Always -1: all steps are kept."""
        return -1

    @property
    def temperature(self) -> float | None:
        """The default: no grammar that can be compiled sets another."""
        return self._temperature

    @property
    def stop_token_ids(self) -> list[int]:
        """The ids that end the text."""
        return list(self._handle.stop_token_ids)

    def _debug_print_internal_state(self) -> str:
        return f"{self._handle.num_steps} steps; next: {', '.join(self._handle.expected())}"


class BatchGrammarMatcher(XGRObject):
    """See :class:`maskwright.BatchGrammarMatcher`."""

    def __init__(self, max_threads: int | Literal["auto"] = "auto") -> None:
        try:
            self._init_handle(maskwright.BatchGrammarMatcher(max_threads))
        except ValueError as error:
            raise RuntimeError(str(error)) from error

    def batch_fill_next_token_bitmask(
        self,
        matchers: list[GrammarMatcher],
        bitmask: Any,
        indices: list[int] | None = None,
        debug_print: bool = False,  # noqa: ARG002
    ) -> None:
        """Write one row of the bitmask per matcher."""
        try:
            self._handle.batch_fill_next_token_bitmask([matcher._handle for matcher in matchers], bitmask, indices)
        except ValueError as error:
            raise RuntimeError(str(error)) from error

    @staticmethod
    def batch_fill_temperature(matchers: list[GrammarMatcher], temperatures: torch.Tensor, indices: list[int] | None = None) -> None:
        """Write the temperature of each matcher, -1 where there is none."""
        places = list(range(len(matchers))) if indices is None else indices
        _same_length("indices", places, matchers)
        if temperatures.dtype != torch.float32 or temperatures.dim() != 1 or temperatures.device.type != "cpu":
            raise RuntimeError("temperatures must be a float32 tensor with one dimension on the CPU")
        if any(not 0 <= place < len(temperatures) for place in places):
            raise RuntimeError(f"the indices {places} are not all within the {len(temperatures)} temperatures")
        for matcher, place in zip(matchers, places, strict=True):
            temperatures[place] = -1.0 if matcher.temperature is None else matcher.temperature

    @staticmethod
    def batch_accept_token(matchers: list[GrammarMatcher], tokens: list[int], debug_print: bool = False) -> list[bool]:
        """``accept_token`` of each matcher."""
        _same_length("tokens", tokens, matchers)
        return [matcher.accept_token(token, debug_print=debug_print) for matcher, token in zip(matchers, tokens, strict=True)]

    @staticmethod
    def batch_accept_string(matchers: list[GrammarMatcher], strings: list[str | bytes], debug_print: bool = False) -> list[bool]:
        """``accept_string`` of each matcher."""
        _same_length("strings", strings, matchers)
        return [matcher.accept_string(text, debug_print=debug_print) for matcher, text in zip(matchers, strings, strict=True)]

    @staticmethod
    def batch_rollback(matchers: list[GrammarMatcher], num_tokens: list[int] | int = 1) -> None:
        """``rollback`` of each matcher."""
        steps = [num_tokens] * len(matchers) if isinstance(num_tokens, int) else num_tokens
        _same_length("num_tokens", steps, matchers)
        for matcher, count in zip(matchers, steps, strict=True):
            matcher.rollback(count)


def _same_length(what: str, given: Sequence[Any], matchers: Sequence[Any]) -> None:
    if len(given) != len(matchers):
        raise RuntimeError(f"{len(matchers)} matchers, but {len(given)} {what}")
