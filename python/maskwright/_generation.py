"""A transformers model with its tokenizer, for the command line and the demo.

Must not import: torch or transformers before a function is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright import CompiledGrammar, TokenizerInfo
from maskwright._streaming import Stream, stream

# The conversion of a GGUF file draws a progress bar whatever transformers is told. Read when tqdm is loaded, which torch does.
os.environ.setdefault("TQDM_DISABLE", "1")


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
    ) -> Stream:
        """Continue the prompt with the likeliest token each time, among those that the grammar allows.

        Args:
            prompt: what the user says.
            grammar: what the output must match; None: anything.
            max_tokens: where to cut the output off.
            on_text: called with each new piece of text.

        """
        out = stream(
            self.model,
            self.tokenizer_info,
            grammar,
            self.prompt_ids(prompt),
            max_new_tokens=max_tokens,
            # The model is asked for every token, so that the speeds can be compared.
            jump_forward=False,
        )
        for piece in out:
            on_text(piece.text)
        return out


def _union(*groups: int | list[int] | None) -> list[int]:
    ids: set[int] = set()
    for group in groups:
        ids.update([] if group is None else [group] if isinstance(group, int) else group)
    return sorted(ids)
