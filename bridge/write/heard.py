"""What was heard of a part as a file: blocks of bytes, each after its length. It is kept in the cache alone."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

#: A length has four bytes, the lowest first.
_LENGTH_BYTES = 4


def write(path: Path, blocks: Iterable[bytes]) -> None:
    """Write blocks to a file as they come."""
    with path.open("wb") as file:
        for block in blocks:
            file.write(len(block).to_bytes(_LENGTH_BYTES, "little"))
            file.write(block)


def read(path: Path) -> Generator[bytes, None, None]:
    """The blocks of a file, one at a time.

    Raises
    ------
    ValueError
        If the file ends within a block.
    """
    with path.open("rb") as file:
        while head := file.read(_LENGTH_BYTES):
            length = int.from_bytes(head, "little")
            block = file.read(length)
            if len(head) < _LENGTH_BYTES or len(block) < length:
                raise ValueError(f"{path} ends within a block")
            yield block
