"""Cases that engines find hard, with texts that must be accepted to their end and texts that must not.

What is asked of all of them (`hard.py` says whether it is met): a warm mask costs no more than ten copies of one, a cold one 100 µs on
average and 1 ms at worst, compiling 2 ms.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

PROSE = (
    "The harbour was quiet when we came in, and the lamps along the quay had only just been lit. A man in a grey coat took our rope "
    "without a word, made it fast, and asked whether we had seen the other boat, which was three days late by then."
)
CODE = "def norm(xs):\n    return sum(x * x for x in xs) ** 0.5  # not <b>bold</b>, nor a < b\n"
HAN = "港口很安静，码头上的灯刚刚亮起。一个穿灰色外套的人接过我们的绳子，什么也没说，把它系牢，然后问我们有没有看见另一条船。"
MIXED = "Ein Übermaß an Wörtern, naïve café, Привет мир, 例え, 😀🎉, 한국어, ελληνικά. "


@dataclass(frozen=True)
class Case:
    """One grammar (`schema`, `ebnf` or `regex`) with its answers."""

    name: str
    kind: str
    source: str
    texts: tuple[str, ...]
    refused: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


def schema(name: str, source: Any, good: list[Any], bad: list[Any], **options: Any) -> Case:
    """A schema with instances."""
    write = lambda value: json.dumps(value, ensure_ascii=False)  # noqa: E731
    return Case(name, "schema", json.dumps(source), tuple(map(write, good)), tuple(map(write, bad)), options)


def filled(length: int, text: str = PROSE) -> str:
    """So many characters of a text, from its beginning again and again."""
    return (text * (length // len(text) + 1))[:length]


def words(count: int) -> list[str]:
    """The first words of a text."""
    return filled(12 * count).split()[:count]


def lengths() -> Iterator[Case]:
    """Bounds on lengths."""
    string = {"type": "string", "maxLength": 200}
    yield schema("maxLength 200, short text", string, [filled(60)], [filled(201)])
    yield schema("maxLength 200, to the limit", string, [filled(200), filled(199)], [filled(201), 3])
    yield schema("maxLength 200, characters of 2 to 4 bytes", string, [filled(200, HAN), filled(200, MIXED)], [filled(201, HAN)])
    yield schema("minLength 150, maxLength 200", string | {"minLength": 150}, [filled(150), filled(200, MIXED)], [filled(149), filled(201)])
    yield schema("maxLength 100000", string | {"maxLength": 100_000}, [filled(400)], [3])
    counted = {"type": "array", "maxItems": 30, "items": {"type": "array", "maxItems": 40, "items": {"type": "string", "maxLength": 20}}}
    yield schema("maxLength under maxItems under maxItems", counted, [[words(25), words(40), ["x" * 20] * 8]], [[["a"] * 41], [["x" * 21]]])
    code = {"type": "string", "maxLength": 40, "pattern": "^[a-z]+(-[a-z0-9]+)*-[0-9]{12}$"}
    yield schema(
        "maxLength 40 under a pattern that ends in 12 digits",
        code,
        ["harbour-lamps-1934-000000000012", "a" * 27 + "-" + "1" * 12],
        ["a" * 28 + "-" + "1" * 12, "harbour-12"],
    )
    sentence = {"type": "string", "maxLength": 200, "pattern": "^[A-Z][^\\n]*[.!?]$"}
    yield schema(
        "maxLength 200 under a pattern of a sentence", sentence, [filled(199) + ".", PROSE[:100] + "!"], [filled(200) + ".", "no."]
    )
    yield schema(
        "maxLength 64 under a format", {"type": "string", "format": "email", "maxLength": 64}, ["grace.hopper@navy.example.org"], ["grace"]
    )
    nested = "^([a-z]{3,40}-){2,30}[0-9]{4}$"
    yield Case(
        "a count in a count",
        "regex",
        nested,
        ("harbour-lamps-along-the-quay-1934", "abc-" * 30 + "1234"),
        ("ab-cd-1234", "abc-" * 31 + "1234"),
    )
    yield Case("an ambiguous count", "regex", "^(a|aa|ab|b){2,500}$", ("ab" * 150, "aabba" * 40), ("a", "abc"))


def patterns() -> Iterator[Case]:
    """Regular expressions, in schemas and alone."""
    line = "^[A-Za-z0-9 ,.]{1,500}$"
    yield schema("pattern of one class, 1 to 500", {"type": "string", "pattern": line}, [filled(500), PROSE], [filled(501), "a;b", ""])
    yield schema(
        "a search", {"type": "string", "pattern": "https?://[a-z]+\\.org"}, [PROSE + " http://harbour.org/ " + PROSE], ["http://", PROSE]
    )
    zones = "|".join(
        f"{region}{number}-az{zone}" for region in ("afs", "ape", "euc", "sae", "usw") for number in range(1, 6) for zone in range(1, 5)
    )
    yield schema(
        "a search for one of 100 names", {"type": "string", "pattern": f"({zones})"}, ["in usw2-az3 or euc1-az4"], ["usw9-az1", ""]
    )
    parts = [{"pattern": "[0-9]{3}"}, {"pattern": "[A-Z]"}, {"not": {"pattern": "[<>]"}}, {"maxLength": 120}]
    both = {"type": "string", "allOf": parts}
    yield schema("patterns together and one denied", both, [filled(100) + " 1234"], [filled(100), "A<100"])
    several = {"type": "string", "pattern": "^(?:\\S+\\s+){0,19}\\S+$", "maxLength": 200}
    yield schema(
        "a sentence of 20 words, maxLength 200", several, ["Lamps along the quay,\u00a0lit at dusk."], ["a " * 20 + "b", " a", "a" * 201]
    )
    path = {"type": "string", "pattern": "^(/[^/]+)+$", "minLength": 3, "maxLength": 200}
    yield schema("a path, 3 to 200", path, ["/srv/harbour/lamps/1934.txt", "/日誌/été"], ["/a", "srv/", "/srv//lamps", "/" + "a" * 200])
    digest = {"type": "string", "pattern": "[A-Fa-f0-9]{64}"}
    yield schema("a search for 64 digits", digest, ["sha256:" + "0123456789abcdef" * 4], ["0123456789abcdef" * 3])
    beside = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "patternProperties": {"^is[\\w\\s-]+$": {"type": "boolean"}},
        "additionalProperties": False,
    }
    yield schema("names beside a pattern of keys", beside, [{"name": "Ada", "is tall": True}], [{"is tall": 1}, {"a;b": True}])
    atom, label = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+", "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
    address = rf"^(?:{atom}(?:\.{atom})*)@(?:{label}\.)+{label}$"
    yield Case("addresses by pattern", "regex", address, ("grace.m.hopper@navy.example.org",), ("grace@", "@navy.org"))
    letters = r"^[\p{L}\p{M}\p{N} ,.'’-]{1,80}$"
    yield schema(
        "letters of any script, 1 to 80",
        {"type": "string", "pattern": letters},
        ["Ein Übermaß an Wörtern, naïve café, Привет мир, 例え"],
        ["a;b"],
    )
    separated = {"type": "string", "pattern": r"^[\p{L}\p{Z}\p{N}_.:/%&#=+@-]{1,200}$"}
    yield schema("letters and spaces of any script, 1 to 200", separated, ["Größe:\u00a05 / Привет мир"], ["a;b", "a\ufeffb"])


def free_text() -> Iterator[Case]:
    """Anything, until a tag."""
    text = PROSE + "\n" + CODE + MIXED
    one = r"(?:(?!</think>)[\s\S])*</think>"
    yield Case("free text until a tag", "regex", one, (text + "</think>",), (text, "a</think>b</think>"))
    names = [
        f"{verb}_{noun}"
        for verb in ("get", "set", "find", "list", "drop")
        for noun in ("weather", "user", "file", "page", "mail", "time", "task", "note")
    ]
    tags = "|".join(f"<{name}>" for name in names)
    many = rf"(?:(?!{tags})[\s\S])*(?:{tags})"
    yield Case(
        "free text until one of 40 tags",
        "regex",
        many,
        (text + "<find_user>", "<" + text + "<gets><set_page>"),
        (text, "a<get_user>b<get_user>"),
    )
    call = json.dumps(json.dumps({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}))
    grammar = f'root ::= (regex({json.dumps(many)}) json_schema({call}) "\\n")*'
    yield Case(
        "free text, then a tag and JSON, again and again",
        "ebnf",
        grammar,
        ((text + '<get_user>{"city": "Oslo"}\n') * 2,),
        (text + "<get_user>{}\n",),
    )
    comment = 'root ::= "/*" regex("(?:(?!\\\\*/)[\\\\s\\\\S])*") "*/"'
    yield Case("a comment", "ebnf", comment, ("/* " + text + " **/",), ("/* " + text,))


def objects() -> Iterator[Case]:
    """Objects with many keys."""
    names = [
        f"{a}_{b}_{i}"
        for i in range(10)
        for a in ("first", "last", "total", "mean", "max", "user")
        for b in ("name", "value", "count", "time", "rate")
    ]
    assert len(names) == 300
    kinds = ({"type": "string"}, {"type": "integer"}, {"type": "boolean"})
    declared = {
        "type": "object",
        "properties": {name: kinds[i % 3] for i, name in enumerate(names)},
        "additionalProperties": {"type": "string"},
    }
    good = {names[0]: "a", names[4]: 12, "remark of nobody": PROSE, "zeta": "b"}
    yield schema("300 properties and any other", declared, [good, {"unknown": PROSE}], [{names[1]: "a"}, {"other": 3}])
    yield schema("300 properties and any other, any order", declared, [{"zeta": "b", **good}], [{names[1]: "a"}], any_order=True)
    yield schema(
        "300 required properties",
        declared | {"required": names, "additionalProperties": False},
        [{n: ("a", 1, True)[i % 3] for i, n in enumerate(names)}],
        [good],
    )
    keys = [
        f"{a}{b}.{c}-{i}"
        for i in range(12)
        for a in ("alpha", "beta", "gamma", "delta", "eta")
        for b in "ABCDEFGHIJ"
        for c in ("x", "yy", "zzz", "id", "key", "map", "set", "list", "type", "name", "no", "w")
    ]
    assert len(set(keys)) == 7200
    closed = {"type": "object", "properties": dict.fromkeys(keys, True), "additionalProperties": False}
    yield schema(
        "a closed object of 7,200 keys", closed, [{keys[0]: 1, keys[17]: [], keys[7000]: None}], [{"alpha": 1}, {keys[0] + "0": 1}]
    )
    yield schema(
        "a closed object of 7,200 keys, any order", closed, [{keys[7000]: None, keys[0]: 1, keys[17]: []}], [{"alpha": 1}], any_order=True
    )
    matched = {
        "type": "object",
        "patternProperties": {"^[a-z_]{1,20}$": {"type": "integer"}, "^x-": True},
        "additionalProperties": False,
        "maxProperties": 20,
    }
    yield schema("keys by pattern", matched, [{"first_name": 1, "x-remark": "a", "n": 2}], [{"First": 1}, {"a": "b"}])
    dependent = {f"k{i}": {"required": [f"k{i + 1}"]} for i in range(0, 40, 2)}
    chained = {"type": "object", "properties": {f"k{i}": {"type": "integer"} for i in range(41)}, "dependentSchemas": dependent}
    yield schema("20 dependent schemas", chained, [{f"k{i}": i for i in range(6)}], [{"k0": 1}])
    parts = {
        "allOf": [{"properties": {f"p{i}_{j}": {"type": "integer"} for j in range(10)}} for i in range(20)],
        "type": "object",
        "unevaluatedProperties": False,
    }
    yield schema("unevaluatedProperties over 20 parts", parts, [{"p0_0": 1, "p3_4": 2, "p19_9": 3}], [{"q": 1}])
    variants = [
        {
            "type": "object",
            "properties": {"kind": {"const": f"kind{i}"}, f"v{i}": {"type": "integer"}},
            "required": ["kind", f"v{i}"],
            "additionalProperties": False,
        }
        for i in range(60)
    ]
    for word in ("anyOf", "oneOf"):
        yield schema(f"{word} of 60 objects", {word: variants}, [{"kind": "kind47", "v47": 3}], [{"kind": "kind47", "v46": 3}])


def values() -> Iterator[Case]:
    """Enumerations, numbers, arrays, depth."""
    choices = [
        f"{a} {b} {i}"
        for i in range(50)
        for a in ("north", "south", "east", "west", "upper")
        for b in (
            "harbour",
            "quay",
            "gate",
            "lamp",
            "rope",
            "boat",
            "tide",
            "bell",
            "mast",
            "deck",
            "sail",
            "oar",
            "net",
            "keel",
            "hull",
            "bow",
            "stern",
            "buoy",
            "fog",
            "chart",
        )
    ]
    assert len(choices) == 5000
    yield schema("enum of 5,000 strings", {"enum": choices}, [choices[0], choices[4321]], ["north", choices[0] + "0"])
    yield schema("an array of an enum of 5,000", {"type": "array", "items": {"enum": choices}}, [choices[40:60]], [["north"]])
    yield schema("enum of 3,000 numbers", {"enum": [7 * i * i for i in range(3000)]}, [7 * 1234 * 1234, 0], [6, 7 * 1234 * 1234 + 1])
    yield schema(
        "enum of 500 objects",
        {"enum": [{"id": i, "tag": f"t{i % 7}"} for i in range(500)]},
        [{"id": 123, "tag": "t4"}],
        [{"id": 123, "tag": "t5"}],
    )
    mixed = {"type": "string", "not": {"enum": choices[:1000]}}
    yield schema("none of 1,000 strings", mixed, [PROSE, choices[1] + "x"], [choices[1]])
    bounded = {"type": "array", "items": {"type": "integer", "minimum": -1000, "maximum": 12345}, "minItems": 20, "maxItems": 5000}
    yield schema("20 to 5,000 bounded integers", bounded, [[i * 37 % 12345 - 1000 for i in range(60)]], [[1], [12346] * 20])
    exact = {"type": "array", "items": {"type": "string"}, "minItems": 100, "maxItems": 100}
    yield schema("100 items exactly", exact, [words(100)], [["a"] * 99, ["a"] * 101])
    multiple = {"type": "number", "multipleOf": 0.01, "minimum": 0.5, "maximum": 99_999_999.99}
    yield schema("multipleOf 0.01 within bounds", {"type": "array", "items": multiple}, [[0.5, 12.34, 99999999.99, 7]], [[0.499], [1.005]])
    yield schema("multipleOf 1000000007", {"type": "integer", "multipleOf": 1_000_000_007}, [1_000_000_007 * 12345], [1_000_000_006])
    yield schema(
        "no item twice", {"type": "array", "uniqueItems": True, "items": {"type": "string"}}, [sorted(set(words(40)))], [["a", "b", "a"]]
    )
    fields = {
        "name": {"type": "string"},
        "kind": {"enum": ["north", "south", "east", "west"]},
        "size": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    }
    thing = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    kinds = fields["kind"]["enum"]
    things = [{"name": f"item {i}", "kind": kinds[i % 4], "size": 3 * i, "tags": [f"t{i % 5}", "x"]} for i in range(30)]
    alike = [{"name": "the same name", "kind": "north", "size": 7, "tags": ["t", f"u{i}"]} for i in range(30)]
    turned = dict(reversed(list(things[3].items())))
    different = {"type": "array", "uniqueItems": True, "items": thing}
    yield schema("no object twice, 30 of four members", different, [things], [[*things, things[3]], [things[3], turned]])
    yield schema("no object twice, all alike but for the end", different, [alike], [[*alike, alike[3]]])
    deep: Any = PROSE
    for _ in range(200):
        deep = {"a": [deep]}
    yield schema("any JSON, 400 deep", True, [deep], [])
    yield Case("any JSON, not JSON", "schema", "true", ('{"a": [1.5e3, "x", {}, []]}',), ("{a: 1}", "[1,]"))
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
                "required": ["name"],
                "additionalProperties": False,
            }
        },
    }
    node: Any = {"name": "leaf"}
    for i in range(60):
        node = {"name": f"n{i}", "children": [{"name": "side"}, node]}
    yield schema("a tree, 60 deep", tree, [node], [{"children": []}])
    pretty = json.dumps({"rows": [{"id": i, "names": words(3)} for i in range(6)]}, indent=4)
    rows = {
        "type": "array",
        "items": {"type": "object", "properties": {"id": {"type": "integer"}, "names": {"type": "array", "items": {"type": "string"}}}},
    }
    yield Case(
        "pretty-printed", "schema", json.dumps({"type": "object", "properties": {"rows": rows}}), (pretty,), ('{"rows": [{"id": "a"}]}',)
    )


def formats() -> Iterator[Case]:
    """Every format, over the strings of the tests' data."""
    for item in tomllib.loads((ROOT / "tests" / "data" / "formats.toml").read_text())["format"]:
        # The longest touch the most.
        good = sorted(item["valid"], key=len)[-12:]
        bad = [[text] for text in item.get("invalid", [])[:3]]
        yield schema(f"format {item['name']}", {"type": "array", "items": {"type": "string", "format": item["name"]}}, [good], bad)


