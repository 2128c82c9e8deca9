"""Image files as arrays of pixels, and back, by Pillow: an extra of dflow, `pip install dflow[images]`."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.ops.image import png16

Array = np.ndarray[Any, Any]

KINDS = {"PNG": "png", "JPEG": "jpeg", "GIF": "gif", "BMP": "bmp"}  # as Pillow names them
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's names of 8-bit images, by channels
GREY_16 = ("I", "I;16", "I;16B", "I;16L")


def pillow() -> Any:
    """Pillow's module of images; ImportError, which says how to install it, if it is not there."""
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise ImportError("images need Pillow: pip install dflow[images]") from error


def kind_of(contents: bytes) -> str:
    """The format of a file by its first bytes, such as "png"; "" for one that is not known."""
    for start, kind in ((png16.SIGNATURE, "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"BM", "bmp")):
        if contents.startswith(start):
            return kind
    return ""


def opened(contents: bytes, kinds: tuple[str, ...], what: str) -> Any:
    """Pillow's image; InvalidArgumentError for a broken file, and for one of another kind."""
    image_module = pillow()
    try:
        image = image_module.open(io.BytesIO(contents))
        if KINDS.get("JPEG" if image.format == "MPO" else image.format, "") in kinds:
            return image
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidArgumentError(None, None, f"Invalid {what} data, size {len(contents)}: {error}") from None
    raise InvalidArgumentError(None, None, f"Invalid {what} data, size {len(contents)}: it is a {image.format} file")


def pixels(image: Any, channels: int, what: str) -> Array:
    """The pixels of an image, uint8 [height, width, channels]; with channels 0, as many as the file has."""
    count = channels or channels_of(image)
    try:
        if image.mode in GREY_16:
            image = image.point(lambda value: value / 256).convert("L")
        converted = image if image.mode == MODES[count] else _in_mode(image, MODES[count])
        found = np.asarray(converted)
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidArgumentError(None, None, f"Invalid {what} data: {error}") from None
    return found.reshape(*found.shape[:2], count)


def _in_mode(image: Any, mode: str) -> Any:
    """An image in another mode; grey and colour ones lose what they have of transparency, as TensorFlow's do."""
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    return image.convert(mode)


def channels_of(image: Any) -> int:
    """The channels of a file: a palette counts as its colours."""
    if image.mode == "P":
        return 4 if "transparency" in image.info else 3
    if image.mode == "1" or image.mode in GREY_16:
        return 1
    return min(len(image.getbands()), 4) if image.mode != "CMYK" else 3


def wide_png(contents: bytes, channels: int) -> Array | None:
    """A PNG file of 16 bits, uint16 [height, width, channels]; None for one of fewer."""
    found = png16.read(contents)
    return None if found is None else with_channels(found, channels)


def with_channels(image: Array, channels: int) -> Array:
    """An image of integers with another number of channels: grey repeated, colours as grey, transparency left out."""
    if channels in (0, image.shape[2]):
        return image
    most = np.iinfo(image.dtype).max
    colors = image[:, :, : 1 if image.shape[2] < 3 else 3]
    alpha = image[:, :, -1:] if image.shape[2] in (2, 4) else np.full_like(image[:, :, :1], most)
    if channels < 3 and colors.shape[2] == 3:
        grey = colors @ np.array([0.2989, 0.5870, 0.1140])
        colors = np.rint(grey)[..., None].astype(image.dtype)
    if channels >= 3 and colors.shape[2] == 1:
        colors = np.repeat(colors, 3, axis=2)
    return np.concatenate([colors, alpha], axis=2) if channels in (2, 4) else colors


def written(image: Array, kind: str, **options: Any) -> bytes:
    """A file of an image, uint8 [height, width, channels]."""
    out = io.BytesIO()
    flat = image[:, :, 0] if image.shape[2] == 1 else image
    pillow().fromarray(np.ascontiguousarray(flat), MODES[image.shape[2]]).save(out, kind, **options)
    return out.getvalue()
