"""Example texts of a model: given by the caller, the shipped goals, or made up from a vocabulary."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from importlib import resources

import attrs

from goalkit.backbones.probes import made_up_texts
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.tasks import GOAL_TASKS, Task
from goalkit.tokenization import WordPieceTokenizer

GIVEN, GOALS, MADE_UP = "given texts", "shipped goals", "made-up texts"
"""Kinds of texts, as the manifest of a bundle names them."""

COUNT = 500
"""Number of shipped goals, or of made-up texts."""


@attrs.frozen
class ExampleTexts:
    """Shuffled texts and their kind: `GIVEN`, `GOALS` or `MADE_UP`."""

    texts: tuple[str, ...]
    kind: str

    @classmethod
    def of(cls, model: GoalModel, length: int, given: Sequence[str] | None = None) -> ExampleTexts:
        """Return the texts given; else the shipped goals for a model of goals' tasks, or texts made up from its vocabulary.

        Args:
            model: the model to choose texts for.
            length: largest number of tokens of a made-up text, at least 3.
            given: texts, or None.

        Raises:
            ConfigurationError: `given` is empty.
        """
        if given is not None:
            if not given or isinstance(given, str):
                raise ConfigurationError("golden must be a list of texts: give some, or leave it out")
            return cls(tuple(_shuffled(dict.fromkeys(given))), GIVEN)
        if all(map(_is_goal_task, model.tasks)):
            return cls(tuple(golden_texts()), GOALS)
        return cls(tuple(_shuffled(vocabulary_texts(model.tokenizer, length))), MADE_UP)

    def __str__(self) -> str:
        return f"{len(self.texts)} {self.kind}"


def _is_goal_task(task: Task) -> bool:
    """Whether a task is one of goals', with all or some of its labels in any order."""
    return any(task.name == each.name and set(task.labels) <= set(each.labels) for each in GOAL_TASKS)


def golden_texts() -> list[str]:
    """Return goals of the shipped corpus, evenly spaced and in an order that mixes its labels."""
    text = resources.files("goalkit.resources").joinpath("goals.csv").read_text(encoding="utf-8")
    texts = [row["text"] for row in csv.DictReader(text.splitlines())]
    return _shuffled(texts[number * len(texts) // COUNT] for number in range(COUNT))


def vocabulary_texts(tokenizer: WordPieceTokenizer, length: int) -> list[str]:
    """Return distinct meaningless texts made up from a vocabulary, of all lengths up to `length` tokens."""
    settings = tokenizer.settings
    special = {settings.unk_token, settings.cls_token, settings.sep_token, settings.pad_token}
    special |= {token.content for token in settings.added_tokens}
    ordinary = (each for each in tokenizer.vocabulary if each not in special)
    pieces = [each for each in ordinary if not (each.startswith("[") and each.endswith("]"))] or [settings.unk_token]
    ids, mask = made_up_texts(len(pieces), length - 2, COUNT, padding_id=-1)
    prefix = settings.continuing_subword_prefix
    spaced = [each.removeprefix(prefix) if prefix and each.startswith(prefix) else f" {each}" for each in pieces]
    texts = (
        "".join(spaced[number] for number in row[: int(used.sum())].tolist()).strip()
        for row, used in zip(ids, mask, strict=True)
    )
    return list(dict.fromkeys(texts))


def _shuffled(texts: Iterable[str]) -> list[str]:
    """Shuffle texts: the order does not depend on their original order, lengths or labels."""
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode(errors="surrogatepass")).digest())
