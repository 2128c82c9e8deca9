"""Where the values of a resized axis come from: for each new place, the old places and their weights.

Places and weights are computed in float32, as TensorFlow computes them, so that the same old places are chosen.
Source: image_resizer_state, resize_bicubic_op and resize_area_op of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Taps = tuple[Array, Array]  # old places and weights, [new size, taps]

STEPS = 1024  # TensorFlow reads the weights of bicubic interpolation from a table of so many steps


def scale_of(old: int, new: int, align_corners: bool) -> np.float32:
    """The old places from one new place to the next."""
    if align_corners and new > 1:
        return np.float32(old - 1) / np.float32(new - 1)
    return np.float32(old) / np.float32(new)


def _places(old: int, new: int, align_corners: bool, half_pixel: bool) -> Array:
    places, scale = np.arange(new, dtype=np.float32), scale_of(old, new, align_corners)
    return (places + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else places * scale


def nearest(old: int, new: int, align_corners: bool, half_pixel: bool) -> Taps:
    places, scale = np.arange(new, dtype=np.float32), scale_of(old, new, align_corners)
    if half_pixel:
        places = places + np.float32(0.5)
    found = places * scale
    chosen = np.floor(found + np.float32(0.5) if align_corners else found)
    return np.clip(chosen, 0, old - 1).astype(np.int64)[:, None], np.ones((new, 1), np.float32)


def bilinear(old: int, new: int, align_corners: bool, half_pixel: bool) -> Taps:
    places = _places(old, new, align_corners, half_pixel)
    floor = np.floor(places)
    share = (places - floor).astype(np.float32)
    pairs = np.stack([np.maximum(floor, 0), np.minimum(np.ceil(places), old - 1)], axis=1).astype(np.int64)
    return np.clip(pairs, 0, old - 1), np.stack([1 - share, share], axis=1)


def bicubic(old: int, new: int, align_corners: bool, half_pixel: bool) -> Taps:
    """With half_pixel, the coefficient is -0.5 and places outside do not count; else it is -0.75, and they do."""
    places = _places(old, new, align_corners, half_pixel)
    floor = np.floor(places)
    share = np.rint((places - floor) * STEPS) / STEPS
    a = -0.5 if half_pixel else -0.75
    weights = np.stack([_far(share + 1, a), _near(share, a), _near(1 - share, a), _far(2 - share, a)], axis=1)
    taps = floor.astype(np.int64)[:, None] + np.arange(-1, 3)
    inside = np.clip(taps, 0, old - 1)
    if half_pixel:
        weights = np.where(taps == inside, weights, 0)
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(np.abs(total) < 1000 * np.finfo(np.float32).tiny, 1, total)
    return inside, weights.astype(np.float32)


def _near(x: Array, a: float) -> Array:
    """The weight at a distance of at most 1."""
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far(x: Array, a: float) -> Array:
    """The weight at a distance from 1 to 2."""
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def area(old: int, new: int, align_corners: bool, half_pixel: bool) -> Taps:
    """Each new place is the mean of the interval of old places that it covers."""
    scale = scale_of(old, new, align_corners)
    start = np.arange(new, dtype=np.float32) * scale
    end = np.arange(1, new + 1, dtype=np.float32) * scale
    first = np.floor(start).astype(np.int64)
    count = max(1, int((np.ceil(end).astype(np.int64) - first).max(initial=1)))
    taps = first[:, None] + np.arange(count)
    covered = np.minimum(taps + 1, end[:, None]) - np.maximum(taps, start[:, None])
    weights = np.clip(covered, 0, 1) / scale
    return np.clip(taps, 0, old - 1), weights.astype(np.float32)


METHODS = {"bilinear": bilinear, "bicubic": bicubic, "area": area, "nearest": nearest}


def matrix(taps: Taps, old: int) -> Array:
    """The weights as a matrix, [old size, new size]."""
    places, weights = taps
    found = np.zeros((old, len(places)), weights.dtype)
    np.add.at(found, (places, np.arange(len(places))[:, None]), weights)
    return found
