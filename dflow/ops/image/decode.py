"""Image files decoded in a graph.

Decoding needs Pillow, an extra of dflow: `pip install dflow[images]`.  Without it, a run is an ImportError.
Source: gen_image_ops and image_ops_impl.decode_image of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, bool_, float32, int32, string, uint8, uint16
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.image import files
from dflow.ops.image.dtype import convert_image_dtype
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import known_value, only, spec_of
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = [
    "decode_and_crop_jpeg",
    "decode_bmp",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "extract_jpeg_shape",
    "is_jpeg",
]


def decode_png(contents: Any, channels: int = 0, dtype: Any = uint8, name: str | None = None) -> Tensor:
    """The pixels of a PNG file: uint8 or uint16, [height, width, channels].

    contents: a scalar string.  channels: 0 for those of the file, or 1, 2, 3, 4.  InvalidArgumentError for a broken
    file.  Source: tf.image.decode_png.
    """
    target = as_dtype(dtype)
    if target not in (uint8, uint16):
        raise TypeError(f"Value passed for attr 'dtype' has DataType {target.name}, allowed: uint8, uint16")
    return _decoded("DecodePng", contents, name, channels=int(channels), dtype=target)


def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """The pixels of a JPEG file: uint8, [height, width, channels].

    contents: a scalar string.  channels: 0 for those of the file, or 1, 3.  ratio: 1, 2, 4 or 8, by which the image is
    made smaller.  try_recover_truncated: the missing rows of a cut file are grey.  fancy_upscaling, acceptable_fraction
    and dct_method have no effect.  InvalidArgumentError for a broken file.  Source: tf.image.decode_jpeg.
    """
    _check_ratio(ratio)
    return _decoded(
        "DecodeJpeg", contents, name, channels=int(channels), ratio=int(ratio), recover=bool(try_recover_truncated)
    )


def _check_ratio(ratio: int) -> None:
    if ratio not in (1, 2, 4, 8):
        raise ValueError(f"ratio must be 1, 2, 4, or 8, got {ratio}")


def decode_and_crop_jpeg(
    contents: Any,
    crop_window: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """A part of a JPEG file.  crop_window: int32, [4]: top, left, height, width.  Other arguments: as `decode_jpeg`.

    Source: tf.image.decode_and_crop_jpeg.
    """
    _check_ratio(ratio)
    window = convert_to_tensor(crop_window, int32)
    result = _decoded(
        "DecodeAndCropJpeg",
        contents,
        name,
        window,
        channels=int(channels),
        ratio=int(ratio),
        recover=bool(try_recover_truncated),
    )
    known = known_value(window)
    if known is not None and known.shape == (4,):
        result.set_shape([int(known[2]), int(known[3]), None])
    return result


def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Tensor:
    """The pixels of a BMP file: uint8, [height, width, channels].  channels: 0 for those of the file, or 1, 3, 4.

    Source: tf.image.decode_bmp.
    """
    return _decoded("DecodeBmp", contents, name, channels=int(channels))


def decode_gif(contents: Any, name: str | None = None) -> Tensor:
    """The pixels of all frames of a GIF file: uint8, [frames, height, width, 3].  Source: tf.image.decode_gif."""
    return _decoded("DecodeGif", contents, name)


def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = uint8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Tensor:
    """The pixels of a PNG, JPEG, BMP or GIF file, by its first bytes.  The static shape is unknown.

    contents: a scalar string.  channels: None or 0 for those of the file, or 1, 3, 4.  dtype: converted as
    `convert_image_dtype` does; a PNG file of 16 bits keeps them, if the dtype is not uint8.
    A GIF file has one more axis, [frames, height, width, 3], or, without expand_animations, only its first frame.
    Source: tf.image.decode_image.
    """
    if channels not in (None, 0, 1, 3, 4):
        raise ValueError("channels must be in (None, 0, 1, 3, 4)")
    target = as_dtype(dtype)
    if target not in (float32, uint8, uint16):
        raise ValueError(f"dtype must be float32, uint8 or uint16, got {target.name}")
    with scoped("decode_image", name, contents):
        decoded = _decoded(
            "DecodeImage",
            contents,
            None,
            channels=int(channels or 0),
            dtype=uint8 if target == uint8 else uint16,
            expand_animations=bool(expand_animations),
        )
        return convert_image_dtype(decoded, target) if decoded.dtype != target else decoded


def extract_jpeg_shape(contents: Any, output_type: Any = int32, name: str | None = None) -> Tensor:
    """The height, width and channels of a JPEG file, from its header: int32 or int64, [3].

    Source: tf.image.extract_jpeg_shape.
    """
    result: Tensor = add_op("ExtractJpegShape", contents, name=name, output_type=as_dtype(output_type))
    return result


def is_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Whether a string begins as a JPEG file does: a bool of its shape.  Source: tf.image.is_jpeg."""
    result: Tensor = add_op("IsJpeg", contents, name=name or "is_jpeg")
    return result


def _decoded(kind: str, contents: Any, name: str | None, *inputs: Any, **attrs: Any) -> Tensor:
    with scoped(kind, name, contents, *inputs) as scope:
        text = convert_to_tensor(contents, string, name="contents")
        result: Tensor = add_op(kind, text, *inputs, name=scope, **attrs)
    return result


# -- rules


def _spec(channels_allowed: tuple[int, ...], rank: int | None = 3, dtype: DType = uint8) -> Any:
    def spec(contents: TensorSpec, *window: TensorSpec, **attrs: Any) -> TensorSpec:
        only(contents, contents.dtype == string, "a string")
        contents.shape.with_rank(0)
        for part in window:
            part.shape.merge_with([4])
        channels = attrs.get("channels", 3)
        if channels not in channels_allowed:
            raise ShapeError(f"channels must be one of {list(channels_allowed)}, got {channels}")
        known: Any = None if rank is None else [None] * (rank - 1) + [channels or None]
        return spec_of(known, attrs.get("dtype", dtype))

    return spec


