"""Arguments of layers with windows, and the sizes of their outputs.

Source: conv_utils of tf.keras of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

__all__ = ["conv_length", "deconv_length", "normal_padding", "normal_tuple", "op_format"]


def normal_tuple(value: Any, count: int, name: str) -> tuple[int, ...]:
    """A number for each axis, or `count` numbers; ValueError, which names the argument, for anything else."""
    wrong = f"The `{name}` argument must be a tuple of {count} integers. Received: {value}"
    if isinstance(value, int):
        return (value,) * count
    try:
        numbers = tuple(value)
    except TypeError:
        raise ValueError(wrong) from None
    if len(numbers) != count:
        raise ValueError(wrong)
    try:
        return tuple(int(number) for number in numbers)
    except (TypeError, ValueError):
        raise ValueError(wrong) from None


def normal_padding(value: str, causal: bool = False) -> str:
    """ "valid" or "same"; ValueError for another value.  causal: "causal" is accepted, too."""
    padding = value.lower() if isinstance(value, str) else value
    if padding not in ("valid", "same") and not (causal and padding == "causal"):
        raise ValueError(f'The `padding` argument must be one of "valid", "same" (or "causal", only for `Conv1D`). '
                         f"Received: {value}")  # fmt: skip
    return str(padding)


def op_format(data_format: str, rank: int) -> str:
    """The data format of an operation on inputs of this rank: NHWC, NCHW and the like."""
    axes = {3: "W", 4: "HW", 5: "DHW"}[rank]
    return f"NC{axes}" if data_format == "channels_first" else f"N{axes}C"


def conv_length(size: int | None, window: int, padding: str, stride: int, dilation: int = 1) -> int | None:
    """The size of an axis after a convolution or a pooling."""
    if size is None:
        return None
    if padding == "valid":
        size -= (window - 1) * dilation
    return (size + stride - 1) // stride


def deconv_length(size: Any, window: int, padding: str, stride: int) -> Any:
    """The size of an axis after a transposed convolution; a number, None or a tensor."""
    if size is None:
        return None
    return size * stride + (max(window - stride, 0) if padding == "valid" else 0)