def grammars() -> Iterator[Case]:
    """The grammars of the race."""
    refused = {"arithmetic": "1 +", "json": '{"a" 1}', "markup": "<a><b></a>x", "program": "int f( {}", "query": "SELECT FROM;"}
    for path in sorted((ROOT / "benches" / "data" / "grammars").glob("*.ebnf")):
        yield Case(f"grammar {path.stem}", "ebnf", path.read_text(), (path.with_suffix(".txt").read_text(),), (refused[path.stem],))
    counted = 'root ::= "{" key ": " body{1,40} "}"\nkey ::= [a-zA-Z0-9 ,.]{1,500}\nbody ::= "<" [^<>]{3,200} ">"\n'
    body = "{" + filled(300).replace("\n", " ") + ": " + f"<{filled(190)}>" * 3 + "}"
    yield Case("grammar with counts", "ebnf", counted, (body,), ("{a: <b>}", "{: <abc>}"))
    ambiguous = 'root ::= e\ne ::= e "+" e | e e | "a" | "(" e ")"\n'
    yield Case("an ambiguous grammar", "ebnf", ambiguous, ("a+(aa+a)aa+a" * 6,), ("a+", "a)"))


GROUPS = {
    "lengths": lengths,
    "patterns": patterns,
    "free text": free_text,
    "objects": objects,
    "values": values,
    "formats": formats,
    "grammars": grammars,
}


def cases() -> Iterator[tuple[str, Case]]:
    """Every case with the name of its group."""
    for group, make in GROUPS.items():
        for case in make():
            yield group, case
