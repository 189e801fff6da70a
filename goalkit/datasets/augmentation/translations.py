"""Translations kept on disk: one line of JSON each, added as it is made, so that interrupted work goes on where it stopped."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import attrs

from goalkit.errors import StorageError
from goalkit.storage import append_lines

logger = logging.getLogger(__name__)


@attrs.frozen(order=True)
class Question:
    """What was asked of a translator: which one it was, from and into which language, and the text."""

    translator: str
    source: str
    target: str
    text: str


@attrs.define
class TranslationCache:
    """Translations by question. Those of several translators may stand in one file; none is taken for another's.

    Args:
        path: the file of lines; None keeps them in memory only.

    Raises:
        StorageError: the file cannot be read or written, or a line of it, other than one cut off at the end, is damaged.
    """

    path: Path | None
    _known: dict[Question, str] = attrs.field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            for number, line in enumerate(_whole_lines(self.path), 1):
                question, translation = _parse(line, f"{self.path} line {number}")
                self._known[question] = translation

    def get(self, question: Question) -> str | None:
        """The translation, if there is one."""
        return self._known.get(question)

    def add(self, translations: Mapping[Question, str]) -> None:
        """Keep translations: in the file, too, when this returns."""
        self._known.update(translations)
        if self.path is None:
            return
        append_lines(
            self.path,
            (
                json.dumps({**attrs.asdict(question), "translation": translation}, ensure_ascii=False)
                for question, translation in translations.items()
            ),
        )


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file; what follows the last end of line was cut off by a crash, and is removed from the file."""
    try:
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            with path.open("rb+") as file:
                file.truncate(end)
            logger.warning("%s ended in half a line, which was removed: that text is translated again", path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read or mended ({error.strerror}): check the path and who may write it"
        ) from error
    return data[:end].splitlines()


def _parse(line: bytes, where: str) -> tuple[Question, str]:
    try:
        fields = json.loads(line)
        translation = fields.pop("translation")
        question = Question(**fields)
        if not all(isinstance(value, str) for value in (translation, *attrs.astuple(question))):
            raise TypeError("a value is not a string")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{where} is no translation: remove the line, or give a new file") from error
    return question, translation
