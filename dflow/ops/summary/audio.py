"""The summary of sounds: `summary.audio`, as WAV files of 16 bits.  Source: tf.summary.audio of TensorFlow 1.15."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable
from typing import Any

import numpy as np

from dflow.dtypes import float32
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.static import only
from dflow.ops.summary.common import MESSAGE, NO_GRADIENT, collected, message, summary_scope, text
from dflow.registry import define
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec
from dflow.summary_proto import Summary

__all__ = ["audio", "audio_summary"]

Array = np.ndarray[Any, Any]


def audio(
    name: str,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Iterable[Any] | None = None,
    family: str | None = None,
) -> Tensor:
    """A Summary, serialized, with sounds as WAV files.

    tensor: [sounds, frames, channels] or [sounds, frames], float32 in [-1, 1]; what is beyond is cut off.
    sample_rate: in hertz.  max_outputs: at most so many sounds are kept, at least 1.  The tags are `<name>/audio/0`,
    `<name>/audio/1`, ...; only `<name>/audio` if max_outputs is 1.  The other arguments: as of `scalar`.
    """
    with summary_scope(name, family, [tensor]) as (tag, scope):
        return collected(audio_op(tag, tensor, sample_rate, max_outputs, scope), collections)


def audio_summary(
    tag: Any,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Iterable[Any] | None = None,
    name: str | None = None,
) -> Tensor:
    """The old form, whose tag is a tensor."""
    return collected(audio_op(tag, tensor, sample_rate, max_outputs, name), collections)


def audio_op(tag: Any, tensor: Any, sample_rate: Any, max_outputs: int, name: str | None) -> Tensor:
    if max_outputs < 1:
        raise ValueError(f"Value for attr 'max_outputs' of {max_outputs} must be at least minimum 1")
    tag = convert_to_tensor(tag, "string", name="tag")
    rate = convert_to_tensor(sample_rate, float32, name="sample_rate")
    sounds = convert_to_tensor(tensor, float32, name="tensor")
    summary: Tensor = add_op("AudioSummaryV2", tag, sounds, rate, name=name, max_outputs=int(max_outputs))
    return summary


def _spec(tag: TensorSpec, tensor: TensorSpec, sample_rate: TensorSpec, max_outputs: int) -> TensorSpec:
    tag.shape.merge_with(SCALAR)
    sample_rate.shape.merge_with(SCALAR)
    tensor.shape.with_rank_at_least(2).with_rank_at_most(3)
    only(tensor, tensor.dtype == float32, "float32")
    return MESSAGE


def _kernel(tag: Any, tensor: Any, sample_rate: Any, max_outputs: int) -> Any:
    rate = float(sample_rate)
    if tensor.ndim not in (2, 3):
        raise InvalidArgumentError(None, None, f"Tensor must be 3-D or 2-D, got: {list(tensor.shape)}")
    if not rate > 0:
        raise InvalidArgumentError(None, None, f"sample_rate must be > 0, got {rate}")
    name, summary = text(tag), Summary()
    for i, sound in enumerate(np.asarray(tensor)[:max_outputs]):
        frames = sound if sound.ndim == 2 else sound[:, None]
        value = summary.value.add(tag=f"{name}/audio/{i}" if max_outputs > 1 else f"{name}/audio")
        value.audio.sample_rate = rate
        value.audio.length_frames, value.audio.num_channels = frames.shape
        value.audio.content_type = "audio/wav"
        value.audio.encoded_audio_string = _wav(frames, rate)
    return message(summary)


def _wav(frames: Array, rate: float) -> bytes:
    scaled = frames * np.float32(1 << 15)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))  # halves away from zero
    samples = np.clip(rounded, -(1 << 15), (1 << 15) - 1).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(frames.shape[1])
        sound.setsampwidth(2)
        sound.setframerate(max(int(rate), 1))
        sound.writeframes(samples.tobytes())
    return file.getvalue()


define("AudioSummaryV2", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, host_only=True)
