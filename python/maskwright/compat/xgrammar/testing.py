"""XGrammar's helpers for tests, as far as they do not ask about its internals."""

from __future__ import annotations

import time
from typing import Any, NoReturn

import torch

import maskwright
from maskwright.compat.xgrammar.compiler import CompiledGrammar, GrammarCompiler
from maskwright.compat.xgrammar.grammar import Grammar
from maskwright.compat.xgrammar.matcher import GrammarMatcher, bitmask_dtype
from maskwright.compat.xgrammar.tokenizer_info import TokenizerInfo


def _internals(name: str) -> NotImplementedError:
    return NotImplementedError(f"{name} shows XGrammar's internals, which this engine does not have")


def _json_schema_to_ebnf(
    schema: str | type[Any] | dict[str, Any],
    *,
    any_whitespace: bool = True,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    max_whitespace_cnt: int | None = None,
    strict_mode: bool = True,
    json_format: str = "json",
    any_order: bool = False,
) -> str:
    """EBNF of this engine, in which a schema is an element of its own."""
    if json_format != "json":
        raise NotImplementedError(f"the format {json_format} comes with structural tags, which are not implemented in maskwright yet")
    grammar = Grammar.from_json_schema(
        schema,
        any_whitespace=any_whitespace,
        indent=indent,
        separators=separators,
        max_whitespace_cnt=max_whitespace_cnt,
        strict_mode=strict_mode,
        any_order=any_order,
    )
    return str(grammar)


def _regex_to_ebnf(regex: str, with_rule_name: bool = True) -> str:
    text = str(Grammar.from_regex(regex))
    return text if with_rule_name else text.partition("::=")[2].strip()


def _ebnf_to_grammar_no_normalization(ebnf_string: str, root_rule_name: str = "root") -> Grammar:
    return Grammar.from_ebnf(ebnf_string, root_rule_name=root_rule_name)


def _get_matcher_from_grammar(grammar: Grammar | str, **kwargs: Any) -> GrammarMatcher:
    return _get_matcher_from_grammar_and_tokenizer_info(grammar, None, terminate_without_stop_token=True, **kwargs)


def _get_matcher_from_grammar_and_tokenizer_info(
    grammar: Grammar | str, tokenizer_info: TokenizerInfo | None = None, **kwargs: Any
) -> GrammarMatcher:
    info = TokenizerInfo([]) if tokenizer_info is None else tokenizer_info
    return GrammarMatcher(GrammarCompiler(info, cache_enabled=False).compile_grammar(grammar), **kwargs)


def _is_grammar_accept_string(
    grammar: Grammar | str,
    input_str: str,
    *,
    debug_print: bool = False,
    print_time: bool = False,
    require_termination: bool = True,
) -> bool:
    matcher = _get_matcher_from_grammar(grammar)
    start = time.monotonic_ns()
    accepted = matcher.accept_string(input_str, debug_print=debug_print)
    if print_time:
        print(f"Accepting {input_str}, result: {accepted}, time: {(time.monotonic_ns() - start) / 1e3} us")
    return accepted and (matcher.is_terminated() or not require_termination)


def _get_masked_tokens_from_bitmask(bitmask: torch.Tensor, vocab_size: int, index: int = 0) -> list[int]:
    return [token for token, allowed in enumerate(_row(bitmask, vocab_size, index)) if not allowed]


def _is_single_token_bitmask(bitmask: torch.Tensor, vocab_size: int, index: int = 0) -> tuple[bool, int]:
    allowed = [token for token, allowed in enumerate(_row(bitmask, vocab_size, index)) if allowed]
    return (True, allowed[0]) if len(allowed) == 1 else (False, -1)


def _row(bitmask: torch.Tensor, vocab_size: int, index: int) -> list[bool]:
    if bitmask.device.type != "cpu":
        raise ValueError("bitmask should be on CPU.")
    if bitmask.dtype != bitmask_dtype:
        raise ValueError(f"bitmask should be of type {bitmask_dtype}.")
    row = bitmask if bitmask.dim() == 1 else bitmask[index]
    mask: list[bool] = maskwright.bitmask_to_bool_mask(row[: -(-vocab_size // 32)].contiguous().numpy(), vocab_size).tolist()
    return mask


def bool_mask_to_bitmask(bool_mask: torch.Tensor) -> torch.Tensor:
    """Pack a bool per token into bits; bits past the last token are set."""
    padding = -bool_mask.shape[1] % 32
    bits = torch.nn.functional.pad(bool_mask.to(torch.int64), (0, padding), value=1).view(bool_mask.shape[0], -1, 32)
    words = (bits << torch.arange(32, device=bool_mask.device)).sum(dim=2)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)


def bitmask_to_bool_mask(bit_mask: torch.Tensor, vocab_size: int | None = None) -> torch.Tensor:
    """Spread a bitmask into a bool per token."""
    if bit_mask.device.type != "cpu":
        raise ValueError("bit_mask should be on CPU.")
    if bit_mask.dtype != bitmask_dtype:
        raise ValueError("bit_mask should be of type torch.int32.")
    covered = bit_mask.shape[1] * 32
    if vocab_size is not None and vocab_size > covered:
        raise ValueError("vocab_size should be less than or equal to the size represented by bit_mask.")
    bits = bit_mask.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32) & 1
    return bits.flatten(1)[:, : covered if vocab_size is None else vocab_size].bool()


def _traverse_draft_tree(
    retrieve_next_token: torch.Tensor,
    retrieve_next_sibling: torch.Tensor,
    draft_tokens: torch.Tensor,
    matcher: GrammarMatcher,
    allocate_token_bitmask: torch.Tensor,
    time_threshold: float = -1.0,
) -> bool:
    return matcher.traverse_draft_tree(retrieve_next_token, retrieve_next_sibling, draft_tokens, allocate_token_bitmask, time_threshold)


def _is_rule_fsm_accept_string(grammar: Grammar, rule_id: int, input_str: str) -> NoReturn:  # noqa: ARG001
    raise _internals("_is_rule_fsm_accept_string")


def _get_allow_empty_rule_ids(compiled_grammar: CompiledGrammar) -> NoReturn:  # noqa: ARG001
    raise _internals("_get_allow_empty_rule_ids")


def _generate_range_regex(start: int | None = None, end: int | None = None) -> NoReturn:  # noqa: ARG001
    raise _internals("_generate_range_regex")


def _generate_float_regex(
    start: float | None = None,  # noqa: ARG001
    end: float | None = None,  # noqa: ARG001
    exclusive_start: bool = False,  # noqa: ARG001
    exclusive_end: bool = False,  # noqa: ARG001
) -> NoReturn:
    raise _internals("_generate_float_regex")


def _print_grammar_fsms(grammar: Grammar) -> NoReturn:  # noqa: ARG001
    raise _internals("_print_grammar_fsms")
