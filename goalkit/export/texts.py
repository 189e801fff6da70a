"""Texts that stand for what a model will be asked: the caller's, the shipped goals, or made up of a vocabulary."""

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
"""What texts may be, as the manifest of a bundle says it."""

COUNT = 500
"""Of the shipped goals, and of texts that are made up."""


@attrs.frozen
class ExampleTexts:
    """Texts in an order that mixes them, and what they are: `GIVEN`, `GOALS` or `MADE_UP`."""

    texts: tuple[str, ...]
    kind: str

    @classmethod
    def of(cls, model: GoalModel, length: int, given: Sequence[str] | None = None) -> ExampleTexts:
        """The texts given; without any, the shipped goals for a model of goals' tasks, texts of its own vocabulary for others.

        Args:
            model: to be asked.
            length: most tokens of a text that is made up, at least 3.
            given: texts, if there are any.

        Raises:
            ConfigurationError: no text is given, but an empty list.
        """
        if given is not None:
            if not given or isinstance(given, str):
                raise ConfigurationError("golden must be a list of texts: give some, or leave it out")
            return cls(tuple(_mixed(dict.fromkeys(given))), GIVEN)
        if all(map(_of_goals, model.tasks)):
            return cls(tuple(golden_texts()), GOALS)
        return cls(tuple(_mixed(vocabulary_texts(model.tokenizer, length))), MADE_UP)

    def __str__(self) -> str:
        return f"{len(self.texts)} {self.kind}"


def _of_goals(task: Task) -> bool:
    """Whether a task is one of goals', whatever the order of its labels, and whether or not it has all of them."""
    return any(task.name == each.name and set(task.labels) <= set(each.labels) for each in GOAL_TASKS)


def golden_texts() -> list[str]:
    """Goals of the shipped corpus, taken evenly from its whole length, in an order that mixes its labels."""
    text = resources.files("goalkit.resources").joinpath("goals.csv").read_text(encoding="utf-8")
    texts = [row["text"] for row in csv.DictReader(text.splitlines())]
    return _mixed(texts[number * len(texts) // COUNT] for number in range(COUNT))


def vocabulary_texts(tokenizer: WordPieceTokenizer, length: int) -> list[str]:
    """Different texts without a meaning, of pieces of a vocabulary: of `length` tokens or fewer, all lengths alike."""
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


def _mixed(texts: Iterable[str]) -> list[str]:
    """Texts in an order that has nothing to do with where they stood, nor with their lengths or labels."""
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode(errors="surrogatepass")).digest())
