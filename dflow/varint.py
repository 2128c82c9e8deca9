"""Numbers as protocol buffers write them: seven bits a byte, the low ones first, and a high bit if more follow."""

from __future__ import annotations


def encoded(number: int) -> bytes:
    """A number that is not negative as bytes."""
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def decoded(data: bytes | memoryview, start: int) -> tuple[int, int]:
    """The number at `start`, and the place behind it; ValueError if the data ends within the number."""
    number = 0
    for place in range(start, min(len(data), start + 10)):
        number |= (data[place] & 0x7F) << 7 * (place - start)
        if data[place] < 0x80:
            return number, place + 1
    raise ValueError("a number is cut off")
