"""Lines of the oracle table: images."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np

import dflow as df
from tests.ops.cases import Case, real

Array = np.ndarray[Any, Any]


def colors(*shape: int) -> Array:
    """Numbers between 0 and 1, none of them equal."""
    return np.random.default_rng(5).random((*shape, 3)) * 0.9 + 0.05


def each_point(function: Any, x: Array) -> Array:
    return np.array([function(*point) for point in x.reshape(-1, 3)]).reshape(x.shape)


def in_hsv(change: Any) -> Any:
    """RGB images changed by a function of hue, saturation and value."""
    return lambda x: each_point(lambda *rgb: colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*rgb))), x)


IMAGES: dict[str, list[Case]] = {
    "Rot90": [
        Case(lambda x, k=k: df.image.rot90(x, k), lambda x, k=k: np.rot90(x, k), (real(2, 3, 2),), unknown=False)
        for k in range(4)
    ]
    + [Case(df.image.rot90, lambda x, k: np.rot90(x, k, (1, 2)), (real(2, 2, 3, 2), np.int32(3)), (1,), unknown=False)],
    "AdjustContrastv2": [
        Case(
            lambda x: df.add_op("AdjustContrastv2", x, 1.5),
            lambda x: (x - x.mean((1, 2), keepdims=True)) * 1.5 + x.mean((1, 2), keepdims=True),
            (real(2, 2, 3, 2),),
        )
    ],
    "AdjustHue": [
        Case(
            lambda x: df.add_op("AdjustHue", x, 0.25),
            in_hsv(lambda h, s, v: ((h + 0.25) % 1, s, v)),
            (colors(2, 2),),
        )
    ],
    "AdjustSaturation": [
        Case(
            lambda x: df.add_op("AdjustSaturation", x, 0.5),
            in_hsv(lambda h, s, v: (h, s * 0.5, v)),
            (colors(2, 2),),
        )
    ],
    "RGBToHSV": [Case(df.image.rgb_to_hsv, lambda x: each_point(colorsys.rgb_to_hsv, x), (colors(2, 3),))],
    "HSVToRGB": [Case(df.image.hsv_to_rgb, lambda x: each_point(colorsys.hsv_to_rgb, x), (colors(2, 3),))],
    "ResizeNearestNeighbor": [
        Case(
            lambda x: df.image.resize_nearest_neighbor(x, [6, 4]),
            lambda x: x.repeat(2, 1).repeat(2, 2),
            (real(1, 3, 2, 2),),
        ),
        Case(
            df.image.resize_nearest_neighbor,
            lambda x, n: x[:, ::2, ::3],
            (real(1, 4, 6, 2), np.array([2, 2], np.int32)),
            (1,),
        ),
    ],
}

_SINGLE = "its result is float32 whatever the input is: tests/ops/test_resize.py and tests/oracle/programs/images.py"

NOT_JUDGED_IMAGES: dict[str, str] = {
    **dict.fromkeys(
        [
            *("ResizeBilinear", "ResizeBilinearGrad", "ResizeBicubic", "ResizeBicubicGrad", "ResizeArea"),
            *("CropAndResize", "CropAndResizeGradImage", "CropAndResizeGradBoxes", "ExtractGlimpse"),
        ],
        _SINGLE,
    ),
    "ResizeNearestNeighborGrad": "part of a gradient, which the gradient's test judges, first and second",
    **dict.fromkeys(
        [
            *("DecodePng", "DecodeJpeg", "DecodeAndCropJpeg", "DecodeBmp", "DecodeGif", "DecodeImage", "EncodePng"),
            *("EncodeJpeg", "EncodeJpegVariableQuality", "ExtractJpegShape", "IsJpeg"),
        ],
        "it is about files: tests/ops/test_image_files.py",
    ),
    **dict.fromkeys(
        [
            *("DrawBoundingBoxes", "DrawBoundingBoxesV2", "SampleDistortedBoundingBoxV2"),
            *("NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5", "NonMaxSuppressionWithOverlaps"),
            "CombinedNonMaxSuppression",
        ],
        "it works on boxes: tests/oracle/programs/images.py, tests/ops/test_images.py",
    ),
}
