"""Damages bytes in the ways files get damaged, and in those that parsers are known to fall for. Seeded: repeatable."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

NUMBERS = [
    b"inf",
    b"-inf",
    b"nan",
    b"1e999",
    b"-1",
    b"0",
    b"",
    b"2,457",
    b"1_000",
    b"9" * 400,
    b"0x10",
    b"true",
    b"null",
    b"[]",
    b"{}",
]
WORDS = [
    b"\xff\xfe",
    b"\x00",
    b'"',
    b"'",
    b"\n",
    b"\r",
    b"\t",
    b",",
    b";",
    b"~nosuchuser",
    b"../../x",
    b"=1+1",
    b"a" * 300,
    b"%s",
    b"\xc3\xa4",
]
INTEGERS = [0, 1, -1, 127, 255, 32767, 65535, 2**31 - 1, -(2**31), 2**32 - 1]
FLOATS = [0.0, -0.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"), -1.0]


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def set_bytes(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 16))):
        data[_place(data, rng)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def set_number(data: bytearray, rng: random.Random) -> None:
    """A binary number of the header becomes one at the edge of its type."""
    form = rng.choice("bBhHiIqf") if rng.random() < 0.7 else "f"
    order = rng.choice("<>")
    value = rng.choice(FLOATS) if form == "f" else rng.choice(INTEGERS)
    size = struct.calcsize(form)
    packed = struct.pack(order + "f", value) if form == "f" else (value & (256**size - 1)).to_bytes(size, "little")
    place = _place(data, rng)
    data[place : place + len(packed)] = packed if order == "<" or form == "f" else packed[::-1]


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def remove(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    del data[start : start + rng.choice((1, 2, 7, 64, 1000))]


def repeat(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    piece = bytes(data[start : start + rng.choice((1, 4, 30, 300))])
    data[start:start] = piece * rng.choice((1, 2, 20))


def insert(data: bytearray, rng: random.Random) -> None:
    place = _place(data, rng)
    data[place:place] = rng.choice(NUMBERS + WORDS)


def replace_word(data: bytearray, rng: random.Random) -> None:
    """One word of a text (between blanks, commas, brackets) becomes another."""
    edges = b' \t\n\r,;:"[]{}()'
    start = _place(data, rng)
    while start > 0 and data[start - 1] not in edges:
        start -= 1
    end = start
    while end < len(data) and data[end] not in edges and end - start < 200:
        end += 1
    data[start:end] = rng.choice(NUMBERS + WORDS)


def swap_lines(data: bytearray, rng: random.Random) -> None:
    lines = bytes(data).split(b"\n")
    if len(lines) > 2:
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[i], lines[j] = lines[j], lines[i] if rng.random() < 0.5 else lines[i] + lines[j]
        data[:] = b"\n".join(lines)


HOWS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits, set_bytes, set_number, cut, remove, repeat, insert, replace_word, swap_lines,
)  # fmt: skip


def mutated(seed: bytes, rng: random.Random, head: int = 0) -> bytes:
    """`seed` damaged one to four times.

    Parameters
    ----------
    head : when above 0, three of four changes fall into so many first bytes: the header decides most.
    """
    data = bytearray(seed)
    part = bytearray(data[:head]) if head and rng.random() < 0.75 else data
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if part:
            rng.choice(HOWS)(part, rng)
    return bytes(part) if part is data else bytes(part) + bytes(data[head:])


def _place(data: bytearray, rng: random.Random) -> int:
    return rng.randrange(len(data)) if data else 0
