"""Mel spectrograms and cepstral coefficients.

Source: mel_ops and mfcc_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.dtypes import as_dtype
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.pad import pad
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, shape
from dflow.ops.math.arithmetic import add, maximum, minimum, multiply, subtract
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import log, rsqrt
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import static_value
from dflow.ops.signal.cosine import dct

__all__ = ["linear_to_mel_weight_matrix", "mfccs_from_log_mel_spectrograms"]

_BREAK_FREQUENCY, _HIGH_FREQUENCY_Q = 700.0, 1127.0


def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: Any = 129,
    sample_rate: Any = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: Any = "float32",
    name: str | None = None,
) -> Tensor:
    """The matrix that turns linear spectrograms into mel spectrograms: [num_spectrogram_bins, num_mel_bins].

    Column i is a triangle of weights over the frequencies of mel bin i.  The bins are of one width on the mel scale,
    between the two edges.  ValueError for bins, rates and edges that make no sense.
    """
    target = as_dtype(dtype)
    _check(num_mel_bins, sample_rate, lower_edge_hertz, upper_edge_hertz)
    with scope_of((sample_rate, num_spectrogram_bins), name, "linear_to_mel_weight_matrix"):
        nyquist = multiply(cast(convert_to_tensor(sample_rate), target), 0.5)
        bins = convert_to_tensor(num_spectrogram_bins)
        step = realdiv(nyquist, cast(subtract(bins, 1), target))
        hertz = multiply(cast(range_(1, bins), target), step)  # without that of frequency 0, which counts in no bin
        mel = expand_dims(multiply(log(add(realdiv(hertz, _BREAK_FREQUENCY), 1.0)), _HIGH_FREQUENCY_Q), 1)
        low, high = _mel(lower_edge_hertz), _mel(upper_edge_hertz)
        edges = [low + (high - low) * i / (num_mel_bins + 1) for i in range(num_mel_bins + 2)]
        lower, center, upper = (convert_to_tensor([edges[i : i + num_mel_bins]], target) for i in range(3))
        rising = realdiv(subtract(mel, lower), subtract(center, lower))
        falling = realdiv(subtract(upper, mel), subtract(upper, center))
        return pad(maximum(minimum(rising, falling), 0.0), [[1, 0], [0, 0]])


def _mel(hertz: float) -> float:
    return _HIGH_FREQUENCY_Q * math.log1p(hertz / _BREAK_FREQUENCY)


def _check(num_mel_bins: int, sample_rate: Any, lower: float, upper: float) -> None:
    if num_mel_bins <= 0:
        raise ValueError(f"num_mel_bins must be positive. Got: {num_mel_bins}")
    if lower < 0.0:
        raise ValueError(f"lower_edge_hertz must be non-negative. Got: {lower}")
    if lower >= upper:
        raise ValueError(f"lower_edge_hertz {lower:.1f} >= upper_edge_hertz {upper:.1f}")
    rate = static_value(sample_rate)
    if rate is None:
        return
    if rate <= 0.0:
        raise ValueError(f"sample_rate must be positive. Got: {rate}")
    if upper > rate / 2:
        raise ValueError(
            f"upper_edge_hertz must not be larger than the Nyquist frequency (sample_rate / 2). Got {upper} for "
            f"sample_rate: {rate}"
        )


def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """The cepstral coefficients of logarithms of mel spectrograms: their cosine transform, scaled: [..., n]."""
    with scope_of((log_mel_spectrograms,), name, "mfccs_from_log_mel_spectrograms"):
        x = convert_to_tensor(log_mel_spectrograms)
        count = x.shape[-1] if x.shape.ndims is not None else None
        if count == 0:
            raise ValueError(f"num_mel_bins must be positive. Got: {x.name}")
        scale = rsqrt(2.0 * cast(shape(x)[-1], x.dtype)) if count is None else 1 / math.sqrt(2 * count)
        return multiply(dct(x, type=2), scale)
