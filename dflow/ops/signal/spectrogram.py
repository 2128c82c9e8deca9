"""Short-time Fourier transforms, and their inverse.

Source: spectral_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.pad import pad
from dflow.ops.array.shape import reshape
from dflow.ops.array.tile import tile
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import square
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import static_value
from dflow.ops.signal.frames import frame, overlap_and_add
from dflow.ops.signal.real_fourier import irfft, rfft
from dflow.ops.signal.windows import hann_window

__all__ = ["inverse_stft", "inverse_stft_window_fn", "stft"]

Window = Callable[..., Tensor]
_HANN: Window = partial(hann_window, periodic=True)


def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Window | None = _HANN,
    pad_end: bool = False,
    name: str | None = None,
) -> Tensor:
    """The Fourier transforms of frames of a signal: [..., samples] -> [..., frames, fft_length // 2 + 1], complex.

    fft_length: None: the smallest power of 2 that holds a frame; window_fn: a function of the frame length and a
    `dtype=` that gives the weights of a frame, None: no weights; pad_end: see `frame`.
    """
    with scope_of((signals, frame_length, frame_step), name, "stft"):
        signals = convert_to_tensor(signals, name="signals")
        framed = frame(signals, frame_length, frame_step, pad_end=pad_end)
        if window_fn is not None:
            framed = multiply(framed, window_fn(frame_length, dtype=framed.dtype))
        return rfft(framed, [_enclosing_power(frame_length) if fft_length is None else fft_length])


def _enclosing_power(length: Any) -> int:
    """The smallest power of 2 that is not below the length; ValueError for a length that is not known."""
    known = static_value(length)
    if known is None:
        raise ValueError("give fft_length: frame_length is not known while the graph is built")
    return 1 << max(0, int(known) - 1).bit_length()


def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Window | None = _HANN,
    name: str | None = None,
) -> Tensor:
    """The signals of short-time Fourier transforms: [..., frames, m], complex -> [..., samples].

    To get back what `stft` took, use the window of `inverse_stft_window_fn`.  The other arguments are those of `stft`.
    """
    with scope_of((stfts,), name, "inverse_stft"):
        stfts = convert_to_tensor(stfts, name="stfts")
        size = _enclosing_power(frame_length) if fft_length is None else fft_length
        frames = irfft(stfts, [size])
        known_size, known_length = static_value(size), static_value(frame_length)
        if known_size is None or known_length is None:
            raise ValueError("frame_length and fft_length must be known while the graph is built")
        frames, missing = frames[..., : int(known_length)], int(known_length) - int(known_size)
        if missing > 0:
            frames = pad(frames, [[0, 0]] * (len(frames.shape) - 1) + [[0, missing]])
        if window_fn is not None:
            frames = multiply(frames, window_fn(frame_length, dtype=frames.dtype))
        return overlap_and_add(frames, frame_step)


def inverse_stft_window_fn(frame_step: Any, forward_window_fn: Window = _HANN, name: str | None = None) -> Window:
    """A window for `inverse_stft` with which it gives back the signal that `stft` took with `forward_window_fn`."""

    def window(frame_length: Any, dtype: Any) -> Tensor:
        known_length, known_step = static_value(frame_length), static_value(frame_step)
        if known_length is None or known_step is None:
            raise ValueError("frame_length and frame_step must be known while the graph is built")
        length, step = int(known_length), int(known_step)
        with scope_of((frame_length,), name, "inverse_stft_window_fn"):
            forward = forward_window_fn(length, dtype=dtype)
            pieces = -(-length // step)
            squares = reshape(pad(square(forward), [[0, pieces * step - length]]), [pieces, step])
            total = reshape(tile(reduce_sum(squares, 0, keepdims=True), [pieces, 1]), [pieces * step])
            return realdiv(forward, total[:length])

    return window
