"""Text files with a given or detected encoding. Undecodable bytes are marked in the lines."""

from __future__ import annotations

import codecs
import io
import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs

from goalkit.errors import DatasetError
from goalkit.extras import extra

AUTO = "auto"

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

CHINESE = ("gb18030", "big5hkscs")
"""Candidates for files that are not Unicode. GB18030 includes GBK and GB 2312, Big5-HKSCS includes Big5."""

LINES, SAMPLE = 10_000, 65_536
"""Number of lines to try in each encoding, and number of bytes to choose the encoding by."""

MIN_SHARE = 0.9
"""Minimum share of lines that must be valid in an encoding of Chinese. The others are bad rows."""

BLOCK = 1 << 20

logger = logging.getLogger(__name__)


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Replace undecodable bytes, including those below 0x80, by lone surrogates, which decoded text never contains."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("goalkit.mark", _mark)


@attrs.frozen
class TextFile:
    """A text file and its encoding."""

    path: Path
    encoding: str

    @classmethod
    def of(cls, path: Path, encoding: str) -> TextFile:
        """Determine or check the encoding of a file.

        Raises:
            DatasetError: it cannot be read, no encoding fits, or there is no encoding of the given name.
        """
        try:
            return cls(path, _detect(path) if encoding == AUTO else _named(encoding))
        except OSError as error:
            raise _unreadable(path, error) from error

    def lines(self) -> Iterator[str]:
        """Yield the lines with their original line ends, without a byte-order mark. Raises DatasetError if reading fails."""
        try:
            with self.path.open(encoding=self.encoding, errors="goalkit.mark", newline="") as file:
                if first := next(file, "").removeprefix("\ufeff"):
                    yield first
                yield from file
        except OSError as error:
            raise _unreadable(self.path, error) from error
        except UnicodeError as error:
            raise DatasetError(f"{self.path} is not {self.encoding} ({error}): give its encoding, such as gb18030") from error

    def undecodable(self, text: str) -> str | None:
        """Return a description of the first undecodable byte in lines of this file, or None."""
        if is_unicode(text):
            return None
        marked = next(character for character in text if "\ud800" <= character <= "\udfff")
        return f"byte 0x{ord(marked) & 0xFF:02x} is not {self.encoding}: the file is damaged or has another encoding"


def is_unicode(text: str) -> bool:
    """Whether `text` is free of lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    r"""Return `text` with undecodable bytes escaped, such as `\xd5`."""
    bytes_shown = re.sub("[\udc00-\udcff]", lambda mark: f"\\x{ord(mark[0]) & 0xFF:02x}", text)
    return bytes_shown.encode("utf-8", "backslashreplace").decode()


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{path} cannot be read ({error.strerror or error}): check the path")


def _named(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise DatasetError(f"there is no encoding {encoding!r}; common ones are utf-8, gb18030, big5") from None
    try:
        io.TextIOWrapper(io.BytesIO(), name)
    except LookupError:
        raise DatasetError(f"{encoding} is not an encoding of text; common ones are utf-8, gb18030, big5") from None
    return name


def _detect(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(3)
        for mark, encoding in MARKS:
            if start.startswith(mark):
                return encoding
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block := file.read(BLOCK):
                decoder.decode(block)
        except UnicodeDecodeError:
            file.seek(0)
            encoding = _guess(path, itertools.islice((line for line in file if not line.isascii()), LINES))
        else:  # a character cut off at the end of the file is a damaged last line, not another encoding
            return "utf-8"
    if encoding != "utf-8":
        logger.warning("%s is not Unicode and is read as %s; give its encoding if that is wrong", path, encoding)
    return encoding


def _guess(path: Path, lines: Iterator[bytes]) -> str:
    """Return UTF-8 if at least half of the lines are, else the Chinese encoding that charset-normalizer finds least messy.

    Both are compared on the same lines, those valid in each, which works for short files too.
    """
    with extra("data"):
        from charset_normalizer import from_bytes

    total, room = 0, SAMPLE
    fitting: Counter[str] = Counter()
    kept: list[tuple[bytes, frozenset[str]]] = []
    for line in lines:
        fits = frozenset(encoding for encoding in ("utf-8", *CHINESE) if _decodes(line, encoding))
        fitting.update(fits)
        total += 1
        if room > 0:
            kept.append((line, fits))
            room -= len(line)
    if fitting["utf-8"] * 2 >= total:
        return "utf-8"
    candidates = [encoding for encoding in CHINESE if fitting[encoding] >= MIN_SHARE * total]
    sample = b"".join(line for line, fits in kept if fits.issuperset(candidates))
    # short goals with emoji and digits look far messier than prose, so any mess is accepted and the smaller one chosen
    best = from_bytes(sample, cp_isolation=candidates, threshold=100.0).best() if candidates and sample else None
    if best is None:
        raise DatasetError(
            f"{path} is not UTF-8, UTF-16 with a byte-order mark, GB18030 or Big5: save it as UTF-8, or give its encoding"
        )
    return best.encoding


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
