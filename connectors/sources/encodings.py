"""Which encoding a text file was written in, told from its bytes."""

from __future__ import annotations

import codecs
from pathlib import Path

CHUNK = 1 << 18
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def find_encoding(path: Path) -> str:
    """A name that `open` takes. Byte order marks first, then UTF-8 (which other encodings hardly satisfy), UTF-16 by
    its zero bytes, then the candidate whose text looks most like text."""
    sample = _telling_sample(path)
    for mark, encoding in MARKS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    return "utf-8" if _decodes(sample, "utf-8") else max(SCORES, key=lambda name: _score(sample, name))


def _telling_sample(path: Path) -> bytes:
    """The first chunk, or the first one that holds anything beyond ASCII: a stock list may begin with plain codes."""
    with path.open("rb") as file:
        first = chunk = file.read(CHUNK)
        rest = b""
        while chunk and chunk.isascii():
            rest, chunk = chunk.rpartition(b"\n")[2], file.read(CHUNK)
        return first if chunk == first or not chunk else rest + chunk


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _score(sample: bytes, encoding: str) -> float:
    """Share of the characters beyond ASCII that this encoding's readers really use; -1 where it does not decode."""
    if not _decodes(sample, encoding):
        return -1.0
    text = codecs.getincrementaldecoder(encoding)().decode(sample)
    foreign = [c for c in text if not c.isascii()]
    return sum(map(SCORES[encoding], foreign)) / len(foreign) if foreign else 0.0


def _is_common_gb(char: str) -> bool:
    """First level of GB 2312 (the 3,755 common hanzi) and its punctuation."""
    return _lead(char, "gb2312") in range(0xA1, 0xD8)


def _is_common_big5(char: str) -> bool:
    """First level of Big5 (5,401 common characters) and its punctuation."""
    return _lead(char, "big5") in range(0xA1, 0xC7)


def _is_common_latin(char: str) -> bool:
    return char in "ÄÖÜäöüßÀÁÂÇÈÉÊËÌÍÎÏÑÒÓÔÙÚÛàáâãçèéêëìíîïñòóôõùúûåÅæÆøØ€£°±µ²³½¼×–—‘’“”®™«»"


def _lead(char: str, encoding: str) -> int:
    try:
        coded = char.encode(encoding)
    except UnicodeEncodeError:
        return 0
    return coded[0] if len(coded) == 2 else 0


SCORES = {"gb18030": _is_common_gb, "big5": _is_common_big5, "cp1252": _is_common_latin}
