"""Image files: animations, qualities, broken files, and what Pillow does not read."""

from __future__ import annotations

import builtins
import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dflow as df
from dflow.ops.image import png16
from tests.ops.evaluate import Evaluator

IMAGE = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8)


def file_of(image: np.ndarray, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def test_an_animation_has_an_axis_of_frames() -> None:
    frames = [Image.fromarray(np.full((4, 5, 3), color, np.uint8)) for color in (10, 200, 90)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    run = Evaluator()
    every = run(df.image.decode_gif(out.getvalue()))
    assert (every.shape, every[:, 0, 0, 0].tolist()) == ((3, 4, 5, 3), [10, 200, 90])
    np.testing.assert_array_equal(run(df.image.decode_image(out.getvalue())), every)
    first = df.image.decode_image(out.getvalue(), expand_animations=False)
    np.testing.assert_array_equal(run(first), every[0])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG"])
def test_a_file_is_known_by_its_first_bytes(kind: str) -> None:
    text = file_of(IMAGE, kind)
    wanted = np.asarray(Image.open(io.BytesIO(text)))
    np.testing.assert_array_equal(Evaluator()(df.image.decode_image(text)), wanted)
    with pytest.raises(df.errors.InvalidArgumentError, match="Unable to decode"):
        Evaluator()(df.image.decode_image(b"nothing of the kind"))
    with pytest.raises(df.errors.InvalidArgumentError):
        Evaluator()(df.image.decode_image(text[:40]))


def test_a_cut_jpeg_is_an_error_or_has_grey_rows() -> None:
    text = file_of(np.repeat(np.repeat(IMAGE, 20, 0), 20, 1), "JPEG")
    cut = text[: len(text) // 2]
    with pytest.raises(df.errors.InvalidArgumentError, match="Invalid JPEG data"):
        Evaluator()(df.image.decode_jpeg(cut))
    assert Evaluator()(df.image.decode_jpeg(cut, try_recover_truncated=True)).shape == (120, 160, 3)


def test_a_lower_quality_changes_an_image_more() -> None:
    smooth = np.indices((32, 32)).sum(0)[..., None].repeat(3, 2).astype(np.float32) / 64
    run = Evaluator()
    errors = [abs(run(df.image.adjust_jpeg_quality(smooth, quality)) - smooth).mean() for quality in (95, 40, 2)]
    assert errors == sorted(errors)
    assert errors[-1] > 2 * errors[0]
    assert run(df.image.random_jpeg_quality(smooth, 10, 90, seed=1)).shape == (32, 32, 3)
    with pytest.raises(ValueError, match="between 0 and 100"):
        df.image.random_jpeg_quality(smooth, -1, 90)


def test_several_images_are_encoded_at_once() -> None:
    files = Evaluator()(df.image.encode_png(np.stack([IMAGE, 255 - IMAGE])))
    assert [np.asarray(Image.open(io.BytesIO(text))).tolist() for text in files] == [
        IMAGE.tolist(),
        (255 - IMAGE).tolist(),
    ]


def filtered(image: np.ndarray) -> bytes:
    """A PNG file of 16 bits whose rows have all five filters of the format, one after the other."""
    height, _, channels = image.shape
    pixel, rows = 2 * channels, image.astype(">u2").reshape(height, -1).view(np.uint8).astype(int)
    data, above = b"", np.zeros(rows.shape[1], int)
    for i, row in enumerate(rows):
        left, corner = (np.concatenate([np.zeros(pixel, int), line[:-pixel]]) for line in (row, above))
        distances = [abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)]
        paeth = np.where(
            (distances[0] <= distances[1]) & (distances[0] <= distances[2]),
            left,
            np.where(distances[1] <= distances[2], above, corner),
        )
        guess = [0 * row, left, above, (left + above) // 2, paeth][i % 5]
        data += bytes([i % 5]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    plain = png16.write(image, 6)
    start, end = plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4
    return plain[:start] + png16._chunk(b"IDAT", zlib.compress(data)) + plain[end:]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_read_whatever_the_filters_of_rows(channels: int) -> None:
    image = np.random.default_rng(channels).integers(0, 2**16, (10, 7, channels), np.uint16)
    found = Evaluator()(df.image.decode_png(filtered(image), dtype=df.uint16))
    np.testing.assert_array_equal(found, image)
    eight = Evaluator()(df.image.decode_png(filtered(image)))
    np.testing.assert_array_equal(eight, image >> 8)


def test_without_pillow_an_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_pillow(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr("dflow.ops.image.files.importlib.import_module", lambda name: no_pillow(name))
    with pytest.raises(ImportError, match=r"pip install dflow\[images\]"):
        Evaluator()(df.image.decode_png(file_of(IMAGE, "PNG")))
