"""Signal processing, as TensorFlow 1 names it in `tf.signal`.

Source: tf.signal of TensorFlow 1.15.
"""

from dflow.ops.signal.cosine import dct, idct
from dflow.ops.signal.fourier import fft, fft2d, fft3d, ifft, ifft2d, ifft3d
from dflow.ops.signal.frames import frame, overlap_and_add
from dflow.ops.signal.mel import linear_to_mel_weight_matrix, mfccs_from_log_mel_spectrograms
from dflow.ops.signal.real_fourier import irfft, irfft2d, irfft3d, rfft, rfft2d, rfft3d
from dflow.ops.signal.shifts import fftshift, ifftshift
from dflow.ops.signal.spectrogram import inverse_stft, inverse_stft_window_fn, stft
from dflow.ops.signal.windows import hamming_window, hann_window

__all__ = [
    "dct",
    "fft",
    "fft2d",
    "fft3d",
    "fftshift",
    "frame",
    "hamming_window",
    "hann_window",
    "idct",
    "ifft",
    "ifft2d",
    "ifft3d",
    "ifftshift",
    "inverse_stft",
    "inverse_stft_window_fn",
    "irfft",
    "irfft2d",
    "irfft3d",
    "linear_to_mel_weight_matrix",
    "mfccs_from_log_mel_spectrograms",
    "overlap_and_add",
    "rfft",
    "rfft2d",
    "rfft3d",
    "stft",
]
