"""Encodes rows as arrays, once before the first epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from goalkit.datasets import Dataset
from goalkit.errors import TrainingError
from goalkit.model import GoalModel
from goalkit.tokenization import WordPieceTokenizer
from goalkit.training.batching import Places


@attrs.frozen(eq=False)
class Batch:
    """A batch of n training rows, as tensors.

    Args:
        places: positions of the rows among all training rows, int64 [n].
        input_ids: token ids, int32 [n, S], where S is the number of tokens of the longest row.
        attention_mask: 1 for tokens and 0 for padding, int32 [n, S].
        labels: label ids, per task int64 [n].
    """

    places: Places
    input_ids: Tensor
    attention_mask: Tensor
    labels: Mapping[str, Tensor]

    @property
    def length(self) -> int:
        """Number of tokens of the longest row, S."""
        return self.input_ids.shape[1]


@attrs.frozen(eq=False)
class EncodedRows:
    """N encoded rows.

    Args:
        ids: token ids of all rows, concatenated, int32 [T].
        starts: position in `ids` at which each row starts, followed by T, int64 [N + 1].
        labels: label ids, per task int64 [N].
        padding: token id for padding.
    """

    ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    labels: Mapping[str, npt.NDArray[np.int64]]
    padding: int

    @classmethod
    def of(cls, rows: Dataset, tokenizer: WordPieceTokenizer, longest: int) -> EncodedRows:
        """Tokenise rows, cutting each to at most `longest` tokens."""
        labels = {task.name: rows.label_ids(task) for task in rows.tasks}
        return attrs.evolve(cls.of_texts(rows.texts, tokenizer, longest), labels=labels)

    @classmethod
    def of_texts(cls, texts: Sequence[str], tokenizer: WordPieceTokenizer, longest: int) -> EncodedRows:
        """Tokenise texts without labels, cutting each to at most `longest` tokens."""
        ids, lengths = tokenizer.encode_flat(texts, longest)
        return cls(ids, np.concatenate([[0], np.cumsum(lengths)]), {}, tokenizer.padding_id)

    def extended(self, texts: Sequence[str], tokenizer: WordPieceTokenizer, longest: int) -> EncodedRows:
        """Return these rows followed by texts without labels, whose label ids are -1."""
        more = self.of_texts(texts, tokenizer, longest)
        return EncodedRows(
            np.concatenate([self.ids, more.ids]),
            np.concatenate([self.starts, self.starts[-1] + more.starts[1:]]),
            {name: np.concatenate([column, np.full(len(more), -1)]) for name, column in self.labels.items()},
            self.padding,
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each row, int64 [N]."""
        return np.diff(self.starts)

    def tokens(self, places: Places) -> int:
        """Return the total number of tokens of the rows at these positions."""
        return int((self.starts[places + 1] - self.starts[places]).sum())

    def batch(self, places: Places, device: torch.device) -> Batch:
        """Return the rows at these positions as a padded batch on a device."""
        lengths = self.starts[places + 1] - self.starts[places]
        columns = np.arange(lengths.max())
        mask = columns < lengths[:, None]
        ids = np.full(mask.shape, self.padding, np.int32)
        ids[mask] = self.ids[(self.starts[places, None] + columns)[mask]]
        labels = {name: torch.from_numpy(column[places]).to(device) for name, column in self.labels.items()}
        return Batch(places, torch.from_numpy(ids).to(device), torch.from_numpy(mask.astype(np.int32)).to(device), labels)


def rows_to_learn(model: GoalModel, rows: Dataset) -> Dataset:
    """Return the rows with the tasks of the model to train, after checking that they have all its labels.

    Raises:
        DatasetError: the rows lack one of the model's tasks, or have a label that the model does not know.
        TrainingError: a label has no rows.
    """
    rows = rows.with_tasks(model.tasks)
    for name, counts in rows.label_counts().items():
        if missing := [label for label, count in counts.items() if not count]:
            raise TrainingError(
                f"no training row has the {name} {', '.join(missing)}: add such rows, or remove the label from the task"
            )
    return rows
