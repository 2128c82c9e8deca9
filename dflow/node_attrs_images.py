"""The attributes of TensorFlow's nodes for convolutions, pooling, normalisation and images; see `node_attrs.py`.

Source: the ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int64
from dflow.node_rules import FromAttr, FromSeeds, Rule, Rules
from dflow.node_rules import attr as _attr
from dflow.node_rules import dtype_of as _dtype
from dflow.node_rules import same as _is


def _attrs(names: str, *defaults: Any) -> Rules:
    """Attributes that have one name here and in TensorFlow.  defaults: the values where a node does not have them."""
    found = names.split()
    return {name: _attr(name, value) for name, value in zip(found, defaults or [None] * len(found), strict=True)}


def _list(name: str, default: Any = None) -> Rule:
    """Numbers; nothing where a tensor has their place."""
    return FromAttr(name, lambda value: None if value is None else list(value), _tuple, default)


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


CHANNELS = FromAttr("channels_first", lambda it: "NCHW" if it else "NHWC", lambda it: it == "NCHW", False)
_T: Rules = {"T": _dtype(0)}
_LAST: Rules = {"T": _dtype(-1)}
_STEPS: Rules = {"strides": _list("strides"), "padding": _attr("padding")}
_WINDOW: Rules = {**_STEPS, "data_format": _attr("data_format", "NHWC")}
_WINDOW3D: Rules = {**_STEPS, "data_format": _attr("data_format", "NDHWC")}
_CONV3D: Rules = {
    **_WINDOW3D,
    "dilations": _list("dilations", (1,) * 5),
    "_explicit_paddings": FromAttr("explicit_paddings", lambda value: list(value or ()) or None, _tuple, ()),
}
_DEPTHWISE: Rules = {
    **_WINDOW,
    "dilations": _list("dilations", (1,) * 4),
    "explicit_paddings": _list("explicit_paddings", ()),
}
_CONV2D: Rules = {**_DEPTHWISE, "use_cudnn_on_gpu": _is(True)}
_INPUT_SIZES: Rules = {**_LAST, "_input_sizes": _list("input_sizes")}
_FILTER_SIZES: Rules = {**_LAST, "_filter_sizes": _list("filter_sizes")}
_POOL: Rules = {"ksize": _list("ksize"), **_WINDOW}
_POOL3D: Rules = {"ksize": _list("ksize"), **_WINDOW3D}
_MORPHOLOGY: Rules = {**_T, "strides": _list("strides"), "rates": _list("rates"), "padding": _attr("padding")}
_RESIZE: Rules = {**_T, **_attrs("align_corners half_pixel_centers", False, False), "_size": _list("size")}
_RESIZED_BACK: Rules = {
    "T": _attr("dtype"),
    **_attrs("align_corners half_pixel_centers", False, False),
    "_shape": _list("shape"),
}
_NORM: Rules = {"T": _dtype(1), "U": _dtype(2), **_attrs("epsilon data_format is_training", 1e-4, "NHWC", True)}
_FRACTIONAL: Rules = {
    **_T,
    "pooling_ratio": _list("pooling_ratio"),
    **_attrs("pseudo_random overlapping deterministic"),
    "seed": FromSeeds(0),
    "seed2": FromSeeds(1),
}
_JPEG: Rules = {
    **_attrs("channels ratio"),
    "fancy_upscaling": _is(True),
    "try_recover_truncated": _attr("recover"),
    "acceptable_fraction": _is(1.0),
    "dct_method": _is(""),
}
_CHOSEN: Rules = {**_T, "T_threshold": _dtype(3)}

GROUPS: list[tuple[str, Rules]] = [  # (kinds, their attributes)
    ("Conv2D", {**_T, **_CONV2D}),
    ("Conv2DBackpropInput", {**_INPUT_SIZES, **_CONV2D}),
    ("Conv2DBackpropFilter", {**_FILTER_SIZES, **_CONV2D}),
    ("Conv3D", {**_T, **_CONV3D}),
    ("Conv3DBackpropInputV2", {**_INPUT_SIZES, **_CONV3D}),
    ("Conv3DBackpropFilterV2", {**_FILTER_SIZES, **_CONV3D}),
    ("DepthwiseConv2dNative", {**_T, **_DEPTHWISE}),
    ("DepthwiseConv2dNativeBackpropInput", {**_INPUT_SIZES, **_DEPTHWISE}),
    ("DepthwiseConv2dNativeBackpropFilter", {**_FILTER_SIZES, **_DEPTHWISE}),
    ("Dilation2D Dilation2DBackpropFilter Dilation2DBackpropInput", _MORPHOLOGY),
    ("AvgPool MaxPool MaxPoolGrad MaxPoolGradGrad", {**_T, **_POOL}),
    ("AvgPool3D MaxPool3D MaxPool3DGradGrad", {**_T, **_POOL3D}),
    ("MaxPool3DGrad", {"T": _dtype(2), "TInput": _dtype(0), **_POOL3D}),
    ("AvgPoolGrad", {**_LAST, **_POOL, "_orig_input_shape": _list("sizes")}),
    ("AvgPool3DGrad", {**_LAST, **_POOL3D, "_orig_input_shape": _list("sizes")}),
    ("MaxPoolV2 MaxPoolGradV2 MaxPoolGradGradV2", {**_T, **_attrs("padding data_format", None, "NHWC")}),
    (
        "MaxPoolWithArgmax",
        {
            **_T,
            "ksize": _list("ksize"),
            "strides": _list("strides"),
            **_attrs("Targmax padding include_batch_in_index", int64, None, False),
        },
    ),
    (
        "MaxPoolGradWithArgmax MaxPoolGradGradWithArgmax",
        {
            **_T,
            "Targmax": _dtype(2),
            "ksize": _list("ksize"),
            "strides": _list("strides"),
            **_attrs("padding include_batch_in_index"),
        },
    ),
    ("FractionalAvgPool FractionalMaxPool", _FRACTIONAL),
    ("FractionalAvgPoolGrad FractionalMaxPoolGrad", {**_T, "overlapping": _attr("overlapping")}),
    ("BiasAddGrad", {**_T, "data_format": CHANNELS}),
    ("Elu EluGrad Relu6 Relu6Grad Selu SeluGrad Softsign SoftsignGrad HSVToRGB RGBToHSV", _T),
    ("AdjustContrastv2 AdjustHue AdjustSaturation DrawBoundingBoxes DrawBoundingBoxesV2", _T),
    ("LeakyRelu LeakyReluGrad", {**_T, "alpha": _attr("alpha", 0.2)}),
    ("LRN LRNGrad", {**_T, **_attrs("depth_radius bias alpha beta", 5, 1.0, 1.0, 0.5)}),
    (
        "FusedBatchNormV3",
        {"T": _dtype(0), "U": _dtype(1), **_attrs("epsilon data_format is_training", 1e-4, "NHWC", True)},
    ),
    ("FusedBatchNormGradV3", _NORM),
    ("ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor", _RESIZE),
    ("ResizeBicubicGrad ResizeBilinearGrad ResizeNearestNeighborGrad", _RESIZED_BACK),
    (
        "CropAndResize",
        {**_T, **_attrs("method extrapolation_value", "bilinear", 0.0), "_crop_size": _list("crop_size")},
    ),
    ("CropAndResizeGradImage", {"T": _attr("dtype"), "method": _attr("method"), "_image_size": _list("image_size")}),
    ("CropAndResizeGradBoxes", {"T": _dtype(1), "method": _is("bilinear")}),
    ("ExtractGlimpse", {**_attrs("centered normalized uniform_noise noise"), "_size": _list("size")}),
    ("NonMaxSuppressionV3", _CHOSEN),
    ("NonMaxSuppressionV4", {**_CHOSEN, "pad_to_max_output_size": _attr("pad_to_max_output_size")}),
    ("NonMaxSuppressionV5", {**_T, "pad_to_max_output_size": _attr("pad_to_max_output_size")}),
    ("CombinedNonMaxSuppression", _attrs("pad_per_class clip_boxes")),
    ("NonMaxSuppressionWithOverlaps IsJpeg DecodeGif EncodeJpegVariableQuality", {}),
    (
        "SampleDistortedBoundingBoxV2",
        {
            **_T,
            "seed": FromSeeds(0),
            "seed2": FromSeeds(1),
            "aspect_ratio_range": _list("aspect_ratio_range"),
            "area_range": _list("area_range"),
            **_attrs("max_attempts use_image_if_no_bounding_boxes"),
        },
    ),
    ("DecodePng", _attrs("channels dtype")),
    ("DecodeJpeg DecodeAndCropJpeg", _JPEG),
    ("DecodeBmp", _attrs("channels")),
    ("DecodeImage", _attrs("channels dtype expand_animations")),
    ("ExtractJpegShape", _attrs("output_type")),
    ("EncodePng", {**_T, "compression": _attr("compression")}),
    (
        "EncodeJpeg",
        _attrs(
            "format quality progressive optimize_size chroma_downsampling density_unit x_density y_density xmp_metadata"
        ),
    ),
]
