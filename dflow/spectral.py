"""Transforms to frequencies and back, as TensorFlow 1 names them in `tf.spectral`: the same as in `df.signal`.

Source: tf.spectral of TensorFlow 1.15.
"""

from dflow.ops.signal.cosine import dct, idct
from dflow.ops.signal.fourier import fft, fft2d, fft3d, ifft, ifft2d, ifft3d
from dflow.ops.signal.real_fourier import irfft, irfft2d, irfft3d, rfft, rfft2d, rfft3d

__all__ = [
    "dct",
    "fft",
    "fft2d",
    "fft3d",
    "idct",
    "ifft",
    "ifft2d",
    "ifft3d",
    "irfft",
    "irfft2d",
    "irfft3d",
    "rfft",
    "rfft2d",
    "rfft3d",
]
