"""Cleaner: apply the cleaning steps, drop rows, and record both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context

import attrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tqdm.auto import tqdm

from goalkit.characters import PASSES, STEPS
from goalkit.configuration import one_of
from goalkit.datasets.cleaning import steps
from goalkit.datasets.cleaning.changes import Change, Cleaning, Dropped
from goalkit.datasets.cleaning.personal import mask_personal
from goalkit.datasets.dataset import PARENT, TEXT, Dataset
from goalkit.datasets.duplicates import duplicate_groups
from goalkit.errors import ConfigurationError, DatasetError

Step = Callable[[str], str]
StepChange = tuple[str, str, str]
"""Name of a step, the text before it and after it."""
Result = tuple[str, list[StepChange]]
"""A cleaned text and its changes."""

REASONS = ("", "empty", "conflicting", "repeated", "near-duplicate")
_, EMPTY, CONFLICTING, REPEATED, NEAR_DUPLICATE = range(len(REASONS))

BATCH = 5_000


@attrs.frozen(kw_only=True)
class Cleaner:
    """Cleans texts step by step, then drops rows that are empty, repeated or contradictory.

    The steps, in order: `mojibake`, `html`, `invisible`, `composition` (NFC), `width`, `script` (if traditional characters are
    simplified), `personal` (if masked), `punctuation`, `space`; see `goalkit.characters` and `goalkit.datasets.cleaning`.
    They are repeated until nothing changes, so that cleaning a clean text changes nothing.

    Args:
        traditional: `keep` traditional characters, or `simplify` them.
        mask_personal: replace links, e-mail addresses, telephone and document numbers by tokens.
        conflicts: `drop` all rows of a text that occurs with different labels, or all but the `first`.
        near_duplicates: `keep` near-duplicates (see `goalkit.datasets.duplicates`), or `drop` all but the first of each
            group.
    """

    traditional: str = attrs.field(default="keep", validator=one_of("keep", "simplify"))
    mask_personal: bool = True
    conflicts: str = attrs.field(default="drop", validator=one_of("drop", "first"))
    near_duplicates: str = attrs.field(default="keep", validator=one_of("keep", "drop"))

    @property
    def steps(self) -> dict[str, Step]:
        """The steps by name, in order of application."""
        return {
            "mojibake": steps.repair_mojibake,
            "html": steps.strip_html,
            **{name: STEPS[name] for name in ("invisible", "composition", "width")},
            **({"script": steps.simplify} if self.traditional == "simplify" else {}),
            **({"personal": mask_personal} if self.mask_personal else {}),
            **{name: STEPS[name] for name in ("punctuation", "space")},
        }

    def clean_text(self, text: str) -> str:
        """Clean one text. The result may be empty, but not for a text with a Chinese character."""
        return _clean_text(text, self.steps)[0]

    def clean(self, dataset: Dataset, *, workers: int = 1) -> Cleaning:
        """Clean all texts and parents, and drop bad rows.

        Args:
            dataset: the dataset to clean; it is not modified.
            workers: number of processes; starting one takes about a second. They import the calling program, which
                therefore needs a guard (`if __name__ == "__main__":`).

        Raises:
            DatasetError: no row is left.
            ConfigurationError: `workers` is below 1.
        """
        if workers < 1:
            raise ConfigurationError(f"workers is {workers!r}: it must be at least 1")
        parents = dataset.table[PARENT].combine_chunks().dictionary_encode()
        given = pa.chunked_array([*dataset.table[TEXT].chunks, parents.dictionary], pa.string())
        cleaned: list[pa.Array] = []
        changes: list[Change] = []
        rows = range(1, len(dataset) + 1)
        for batch in self._results(given, workers):
            cleaned.append(pa.array([text for text, _ in batch], pa.string()))
            changes += [Change(row, *change) for row, (_, made) in zip(rows, batch, strict=False) for change in made]
            rows = rows[len(batch) :]
        texts = pa.chunked_array(cleaned, pa.string())
        kept, reasons, others = self._choose(texts[: len(dataset)], dataset.combination_ids())
        table = _replace(dataset.table, TEXT, texts[: len(dataset)])
        table = _replace(table, PARENT, texts[len(dataset) :].take(parents.indices)).take(pa.array(kept))
        left_out = np.flatnonzero(reasons)
        why = zip(left_out.tolist(), reasons[left_out].tolist(), others[left_out].tolist(), strict=True)
        records = tuple(
            Dropped(row + 1, REASONS[reason], None if other < 0 else other + 1, text)
            for (row, reason, other), text in zip(why, given.take(pa.array(left_out)).to_pylist(), strict=True)
        )
        if not len(kept):
            raise DatasetError(
                f"cleaning drops all {len(dataset)} rows, the first is {records[0].reason} ({records[0].text[:20]!r}): "
                "give texts with one label each"
            )
        return Cleaning(Dataset(dataset.tasks, table), len(dataset), tuple(changes), records)

    def _results(self, texts: pa.ChunkedArray, workers: int) -> Iterator[list[Result]]:
        batches = (texts[start : start + BATCH].to_pylist() for start in range(0, len(texts), BATCH))
        with tqdm(total=len(texts), desc="cleaning", unit="text", leave=False, delay=1) as bar:
            for results in self._cleaned(batches, min(workers, -(-len(texts) // BATCH))):
                bar.update(len(results))
                yield results

    def _cleaned(self, batches: Iterator[list[str]], workers: int) -> Iterator[list[Result]]:
        if workers == 1:
            yield from map(partial(_clean_batch, self), batches)
            return
        # a forked copy of a process that has started torch's threads may hang
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            waiting: deque[Future[list[Result]]] = deque()  # pool.map would take all batches at once
            for batch in batches:
                waiting.append(pool.submit(_clean_batch, self, batch))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            for each in waiting:
                yield each.result()

    def _choose(
        self, texts: pa.ChunkedArray, labels: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the rows to keep, the reason to drop each of N rows (an index of REASONS), and the other row or -1."""
        ids = texts.dictionary_encode().combine_chunks().indices.to_numpy()
        first = np.unique(ids, return_index=True)[1]
        earliest = first[ids]
        differs = labels != labels[earliest]
        rivals = np.full(len(first), -1)
        rivals[ids[differs][::-1]] = np.flatnonzero(differs)[::-1]
        rival = rivals[ids] if self.conflicts == "drop" else np.full(len(ids), -1)
        cases = [pc.equal(texts, "").to_numpy(), differs, rival >= 0, earliest != np.arange(len(ids))]
        reasons = np.select(cases, [EMPTY, CONFLICTING, CONFLICTING, REPEATED], 0)
        others = np.select(cases, [-1, earliest, rival, earliest], -1)
        kept = np.flatnonzero(reasons == 0)
        if self.near_duplicates == "drop" and len(kept):
            _, leads, groups = np.unique(duplicate_groups(texts.take(pa.array(kept))), return_index=True, return_inverse=True)
            leaders = kept[leads][groups]
            near = kept[leaders != kept]
            reasons[near], others[near] = NEAR_DUPLICATE, leaders[leaders != kept]
            kept = kept[leaders == kept]
        return kept, reasons, others


def clean_text(text: str) -> str:
    """Clean one text with the default `Cleaner`."""
    return _clean_text(text, _default_steps())[0]


@cache
def _default_steps() -> dict[str, Step]:
    return Cleaner().steps


def _clean_batch(cleaner: Cleaner, texts: Sequence[str]) -> list[Result]:
    functions = cleaner.steps
    return [_clean_text(text, functions) for text in texts]


def _clean_text(text: str, functions: dict[str, Step]) -> Result:
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


def _replace(table: pa.Table, column: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, values)
