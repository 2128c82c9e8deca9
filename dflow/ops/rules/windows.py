"""Windows that move over the axes of images: arguments, padding, numbers of windows, and what each tap reads.

An image has a batch axis, spatial axes and a channel axis, in the order of its data format.  Attributes of operations
have TensorFlow's form: `strides`, `dilations` and `ksize` have one number for each axis of the image.
Source: nn_ops, common_shape_fns and the padding rules of TensorFlow 1.15.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.ops.rules.arrays import namespace

Pair = tuple[int, int]
Padding = str | Pair  # "SAME", "VALID", or the numbers of zeros before and behind an axis
Sizes = tuple[int, ...]
Parts = tuple[slice, ...]

FORMATS = {3: ("NWC", "NCW"), 4: ("NHWC", "NCHW"), 5: ("NDHWC", "NCDHW")}


@contextmanager
def at_run_time() -> Iterator[None]:
    """In a kernel: a fact that a shape rule would raise as ShapeError is an InvalidArgumentError."""
    try:
        yield
    except ShapeError as error:
        raise InvalidArgumentError(None, None, str(error)) from None


# -- arguments


def data_format_of(data_format: Any, rank: int) -> str:
    """The data format, the one with the channels last if none is named; ValueError for one of another rank."""
    accepted = FORMATS[rank]
    name = accepted[0] if data_format is None else data_format
    if name not in accepted:
        raise ValueError(
            f"Value for attr 'data_format' of {str(name)!r} is not in the list of allowed values: "
            + ", ".join(f'"{item}"' for item in accepted)
        )
    return str(name)


def channels_first(data_format: Any) -> bool:
    return str(data_format).startswith("NC")


def padding_argument(padding: Any, rank: int = 4) -> tuple[str, tuple[int, ...]]:
    """The attributes `padding` and `explicit_paddings`: a name, or pairs for all axes of the image."""
    if isinstance(padding, (list, tuple)):
        for i, pair in enumerate(padding):
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                found = f"has size {len(pair)}" if isinstance(pair, (list, tuple)) else "is not a list/tuple"
                raise ValueError(
                    "When padding is a list, each element of padding must be a list/tuple of size 2. "
                    f"Element with index {i} of padding {found}"
                )
        if len(padding) != rank:
            raise ValueError(f"When padding is a list, it must be of size {rank}. Got padding of size: {len(padding)}")
        return "EXPLICIT", tuple(int(number) for pair in padding for number in pair)
    if padding == "EXPLICIT":
        raise ValueError(
            '"EXPLICIT" is not a valid value for the padding parameter. To use explicit padding, the padding parameter '
            "must be a list."
        )
    return padding_name(padding), ()


def padding_name(padding: Any) -> str:
    """ "SAME" or "VALID"; ValueError for another value."""
    if padding not in ("SAME", "VALID", b"SAME", b"VALID"):
        raise ValueError(
            f'Value for attr \'padding\' of {padding!r} is not in the list of allowed values: "SAME", "VALID"'
        )
    return padding.decode() if isinstance(padding, bytes) else str(padding)


def for_each_axis(value: Any, spatial: int, data_format: str, name: str) -> Sizes:
    """A number, one for all spatial axes, one for each spatial axis, or one for each axis of the image -> the last."""
    values = [1] if value is None else list(value) if hasattr(value, "__len__") else [value]
    numbers = [int(item) for item in values]
    if len(numbers) == spatial + 2:
        return tuple(numbers)
    if len(numbers) == 1:
        numbers = numbers * spatial
    if len(numbers) != spatial:
        raise ValueError(f"{name} should be of length 1, {spatial} or {spatial + 2} but was {len(numbers)}")
    return (1, 1, *numbers) if channels_first(data_format) else (1, *numbers, 1)


def whole_sizes(value: Any, rank: int, name: str, kind: str) -> Sizes:
    """One number for each axis of the image; ValueError for another count."""
    numbers = tuple(int(item) for item in (value if hasattr(value, "__len__") else [value]))
    if len(numbers) != rank:
        raise ShapeError(f"{kind} requires the {name} attribute to contain {rank} values, but got: {len(numbers)}")
    return numbers


def spatial_places(data_format: str, rank: int) -> range:
    """The places of the spatial axes."""
    return range(2, rank) if channels_first(data_format) else range(1, rank - 1)


def channel_place(data_format: str, rank: int) -> int:
    return 1 if channels_first(data_format) else rank - 1


def spatial_paddings(padding: str, explicit: Sequence[int], data_format: str, rank: int) -> list[Padding]:
    """The padding of each spatial axis; ShapeError for wrong numbers."""
    if padding != "EXPLICIT":
        return [padding] * (rank - 2)
    pairs = [(explicit[2 * i], explicit[2 * i + 1]) for i in range(rank)]
    if min(explicit) < 0:
        raise ShapeError(f"All elements of explicit_paddings must be nonnegative, got {list(explicit)}")
    spatial = spatial_places(data_format, rank)
    if any(pair != (0, 0) for place, pair in enumerate(pairs) if place not in spatial):
        raise ShapeError(
            f"No padding of the batch and the depth: the paddings of these axes must be zero, got {list(explicit)}"
        )
    return [pairs[place] for place in spatial]


# -- one axis


def out_size(size: int | None, window: int | None, stride: int, dilation: int, padding: Padding) -> int | None:
    """The number of windows along an axis, as far as the sizes are known; ShapeError for a window that does not fit."""
    if stride < 1 or dilation < 1:
        raise ShapeError(f"strides and dilations are positive, got stride {stride} and dilation {dilation}")
    if size is None:
        return None
    if padding == "SAME":
        return -(-size // stride)
    if window is None:
        return None
    extent = (window - 1) * dilation + 1
    padded = size + (0 if isinstance(padding, str) else sum(padding))
    if window < 1 or padded < extent:
        raise ShapeError(
            f"Negative dimension size caused by subtracting {extent} from {padded}: "
            "the computed output size would be negative"
        )
    return (padded - extent) // stride + 1


@dataclass(frozen=True)
class Axis:
    """How a window moves along one axis: `out` windows of `window` taps over `size` values."""

    size: int
    window: int
    stride: int
    dilation: int
    before: int  # zeros
    after: int
    out: int

    @classmethod
    def of(cls, size: int, window: int, stride: int, dilation: int, padding: Padding) -> Axis:
        out = out_size(size, window, stride, dilation, padding)
        assert out is not None
        before, after = (0, 0) if isinstance(padding, str) else padding
        if padding == "SAME":
            total = max((out - 1) * stride + (window - 1) * dilation + 1 - size, 0)
            before, after = total // 2, total - total // 2
        return cls(size, window, stride, dilation, before, after, out)

    def tap(self, place: int) -> tuple[slice, slice]:
        """The windows whose tap `place` is inside of the axis, and the values that it reads, one a window."""
        offset = place * self.dilation - self.before
        first = max(0, -(offset // self.stride))
        end = min(self.out, (self.size - 1 - offset) // self.stride + 1)
        if end <= first:
            return slice(0, 0), slice(0, 0)
        start = first * self.stride + offset
        return slice(first, end), slice(start, start + (end - first - 1) * self.stride + 1, self.stride)

    @property
    def plain(self) -> bool:
        """Each window is one value, and each value is a window."""
        return self.window == self.stride == 1 and self.before == self.after == 0


NO_WINDOW = Axis(1, 1, 1, 1, 0, 0, 1)  # of an axis of one value


def axes_of(
    sizes: Sequence[int],
    windows: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    paddings: Sequence[Padding],
) -> tuple[Axis, ...]:
    return tuple(map(Axis.of, sizes, windows, strides, dilations, paddings))


def taps(axes: Sequence[Axis]) -> Iterator[tuple[Sizes, Parts, Parts]]:
    """Each tap of the window in row-major order: its place, the windows that have it, and the values that it reads."""
    for place in itertools.product(*(range(axis.window) for axis in axes)):
        pairs = [axis.tap(k) for axis, k in zip(axes, place, strict=True)]
        yield place, tuple(windows for windows, _ in pairs), tuple(values for _, values in pairs)


# -- arrays


def channels_last(x: Any, data_format: str) -> Any:
    """An array with its channel axis moved to the end (a view)."""
    return namespace(x).moveaxis(x, 1, -1) if channels_first(data_format) else x


def in_format(y: Any, data_format: str) -> Any:
    """The inverse of `channels_last`."""
    return namespace(y).moveaxis(y, -1, 1) if channels_first(data_format) else y


CACHE = 1 << 18  # numbers that stay in the cache of a processor while they are used
MEMORY = 1 << 27  # numbers that the memory of a device is to have room for


def batches(count: int, each: int, like: Any) -> Iterator[slice]:
    """Parts of a batch of which `each` makes so many numbers: not many more in a part than stay in the cache.

    like: an array; those of other devices than a processor come in parts as large as their memory allows.
    """
    step = max(1, (CACHE if type(like) is np.ndarray else MEMORY) // max(1, each))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def wide(x: Any) -> Any:
    """float16 and bfloat16 as float32, in which TensorFlow sums them; other arrays as they are."""
    xp = namespace(x)
    return xp.astype(x, xp.float32) if str(x.dtype).rpartition(".")[2] in ("float16", "bfloat16") else x


def narrow(y: Any, like: Any) -> Any:
    """A result in the dtype of an input."""
    return namespace(y).astype(y, like.dtype, copy=False)
