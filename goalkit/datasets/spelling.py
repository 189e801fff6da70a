"""Spellings of labels: those that look the same are one label, those that look alike are reported, or merged."""

from __future__ import annotations

import logging
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from goalkit.datasets.characters import compose, drop_invisible, tidy_space

_SHOWN = 5
"""Groups of labels that a message shows."""

_RADICALS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2E80, 0x2FE0)}
_STYLES = dict.fromkeys(map(ord, "\ufe0e\ufe0f"))

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1 << 16)
def bare(value: str) -> str:
    """A label without what nobody sees: stray white space, invisible characters, and other codes for the same character.

    Unicode's canonical equivalents (NFC) become one, and so do radicals with the characters that they look like (⼯ and 工).
    """
    return tidy_space(compose(drop_invisible(value).translate(_RADICALS)))


@lru_cache(maxsize=1 << 16)
def alike(value: str) -> str:
    """What labels have in common that differ only by case, width, spaces or another compatibility form (NFKC)."""
    folded = unicodedata.normalize("NFKC", bare(value)).casefold()
    return "".join(unicodedata.normalize("NFKC", folded).translate(_STYLES).split())


def label_of(value: str, labels: tuple[str, ...], *, merge: bool) -> str | None:
    """Which of a task's labels `value` is a spelling of, if it is one.

    Args:
        value: as it was found.
        labels: what there is to choose from. The very spelling goes first, then one that looks the same.
        merge: whether one that looks alike will do as well.
    """
    known = _known(labels, merge)
    return known.get(value) or known.get(bare(value)) or (known.get(alike(value)) if merge else None)


@cache
def _known(labels: tuple[str, ...], merge: bool) -> Mapping[str, str]:
    known = {alike(label): label for label in reversed(labels)} if merge else {}
    known |= {bare(label): label for label in reversed(labels)}
    return known | {label: label for label in labels}


def alike_labels(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Groups of labels that differ only by case, width or spaces, each label with its rows, the commonest first."""
    return _groups(counts, alike)


def spelled(task: str, column: pa.ChunkedArray, labels: tuple[str, ...] | None, *, merge: bool) -> pa.ChunkedArray:
    """A column of labels, all spellings of a label brought to one; where there were several, they are logged with their rows.

    Args:
        task: what to call the labels in the log.
        column: N strings, none of them missing.
        labels: the labels to hold to, whose spelling counts; None takes what the column holds.
        merge: make labels one that look alike, under the commonest of them, rather than report them.
    """
    found = {each["values"]: each["counts"] for each in pc.value_counts(column).to_pylist()}
    names = {value: (label_of(value, labels, merge=merge) if labels else None) or bare(value) for value in found}
    if same := _groups(found, names.__getitem__):
        shown = _shown({names[next(iter(group))]: group for group in same})
        logger.warning("%s: spellings that differ only by what nobody sees are read as one label: %s", task, shown)
    if labels is None:
        counts: dict[str, int] = defaultdict(int)
        for value, rows in found.items():
            counts[names[value]] += rows
        groups = alike_labels(counts)
        shown = _shown({next(iter(group)): group for group in groups})
        if groups and merge:
            logger.info("%s: labels that differ only by case, width or spaces are merged: %s", task, shown)
            chosen = {label: next(iter(group)) for group in groups for label in group}
            names = {value: chosen.get(name, name) for value, name in names.items()}
        elif groups:
            logger.warning(
                "%s: labels differ only by case, width or spaces: %s; if they mean the same, merge them with "
                "merge_labels=True (--merge-labels on the command line)",
                task,
                shown,
            )
    if all(value == name for value, name in names.items()):
        return column
    return pa.array(names.values(), pa.string()).take(pc.index_in(column, pa.array(names, pa.string())))


def _groups(counts: Mapping[str, int], key: Callable[[str], str]) -> list[dict[str, int]]:
    """The labels with their rows that share a key with another, commonest first, then in the order of their characters."""
    members: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        members[key(label)].append(label)
    return [{label: counts[label] for label in group} for group in members.values() if len(group) > 1]


def _shown(groups: Mapping[str, Mapping[str, int]]) -> str:
    lines = (f"{name} ({', '.join(_with_rows(group.items()))})" for name, group in groups.items())
    text = "; ".join(line for line, _ in zip(lines, range(_SHOWN), strict=False))
    return f"{text}; and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else text


def _with_rows(counts: Iterable[tuple[str, int]]) -> Iterable[str]:
    return (f"{label!r} {rows:,} row{'s' * (rows != 1)}" for label, rows in counts)
