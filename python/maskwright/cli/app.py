"""The commands: ``generate``, ``check``, ``check-schema``, ``sample``. Glue between the arguments and the modules beside this one."""

from __future__ import annotations

import json
import random
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import maskwright
from maskwright import Enforcement, GrammarCompiler, MaskwrightError
from maskwright.cli.checking import check as find_mismatch
from maskwright.cli.grammars import Kind, compile_for_bytes, read_grammar, read_text
from maskwright.cli.sampling import sample as sample_text

if TYPE_CHECKING:
    from maskwright.cli.reporting import SchemaCheck

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_errors = Console(stderr=True, soft_wrap=True, highlight=False)

GrammarArgument = Annotated[str, typer.Argument(help="The grammar: a file, or the text itself.", metavar="GRAMMAR")]
KindOption = Annotated[Kind, typer.Option("--kind", help="What the grammar is written in; by its looks if left out.")]


def _fail(problem: object, code: int) -> typer.Exit:
    _errors.print(f"[red]error:[/red] {_plain(problem)}", markup=True)
    return typer.Exit(code)


def _plain(text: object) -> str:
    from rich.markup import escape

    return escape(str(text))


def _version(asked: bool) -> None:
    if asked:
        print(maskwright.__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Make text obey a grammar: a JSON Schema, EBNF, or a regular expression."""


@app.command()
def generate(
    model: Annotated[str, typer.Argument(help="A transformers model: folder, name, or GGUF file.", metavar="MODEL")],
    prompt: Annotated[str, typer.Option("--prompt", help="What to say to the model.")],
    json_schema: Annotated[str | None, typer.Option("--json-schema", help="A JSON Schema: file or text.")] = None,
    ebnf: Annotated[str | None, typer.Option("--ebnf", help="An EBNF grammar: file or text.")] = None,
    regex: Annotated[str | None, typer.Option("--regex", help="A regular expression: file or text.")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Where to cut the output off.")] = 256,
) -> None:
    """Let a model write, within a grammar if one is given; the output streams, the figures go to the standard error."""
    given = [(Kind.JSON_SCHEMA, json_schema), (Kind.EBNF, ebnf), (Kind.REGEX, regex)]
    chosen = [(kind, text) for kind, text in given if text is not None]
    if len(chosen) > 1:
        raise _fail("give one of --json-schema, --ebnf and --regex", 2)
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise _fail(f"{error}; generating needs the extra `transformers`: pip install 'maskwright[transformers]'", 2) from error
    from maskwright._generation import Model

    try:
        grammar = read_grammar(chosen[0][1], chosen[0][0]) if chosen else None
        with _errors.status("loading the model"):
            loaded = Model.load(model)
        compiled = None if grammar is None else GrammarCompiler(loaded.tokenizer_info).compile_grammar(grammar)
    except (MaskwrightError, OSError, UnicodeDecodeError) as error:
        raise _fail(error, 2) from error

    def show(piece: str) -> None:
        sys.stdout.write(piece)
        sys.stdout.flush()

    result = loaded.generate(prompt, compiled, max_tokens=max_tokens, on_text=show)
    print()
    end = "" if result.finished else f", cut off after {max_tokens} tokens"
    _errors.print(
        f"{len(result.token_ids)} tokens, {result.tokens_per_second:.1f} tokens/s, {result.engine_share:.2%} of the time in maskwright{end}"
    )
    if compiled is not None and not result.finished:
        raise typer.Exit(1)


@app.command()
def check(
    grammar: GrammarArgument,
    text: Annotated[str, typer.Argument(help="What to check: a file, the text itself, or - for the standard input.", metavar="TEXT")],
    kind: KindOption = Kind.AUTO,
) -> None:
    """Say whether a text matches a grammar, and if not, what is wrong where. The exit code is 0 if it does, else 1."""
    try:
        mismatch = find_mismatch(compile_for_bytes(read_grammar(grammar, kind)), read_text(text))
    except (MaskwrightError, OSError, UnicodeDecodeError) as error:
        raise _fail(error, 2) from error
    if mismatch is None:
        print("matches")
        return
    print(mismatch)
    raise typer.Exit(1)


@app.command("check-schema")
def check_schema(
    schema: Annotated[str, typer.Argument(help="The JSON Schema: a file, the text itself, or - for the standard input.", metavar="SCHEMA")],
    show_all: Annotated[bool, typer.Option("--all", help="List the keywords that are enforced exactly, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    any_order: Annotated[bool, typer.Option("--any-order", help="Allow keys in any order.")] = False,
    strict_mode: Annotated[bool, typer.Option("--strict", help="Close objects and arrays that do not say otherwise.")] = False,
    default_draft: Annotated[str | None, typer.Option("--default-draft", help="The draft of a schema without $schema.")] = None,
    assert_formats: Annotated[bool, typer.Option("--assert-formats/--no-assert-formats", help="Enforce `format`.")] = True,
) -> None:
    """Say how each keyword of a JSON Schema is enforced. The exit code is 0, or 1 if the schema is refused or nothing satisfies it."""
    from maskwright.cli.reporting import check_schema as find_report

    options = {"any_order": any_order, "strict_mode": strict_mode, "assert_formats": assert_formats, "default_draft": default_draft}
    try:
        found = find_report(read_text(schema).decode(), options)
    except (OSError, UnicodeDecodeError) as error:
        raise _fail(error, 2) from error
    if as_json:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    elif found.error is None:
        _print_report(found, show_all)
    else:
        _errors.print(f"[red]{'unsatisfiable' if found.unsatisfiable else 'refused'}:[/red] {_plain(found.error)}")
        for pointer in found.conflicts:
            _errors.print(f"  {_plain(pointer)}")
    if found.error is not None:
        raise typer.Exit(1)


def _print_report(found: SchemaCheck, show_all: bool) -> None:
    from rich.table import Table

    console = Console(highlight=False)
    console.print(", ".join(f"{count} {name}" for name, count in found.counts.items()))
    shown = [entry for entry in found.entries if show_all or entry.status is not Enforcement.EXACT]
    if not shown:
        return
    table = Table()
    for title in ("where", "keyword", "", "what is lost, or why"):
        table.add_column(title, overflow="fold")
    colours = {Enforcement.EXACT: "green", Enforcement.NARROWED: "yellow", Enforcement.ANNOTATION: "dim"}
    for entry in shown:
        where = entry.pointer or "(the whole)"
        status = f"[{colours[entry.status]}]{entry.status}[/]"
        table.add_row(_plain(where), _plain(entry.keyword), status, _plain(entry.detail))
    console.print(table)


@app.command()
def sample(
    grammar: GrammarArgument,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many texts.")] = 5,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed gives the same texts.")] = None,
    kind: KindOption = Kind.AUTO,
) -> None:
    """Print random texts of a grammar, one after the other. No model is needed."""
    rng = random.Random(seed)
    try:
        compiled = compile_for_bytes(read_grammar(grammar, kind))
        for _ in range(count):
            text = sample_text(compiled, rng)
            if text is None:
                raise _fail("no text with an end within reach was found", 1)
            sys.stdout.buffer.write(text + b"\n")
            sys.stdout.buffer.flush()
    except (MaskwrightError, OSError, UnicodeDecodeError) as error:
        raise _fail(error, 2) from error
