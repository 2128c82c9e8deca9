"""Image files: PNG, JPEG, GIF and BMP."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, session, shape


def _smooth(*sizes: int, most: int = 255) -> Any:
    grid = np.indices(sizes).astype(np.float64)
    return ((np.sin(grid[0] / 3) + np.cos(grid[1] / 4) + grid[-1] / 3 + 2) / 5 * most).astype(np.int64)


def png(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for channels in range(1, 5):
            for dtype, most in ((np.uint8, 255), (np.uint16, 65535)):
                image = _smooth(7, 5, channels, most=most).astype(dtype)
                file = tf.image.encode_png(image)
                again = tf.image.decode_png(file, dtype=getattr(tf, np.dtype(dtype).name))
                key = f"{channels} {np.dtype(dtype).name}"
                found[key] = [sess.run(again), shape(again), shape(file), file.op.type]
        color = tf.image.encode_png(_smooth(6, 8, 3).astype(np.uint8), compression=9)
        for channels in (1, 3, 4):
            y = tf.image.decode_png(color, channels)
            found[f"as {channels}"] = [sess.run(y) if channels > 1 else None, shape(y)]
        found["by content"] = [sess.run(tf.image.decode_image(color)), shape(tf.image.decode_image(color))]
        found["floating"] = sess.run(tf.image.decode_image(color, dtype=tf.float32))
        found["wide"] = sess.run(tf.image.decode_png(color, dtype=tf.uint16))
        found["broken"] = kind_of_error(lambda: sess.run(tf.image.decode_png("nonsense")))
    return found


def jpeg(tf: Any, folder: Path) -> dict[str, Any]:
    image = _smooth(16, 24, 3).astype(np.uint8)
    found: dict[str, Any] = {}
    with session(tf) as sess:
        file = tf.image.encode_jpeg(image, quality=98)
        grey = tf.image.encode_jpeg(image[..., :1], format="grayscale")
        y, small = tf.image.decode_jpeg(file), tf.image.decode_jpeg(file, ratio=2)
        part = tf.image.decode_and_crop_jpeg(file, [2, 3, 5, 7])
        whole, half, cut = sess.run([y, small, part])
        found["near"] = bool(np.abs(whole.astype(int) - image).mean() < 4)
        found["half"] = list(half.shape)
        found["cut"] = bool((cut == whole[2:7, 3:10]).all())
        found["statics"] = [shape(y), shape(small), shape(part), shape(tf.image.decode_jpeg(file, channels=1))]
        found["shapes"] = sess.run([tf.image.extract_jpeg_shape(file), tf.image.extract_jpeg_shape(grey)])
        found["grey"] = list(sess.run(tf.image.decode_jpeg(grey)).shape)
        found["by content"] = list(sess.run(tf.image.decode_image(file)).shape)
        found["is"] = [sess.run(tf.image.is_jpeg(it)) for it in (b"\xff\xd8\xff\xe0", b"abc")]
        found["broken"] = kind_of_error(lambda: sess.run(tf.image.decode_jpeg("nonsense")))
        found["window"] = kind_of_error(lambda: sess.run(tf.image.decode_and_crop_jpeg(file, [2, 3, 50, 7])))
    return found


def bmp(tf: Any, folder: Path) -> dict[str, Any]:
    image = _smooth(3, 5, 3).astype(np.uint8)
    rows = b"".join(row.tobytes() + b"\0" for row in image[::-1, :, ::-1])
    head = b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54)
    text = head + struct.pack("<IiiHHIIiiII", 40, 5, 3, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows
    y = tf.image.decode_bmp(text)
    with session(tf) as sess:
        return {"y": sess.run(y), "static": shape(y), "by content": sess.run(tf.image.decode_image(text))}
