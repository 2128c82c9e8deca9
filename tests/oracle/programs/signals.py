"""Signal processing: transforms, windows, frames, spectrograms; numbers rounded to few bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, outcomes, session, shape

RNG = np.random.default_rng(3)
X = RNG.normal(size=(2, 4, 6)).astype(np.float32)
Z = X + 1j * RNG.normal(size=X.shape)


def _values(tf: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    with session(tf) as sess:
        return sess.run(tensors) | {"static": {key: shape(it) for key, it in tensors.items() if hasattr(it, "shape")}}


def of_complex_numbers(tf: Any, folder: Path) -> dict[str, Any]:
    z, found = tf.constant(Z), {}
    for name in ("fft", "ifft", "fft2d", "ifft2d", "fft3d", "ifft3d"):
        y = getattr(tf, name)(z)
        found |= {name: y, f"{name} gradient": tf.gradients(y, z, grad_ys=tf.conj(y))[0]}
    return _values(tf, found) | {
        "same": [getattr(tf.signal, name) is getattr(tf.spectral, name) for name in ("fft", "rfft", "dct")],
        "rank": kind_of_error(lambda: tf.fft2d(z[0, 0])),
        "real": kind_of_error(lambda: tf.fft(tf.constant(X))),
    }


def of_real_numbers(tf: Any, folder: Path) -> dict[str, Any]:
    x, z, s, found = tf.constant(X.astype(np.float64)), tf.constant(Z), tf.signal, {}
    for name, lengths in (
        ("rfft", ([6], [9])),
        ("rfft2d", ([4, 6], [5, 7])),
        ("rfft3d", ([2, 4, 6], [2, 5, 8])),
    ):
        for length in (None, *lengths):
            y, back = getattr(s, name)(x, length), getattr(s, f"i{name}")(z, length)
            found |= {f"{name} {length}": y, f"i{name} {length}": back}
            if "3d" in name:  # TensorFlow has no gradient of these
                continue
            found[f"{name} {length} gradient"] = tf.gradients(y, x, grad_ys=tf.conj(y))[0]
            if length is None:  # nor of an inverse for which the input is cut
                found[f"i{name} gradient"] = tf.gradients(back, z, grad_ys=back)[0]
    unknown, partly = tf.placeholder(tf.float32), tf.placeholder(tf.float32, [None, None])
    length = tf.placeholder(tf.int32, [1])
    builds = {
        "unknown": lambda: s.rfft(unknown),
        "partly": lambda: s.rfft(partly, [8]),
        "length": lambda: [s.rfft(x, length)],  # its static shape is better known than TensorFlow's
        "both": lambda: s.irfft(s.rfft(partly, length), length),
        "wrong count": lambda: s.rfft(x, [1, 2]),
        "rank": lambda: s.rfft3d(x[0]),
    }
    with session(tf) as sess:
        at_run_time = outcomes(sess, builds, {unknown: X[0], partly: X[0], length: [5]})
    return _values(tf, found) | at_run_time


def cosine_transforms(tf: Any, folder: Path) -> dict[str, Any]:
    x, found = tf.constant(X[0]), {}
    for kind in (1, 2, 3, 4):
        for norm in (None, "ortho") if kind > 1 else (None,):
            for n in (None, 4, 9) if kind < 4 else (None,):
                y = tf.signal.dct(x, kind, n, norm=norm)
                found[f"{kind} {norm} {n}"] = y
                found[f"{kind} {norm} {n} gradient"] = tf.gradients(y * y, x)[0]
                found[f"{kind} {norm} {n} inverse"] = tf.signal.idct(x, kind, n, norm=norm)
    return _values(tf, found) | {
        "type": kind_of_error(lambda: tf.signal.dct(x, 5)),
        "norm": kind_of_error(lambda: tf.signal.dct(x, norm="x")),
        "first": kind_of_error(lambda: tf.signal.dct(x, 1, norm="ortho")),
        "axis": kind_of_error(lambda: tf.signal.dct(x, axis=0)),
    }


def frames(tf: Any, folder: Path) -> dict[str, Any]:
    s, x = tf.signal, tf.constant(np.arange(20.0, dtype=np.float32).reshape(2, 10))
    size = tf.placeholder_with_default(tf.constant(3), [])
    found = {
        "frame": s.frame(x, 4, 2),
        "end": s.frame(x, 4, 3, pad_end=True, pad_value=-1),
        "axis": s.frame(x, 1, 1, axis=0),
        "long": s.frame(x, 12, 3),
        "integers": s.frame(tf.range(7), 3, 3, pad_end=True),
        "at run time": s.frame(x, size, 2, pad_end=True),
        "gradient": tf.gradients(s.frame(x, 4, 2) ** 2, x)[0],
        "added": s.overlap_and_add(tf.reshape(x, [2, 2, 5]), 2),
        "apart": s.overlap_and_add(tf.reshape(x, [2, 2, 5]), 7),
        "of added": tf.gradients(s.overlap_and_add(tf.reshape(x, [2, 2, 5]), 2) ** 2, x)[0],
        "hann": [s.hann_window(n, periodic) for n in (1, 4, 5) for periodic in (True, False)],
        "hamming": [s.hamming_window(n, periodic, tf.float64) for n in (1, 4, 5) for periodic in (True, False)],
        "windows at run time": [s.hann_window(size), s.hamming_window(size, periodic=False)],
        "shifts": [s.fftshift(x), s.ifftshift(tf.range(5)), s.fftshift(tf.range(5)), s.fftshift(x, axes=[1])],
    }
    return _values(tf, found)


def spectrograms(tf: Any, folder: Path) -> dict[str, Any]:
    s, x = tf.signal, tf.constant(RNG.normal(size=(2, 32)).astype(np.float32))
    spectra = s.stft(x, 8, 4)
    back = s.inverse_stft(spectra, 8, 4, window_fn=s.inverse_stft_window_fn(4))
    mel = s.linear_to_mel_weight_matrix(5, 9, 8000, 80.0, 3800.0)
    logs = tf.log(tf.matmul(tf.reshape(tf.abs(s.stft(x, 16, 8)), [-1, 9]), mel) + 1e-3)
    return _values(
        tf,
        {
            "stft": spectra,
            "longer": s.stft(x, 6, 3, fft_length=16, window_fn=None, pad_end=True),
            "back": back,
            "plain": s.inverse_stft(spectra, 8, 4, fft_length=8, window_fn=None),
            "gradient": tf.gradients(tf.real(spectra * tf.conj(spectra)), x)[0],
            "mel": mel,
            "mfcc": s.mfccs_from_log_mel_spectrograms(logs),
        },
    ) | {
        "bins": kind_of_error(lambda: s.linear_to_mel_weight_matrix(0)),
        "edges": kind_of_error(lambda: s.linear_to_mel_weight_matrix(lower_edge_hertz=100, upper_edge_hertz=10)),
        "nyquist": kind_of_error(lambda: s.linear_to_mel_weight_matrix(upper_edge_hertz=5000)),
    }


def few_bits(tf: Any, folder: Path) -> dict[str, Any]:
    q, x = tf.quantization, tf.constant(np.linspace(-8, 8, 23, dtype=np.float32).reshape(1, 23))
    low, high = tf.constant(-1.3), tf.constant(5.1)
    lows, highs = (tf.constant(np.linspace(*ends, 23, dtype=np.float32)) for ends in ((-6, 0), (0.5, 6)))
    found: dict[str, Any] = {"nothing": tf.fake_quant_with_min_max_vars(x, 0.0, 0.0)}
    for narrow in (False, True):
        for bits in (2, 8):
            key, options = f"{bits} {narrow}", {"num_bits": bits, "narrow_range": narrow}
            fixed = q.fake_quant_with_min_max_args(x, -1.0, 6.0, **options)
            found[f"args {key}"] = [fixed, *tf.gradients(fixed * x, x)]
            one = tf.fake_quant_with_min_max_vars(x, low, high, **options)
            found[f"vars {key}"] = [one, *tf.gradients(one * x, [x, low, high])]
            many = tf.fake_quant_with_min_max_vars_per_channel(x, lows, highs, **options)
            found[f"channels {key}"] = [many, *tf.gradients(many * x, [x, lows, highs])]
    found["gradients"] = [
        tf.fake_quant_with_min_max_args_gradient(x, x),
        *tf.fake_quant_with_min_max_vars_gradient(x, x, low, high),
        *tf.fake_quant_with_min_max_vars_per_channel_gradient(x, x, lows, highs),
    ]
    return _values(tf, found) | {
        "dtype": kind_of_error(lambda: tf.fake_quant_with_min_max_args(tf.constant(np.ones(2)))),
        "channels": kind_of_error(lambda: tf.fake_quant_with_min_max_vars_per_channel(x, [1.0], [2.0])),
    }