def _text(contents: Any) -> bytes:
    if contents.ndim:
        raise InvalidArgumentError(None, None, f"contents must be scalar, got shape {list(contents.shape)}")
    text: bytes = contents.item()
    return text


def _png(text: bytes, channels: int, dtype: DType) -> Any:
    wide = files.wide_png(text, channels)
    if wide is not None:
        return wide if dtype == uint16 else (wide >> 8).astype(np.uint8)
    found = files.pixels(files.opened(text, ("png",), "PNG"), channels, "PNG")
    return found if dtype == uint8 else found.astype(np.uint16) * 257


def _png_kernel(contents: Any, channels: int, dtype: DType) -> Any:
    text = _text(contents)
    kind = files.kind_of(text)
    if kind in ("jpeg", "bmp", "gif"):  # TensorFlow takes them, too
        found = _any(text, kind, channels, True)
        return found if dtype == uint8 else found.astype(np.uint16) * 257
    return _png(text, channels, dtype)


def _jpeg(text: bytes, channels: int, ratio: int = 1, recover: bool = False) -> Any:
    image = files.opened(text, ("jpeg",), "JPEG")
    width, height = image.size
    if ratio > 1:
        image.draft(None, (-(-width // ratio), -(-height // ratio)))
    from PIL import ImageFile

    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, recover
    try:
        return files.pixels(image, channels, "JPEG")
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _jpeg_kernel(contents: Any, *window: Any, channels: int, ratio: int, recover: bool) -> Any:
    text = _text(contents)
    kind = files.kind_of(text)
    found = _jpeg(text, channels, ratio, recover) if kind in ("", "jpeg") else _any(text, kind, channels, True)
    if not window:
        return found
    top, left, height, width = (int(number) for number in window[0].tolist())
    if min(top, left) < 0 or min(height, width) < 1 or top + height > found.shape[0] or left + width > found.shape[1]:
        raise InvalidArgumentError(
            None, None, f"Invalid JPEG data or crop window, data size {len(text)}: {[top, left, height, width]}"
        )
    return found[top : top + height, left : left + width].copy()


def _gif(text: bytes) -> Any:
    image = files.opened(text, ("gif",), "GIF")
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append(np.asarray(image.convert("RGB")))
    return np.stack(frames)


def _any(text: bytes, kind: str, channels: int, first_frame: bool) -> Any:
    """The pixels of a file of 8 bits."""
    if kind == "png":
        return _png(text, channels, uint8)
    if kind == "jpeg":
        return _jpeg(text, channels)
    if kind == "bmp":
        return _bmp(text, channels)
    if kind == "gif":
        frames = _gif(text)
        if channels not in (0, 3):
            raise InvalidArgumentError(None, None, f"channels must be 0 or 3 for GIF files, got {channels}")
        return frames[0] if first_frame else frames
    raise InvalidArgumentError(None, None, "Unable to decode bytes as JPEG, PNG, GIF, or BMP")


def _bmp(text: bytes, channels: int) -> Any:
    image = files.opened(text, ("bmp",), "BMP")
    own = files.channels_of(image)
    if channels not in (0, own) and image.mode != "P":
        raise InvalidArgumentError(
            None, None, f"channels attribute {channels} does not match bits per pixel from file {8 * own}"
        )
    return files.pixels(image, channels, "BMP")


def _image_kernel(contents: Any, channels: int, dtype: DType, expand_animations: bool) -> Any:
    text = _text(contents)
    kind = files.kind_of(text)
    if kind == "png" and dtype == uint16:
        return _png(text, channels, uint16)
    found = _any(text, kind, channels, not expand_animations)
    return found if dtype == uint8 else found.astype(np.uint16) * 256


def _shape_kernel(contents: Any, output_type: DType) -> Any:
    image = files.opened(_text(contents), ("jpeg",), "JPEG")
    width, height = image.size
    return np.array([height, width, len(image.getbands())], output_type.numpy_dtype)


def _is_jpeg_kernel(contents: Any) -> Any:
    starts = [text.startswith(b"\xff\xd8\xff") for text in contents.reshape(-1).tolist()]
    return np.array(starts, bool).reshape(contents.shape)


_NONE = no_gradient("a file has none")

for _kind, _rule, _kernel in (
    ("DecodePng", _spec((0, 1, 2, 3, 4)), _png_kernel),
    ("DecodeJpeg", _spec((0, 1, 3)), _jpeg_kernel),
    ("DecodeAndCropJpeg", _spec((0, 1, 3)), _jpeg_kernel),
    ("DecodeBmp", _spec((0, 1, 3, 4)), lambda contents, channels: _bmp(_text(contents), channels)),
    ("DecodeGif", _spec((3,), 4), lambda contents: _gif(_text(contents))),
    ("DecodeImage", _spec((0, 1, 3, 4), None), _image_kernel),
):
    define(_kind, spec=_rule, kernel=_kernel, gradient=_NONE, host_only=True)
define(
    "ExtractJpegShape",
    spec=lambda contents, output_type: spec_of([3], output_type),
    kernel=_shape_kernel,
    gradient=_NONE,
    host_only=True,
)
define(
    "IsJpeg",
    spec=lambda contents: TensorSpec(contents.shape, bool_),
    kernel=_is_jpeg_kernel,
    gradient=_NONE,
    host_only=True,
)
