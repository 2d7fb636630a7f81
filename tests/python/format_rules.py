r"""What a string of each format must be: one function per format, written from the standards and sharing nothing with the automata of the engine.

Each returns whether the string is valid by the clause named in it. `LOST` says of the formats that the engine narrows which valid strings it may
refuse (more than it does refuse, in few words): neither verdict on those is a fault.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import ipaddress
import unicodedata
from collections.abc import Callable

import regex

_DIGITS = "0123456789"
_HEX = _DIGITS + "abcdefABCDEF"
_ALPHA = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _number(text: str, length: int, low: int, high: int) -> int | None:
    """The value of exactly `length` ASCII digits, if it is in the range."""
    if len(text) != length or not all(c in _DIGITS for c in text):
        return None
    return int(text) if low <= int(text) <= high else None


# RFC 3339, section 5.6, with the days that exist (5.7).


def date(text: str) -> bool:
    """RFC 3339, `full-date`; February has 29 days in leap years, of the Gregorian rule from 0000 on."""
    return _day(text) is not None


def _day(text: str) -> tuple[int, int, int] | None:
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        return None
    year, month = _number(text[:4], 4, 0, 9999), _number(text[5:7], 2, 1, 12)
    if year is None or month is None:
        return None
    days = 29 if month == 2 and calendar.isleap(year) else [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    day = _number(text[8:], 2, 1, days)
    return None if day is None else (month, day, days)


def _clock(text: str) -> tuple[bool, int] | None:
    """Is the second of a `full-time` 60, and the minute of the day in UTC (negative: of the day before)?"""
    if text[2:3] != ":" or text[5:6] != ":":
        return None
    hour, minute, second = _number(text[:2], 2, 0, 23), _number(text[3:5], 2, 0, 59), _number(text[6:8], 2, 0, 60)
    if hour is None or minute is None or second is None:
        return None
    rest = text[8:]
    if rest.startswith("."):
        digits = len(rest[1:]) - len(rest[1:].lstrip(_DIGITS))
        if not digits:
            return None
        rest = rest[1 + digits :]
    offset = 0
    if rest not in ("Z", "z"):
        if len(rest) != 6 or rest[0] not in "+-" or rest[3] != ":":
            return None
        hours, minutes = _number(rest[1:3], 2, 0, 23), _number(rest[4:], 2, 0, 59)
        if hours is None or minutes is None:
            return None
        offset = (hours * 60 + minutes) * (1 if rest[0] == "+" else -1)
    return second == 60, hour * 60 + minute - offset


def time(text: str) -> bool:
    """RFC 3339, `full-time`; a second 60 is inserted at 23:59 UTC only (appendix D)."""
    clock = _clock(text)
    return clock is not None and (not clock[0] or clock[1] % 1440 == 1439)


def date_time(text: str) -> bool:
    """RFC 3339, `date-time`; leap seconds are at the end of June or December UTC (section 5.7, "June 30 or December 31")."""
    day, clock = _day(text[:10]), _clock(text[11:])
    if day is None or clock is None or text[10] not in "Tt":
        return False
    leap, minute = clock
    if not leap:
        return True
    (month, of_month, days), before = day, minute // 1440
    # The day in UTC: this one, the one before, or the one after.
    last = before == 0 and of_month == days and month in (6, 12)
    last = last or (before == -1 and of_month == 1 and month in (1, 7))
    last = last or (before == 1 and of_month == days - 1 and month in (6, 12))
    return last and minute % 1440 == 1439


def duration(text: str) -> bool:
    """RFC 3339, appendix A: units in order, none left out between two, weeks alone."""
    if not text.startswith("P"):
        return False
    days, has_time, clock = text[1:].partition("T")
    if has_time and not clock:
        return False
    if not has_time and days.endswith("W"):
        return len(days) > 1 and all(c in _DIGITS for c in days[:-1])
    return bool(days or clock) and _units(days, "YMD") and _units(clock, "HMS")


def _units(text: str, units: str) -> bool:
    found, number = "", ""
    for c in text:
        if c in _DIGITS:
            number += c
        elif c in units and number:
            found, number = found + c, ""
        else:
            return False
    return not number and found in units


# Names and addresses of hosts.


def ipv4(text: str) -> bool:
    """RFC 2673, section 3.2, with the decimals of RFC 6943, section 3.1.1: no leading zeros."""
    parts = text.split(".")
    decimal = [part for part in parts if part and len(part) <= 3 and all(c in _DIGITS for c in part) and str(int(part)) == part and int(part) < 256]
    return len(parts) == len(decimal) == 4


def ipv6(text: str) -> bool:
    """RFC 4291, section 2.2; a zone (RFC 4007) is no part of it."""
    if not all(c in _HEX + ":." for c in text) or ("." in text and not ipv4(text.rpartition(":")[2])):
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def hostname(text: str) -> bool:
    """RFC 1123, section 2.1, sizes of RFC 1034, section 3.1; what begins with `xn--` must be an A-label (RFC 5890, section 2.3.2.1)."""
    labels = text.split(".")
    return len(text) <= 253 and all(_ldh(label) and (label[:4].lower() != "xn--" or _is_a_label(label)) for label in labels)


def _ldh(label: str) -> bool:
    inside = all(c in _ALPHA + _DIGITS + "-" for c in label)
    return 1 <= len(label) <= 63 and inside and label[0] != "-" != label[-1]


def _is_a_label(label: str) -> bool:
    try:
        decoded = label[4:].lower().encode("ascii").decode("punycode")
        return not decoded.isascii() and _is_u_label(decoded) and decoded.encode("punycode").decode() == label[4:].lower()
    except (UnicodeError, OverflowError, ValueError):
        return False


def idn_hostname(text: str) -> bool:
    """RFC 5890, section 2.3.2.3: labels are A-labels, NR-LDH labels or U-labels, no longer than A-labels may be; dots of RFC 3490, section 3.1."""
    labels, ascii_labels = regex.split("[.\u3002\uff0e\uff61]", text), []
    for label in labels:
        if label.isascii():
            if not _ldh(label) or (label[2:4] == "--" and not (label[:4].lower() == "xn--" and _is_a_label(label))):
                return False
            ascii_labels.append(label)
        else:
            if not _is_u_label(label):
                return False
            ascii_labels.append("xn--" + label.encode("punycode").decode())
    if any(len(label) > 63 for label in ascii_labels) or len(".".join(ascii_labels)) > 253:
        return False
    # RFC 5893, section 2: in a domain name with a right-to-left label every label obeys the rule.
    decoded = [label[4:].encode().decode("punycode") if label[:4].lower() == "xn--" else label for label in ascii_labels]
    right_to_left = any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for label in decoded for c in label)
    return not right_to_left or all(map(_obeys_bidi_rule, decoded))


#: RFC 5892, section 2.6.
_PVALID = "\u00df\u03c2\u06fd\u06fe\u0f0b\u3007"
_CONTEXT = "\u00b7\u0375\u05f3\u05f4\u30fb"
_DISALLOWED = "\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b"
_UNASSIGNED_HERE = regex.compile(r"\p{Cn}")
_IGNORABLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Noncharacter_Code_Point}]")
#: RFC 5892, section 2.4: combining marks for symbols, ancient Greek musical notation, musical symbols.
_IGNORABLE_BLOCKS = regex.compile("[\u20d0-\u20ff\U0001d100-\U0001d1ff\U0001d200-\U0001d24f]")
#: RFC 5892, section 2.9.
_OLD_HANGUL = regex.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")


def _is_u_label(label: str) -> bool:
    """RFC 5891, section 4.2: normal form C, hyphens (4.2.3.1), no mark in front (4.2.3.2), characters of RFC 5892 in their contexts."""
    if not label or label != unicodedata.normalize("NFC", label) or label[2:4] == "--" or label[0] == "-" or label[-1] == "-":
        return False
    if unicodedata.category(label[0]).startswith("M"):
        return False
    return all(_may_stand(label, at) for at in range(len(label)))


def _may_stand(label: str, at: int) -> bool:
    c = label[at]
    if c in _PVALID:
        return True
    if c in _CONTEXT or c in "\u200c\u200d" or 0x660 <= ord(c) <= 0x669 or 0x6F0 <= ord(c) <= 0x6F9:
        return _in_context(label, at)
    if c in _DISALLOWED or _UNASSIGNED_HERE.match(c):
        return False
    if c.isascii():
        return c in "-" + _DIGITS + _ALPHA.lower()
    if _IGNORABLE.match(c) or _IGNORABLE_BLOCKS.match(c) or _OLD_HANGUL.match(c):
        return False
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", c).casefold())
    return folded == c and unicodedata.category(c) in ("Ll", "Lu", "Lo", "Nd", "Lm", "Mn", "Mc")


def _in_context(label: str, at: int) -> bool:
    """RFC 5892, appendix A."""
    c, before, after = label[at], label[at - 1] if at else "", label[at + 1 : at + 2]
    if c in "\u200c\u200d":
        if before and unicodedata.combining(before) == 9:
            return True
        joined = regex.search(r"[\p{Joining_Type=L}\p{Joining_Type=D}]\p{Joining_Type=T}*$", label[:at])
        joins = regex.match(r"\p{Joining_Type=T}*[\p{Joining_Type=R}\p{Joining_Type=D}]", label[at + 1 :])
        return c == "\u200c" and bool(joined and joins)
    if c == "\u00b7":
        return before == after == "l"
    if c == "\u0375":
        return bool(regex.match(r"\p{Script=Greek}", after))
    if c in "\u05f3\u05f4":
        return bool(regex.match(r"\p{Script=Hebrew}", before))
    if c == "\u30fb":
        return bool(regex.search(r"[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]", label))
    # Arabic-Indic digits do not mix with the extended ones.
    return not regex.search("[\u06f0-\u06f9]" if ord(c) < 0x6F0 else "[\u0660-\u0669]", label)


def _obeys_bidi_rule(label: str) -> bool:
    """RFC 5893, section 2."""
    kinds = [unicodedata.bidirectional(c) for c in label]
    ends = [kind for kind in kinds if kind != "NSM"]
    if kinds[0] in ("R", "AL"):
        allowed = {"R", "AL", "AN", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"}
        return set(kinds) <= allowed and ends[-1] in ("R", "AL", "EN", "AN") and not {"EN", "AN"} <= set(kinds)
    allowed = {"L", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"}
    return kinds[0] == "L" and set(kinds) <= allowed and ends[-1] in ("L", "EN")


# Mail: RFC 5321, section 4.1.2, and RFC 6531, section 3.3.


def email(text: str) -> bool:
    """RFC 5321, `Mailbox`; the local part has 64 octets at most (4.5.3.1.1)."""
    return text.isascii() and _mailbox(text, lambda domain: all(map(_ldh, domain.split("."))) and len(domain) <= 255)


def idn_email(text: str) -> bool:
    """RFC 6531: the same with `UTF8-non-ascii` in the local part and U-labels in the domain."""
    return _mailbox(text, lambda domain: idn_hostname(domain) and not regex.search("[\u3002\uff0e\uff61]", domain))


def _mailbox(text: str, is_domain: Callable[[str], bool]) -> bool:
    local, at, domain = text.rpartition("@")
    if not at or not 1 <= len(local.encode()) <= 64:
        return False
    if domain.startswith("["):
        address = domain[1:-1]
        if not domain.endswith("]") or not (_mail_ipv6(address[5:]) if address[:5].lower() == "ipv6:" else _any_ipv4(address)):
            return False
    elif not is_domain(domain):
        return False
    if local.startswith('"'):
        return bool(regex.fullmatch(r'"(?:[ !#-\[\]-~]|[^\x00-\x7f]|\\[ -~])*"', local))
    return all(atom and all(c in _ALPHA + _DIGITS + "!#$%&'*+-/=?^_`{|}~" or not c.isascii() for c in atom) for atom in local.split("."))


def _any_ipv4(text: str) -> bool:
    """RFC 5321, section 4.1.3, `IPv4-address-literal`: `Snum` may have leading zeros."""
    parts = text.split(".")
    return len(parts) == 4 and all(1 <= len(part) <= 3 and all(c in _DIGITS for c in part) and int(part) < 256 for part in parts)


def _mail_ipv6(text: str) -> bool:
    """RFC 5321, section 4.1.3, `IPv6-addr`: `::` stands for two groups or more; the decimals in it may have leading zeros."""
    groups, _, decimals = text.rpartition(":")
    if "." in decimals:
        text = f"{groups}:0:0" if _any_ipv4(decimals) else ""
    return ipv6(text) and ("::" not in text or sum(map(bool, text.split(":"))) <= 6)


# Identifiers of resources.


def _ranges(text: str) -> Callable[[str], bool]:
    bounds = [[int(end, 16) for end in part.split("-")] for part in text.split()]
    return lambda c: any(low <= ord(c) <= high for low, high in bounds)


#: RFC 3987, section 2.2.
_is_ucschar = _ranges(
    "a0-d7ff f900-fdcf fdf0-ffef 10000-1fffd 20000-2fffd 30000-3fffd 40000-4fffd 50000-5fffd 60000-6fffd 70000-7fffd 80000-8fffd 90000-9fffd"
    " a0000-afffd b0000-bfffd c0000-cfffd d0000-dfffd e1000-efffd"
)
_is_private = _ranges("e000-f8ff f0000-ffffd 100000-10fffd")


def _made_of(text: str, more: str, international: bool, private: bool = False) -> bool:
    """Only `unreserved`, `pct-encoded`, `sub-delims` and the characters of `more`."""
    at = 0
    while at < len(text):
        c = text[at]
        if c == "%":
            if len(text) < at + 3 or not all(digit in _HEX for digit in text[at + 1 : at + 3]):
                return False
            at += 2
        elif c not in _ALPHA + _DIGITS + "-._~!$&'()*+,;=" + more and not (international and _is_ucschar(c)) and not (private and _is_private(c)):
            return False
        at += 1
    return True


def _is_reference(text: str, international: bool) -> tuple[bool, bool]:
    """Taken apart as RFC 3986, appendix B, does it: is it a reference, and has it a scheme?"""
    rest, _, fragment = text.partition("#")
    rest, _, query = rest.partition("?")
    head, slash, _ = rest.partition("/")
    scheme, colon, _ = head.partition(":")
    has_scheme = bool(colon)
    if has_scheme:
        if not scheme or scheme[0] not in _ALPHA or not all(c in _ALPHA + _DIGITS + "+-." for c in scheme):
            return False, False
        rest = rest[len(scheme) + 1 :]
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if not _is_authority(authority, international):
            return False, False
        rest = slash + path
    fits = _made_of(rest, ":@/", international) and _made_of(query, ":@/?", international, private=international)
    return fits and _made_of(fragment, ":@/?", international), has_scheme


def _is_authority(text: str, international: bool) -> bool:
    user, at, rest = text.rpartition("@")
    if at and not _made_of(user, ":", international):
        return False
    if rest.startswith("["):
        address, bracket, rest = rest[1:].partition("]")
        version, dot, future = address[1:].partition(".")
        is_future = address[:1] in ("v", "V") and bool(version and dot and future) and all(c in _HEX for c in version)
        is_future = is_future and "%" not in future and _made_of(future, ":", international=False)
        port = rest[1:] if rest.startswith(":") else None
        return bool(bracket) and (is_future or ipv6(address)) and (not rest or (port is not None and all(c in _DIGITS for c in port)))
    name, _, port = rest.partition(":")
    return _made_of(name, "", international) and all(c in _DIGITS for c in port)


def uri(text: str) -> bool:
    """RFC 3986, `URI`."""
    return _is_reference(text, international=False) == (True, True)


def uri_reference(text: str) -> bool:
    """RFC 3986, `URI-reference`."""
    return _is_reference(text, international=False)[0]


def iri(text: str) -> bool:
    """RFC 3987, `IRI`."""
    return _is_reference(text, international=True) == (True, True)


def iri_reference(text: str) -> bool:
    """RFC 3987, `IRI-reference`."""
    return _is_reference(text, international=True)[0]


def uri_template(text: str) -> bool:
    """RFC 6570, section 2, with erratum 6937 (apostrophes); the operators kept for extensions (2.2) have no meaning yet."""
    at = 0
    while at < len(text):
        c = text[at]
        if c == "{":
            end = text.find("}", at)
            if end < 0 or not _is_expression(text[at + 1 : end]):
                return False
            at = end
        elif c == "%":
            if not _is_percent(text[at : at + 3]):
                return False
            at += 2
        elif ord(c) <= 0x20 or c in '"<>\\^`{|}\x7f' or (ord(c) > 0x7F and not _is_ucschar(c) and not _is_private(c)):
            return False
        at += 1
    return True


def _is_percent(text: str) -> bool:
    return len(text) == 3 and text[0] == "%" and all(c in _HEX for c in text[1:])


def _is_expression(text: str) -> bool:
    for variable in (text[1:] if text[:1] in tuple("+#./;?&") else text).split(","):
        name, colon, length = variable.partition(":")
        if colon and not (1 <= len(length) <= 4 and length[0] != "0" and all(c in _DIGITS for c in length)):
            return False
        if not colon:
            name = name.removesuffix("*")
        for part in name.split("."):
            plain = regex.sub("%[0-9A-Fa-f]{2}", "x", part)
            if not plain or not all(c in _ALPHA + _DIGITS + "_" for c in plain):
                return False
    return True


# Pointers.


def json_pointer(text: str) -> bool:
    """RFC 6901, section 3."""
    unescaped = text.replace("~0", "").replace("~1", "")
    return (not text or text[0] == "/") and "~" not in unescaped


def relative_json_pointer(text: str) -> bool:
    """draft-bhutton-relative-json-pointer-00, section 3."""
    digits = text[: len(text) - len(text.lstrip(_DIGITS))]
    rest = text[len(digits) :]
    if rest[:1] in ("+", "-"):
        shift = rest[1 : len(rest) - len(rest[1:].lstrip(_DIGITS))]
        if not shift or shift[0] == "0":
            return False
        rest = rest[1 + len(shift) :]
    return bool(digits) and (digits == "0" or digits[0] != "0") and (rest == "#" or json_pointer(rest))


# Others.


def uuid(text: str) -> bool:
    """RFC 4122, section 3."""
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12] and all(c in _HEX + "-" for c in text)


def base64_text(text: str) -> bool:
    """RFC 4648, section 4; no line breaks (3.1), padded (3.2)."""
    try:
        return len(text) % 4 == 0 and text.isascii() and base64.b64decode(text, validate=True) is not None
    except binascii.Error:
        return False


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: ECMA-262, tables 68 and 69.
_PROPERTIES = _listed(
    """
    ASCII AHex Any Alpha Alphabetic Bidi_C Bidi_M CI Case_Ignorable Cased CWCF CWCM CWKCF CWL CWT CWU Dash DI Dep Dia Ext Lower Lowercase
    ASCII_Hex_Digit Assigned Bidi_Control Bidi_Mirrored Changes_When_Casefolded Changes_When_Casemapped Changes_When_Lowercased
    Changes_When_NFKC_Casefolded Changes_When_Titlecased Changes_When_Uppercased Default_Ignorable_Code_Point Deprecated Diacritic
    Emoji EComp EMod EBase EPres ExtPict Emoji_Component Emoji_Modifier Emoji_Modifier_Base Emoji_Presentation Extended_Pictographic
    Extender Gr_Base Grapheme_Base Gr_Ext Grapheme_Extend Hex Hex_Digit IDSB IDS_Binary_Operator IDST IDS_Trinary_Operator IDC ID_Continue
    IDS ID_Start Ideo Ideographic Join_C Join_Control LOE Logical_Order_Exception Math NChar Noncharacter_Code_Point Pat_Syn
    Pattern_Syntax Pat_WS Pattern_White_Space QMark Quotation_Mark Radical RI Regional_Indicator STerm Sentence_Terminal SD Soft_Dotted
    Term Terminal_Punctuation UIdeo Unified_Ideograph Upper Uppercase VS Variation_Selector White_Space space XIDC XID_Continue XIDS XID_Start
    """
)
_CATEGORIES = _listed(
    """
    LC Cased_Letter Pe Close_Punctuation Pc Connector_Punctuation Cc Control cntrl Sc Currency_Symbol Pd Dash_Punctuation Nd Decimal_Number
    digit Me Enclosing_Mark Pf Final_Punctuation Cf Format Pi Initial_Punctuation L Letter Nl Letter_Number Zl Line_Separator Ll
    Lowercase_Letter M Mark Combining_Mark Sm Math_Symbol Lm Modifier_Letter Sk Modifier_Symbol Mn Nonspacing_Mark N Number Ps
    Open_Punctuation C Other Lo Other_Letter No Other_Number Po Other_Punctuation So Other_Symbol Zp Paragraph_Separator Co Private_Use P
    Punctuation punct Z Separator Zs Space_Separator Mc Spacing_Mark Cs Surrogate S Symbol Lt Titlecase_Letter Cn Unassigned Lu Uppercase_Letter
    """
)


def ecma_regex(text: str) -> bool:
    """ECMA-262, section 22.2.1, with the flag u (JSON Schema Core, 6.4)."""
    try:
        return _Pattern(text).is_whole()
    except _Malformed:
        return False


class _Malformed(Exception):
    pass


class _Pattern:
    """Reads a pattern by the grammar's rules, each a method."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.groups, self.names, self.referred, self.numbers = 0, set[str](), set[str](), [0]

    def is_whole(self) -> bool:
        self.disjunction()
        return self.at == len(self.text) and self.referred <= self.names and max(self.numbers) <= self.groups

    def take(self, wanted: str) -> bool:
        if self.text.startswith(wanted, self.at):
            self.at += len(wanted)
            return True
        return False

    def one(self, wanted: str) -> str:
        """One character of `wanted`, or nothing."""
        c = self.text[self.at : self.at + 1]
        if c and c in wanted:
            self.at += 1
            return c
        return ""

    def need(self, holds: object) -> None:
        if not holds:
            raise _Malformed

    def digits(self) -> str:
        begin = self.at
        while self.one(_DIGITS):
            pass
        return self.text[begin : self.at]

    def disjunction(self) -> None:
        while True:
            while self.at < len(self.text) and self.text[self.at] not in "|)":
                self.term()
            if not self.take("|"):
                return

    def term(self) -> None:
        c = self.text[self.at]
        if self.one("^$") or self.take("\\b") or self.take("\\B"):
            return
        self.need(c not in "*+?{}]")
        if c == "(":
            if any(map(self.take, ("(?=", "(?!", "(?<=", "(?<!"))):
                self.disjunction()
                self.need(self.take(")"))
                return
            self.group()
        elif c == "[":
            self.character_class()
        elif c == "\\":
            self.at += 1
            self.atom_escape()
        else:
            self.at += 1
        self.quantifier()

    def group(self) -> None:
        self.need(self.take("("))
        if not self.take("?:"):
            self.groups += 1
            if self.take("?"):
                name = self.group_name()
                self.need(name not in self.names)
                self.names.add(name)
        self.disjunction()
        self.need(self.take(")"))

    def group_name(self) -> str:
        self.need(self.take("<"))
        end = self.text.find(">", self.at)
        name = self.text[self.at : max(end, self.at)]
        self.need(end > self.at and regex.fullmatch(r"[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*", name))
        self.at = end + 1
        return name

    def quantifier(self) -> None:
        if not self.one("*+?"):
            if not self.take("{"):
                return
            low = self.digits()
            high = self.digits() if (comma := self.take(",")) else low
            self.need(low and self.take("}") and (not comma or not high or int(low) <= int(high)))
        self.one("?")

    def atom_escape(self) -> None:
        if self.take("k"):
            self.referred.add(self.group_name())
        elif self.text[self.at : self.at + 1] in tuple("123456789"):
            self.numbers.append(int(self.digits()))
        elif self.class_escape() is None:
            self.character_escape()

    def class_escape(self) -> str | None:
        """`\\d` and its kin; None: it is something else."""
        if c := self.one("dDsSwW"):
            return c
        if not self.one("pP"):
            return None
        self.need(self.take("{"))
        name, is_closed, _ = self.text[self.at :].partition("}")
        self.need(is_closed)
        self.at += len(name) + 1
        key, has_value, value = name.partition("=")
        if not has_value:
            self.need(key in _PROPERTIES or key in _CATEGORIES)
        elif key in ("General_Category", "gc"):
            self.need(value in _CATEGORIES)
        else:
            self.need(key in ("Script", "sc", "Script_Extensions", "scx") and regex.fullmatch("(?:[A-Z][a-z]+)(?:_[A-Za-z][a-z]*)*", value))
            try:
                regex.compile(rf"\p{{Script={value}}}")
            except regex.error:
                raise _Malformed from None
        return "p"

    def character_escape(self) -> int:
        """The character that an escape is."""
        if c := self.one("fnrtv"):
            return ord({"f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}[c])
        if self.take("c"):
            c = self.one(_ALPHA)
            self.need(c)
            return ord(c) % 32
        if self.take("0"):
            self.need(self.text[self.at : self.at + 1] not in tuple(_DIGITS))
            return 0
        if self.take("x"):
            return self.hexadecimal(2)
        if self.take("u{"):
            digits, is_closed, _ = self.text[self.at :].partition("}")
            self.need(digits and is_closed and all(c in _HEX for c in digits) and int(digits, 16) <= 0x10FFFF)
            self.at += len(digits) + 1
            return int(digits, 16)
        if self.take("u"):
            unit = self.hexadecimal(4)
            low = self.text[self.at : self.at + 6]
            if 0xD800 <= unit < 0xDC00 and regex.fullmatch(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}", low):
                self.at += 6
                return 0x10000 + ((unit - 0xD800) << 10) + (int(low[2:], 16) - 0xDC00)
            return unit
        c = self.one("^$\\.*+?()[]{}|/")
        self.need(c)
        return ord(c)

    def hexadecimal(self, count: int) -> int:
        digits = self.text[self.at : self.at + count]
        self.need(len(digits) == count and all(c in _HEX for c in digits))
        self.at += count
        return int(digits, 16)

    def character_class(self) -> None:
        self.need(self.take("["))
        self.take("^")
        while not self.take("]"):
            low = self.class_atom()
            if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.class_atom()
                self.need(low is not None and high is not None and low <= high)

    def class_atom(self) -> int | None:
        """A character; None: a class of several."""
        self.need(self.at < len(self.text))
        if not self.take("\\"):
            self.at += 1
            return ord(self.text[self.at - 1])
        if self.take("b"):
            return 8
        if self.take("-"):
            return ord("-")
        return None if self.class_escape() else self.character_escape()


#: The checker of each format.
CHECKERS: dict[str, Callable[[str], bool]] = {
    "date-time": date_time,
    "date": date,
    "time": time,
    "duration": duration,
    "email": email,
    "idn-email": idn_email,
    "hostname": hostname,
    "idn-hostname": idn_hostname,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "uri": uri,
    "uri-reference": uri_reference,
    "iri": iri,
    "iri-reference": iri_reference,
    "uri-template": uri_template,
    "json-pointer": json_pointer,
    "relative-json-pointer": relative_json_pointer,
    "regex": ecma_regex,
    "uuid": uuid,
}
#: The checker of each encoding of `contentEncoding`.
ENCODINGS: dict[str, Callable[[str], bool]] = {"base64": base64_text}


def _long_name(text: str) -> bool:
    return len(text.rpartition("@")[2]) > 120


#: Valid strings that the engine may refuse, by format and encoding: what the page of formats says, in coarser words.
LOST: dict[str, Callable[[str], bool]] = {
    "date-time": lambda text: ":60" in text,
    "time": lambda text: ":60" in text,
    "email": lambda text: _long_name(text) or "[" in text or '"' in text,
    "idn-email": lambda text: not text.isascii() or LOST["email"](text) or "xn--" in text.lower(),
    "hostname": lambda text: _long_name(text) or "xn--" in text.lower(),
    "idn-hostname": lambda text: not text.isascii() or _long_name(text) or "xn--" in text.lower(),
    "relative-json-pointer": lambda text: bool(regex.match(r"\d+[+-]", text)),
    "regex": lambda text: bool(regex.search(r"\\[1-9pPuk]|\(\?<[^=!]|\[[^\]]*-|\{\d{3}|\({6}", text)),
    "base64": lambda text: text.endswith("="),
}
