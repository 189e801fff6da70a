"""Write the Unicode tables of GoalKit's tokenizer: what Python and the tokenizers library know of every character.

    python ios-sample/tools/unicode_tables.py           # writes the tables
    python ios-sample/tools/unicode_tables.py --check   # says whether they are up to date

The tables of an iPhone change with its system; a bundle's ids must not. So the behaviour of the libraries that made the model
is recorded, by asking them about each character, and frozen in Swift source.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from goalkit import characters

FOLDER = Path(__file__).parents[1] / "GoalKit/Sources/GoalKit/Text"
UNICODE = "14.0.0"
"""Version of the tables. Others say something else about characters that were added to Unicode later."""

SCALARS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)
"""Syllables that are composed by arithmetic (Unicode Standard, section 3.12)."""
SEPARATOR = "|"
CHUNK = 4096

PROPERTIES = (
    "dropped",  # by `clean_text`
    "space",  # white space
    "chinese",  # enclosed in spaces by `handle_chinese_chars`
    "accent",  # dropped by `strip_accents`, once decomposed
    "punctuation",  # a word of its own
    "word",  # a letter, mark, digit or connector next to an added token
    "newer",  # decomposed and ordered by Python only, whose Unicode is newer
    "invisible",  # dropped by the cleaning step `invisible`
    "sign",  # may stand next to a zero-width joiner
    "styled",  # may stand before a variation selector
    "blank",  # white space to the cleaning step `space`
    "unstable",  # may change, or be joined to another character, in NFC
)
"""The properties in the order of their bits."""


def main() -> None:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a table is out of date")
    check = parser.parse_args().check
    if unicodedata.unidata_version != UNICODE:
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}, the tables {UNICODE}: use Python 3.11 or 3.12")
    for name, text in tables().items():
        path = FOLDER / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run python ios-sample/tools/unicode_tables.py")


def tables() -> dict[str, str]:
    """Return the Swift source of each table by file name."""
    decompositions = {
        scalar: [chr(int(code, 16)) for code in unicodedata.decomposition(scalar).split()]
        for scalar in SCALARS
        if unicodedata.decomposition(scalar) and "<" not in unicodedata.decomposition(scalar)
    }
    excluded = [
        scalar for scalar, parts in decompositions.items() if len(parts) == 2 and unicodedata.normalize("NFC", scalar) != scalar
    ]
    classes = {scalar: unicodedata.combining(scalar) for scalar in SCALARS if unicodedata.combining(scalar)}
    lowered = _changes(normalizers.BertNormalizer(False, False, False, True).normalize_str)
    return {
        "UnicodeProperties.swift": _source(
            "UnicodeProperties",
            {"runs": ("Runs of characters with the same `CharacterProperties`: the first code, and the bits.", _runs())},
        ),
        "UnicodeMappings.swift": _source(
            "UnicodeMappings",
            {
                "decompositions": (
                    "Characters with their canonical decompositions, one step at a time.",
                    [f"{_hex(scalar)}={'+'.join(map(_hex, parts))}" for scalar, parts in decompositions.items()],
                ),
                "excluded": ("Characters of two parts that are never composed.", map(_hex, excluded)),
                "combiningClasses": (
                    "Combining classes other than zero: first code, last code and class.",
                    _ranges(classes),
                ),
                "lowercase": (
                    "Characters with their lower case.",
                    [f"{_hex(scalar)}={'+'.join(map(_hex, lower))}" for scalar, lower in lowered.items()],
                ),
            },
        ),
    }


def _runs() -> Iterator[str]:
    """Describe each run of characters with the same properties."""
    found = [_having(name) for name in PROPERTIES]
    masks = ((scalar, sum(1 << bit for bit, members in enumerate(found) if scalar in members)) for scalar in SCALARS)
    for mask, run in groupby(masks, key=lambda pair: pair[1]):
        yield f"{_hex(next(run)[0])}:{mask:x}"


def _having(name: str) -> frozenset[str]:
    """Return the characters that have a property, according to the libraries."""
    return frozenset(_MEMBERS[name]())


def _dropped() -> Iterable[str]:
    changed = _changes(normalizers.BertNormalizer(True, False, False, False).normalize_str)
    assert {scalar for scalar, text in changed.items() if text} <= set(_pieces("space")), "other characters become spaces"
    return (scalar for scalar, text in changed.items() if not text)


def _chinese() -> Iterable[str]:
    return _changes(normalizers.BertNormalizer(False, True, False, False).normalize_str)


def _accents() -> Iterable[str]:
    changed = _changes(normalizers.BertNormalizer(False, False, True, False).normalize_str)
    return (scalar for scalar, text in changed.items() if not text)


def _pieces(kind: str) -> Iterator[str]:
    """Yield the characters that separate words (`space`) or are words of their own (`punctuation`)."""
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    for first in range(0, len(SCALARS), CHUNK):
        chunk = SCALARS[first : first + CHUNK]
        pieces = iter([piece for piece, _ in split(" ".join(f"a{scalar}a" for scalar in chunk))])
        for scalar in chunk:
            if next(pieces) == "a":
                own = next(pieces) == scalar
                if own:
                    next(pieces)
                if own == (kind == "punctuation"):
                    yield scalar


def _word() -> Iterator[str]:
    """Yield the characters next to which an added token of a single word is not one."""
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("[X]", single_word=True, normalized=False)])
    for first in range(0, len(SCALARS), CHUNK):
        chunk = SCALARS[first : first + CHUNK]
        encoding = tokenizer.encode(" ".join(f"{scalar}[X]" for scalar in chunk))
        places = {start for number, (start, _) in zip(encoding.ids, encoding.offsets, strict=True) if number}
        yield from (scalar for place, scalar in enumerate(chunk) if 5 * place + 1 not in places)


def _newer() -> Iterator[str]:
    decompose = normalizers.NFD().normalize_str
    decomposed = _changes(decompose)
    for scalar in SCALARS:
        ours, theirs = unicodedata.normalize("NFD", scalar), decomposed.get(scalar, scalar)
        marked = f"a\u0345{scalar}"  # U+0345 has the highest combining class
        ordered = not unicodedata.combining(scalar) or decompose(marked) == unicodedata.normalize("NFD", marked)
        if theirs != ours or not ordered:
            assert theirs == scalar, f"U+{_hex(scalar)} is decomposed in two ways"
            assert ordered or decompose(marked) == marked, f"U+{_hex(scalar)} is ordered in two ways"
            yield scalar


def _kept(kind: str) -> Iterator[str]:
    mark, after = ("\u200d", "✅") if kind == "sign" else ("\ufe0f", "")
    for scalar in SCALARS:
        if mark in characters.drop_invisible(f"{scalar}{mark}{after}").removeprefix(scalar) and scalar not in "\ufe0f\u200d":
            yield scalar


def _unstable() -> Iterator[str]:
    joined = {part for scalar in SCALARS if (parts := _joined(scalar)) for part in parts[1:]}
    for scalar in SCALARS:
        if unicodedata.normalize("NFC", scalar) != scalar or unicodedata.combining(scalar) or scalar in joined:
            yield scalar


def _joined(scalar: str) -> str:
    """Return the parts of a composed character."""
    parts = unicodedata.normalize("NFD", scalar)
    return parts if parts != scalar and unicodedata.normalize("NFC", scalar) == scalar else ""


_MEMBERS: dict[str, Callable[[], Iterable[str]]] = {
    "dropped": _dropped,
    "space": lambda: _pieces("space"),
    "chinese": _chinese,
    "accent": _accents,
    "punctuation": lambda: _pieces("punctuation"),
    "word": _word,
    "newer": _newer,
    "invisible": lambda: (scalar for scalar in SCALARS if not characters._INVISIBLE.sub("", scalar)),
    "sign": lambda: _kept("sign"),
    "styled": lambda: _kept("styled"),
    "blank": filter(str.isspace, SCALARS).__iter__,
    "unstable": _unstable,
}


def _changes(change: Callable[[str], str]) -> dict[str, str]:
    """Return the characters that a function changes, with what they become."""
    found = {}
    for first in range(0, len(SCALARS), CHUNK):
        chunk = [scalar for scalar in SCALARS[first : first + CHUNK] if scalar != SEPARATOR]
        results = change(SEPARATOR.join(chunk)).split(SEPARATOR)
        found |= {scalar: result for scalar, result in zip(chunk, results, strict=True) if scalar != result}
    assert change(SEPARATOR) == SEPARATOR
    return found


def _ranges(classes: dict[str, int]) -> Iterator[str]:
    for _, run in groupby(enumerate(classes.items()), key=lambda item: (ord(item[1][0]) - item[0], item[1][1])):
        members = [item for _, item in run]
        yield f"{_hex(members[0][0])}-{_hex(members[-1][0])}={members[0][1]}"


def _hex(scalar: str) -> str:
    return f"{ord(scalar):x}"


def _source(name: str, tables: dict[str, tuple[str, Iterable[str]]]) -> str:
    lines = [
        f"// Written by ios-sample/tools/unicode_tables.py: Unicode {UNICODE}, tokenizers {version('tokenizers')}.",
        "// swift-format-ignore-file",
        "",
        f"enum {name} {{",
    ]
    for table, (meaning, entries) in tables.items():
        rows = wrap(" ".join(entries), 170, break_on_hyphens=False, break_long_words=False)
        lines += [f"    /// {meaning}", f'    static let {table} = """', *(f"        {row}" for row in rows), '        """', ""]
    return "\n".join([*lines[:-1], "}", ""])


if __name__ == "__main__":
    main()
