# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a stream is cut into the parts of an upload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def of(blocks: Iterable[bytes], size: int) -> Iterator[bytearray]:
    """The stream in parts of ``size`` bytes, the last one shorter; an empty stream is one empty part."""
    part, sent = bytearray(), False
    for block in blocks:
        rest = memoryview(block)
        while len(part) + len(rest) >= size:
            room = size - len(part)
            part += rest[:room]
            yield part
            part, rest, sent = bytearray(), rest[room:], True
        part += rest
    if part or not sent:
        yield part
