"""Fourier and cosine transforms, windows and frames, against NumPy and SciPy; gradients by central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import dflow as df
from dflow import errors
from dflow.gradients import gradients
from dflow.ops.array.constants import placeholder
from tests.ops.evaluate import Evaluator

RNG = np.random.default_rng(5)
X = RNG.normal(size=(2, 3, 4, 5))
Z = X + 1j * RNG.normal(size=X.shape)
AXES = {1: (-1,), 2: (-2, -1), 3: (-3, -2, -1)}


def value(fetch: Any, feeds: Any = None) -> Any:
    return Evaluator()(fetch, feeds)


def judge_gradient(function: Any, x: np.ndarray) -> None:
    """The gradient in a random direction, of a random weight of the outputs, first and second."""
    direction = RNG.normal(size=x.shape) + (1j * RNG.normal(size=x.shape) if np.iscomplexobj(x) else 0)
    fed = placeholder(x.dtype, x.shape)
    y = function(fed)
    weight = RNG.normal(size=y.shape.as_list()) + (1j * RNG.normal(size=y.shape.as_list()) if y.dtype.is_complex else 0)
    (dx,) = gradients(y, fed, df.constant(weight))

    def at(step: float) -> float:
        return float(np.sum(np.conj(weight) * value(y, {fed: x + step * direction})).real)

    found = float(np.sum(np.conj(value(dx, {fed: x})) * direction).real)
    assert found == pytest.approx((at(1e-6) - at(-1e-6)) / 2e-6, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("rank", AXES)
def test_the_transform_of_complex_numbers_is_numpys_of_every_rank(rank: int) -> None:
    suffix = f"{rank}d" if rank > 1 else ""
    forward, inverse = getattr(df, f"fft{suffix}"), getattr(df, f"ifft{suffix}")
    np.testing.assert_allclose(value(forward(Z)), np.fft.fftn(Z, axes=AXES[rank]), atol=1e-12)
    np.testing.assert_allclose(value(inverse(Z)), np.fft.ifftn(Z, axes=AXES[rank]), atol=1e-12)
    judge_gradient(forward, Z)
    judge_gradient(inverse, Z)


@pytest.mark.parametrize(
    ("rank", "length"),
    [(1, None), (1, [4]), (1, [8]), (1, [1]), (2, None), (2, [3, 6]), (2, [5, 5]), (3, None), (3, [4, 2, 6])],
)
def test_the_transform_of_real_numbers_is_numpys_of_every_rank_and_length(rank: int, length: Any) -> None:
    s, suffix = df.signal, f"{rank}d" if rank > 1 else ""
    functions = {1: (s.rfft, s.irfft), 2: (s.rfft2d, s.irfft2d), 3: (s.rfft3d, s.irfft3d)}
    forward, inverse = functions[rank]
    assert forward is getattr(s, f"rfft{suffix}")
    assert inverse is getattr(s, f"irfft{suffix}")
    np.testing.assert_allclose(value(forward(X, length)), np.fft.rfftn(X, length, AXES[rank]), atol=1e-12)
    np.testing.assert_allclose(value(inverse(Z, length)), np.fft.irfftn(Z, length, AXES[rank]), atol=1e-12)
    judge_gradient(lambda x: forward(x, length), X)
    judge_gradient(lambda z: inverse(z, length), Z)
    judge_gradient(lambda x: gradients(df.real(forward(x, length)) ** 2, x)[0], X)  # of the gradient


def test_a_length_of_zero_and_lengths_that_a_run_feeds() -> None:
    x, length = placeholder("float32", None), placeholder("int32", [1])
    back = df.signal.irfft(df.signal.rfft(x, length), length)
    short = X[0].astype(np.float32)
    for n in (3, 5, 7):
        expected = np.fft.irfft(np.fft.rfft(short, n), n)
        np.testing.assert_allclose(value(back, {x: short, length: [n]}), expected, atol=1e-6)
    assert value(df.signal.rfft(short, [0])).shape == (3, 4, 0)
    with pytest.raises(ValueError, match="one length for each of the last 2 axes"):
        df.signal.rfft2d(short, [1])
    with pytest.raises(ValueError, match="at least rank 3"):
        df.signal.rfft3d(short[0])
    with pytest.raises(errors.InvalidArgumentError, match="fft_length must be 1 non-negative"):
        value(df.signal.rfft(short, length), {length: [-1]})


def test_static_shapes_of_transforms() -> None:
    x = placeholder("float32", [None, 8])
    assert df.signal.rfft(x).shape.as_list() == [None, 5]
    assert df.signal.rfft(x, [6]).shape.as_list() == [None, 4]
    assert df.signal.irfft(df.signal.rfft(x)).shape.as_list() == [None, 8]
    assert df.signal.rfft(placeholder("float32", [3, None])).shape.as_list() == [3, None]
    assert df.signal.dct(x).shape.as_list() == [None, 8]


def test_spectral_has_the_functions_of_signal() -> None:
    t = df.spectral
    all_of_them = [t.rfft, t.rfft2d, t.rfft3d, t.irfft, t.irfft2d, t.irfft3d, t.dct, t.idct]
    assert all_of_them == [getattr(df.signal, it.__name__) for it in all_of_them]
    assert [t.fft2d, df.signal.ifft3d] == [df.fft2d, df.ifft3d]


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_cosine_transforms_are_scipys(kind: int, norm: str | None) -> None:
    x = X[0, 0]
    if kind == 1 and norm:
        with pytest.raises(ValueError, match="not supported for the Type-I"):
            df.signal.dct(x, kind, norm=norm)
        return
    np.testing.assert_allclose(value(df.signal.dct(x, kind, norm=norm)), scipy.fft.dct(x, kind, norm=norm), atol=1e-12)
    longer = value(df.signal.dct(x, kind, 7, norm=norm))
    np.testing.assert_allclose(longer, scipy.fft.dct(x, kind, 7, norm=norm), atol=1e-12)
    back = value(df.signal.idct(df.signal.dct(x, kind, norm=norm), kind, norm=norm))
    np.testing.assert_allclose(back, x * (1 if norm else 8 if kind == 1 else 10), atol=1e-12)
    judge_gradient(lambda x: df.signal.dct(x, kind, norm=norm), x)


def test_windows_are_scipys() -> None:
    for n in (1, 2, 6, 7):
        for periodic in (True, False):
            symmetric = not (periodic and n % 2 == 0)  # an odd window is the same for both
            for ours, name in ((df.signal.hann_window, "hann"), (df.signal.hamming_window, "hamming")):
                expected = scipy.signal.get_window(name, n, fftbins=not symmetric)
                np.testing.assert_allclose(value(ours(n, periodic, df.float64)), expected, atol=1e-12)
    count = placeholder("int32", [])
    np.testing.assert_allclose(value(df.signal.hann_window(count), {count: 1}), [1.0])


def test_frames_that_are_added_again_give_the_signal_once_for_each_frame_that_covers_it() -> None:
    x = RNG.normal(size=(2, 11))
    for length, step, whole in [(4, 2, False), (3, 3, True), (5, 2, True), (2, 4, True)]:
        framed = df.signal.frame(x, length, step, pad_end=whole)
        count = -(-11 // step) if whole else 1 + (11 - length) // step
        assert framed.shape.as_list() == [2, count, length]
        again = value(df.signal.overlap_and_add(framed, step))
        padded = np.pad(x, [(0, 0), (0, max(0, again.shape[1] - 11))])
        covered = np.zeros(again.shape[1])
        for i in range(count):
            covered[i * step : i * step + length] += 1
        np.testing.assert_allclose(again, padded[:, : again.shape[1]] * covered, atol=1e-12)
    judge_gradient(lambda x: df.signal.overlap_and_add(df.signal.frame(x, 4, 3), 2), x)


def test_the_inverse_of_a_spectrogram_gives_the_signal_back() -> None:
    s, x = df.signal, RNG.normal(size=(2, 40)).astype(np.float32)
    found = s.stft(x, 8, 2)
    expected = np.stack([np.fft.rfft(x[:, i : i + 8] * scipy.signal.get_window("hann", 8)) for i in range(0, 33, 2)], 1)
    np.testing.assert_allclose(value(found), expected, atol=1e-5)
    back = value(s.inverse_stft(found, 8, 2, window_fn=s.inverse_stft_window_fn(2)))
    np.testing.assert_allclose(back[:, 8:-8], x[:, 8:-8], atol=1e-5)


def test_spectra_are_shifted_as_numpy_does() -> None:
    for ours, theirs in ((df.signal.fftshift, np.fft.fftshift), (df.signal.ifftshift, np.fft.ifftshift)):
        np.testing.assert_array_equal(value(ours(X)), theirs(X))
        np.testing.assert_array_equal(value(ours(X, axes=[-1, 0])), theirs(X, axes=[-1, 0]))


def test_mel_weights_are_triangles_that_cover_the_frequencies() -> None:
    weights = value(df.signal.linear_to_mel_weight_matrix(6, 65, 8000, 100.0, 3900.0))
    assert weights.shape == (65, 6)
    assert (weights >= 0).all()
    assert (np.diff(weights.argmax(0)) > 0).all()
    inside = weights[8:38].sum(1)  # between the first and the last center, two triangles add up to 1
    np.testing.assert_allclose(inside, 1, atol=1e-5)
    logs = df.constant(RNG.normal(size=(3, 6)).astype(np.float32))
    expected = scipy.fft.dct(value(logs), 2) / np.sqrt(12)
    np.testing.assert_allclose(value(df.signal.mfccs_from_log_mel_spectrograms(logs)), expected, atol=1e-5)
    with pytest.raises(ValueError, match="Nyquist"):
        df.signal.linear_to_mel_weight_matrix(upper_edge_hertz=5000)
