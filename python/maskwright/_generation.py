"""A plain decoding loop around a transformers model, for the command line and the demo: it streams, and keeps the time.

Invariant: what is measured as the engine's time is everything that would not be there without constraints.
Must not import: torch or transformers before a function is called.
"""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskwright import CompiledGrammar, GrammarMatcher, TokenizerInfo, allocate_token_bitmask
from maskwright._model_cache import cache_name

# The conversion of a GGUF file draws a progress bar whatever transformers is told. Read when tqdm is loaded, which torch does.
os.environ.setdefault("TQDM_DISABLE", "1")


@dataclass
class Generation:
    """One output and what it cost."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    #: False when the output was cut off by the number of tokens.
    finished: bool = False
    #: From the first forward pass to the last token.
    seconds: float = 0.0
    #: Of those, the reading of the prompt: not part of the speed per token.
    prompt_seconds: float = 0.0
    #: Of those, filling and applying masks and accepting tokens.
    engine_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second after the prompt was read."""
        rest = self.seconds - self.prompt_seconds
        return (len(self.token_ids) - 1) / rest if rest > 0 and len(self.token_ids) > 1 else 0.0

    @property
    def engine_share(self) -> float:
        """The part of the time per token that constraining took."""
        rest = self.seconds - self.prompt_seconds
        return self.engine_seconds / rest if rest > 0 else 0.0


@dataclass
class Model:
    """A language model with its tokenizer."""

    model: Any
    tokenizer: Any
    tokenizer_info: TokenizerInfo

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Load a transformers model: a folder, a name, or a GGUF file."""
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        file = Path(path)
        where, options = (str(file.parent), {"gguf_file": file.name}) if file.suffix == ".gguf" else (str(path), {})
        tokenizer = transformers.AutoTokenizer.from_pretrained(where, **options)
        model = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **options).eval()
        ends = model.generation_config.eos_token_id
        info = TokenizerInfo.from_huggingface(
            tokenizer,
            vocab_size=max(model.config.get_text_config().vocab_size, len(tokenizer)),
            stop_token_ids=ends if tokenizer.eos_token_id is None else _union(tokenizer.eos_token_id, ends),
        )
        return cls(model, tokenizer, info)

    def prompt_ids(self, prompt: str) -> Any:
        """The prompt as a tensor of token ids, as a message of a user if the model knows such."""
        if not getattr(self.tokenizer, "chat_template", None):
            return self.tokenizer(prompt, return_tensors="pt")["input_ids"]
        messages = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]

    def generate(
        self,
        prompt: str,
        grammar: CompiledGrammar | None = None,
        *,
        max_tokens: int,
        on_text: Callable[[str], None] = lambda _: None,
    ) -> Generation:
        """Continue the prompt with the likeliest token each time, among those that the grammar allows.

        Args:
            prompt: what the user says.
            grammar: what the output must match; None: anything.
            max_tokens: where to cut the output off.
            on_text: called with each new piece of text.

        """
        import torch

        from maskwright.torch import apply_token_bitmask_inplace

        matcher = None if grammar is None else GrammarMatcher(grammar)
        bitmask = torch.from_numpy(allocate_token_bitmask(1, self.tokenizer_info.vocab_size))
        never_text = set(self.tokenizer_info.special_token_ids) | set(self.tokenizer_info.stop_token_ids)
        stop = set(self.tokenizer_info.stop_token_ids)
        vocabulary = self.tokenizer_info.decoded_vocab
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        out = Generation()
        pieces: list[str] = []
        ids, cache, past = self.prompt_ids(prompt), cache_name(self.model), None
        begin = time.perf_counter()
        with torch.inference_mode():
            while len(out.token_ids) < max_tokens:
                result = self.model(input_ids=ids, use_cache=True, **{cache: past})
                past, logits = result[cache], result.logits[:, -1]
                if not out.token_ids:
                    out.prompt_seconds = time.perf_counter() - begin
                if matcher is not None:
                    start = time.perf_counter()
                    if matcher.fill_next_token_bitmask(bitmask):
                        apply_token_bitmask_inplace(logits, bitmask)
                    out.engine_seconds += time.perf_counter() - start
                token = int(logits.argmax())
                if matcher is not None:
                    start = time.perf_counter()
                    if not matcher.accept_token(token):
                        raise RuntimeError(f"the mask allowed token {token}, but the matcher refuses it")
                    out.engine_seconds += time.perf_counter() - start
                out.token_ids.append(token)
                if token in stop:
                    out.finished = True
                    break
                if token not in never_text:
                    pieces.append(decoder.decode(vocabulary[token]))
                    on_text(pieces[-1])
                ids = torch.tensor([[token]])
        out.seconds = time.perf_counter() - begin
        out.text = "".join(pieces) + decoder.decode(b"", final=True)
        return out


def _union(*groups: int | list[int] | None) -> list[int]:
    ids: set[int] = set()
    for group in groups:
        ids.update([] if group is None else [group] if isinstance(group, int) else group)
    return sorted(ids)
