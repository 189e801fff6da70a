"""Cleaner: the steps in their order, the rows that are dropped, and the log of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context

import attrs
import pyarrow as pa
from tqdm.auto import tqdm

from goalkit.configuration import one_of
from goalkit.datasets.cleaning import steps
from goalkit.datasets.cleaning.changes import Change, Cleaning, Dropped
from goalkit.datasets.cleaning.personal import mask_personal
from goalkit.datasets.dataset import PARENT, TEXT, Dataset
from goalkit.datasets.duplicates import duplicate_groups
from goalkit.errors import ConfigurationError, DatasetError

Step = Callable[[str], str]
StepChange = tuple[str, str, str]
"""Name of a step, the text before it, and after."""

PASSES = 64
"""How often the steps are applied at most. Two passes settle an ordinary text; only one made to defeat cleaning needs more."""

BATCH = 5_000
PROGRESS_FROM = 1_000


@attrs.frozen(kw_only=True)
class Cleaner:
    """Cleans texts step by step, then drops rows that are empty, repeated or contradictory.

    The steps, in order: `mojibake`, `html`, `invisible`, `composition` (NFC), `width`, `script` (if traditional characters are
    simplified), `personal` (if masked), `punctuation`, `space`; goalkit.datasets.cleaning.steps and .personal say what each
    does. They are applied again until nothing changes, for one may uncover work for another: cleaning a clean text changes
    nothing.

    Args:
        traditional: `keep` traditional characters, or `simplify` them.
        mask_personal: put tokens for links, e-mail addresses, telephone and document numbers.
        conflicts: `drop` all rows of a text that stands there with different labels, as nobody can tell which is right, or
            trust the `first`.
        near_duplicates: `keep` texts that differ in little (see goalkit.datasets.duplicates), or `drop` all but the first of
            each group.
    """

    traditional: str = attrs.field(default="keep", validator=one_of("keep", "simplify"))
    mask_personal: bool = True
    conflicts: str = attrs.field(default="drop", validator=one_of("drop", "first"))
    near_duplicates: str = attrs.field(default="keep", validator=one_of("keep", "drop"))

    @property
    def steps(self) -> dict[str, Step]:
        """The steps by name, in the order in which they are applied."""
        return {
            "mojibake": steps.repair_mojibake,
            "html": steps.strip_html,
            "invisible": steps.drop_invisible,
            "composition": steps.compose,
            "width": steps.narrow,
            **({"script": steps.simplify} if self.traditional == "simplify" else {}),
            **({"personal": mask_personal} if self.mask_personal else {}),
            "punctuation": steps.calm_punctuation,
            "space": steps.tidy_space,
        }

    def clean_text(self, text: str) -> str:
        """One text after all steps; empty if nothing of it is left, which never happens to a Chinese character."""
        return _clean_text(text, self.steps)[0]

    def clean(self, dataset: Dataset, *, workers: int = 1) -> Cleaning:
        """Clean all texts, and the texts that rows were derived from; drop rows.

        Args:
            dataset: stays as it is.
            workers: processes to share the work, with the same result; starting one takes about a second. As they import the
                program that called, that must not start again by being imported (`if __name__ == "__main__":`).

        Raises:
            DatasetError: no row is left.
            ConfigurationError: `workers` is below 1.
        """
        if workers < 1:
            raise ConfigurationError(f"workers is {workers!r}: it must be at least 1")
        parents = dataset.table[PARENT].combine_chunks().dictionary_encode()
        given = dataset.texts
        results = list(self._results([*given, *parents.dictionary.to_pylist()], workers))
        texts = [text for text, _ in results[: len(given)]]
        changes = [Change(row + 1, *change) for row in range(len(given)) for change in results[row][1]]
        kept, dropped = self._choose(texts, list(zip(*dataset.labels.values(), strict=True)))
        cleaning_of = pa.array([text for text, _ in results[len(given) :]], pa.string())
        table = _replace(dataset.table, TEXT, pa.array(texts, pa.string()))
        table = _replace(table, PARENT, cleaning_of.take(parents.indices)).take(pa.array(kept, pa.int64()))
        records = tuple(Dropped(row + 1, reason, other, given[row]) for row, (reason, other) in sorted(dropped.items()))
        if not kept:
            raise DatasetError(
                f"cleaning leaves none of {len(given)} rows, the first is {records[0].reason} ({records[0].text[:20]!r}): give "
                "texts that have one label each"
            )
        return Cleaning(Dataset(dataset.tasks, table), len(given), tuple(changes), records)

    def _results(self, texts: list[str], workers: int) -> Iterator[tuple[str, list[StepChange]]]:
        batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        work = partial(_clean_batch, self)
        with tqdm(total=len(texts), desc="cleaning", unit="text", leave=False, disable=len(texts) < PROGRESS_FROM) as bar:
            if workers == 1 or len(batches) == 1:
                for batch in map(work, batches):
                    bar.update(len(batch))
                    yield from batch
                return
            # a forked copy of a process that has started torch's threads may hang
            with ProcessPoolExecutor(min(workers, len(batches)), mp_context=get_context("spawn")) as pool:
                for batch in pool.map(work, batches):
                    bar.update(len(batch))
                    yield from batch

    def _choose(
        self, texts: Sequence[str], labels: Sequence[tuple[str, ...]]
    ) -> tuple[list[int], dict[int, tuple[str, int | None]]]:
        """Which rows stay, in order, and for the others, by position: why not, and because of which row (from 1)."""
        first: dict[str, int] = {}
        rival: dict[str, int] = {}
        for row, text in enumerate(texts):
            if labels[first.setdefault(text, row)] != labels[row]:
                rival.setdefault(text, row)
        kept: list[int] = []
        dropped: dict[int, tuple[str, int | None]] = {}
        for row, text in enumerate(texts):
            earliest = first[text]
            agrees = labels[row] == labels[earliest]
            if not text:
                dropped[row] = "empty", None
            elif not agrees:
                dropped[row] = "conflicting", earliest + 1
            elif text in rival and self.conflicts == "drop":
                dropped[row] = "conflicting", rival[text] + 1
            elif row != earliest:
                dropped[row] = "repeated", earliest + 1
            else:
                kept.append(row)
        if self.near_duplicates == "drop" and kept:
            groups = duplicate_groups([texts[row] for row in kept]).tolist()
            leader: dict[int, int] = {}
            for row, group in zip(kept, groups, strict=True):
                if leader.setdefault(group, row) != row:
                    dropped[row] = "near-duplicate", leader[group] + 1
            kept = list(leader.values())
        return kept, dropped


def clean_text(text: str) -> str:
    """One text after the steps of the default `Cleaner`."""
    return _clean_text(text, _default_steps())[0]


@cache
def _default_steps() -> dict[str, Step]:
    return Cleaner().steps


def _clean_batch(cleaner: Cleaner, texts: Sequence[str]) -> list[tuple[str, list[StepChange]]]:
    functions = cleaner.steps
    return [_clean_text(text, functions) for text in texts]


def _clean_text(text: str, functions: dict[str, Step]) -> tuple[str, list[StepChange]]:
    changes: list[StepChange] = []
    for _ in range(PASSES):
        before = text
        for name, function in functions.items():
            after = function(text)
            if after != text:
                changes.append((name, text, after))
                text = after
        if text == before:
            break
    return text, changes


def _replace(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, values)
