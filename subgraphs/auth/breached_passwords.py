"""Looks passwords up in a file of those that leaked, which `passwords build-filter` makes.

The file holds the first bits of the SHA-1 of each password, sorted: a header, the position of each
bucket (by the first bits of the hash), and the next 24 bits of every hash. A password that is not
in it is found all the same once in 260,000 times. A look-up reads two places of the file, which is
mapped into memory and shared by all processes.
"""

import hashlib
import mmap
import re
import tempfile
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from struct import Struct
from typing import BinaryIO

_MAGIC = b"leaked\x00\x01"
_HEADER = Struct("<8sQQ")  # magic, bits of a bucket, number of passwords
_POSITION = Struct("<Q")
_HASH_BYTES = 6
_SUFFIX_BYTES = 3
_PARTS = 256
_IN_A_BUCKET = 64
"""Passwords in a bucket, on average: at most this many."""
_LARGEST_BUCKET_BITS = 8 * (_HASH_BYTES - _SUFFIX_BYTES)
_SHA1 = re.compile(rb"([0-9A-Fa-f]{40})(?::([0-9]+))?")


class InvalidFilterError(Exception):
    """A file is no filter, or a line cannot be read; the message names it and no password."""


class BreachedPasswords:
    """Implements the check of the use cases: `filter(password)` is True for one that leaked."""

    def __init__(self, path: Path) -> None:
        """Map the file. Raises InvalidFilterError."""
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # an empty file is a ValueError
            raise InvalidFilterError(f"{path} cannot be read: {error}") from None
        header = self._data[: _HEADER.size].ljust(_HEADER.size)
        magic, self._bits, self.count = _HEADER.unpack(header)
        if magic != _MAGIC or self._bits > _LARGEST_BUCKET_BITS:
            raise InvalidFilterError(f"{path} is no filter of passwords")
        self._suffixes = _HEADER.size + _POSITION.size * (2**self._bits + 1)
        if len(self._data) != self._suffixes + _SUFFIX_BYTES * self.count:
            raise InvalidFilterError(f"{path} is not complete")

    def __call__(self, password: str) -> bool:
        hash_ = _hash_of(password.encode(errors="surrogatepass"))
        bucket, suffix = _split(int.from_bytes(hash_), self._bits)
        start = self._position(bucket)
        suffixes = self._data[start : self._position(bucket + 1)]
        found = suffixes.find(suffix)
        while found % _SUFFIX_BYTES > 0:  # across two of them; -1 % 3 is 2
            if found < 0:
                return False
            found = suffixes.find(suffix, found + 1)
        return True

    def _position(self, bucket: int) -> int:
        (number,) = _POSITION.unpack_from(self._data, _HEADER.size + _POSITION.size * bucket)
        return int(self._suffixes + _SUFFIX_BYTES * number)


def build(lines: Iterable[bytes], output: Path, *, at_least: int = 1) -> int:
    """Write the filter of the passwords in `lines`. Return their number, each counted once.

    The first line decides what all lines are: `SHA-1[:count]` in hexadecimal, in any order, or
    passwords. With counts, those that were seen fewer than `at_least` times are left out. Memory is
    bounded: the hashes are sorted in 256 parts, which take 6 bytes each beside `output` meanwhile.
    Raises InvalidFilterError.
    """
    with ExitStack() as stack:
        parts = [
            stack.enter_context(tempfile.TemporaryFile(dir=output.parent)) for _ in range(_PARTS)
        ]
        seen = 0
        for hash_ in _hashes(lines, at_least):
            parts[hash_[0]].write(hash_)
            seen += 1
        if not seen:
            raise InvalidFilterError("there is no password to put into the filter")
        bits = min(max(8, (seen // _IN_A_BUCKET).bit_length()), _LARGEST_BUCKET_BITS)
        partial = output.with_name(f".{output.name}.partial")
        try:
            with partial.open("w+b") as file:
                count = _write(file, parts, bits)
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)
    return count


def _write(file: BinaryIO, parts: Sequence[BinaryIO], bits: int) -> int:
    """Write the filter. Return the number of different hashes."""
    sizes = array("L", bytes(array("L").itemsize * 2**bits))
    file.seek(_HEADER.size + _POSITION.size * (2**bits + 1))
    for part in parts:
        for hash_ in _sorted(part):
            bucket, suffix = _split(hash_, bits)
            sizes[bucket] += 1
            file.write(suffix)
    count = 0
    file.seek(_HEADER.size)
    for size in (*sizes, 0):
        file.write(_POSITION.pack(count))
        count += size
    file.seek(0)
    file.write(_HEADER.pack(_MAGIC, bits, count))
    return count


def _sorted(part: BinaryIO) -> list[int]:
    part.seek(0)
    data = part.read()
    return sorted(
        {int.from_bytes(data[n : n + _HASH_BYTES]) for n in range(0, len(data), _HASH_BYTES)}
    )


def _hashes(lines: Iterable[bytes], at_least: int) -> Iterator[bytes]:
    """Yield the first bytes of the hash of each line."""
    is_hashed: bool | None = None
    for number, ended in enumerate(lines, start=1):
        line = ended.rstrip(b"\r\n")
        if not line:
            continue
        match = _SHA1.fullmatch(line)
        if is_hashed is None:
            is_hashed = match is not None
        if not is_hashed:
            text = line.decode(errors="surrogateescape")
            yield _hash_of(unicodedata.normalize("NFC", text).encode(errors="surrogateescape"))
        elif match is None:
            raise InvalidFilterError(f"line {number} is not SHA-1:count, as others are")
        elif int(match[2] or at_least) >= at_least:
            yield bytes.fromhex(match[1][: 2 * _HASH_BYTES].decode())


def _hash_of(password: bytes) -> bytes:
    return hashlib.sha1(password, usedforsecurity=False).digest()[:_HASH_BYTES]


def _split(hash_: int, bits: int) -> tuple[int, bytes]:
    """Return the bucket of a hash and its next 24 bits."""
    rest = 8 * _HASH_BYTES - bits
    suffix = (hash_ >> (rest - 8 * _SUFFIX_BYTES)) & (2 ** (8 * _SUFFIX_BYTES) - 1)
    return hash_ >> rest, suffix.to_bytes(_SUFFIX_BYTES)
