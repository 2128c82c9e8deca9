"""Random dtypes, shapes and values, as text of Python."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

Shape = tuple[int | None, ...] | None  # None: of unknown rank

INTEGERS = ("int32", "int64", "uint8", "int16")
FLOATS = ("float32", "float64", "float16")
NUMBERS = (*INTEGERS, *FLOATS, "complex64")
DTYPES = (*NUMBERS, "bool", "string")
COMMON = ("int32", "int64", "float32", "float64", "bool", "string")

_TEXTS = ["b''", "b'a'", "'b'", "b'long\\x00er'", "'\\u00e4'", "b'\\xff'", "b'12'", "b'1.5'"]
_FLOATS = ["0.0", "0.5", "1.0", "-2.0", "3.25", "100.0", "np.nan", "-np.inf"]


def dtype(random: Random) -> str:
    return random.choice(COMMON if random.random() < 0.8 else DTYPES)


def shape(random: Random, sizes: Sequence[int] = (0, 1, 2, 2, 3)) -> tuple[int, ...]:
    return tuple(random.choice(sizes) for _ in range(random.choice([0, 0, 0, 1, 1, 2])))


def full_shape(random: Random) -> tuple[int, ...]:
    """Of something: TensorFlow takes an empty variable for initialized, and crashes with a batch of empty elements."""
    return shape(random, (1, 2, 2, 3))


def scalar(random: Random, dtype: str) -> str:
    if dtype == "string":
        return random.choice(_TEXTS)
    if dtype == "bool":
        return random.choice(["True", "False"])
    if dtype == "complex64":
        return random.choice(["1j", "0.5+2j", "-1.0"])
    if dtype in FLOATS:
        return random.choice(_FLOATS if random.random() < 0.2 else _FLOATS[:6])
    return str(random.randint(0 if dtype == "uint8" else -9, 9))


def literal(random: Random, dtype: str, shape: tuple[int, ...]) -> str:
    """A value: nested lists, or, as one cannot write all shapes so, an array."""
    text = _nested(random, dtype, shape)
    if 0 in shape:
        return f"np.zeros({list(shape)}, {_numpy(dtype)})"
    return f"np.array({text}, {_numpy(dtype)})" if random.random() < 0.2 else text


def _nested(random: Random, dtype: str, shape: tuple[int, ...]) -> str:
    if not shape:
        return scalar(random, dtype)
    return "[" + ", ".join(_nested(random, dtype, shape[1:]) for _ in range(shape[0])) + "]"


def _numpy(dtype: str) -> str:
    return "object" if dtype == "string" else f"np.{dtype}"


def concrete(random: Random, shape: Shape) -> tuple[int, ...]:
    """A shape that is compatible with `shape`."""
    if shape is None:
        return tuple(random.choice([1, 2, 3]) for _ in range(random.choice([0, 0, 1])))
    return tuple(random.choice([1, 2, 3]) if size is None else size for size in shape)


def partly_known(random: Random, shape: tuple[int, ...]) -> Shape:
    """What a placeholder may say of `shape`."""
    if random.random() < 0.2:
        return None
    return tuple(None if random.random() < 0.3 else size for size in shape)


def is_known(shape: Shape) -> bool:
    return shape is not None and None not in shape


def text_of(shape: Shape) -> str:
    return "None" if shape is None else str(list(shape))
