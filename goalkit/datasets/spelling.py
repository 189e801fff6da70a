"""Spellings of labels. Labels that look the same are unified; labels that look similar are reported or merged."""

from __future__ import annotations

import logging
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from goalkit.characters import compose, drop_invisible, tidy_space

_SHOWN = 5
"""Maximum number of groups of labels in a message."""

_RADICALS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2E80, 0x2FE0)}
_STYLES = dict.fromkeys(map(ord, "\ufe0e\ufe0f"))

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1 << 16)
def bare(value: str) -> str:
    """Remove invisible differences from a label: stray white space, invisible characters, other codes of the same character.

    Canonically equivalent characters are unified (NFC), and so are radicals and the characters that look like them (⼯, 工).
    """
    return tidy_space(compose(drop_invisible(value).translate(_RADICALS)))


@lru_cache(maxsize=1 << 16)
def alike(value: str) -> str:
    """Return a key that is equal for labels that differ only by case, width, spaces or compatibility form (NFKC)."""
    folded = unicodedata.normalize("NFKC", bare(value)).casefold()
    return "".join(unicodedata.normalize("NFKC", folded).translate(_STYLES).split())


def label_of(value: str, labels: tuple[str, ...], *, merge: bool) -> str | None:
    """Return the label of which `value` is a spelling, or None.

    Args:
        value: the spelling in the data.
        labels: the labels of a task. An exact match takes precedence over one that looks the same.
        merge: also match labels that differ by case, width or spaces.
    """
    known = _known(labels, merge)
    return known.get(value) or known.get(bare(value)) or (known.get(alike(value)) if merge else None)


@cache
def _known(labels: tuple[str, ...], merge: bool) -> Mapping[str, str]:
    known = {alike(label): label for label in reversed(labels)} if merge else {}
    known |= {bare(label): label for label in reversed(labels)}
    return known | {label: label for label in labels}


def alike_labels(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Return groups of labels that differ only by case, width or spaces, with row counts, the most common label first."""
    return _groups(counts, alike)


def spelled(task: str, column: pa.ChunkedArray, labels: tuple[str, ...] | None, *, merge: bool) -> pa.ChunkedArray:
    """Unify the spellings of each label in a column. Labels with several spellings are logged with their row counts.

    Args:
        task: name of the task in the log.
        column: N strings, none of them missing.
        labels: the labels with the spelling to use; None to take them from the column.
        merge: merge labels that differ by case, width or spaces into the most common one, instead of only reporting them.
    """
    found = {each["values"]: each["counts"] for each in pc.value_counts(column).to_pylist()}
    names = {value: (label_of(value, labels, merge=merge) if labels else None) or bare(value) for value in found}
    if same := _groups(found, names.__getitem__):
        shown = _shown({names[next(iter(group))]: group for group in same})
        logger.warning("%s: spellings with only invisible differences are read as one label: %s", task, shown)
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
    """Return groups of labels with the same key, with row counts, by descending count and then alphabetically."""
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
