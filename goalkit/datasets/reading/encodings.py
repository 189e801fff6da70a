"""The encoding of a text file: obeyed if named, else detected; and its lines, with bytes that do not fit it marked."""

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
"""What is chosen from when a file is not Unicode. GB18030 holds GBK and GB 2312, Big5-HKSCS holds Big5."""

LINES, SAMPLE = 10_000, 65_536
"""Lines that are tried in each encoding, and bytes of them that the choice is made by."""

MOST = 0.9
"""Share of lines that an encoding of Chinese must fit: the others are bad rows."""

BLOCK = 1 << 20

logger = logging.getLogger(__name__)


def _mark(fault: UnicodeError) -> tuple[str, int]:
    """Put a byte that cannot be decoded as a lone surrogate, which no decoded text has, for bytes below 0x80 too."""
    assert isinstance(fault, UnicodeDecodeError)
    return "".join(chr(0xDC00 + byte) for byte in fault.object[fault.start : fault.end]), fault.end


codecs.register_error("goalkit.mark", _mark)


@attrs.frozen
class TextFile:
    """A text file whose encoding is known."""

    path: Path
    encoding: str

    @classmethod
    def of(cls, path: Path, encoding: str) -> TextFile:
        """Look at a file.

        Raises:
            DatasetError: it cannot be read, no encoding fits it, or the one named does not exist.
        """
        try:
            return cls(path, _detect(path) if encoding == AUTO else _named(encoding))
        except OSError as fault:
            raise _unreadable(path, fault) from fault

    def lines(self) -> Iterator[str]:
        """The lines with their ends as they are, without a byte-order mark. Raises DatasetError if reading fails."""
        try:
            with self.path.open(encoding=self.encoding, errors="goalkit.mark", newline="") as file:
                if first := next(file, "").removeprefix("\ufeff"):
                    yield first
                yield from file
        except OSError as fault:
            raise _unreadable(self.path, fault) from fault
        except UnicodeError as fault:
            raise DatasetError(f"{self.path} is not {self.encoding} ({fault}): name its encoding, such as gb18030") from fault

    def undecodable(self, text: str) -> str | None:
        """What is wrong with lines of this file if a byte in them could not be decoded."""
        if is_unicode(text):
            return None
        marked = next(character for character in text if "\ud800" <= character <= "\udfff")
        return f"byte 0x{ord(marked) & 0xFF:02x} is not {self.encoding}: it is damaged, or the encoding is another"


def is_unicode(text: str) -> bool:
    """Whether `text` has no lone surrogate in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    r"""`text` with what could not be decoded written as Python does, `\xd5` for a byte."""
    bytes_shown = re.sub("[\udc00-\udcff]", lambda mark: f"\\x{ord(mark[0]) & 0xFF:02x}", text)
    return bytes_shown.encode("utf-8", "backslashreplace").decode()


def _unreadable(path: Path, fault: OSError) -> DatasetError:
    return DatasetError(f"{path} cannot be read ({fault.strerror or fault}): check the path")


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
        else:  # a character cut off by the end of the file is the last line's fault, not another encoding
            return "utf-8"
    if encoding != "utf-8":
        logger.warning("%s is not Unicode and is read as %s; name its encoding if that is wrong", path, encoding)
    return encoding


def _guess(path: Path, lines: Iterator[bytes]) -> str:
    """UTF-8 with damaged lines in it, or the encoding of Chinese that charset-normalizer finds least messy.

    Texts of a few lines are told apart because both encodings are tried on the same lines, those that are valid in each.
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
    candidates = [encoding for encoding in CHINESE if fitting[encoding] >= MOST * total]
    sample = b"".join(line for line, fits in kept if fits.issuperset(candidates))
    # short goals with emoji and digits look far messier than prose, so any mess is admitted and the smaller one chosen
    best = from_bytes(sample, cp_isolation=candidates, threshold=100.0).best() if candidates and sample else None
    if best is None:
        raise DatasetError(
            f"{path} is not UTF-8, UTF-16 with a byte-order mark, GB18030 or Big5: save it as UTF-8, or name its encoding"
        )
    return best.encoding


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
