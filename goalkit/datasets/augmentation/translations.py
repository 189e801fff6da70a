"""Cache of translations as JSON lines on disk. Each is appended immediately, so that an interrupted run can be resumed."""

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
    """The key of a translation: identity of the translator, source and target language, and text."""

    translator: str
    source: str
    target: str
    text: str


@attrs.define
class TranslationCache:
    """Translations by question. One file may have those of several translators.

    Args:
        path: the JSON lines file; None keeps translations in memory only.

    Raises:
        StorageError: the file cannot be read or written, or has a damaged line other than one cut off at its end.
    """

    path: Path | None
    _known: dict[Question, str] = attrs.field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            for number, line in enumerate(_whole_lines(self.path), 1):
                question, translation = _parse(line, f"{self.path} line {number}")
                self._known[question] = translation

    def get(self, question: Question) -> str | None:
        """Return the translation, or None."""
        return self._known.get(question)

    def add(self, translations: Mapping[Question, str]) -> None:
        """Add translations, and flush them to the file."""
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
    """Return the complete lines of a file. An incomplete last line, left by a crash, is removed from the file."""
    try:
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            with path.open("rb+") as file:
                file.truncate(end)
            logger.warning("%s ended in an incomplete line, which was removed: its text is translated again", path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read or repaired ({error.strerror}): check the path and its permissions"
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
        raise StorageError(f"{where} is not a translation: remove the line, or use a new file") from error
    return question, translation
