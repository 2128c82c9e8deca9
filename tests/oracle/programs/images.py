"""Images: sizes, parts, colours, boxes and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, session, shape


def _image(*sizes: int, dtype: Any = np.float32, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).random(sizes)
    return (values * np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind in "iu" else values.astype(dtype)


def _all(tf: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    """The value and the static shape of each tensor."""
    with session(tf) as sess:
        values = sess.run(tensors)
    return {name: [values[name], shape(tensor)] for name, tensor in tensors.items()}


def sizes(tf: Any, folder: Path) -> dict[str, Any]:
    x = _image(2, 7, 5, 3)
    found: dict[str, Any] = {}
    for method in range(4):
        for corners in (False, True):
            for size in ([4, 9], [14, 10], [1, 3], [7, 5], [3, 2]):
                key = f"{method} {corners} {size}"
                found[key] = tf.image.resize_images(x, size, method, corners)
    found["bytes"] = tf.image.resize_images(_image(6, 8, 3, dtype=np.uint8), [4, 4])
    found["nearest bytes"] = tf.image.resize_images(_image(6, 8, 3, dtype=np.uint8), [4, 4], 1)
    found["same bytes"] = tf.image.resize_images(_image(6, 8, 3, dtype=np.uint8), [6, 8])
    found["in proportion"] = tf.image.resize_images(x, [14, 20], preserve_aspect_ratio=True)
    found["with borders"] = tf.image.resize_image_with_pad(x, 9, 12)
    found["area"] = tf.image.resize_area(x, [3, 2])
    found["by name"] = tf.image.resize(x, [3, 2], tf.image.ResizeMethod.BICUBIC)
    found["at run time"] = tf.image.resize_bilinear(x, tf.placeholder_with_default([3, 4], [2]))
    return _all(tf, found)


def gradients_of_sizes(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_image(2, 4, 5, 2))
    found = {}
    for name in ("resize_bilinear", "resize_nearest_neighbor", "resize_bicubic"):
        for size in ([7, 9], [2, 3]):
            for corners in (False, True):
                y = getattr(tf.image, name)(x, size, align_corners=corners)
                found[f"{name} {size} {corners}"] = tf.gradients(y, x, tf.cos(y))[0]
    return _all(tf, found)


def parts(tf: Any, folder: Path) -> dict[str, Any]:
    x, batch = tf.constant(_image(6, 7, 3)), tf.constant(_image(2, 6, 7, 3))
    late, unknown = tf.placeholder_with_default(_image(6, 7, 3), [None, None, 3]), tf.constant(2)
    found: dict[str, Any] = {}
    turned: dict[str, Any] = {}  # more is known of the static shapes than in TensorFlow
    for name, image in (("one", x), ("batch", batch), ("late", late)):
        found |= {
            f"{name} central": tf.image.central_crop(image, 0.5),
            f"{name} crop": tf.image.crop_to_bounding_box(image, 1, 2, 4, 3),
            f"{name} pad": tf.image.pad_to_bounding_box(image, 1, 2, 9, 10),
            f"{name} both": tf.image.resize_image_with_crop_or_pad(image, 4, 10),
            f"{name} also": tf.image.resize_with_crop_or_pad(image, 8, 5),
            f"{name} flat": tf.image.transpose(image),
            f"{name} sideways": tf.image.flip_left_right(image),
            f"{name} upside down": tf.image.flip_up_down(image),
            f"{name} transposed": tf.image.transpose_image(image),
        }
        for k in range(-1, 4):
            turned[f"{name} {k}"] = tf.image.rot90(image, k)
    turned["at run time"] = tf.image.rot90(x, unknown)
    found["padded by tensors"] = tf.image.resize_image_with_crop_or_pad(x, unknown, unknown + 7)
    return _all(tf, found) | {f"turned {name}": value[0] for name, value in _all(tf, turned).items()}


def adjusted(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    for dtype in (np.float32, np.uint8):
        x = tf.constant(_image(2, 4, 5, 3, dtype=dtype))
        found |= {
            f"brightness {dtype.__name__}": tf.image.adjust_brightness(x, 0.2),
            f"contrast {dtype.__name__}": tf.image.adjust_contrast(x, 1.7),
            f"gamma {dtype.__name__}": tf.image.adjust_gamma(x, 0.7, 0.9),
            f"hue {dtype.__name__}": tf.image.adjust_hue(x, 0.3),
            f"saturation {dtype.__name__}": tf.image.adjust_saturation(x, 0.4),
            f"grey {dtype.__name__}": tf.image.rgb_to_grayscale(x),
            f"back {dtype.__name__}": tf.image.grayscale_to_rgb(x[..., :1]),
        }
    x = tf.constant(_image(4, 5, 3))
    found["standard"] = tf.image.per_image_standardization(x)
    found["uniform"] = tf.image.per_image_standardization(tf.ones([4, 5, 3]))
    for name in ("rgb_to_hsv", "hsv_to_rgb", "rgb_to_yiq", "yiq_to_rgb", "rgb_to_yuv", "yuv_to_rgb"):
        found[name] = getattr(tf.image, name)(x)
    return _all(tf, found)


def dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    kinds = {"float32": np.float32, "uint8": np.uint8, "int16": np.int16, "float64": np.float64, "uint16": np.uint16}
    found = {}
    for source, kind in kinds.items():
        x = tf.constant(_image(3, 3, 1, dtype=kind))
        for target in kinds:
            found[f"{source} {target}"] = tf.image.convert_image_dtype(x, getattr(tf, target))
            found[f"{source} {target}, saturated"] = tf.image.convert_image_dtype(x, getattr(tf, target), saturate=True)
    found["beyond"] = tf.image.convert_image_dtype(tf.constant([[[-0.5, 1.5, 0.5]]]), tf.uint8, saturate=True)
    return _all(tf, found)


def edges(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_image(2, 5, 6, 3))
    dy, dx = tf.image.image_gradients(x)
    return _all(
        tf,
        {
            "dy": dy,
            "dx": dx,
            "sobel": tf.image.sobel_edges(x),
            "variation": tf.image.total_variation(x),
            "of one": tf.image.total_variation(x[0]),
        },
    )


def boxes(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_image(2, 6, 7, 3))
    places = [[[0.1, 0.2, 0.6, 0.7], [0.0, 0.0, 1.0, 1.0]], [[-0.5, 0.3, 0.5, 1.6], [0.5, 0.5, 0.4, 0.6]]]
    found: dict[str, Any] = {
        "drawn": tf.image.draw_bounding_boxes(x, places),
        "coloured": tf.image.draw_bounding_boxes(x, places, colors=[[0.1, 0.2, 0.3]]),
        "grey": tf.image.draw_bounding_boxes(x[..., :1], places),
    }
    cut = tf.constant([[0.1, 0.2, 0.9, 0.7], [-0.3, 0.1, 1.2, 0.9], [0.8, 0.1, 0.2, 0.6]])
    for method in ("bilinear", "nearest"):
        for size in ([3, 4], [1, 1]):
            y = tf.image.crop_and_resize(x, cut, [0, 1, 1], size, method, extrapolation_value=0.5)
            found[f"cut {method} {size}"] = y
            if method == "bilinear":
                dx, db = tf.gradients(y, [x, cut], tf.cos(y))
                found |= {f"dx {size}": dx, f"boxes {size}": db}
    found["glimpse"] = tf.image.extract_glimpse(x, [3, 2], [[0.0, 0.1], [-0.3, 0.2]])
    found["glimpse, places"] = tf.image.extract_glimpse(x, [2, 2], [[1.0, 1.0], [3.0, 4.0]], False, False)
    return _all(tf, found)


def chosen_boxes(tf: Any, folder: Path) -> dict[str, Any]:
    places = [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [1, 101, 0, 100]]
    places = np.array(places, np.float32)
    scores = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)
    overlaps = np.array([[1, 0.6, 0.1], [0.6, 1, 0.2], [0.1, 0.2, 1]], np.float32)
    padded = tf.image.non_max_suppression_padded(places, scores, 5, 0.5, pad_to_max_output_size=True)
    soft = tf.image.non_max_suppression_with_scores(places, scores, 6, 1.0, 0.0, 0.5)
    return _all(
        tf,
        {
            "three": tf.image.non_max_suppression(places, scores, 3, 0.5),
            "all": tf.image.non_max_suppression(places, scores, 30, 0.5),
            "above": tf.image.non_max_suppression(places, scores, 30, 0.5, 0.4),
            "none": tf.image.non_max_suppression(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 3),
            "padded": padded[0],
            "count": padded[1],
            "soft": soft[0],
            "scores": soft[1],
            "overlaps": tf.image.non_max_suppression_overlaps(overlaps, scores[:3], 3, 0.5),
        },
    )


def boxes_of_classes(tf: Any, folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    corners = rng.random((2, 12, 3, 2)).astype(np.float32)
    places = np.concatenate([corners - 0.1, corners + rng.random((2, 12, 3, 2)).astype(np.float32)], -1)
    scores = rng.random((2, 12, 3)).astype(np.float32)
    found: dict[str, Any] = {}
    for name, these, options in (
        ("each", places, {}),
        ("shared", places[:, :, :1], {"clip_boxes": False}),
        ("above", places, {"score_threshold": 0.8, "pad_per_class": True}),
    ):
        outputs = tf.image.combined_non_max_suppression(these, scores, 2, 9, 0.4, **options)
        found |= {f"{name} {i}": output for i, output in enumerate(outputs)}
    values = _all(tf, found)
    return {name: value if "above" not in name else value[0] for name, value in values.items()}


def patches(tf: Any, folder: Path) -> dict[str, Any]:
    x, window = _image(2, 6, 7, 3), [1, 2, 3, 1]
    crop = tf.image.random_crop(x[0], [2, 3, 3])
    found = {
        "old": tf.image.extract_image_patches(x, window, [1, 2, 2, 1], [1, 1, 1, 1], "SAME"),
        "new": tf.image.extract_patches(x, window, [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
    }
    return _all(tf, found) | {"crop": shape(crop)}


def comparisons(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = _image(2, 200, 190, 2), _image(2, 200, 190, 2, seed=1)
    z = (0.8 * x + 0.2 * y).astype(np.float32)
    return _all(
        tf,
        {
            "psnr": tf.image.psnr(x, y, 1.0),
            "bytes": tf.image.psnr((x * 255).astype(np.uint8), (z * 255).astype(np.uint8), 255),
            "ssim": tf.image.ssim(x, z, 1.0),
            "window": tf.image.ssim(x, z, 1.0, filter_size=5, filter_sigma=1.0),
            "multiscale": tf.image.ssim_multiscale(x, z, 1.0),
        },
    )


def what_does_not_fit(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [6, 7, 3])
    wrong: dict[str, Callable[[], Any]] = {
        "fraction": lambda: tf.image.central_crop(x, 1.1),
        "offset": lambda: tf.image.crop_to_bounding_box(x, -1, 0, 3, 3),
        "crop": lambda: tf.image.crop_to_bounding_box(x, 0, 0, 7, 3),
        "pad": lambda: tf.image.pad_to_bounding_box(x, 0, 0, 5, 9),
        "target": lambda: tf.image.resize_image_with_crop_or_pad(x, 0, 3),
        "method": lambda: tf.image.resize_images(x, [3, 3], 7),
        "size": lambda: tf.image.resize_images(x, [3, 3, 3]),
        "rank": lambda: tf.image.resize_images(x[0], [3, 3]),
        "empty": lambda: tf.image.flip_left_right(tf.zeros([0, 3, 3])),
        "flat": lambda: tf.image.flip_left_right(tf.zeros([3, 3])),
        "five": lambda: tf.image.flip_left_right(tf.zeros([1, 1, 3, 3, 3])),
        "delta": lambda: tf.image.random_brightness(x, -1),
        "range": lambda: tf.image.random_contrast(x, 2, 1),
        "hue": lambda: tf.image.random_hue(x, 0.7),
        "gamma": lambda: tf.image.adjust_gamma(x, -1),
        "grey": lambda: tf.image.grayscale_to_rgb(x),
        "gradients": lambda: tf.image.image_gradients(x),
        "variation": lambda: tf.image.total_variation(x[0]),
        "colours": lambda: tf.image.rgb_to_hsv(tf.zeros([2, 2, 4])),
        "dtype": lambda: tf.image.convert_image_dtype(x, tf.string),
        "size 0": lambda: session(tf).run(tf.image.resize_bilinear(tf.zeros([1, 2, 2, 1]), [0, 3])),
        "image": lambda: session(tf).run(tf.image.crop_and_resize(tf.zeros([1, 2, 2, 1]), [[0.0] * 4], [1], [2, 2])),
    }
    return {name: kind_of_error(build) for name, build in wrong.items()}
