"""Images: files, sizes, parts, colours, boxes and comparisons.  Source: tf.image of TensorFlow 1.15.

Files are read and written by Pillow, an extra of dflow: `pip install dflow[images]`.
"""

from dflow.ops.array.patches import extract_image_patches
from dflow.ops.image.adjust import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    per_image_standardization,
    random_brightness,
    random_contrast,
    random_hue,
    random_saturation,
)
from dflow.ops.image.boxes import draw_bounding_boxes
from dflow.ops.image.colors import grayscale_to_rgb, rgb_to_grayscale, rgb_to_yiq, rgb_to_yuv, yiq_to_rgb, yuv_to_rgb
from dflow.ops.image.combined_suppression import combined_non_max_suppression
from dflow.ops.image.crop_and_resize import crop_and_resize
from dflow.ops.image.crops import (
    central_crop,
    crop_to_bounding_box,
    pad_to_bounding_box,
    resize_image_with_crop_or_pad,
)
from dflow.ops.image.decode import (
    decode_and_crop_jpeg,
    decode_bmp,
    decode_gif,
    decode_image,
    decode_jpeg,
    decode_png,
    extract_jpeg_shape,
    is_jpeg,
)
from dflow.ops.image.distorted_box import sample_distorted_bounding_box
from dflow.ops.image.dtype import convert_image_dtype
from dflow.ops.image.edges import image_gradients, sobel_edges, total_variation
from dflow.ops.image.encode import adjust_jpeg_quality, encode_jpeg, encode_png, random_jpeg_quality
from dflow.ops.image.flips import (
    flip_left_right,
    flip_up_down,
    random_flip_left_right,
    random_flip_up_down,
    rot90,
    transpose_image,
)
from dflow.ops.image.glimpse import extract_glimpse
from dflow.ops.image.hsv import hsv_to_rgb, rgb_to_hsv
from dflow.ops.image.quality import psnr, ssim, ssim_multiscale
from dflow.ops.image.resize import resize_area, resize_bicubic, resize_bilinear, resize_nearest_neighbor
from dflow.ops.image.resize_images import ResizeMethod, resize, resize_image_with_pad, resize_images
from dflow.ops.image.suppression import (
    non_max_suppression,
    non_max_suppression_overlaps,
    non_max_suppression_padded,
    non_max_suppression_with_scores,
)
from dflow.ops.sampling.crop import random_crop

extract_patches = extract_image_patches
resize_with_crop_or_pad = resize_image_with_crop_or_pad
transpose = transpose_image

__all__ = [
    "ResizeMethod",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_jpeg_quality",
    "adjust_saturation",
    "central_crop",
    "combined_non_max_suppression",
    "convert_image_dtype",
    "crop_and_resize",
    "crop_to_bounding_box",
    "decode_and_crop_jpeg",
    "decode_bmp",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "draw_bounding_boxes",
    "encode_jpeg",
    "encode_png",
    "extract_glimpse",
    "extract_image_patches",
    "extract_jpeg_shape",
    "extract_patches",
    "flip_left_right",
    "flip_up_down",
    "grayscale_to_rgb",
    "hsv_to_rgb",
    "image_gradients",
    "is_jpeg",
    "non_max_suppression",
    "non_max_suppression_overlaps",
    "non_max_suppression_padded",
    "non_max_suppression_with_scores",
    "pad_to_bounding_box",
    "per_image_standardization",
    "psnr",
    "random_brightness",
    "random_contrast",
    "random_crop",
    "random_flip_left_right",
    "random_flip_up_down",
    "random_hue",
    "random_jpeg_quality",
    "random_saturation",
    "resize",
    "resize_area",
    "resize_bicubic",
    "resize_bilinear",
    "resize_image_with_crop_or_pad",
    "resize_image_with_pad",
    "resize_images",
    "resize_nearest_neighbor",
    "resize_with_crop_or_pad",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "rgb_to_yiq",
    "rgb_to_yuv",
    "rot90",
    "sample_distorted_bounding_box",
    "sobel_edges",
    "ssim",
    "ssim_multiscale",
    "total_variation",
    "transpose",
    "transpose_image",
    "yiq_to_rgb",
    "yuv_to_rgb",
]
