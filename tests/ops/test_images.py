"""Images that are changed at random, resized, cut into boxes, and checked at run time."""

from __future__ import annotations

import numpy as np
import pytest

import dflow as df
from dflow.ops.image.interpolation import METHODS, matrix
from tests.ops.evaluate import Evaluator

IMAGE = np.random.default_rng(1).random((4, 6, 3)).astype(np.float32)
BATCH = np.random.default_rng(2).random((40, 4, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("flip", [df.image.random_flip_left_right, df.image.random_flip_up_down])
def test_about_half_of_the_images_are_mirrored_each_by_itself(flip: object) -> None:
    axis = 2 if flip is df.image.random_flip_left_right else 1
    found = Evaluator()(flip(BATCH, seed=3))  # type: ignore[operator]
    mirrored = np.flip(BATCH, axis)
    turned = [bool((a == b).all()) for a, b in zip(found, mirrored, strict=True)]
    same = [bool((a == b).all()) for a, b in zip(found, BATCH, strict=True)]
    assert [a != b for a, b in zip(turned, same, strict=True)] == [True] * 40
    assert 8 < sum(turned) < 32
    run, one = Evaluator(), flip(IMAGE, seed=4)  # type: ignore[operator]
    kinds = {tuple(np.asarray(run(one)).reshape(-1)) for _ in range(20)}
    assert kinds == {tuple(IMAGE.reshape(-1)), tuple(np.flip(IMAGE, axis - 1).reshape(-1))}


def test_random_changes_stay_in_their_ranges() -> None:
    run = Evaluator()
    bright = df.image.random_brightness(IMAGE, 0.1, seed=1)
    contrast = df.image.random_contrast(IMAGE, 0.5, 0.7, seed=1)
    hue, saturation = df.image.random_hue(IMAGE, 0.2, seed=1), df.image.random_saturation(IMAGE, 0.3, 0.4, seed=1)
    mean = IMAGE.mean((0, 1))
    for _ in range(10):
        shift = run(bright) - IMAGE
        assert np.ptp(shift) < 1e-6
        assert abs(shift).max() <= 0.1 + 1e-6
        factors = (run(contrast) - mean) / (IMAGE - mean)
        assert np.ptp(factors) < 1e-3
        assert 0.5 - 1e-3 <= factors.min() <= factors.max() <= 0.7 + 1e-3
        value = run(df.image.rgb_to_hsv(hue))
        np.testing.assert_allclose(value[..., 2], IMAGE.max(-1), atol=1e-5)
        shares = run(df.image.rgb_to_hsv(saturation))[..., 1] / run(df.image.rgb_to_hsv(IMAGE))[..., 1]
        assert 0.3 - 1e-3 <= shares.min() <= shares.max() <= 0.4 + 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("align_corners", "half_pixel"), [(False, False), (True, False), (False, True)])
def test_weights_add_up_to_1_and_a_line_stays_a_line(method: str, align_corners: bool, half_pixel: bool) -> None:
    for old, new in ((5, 9), (9, 5), (7, 7), (6, 1), (1, 4)):
        if old == 1 and align_corners and method == "area":
            continue  # an area of no size
        weights = matrix(METHODS[method](old, new, align_corners, half_pixel), old)
        np.testing.assert_allclose(weights.sum(0), 1, atol=1e-5)
    if method in ("bilinear", "bicubic"):
        weights = matrix(METHODS[method](9, 5, align_corners, half_pixel), 9)
        line = np.arange(9) @ weights
        inner = np.diff(line)[1:-1]
        np.testing.assert_allclose(inner, inner[0], atol=0.05)


def test_the_gradient_of_a_resized_image_is_that_of_a_linear_map() -> None:
    for function in (df.image.resize_bilinear, df.image.resize_bicubic, df.image.resize_nearest_neighbor):
        x, dy = df.constant(BATCH[:2]), df.placeholder(df.float32, [2, 7, 5, 3])
        y = function(x, [7, 5])
        (dx,) = df.gradients(y, x, dy)
        (again,) = df.gradients(dx, dy, x)
        weights = np.random.default_rng(3).random((2, 7, 5, 3)).astype(np.float32)
        found, back, twice = Evaluator()([y, dx, again], {dy: weights})
        np.testing.assert_allclose((back * BATCH[:2]).sum(), (weights * found).sum(), rtol=1e-4)
        np.testing.assert_allclose(twice, found, rtol=1e-4, atol=1e-5)


def test_shapes_that_are_known_only_at_run_time_are_checked_there() -> None:
    x = df.placeholder(df.float32, [None, None, 3])
    run = Evaluator()
    flipped, size = df.image.flip_left_right(x), df.placeholder(df.int32, [])
    cut = df.image.crop_to_bounding_box(x, 0, 0, size, 3)
    assert run(cut, {x: IMAGE, size: 2}).shape == (2, 3, 3)
    with pytest.raises(df.errors.InvalidArgumentError, match="inner 3 dims"):
        run(flipped, {x: IMAGE[:0]})
    with pytest.raises(df.errors.InvalidArgumentError, match="height must be >= target"):
        run(cut, {x: IMAGE, size: 9})


def test_a_random_box_covers_a_part_of_an_object_within_its_ranges() -> None:
    box = df.image.sample_distorted_bounding_box(
        [40, 60, 3], [[[0.2, 0.2, 0.6, 0.7]]], seed=1, min_object_covered=0.5, area_range=(0.3, 0.8)
    )
    run, drawn = Evaluator(), set()
    for _ in range(20):
        begin, size, share = run(list(box))
        drawn.add((*begin.tolist(), *size.tolist()))
        (top, left, _), (height, width, depth) = begin, size
        assert 0.3 * 2400 <= height * width <= 0.8 * 2400
        assert 0.7 < width / height < 1.4
        assert depth == -1
        rows = min(top + height, 24) - max(top, 8)
        columns = min(left + width, 42) - max(left, 12)
        assert rows * columns >= 0.5 * 16 * 30
        np.testing.assert_allclose(
            share[0, 0], [top / 40, left / 60, (top + height) / 40, (left + width) / 60], rtol=1e-5
        )
    assert len(drawn) > 5


def test_without_an_object_the_whole_image_may_be_one() -> None:
    nothing = np.zeros((1, 0, 4), np.float32)
    refused = df.image.sample_distorted_bounding_box([40, 60, 3], nothing)
    with pytest.raises(df.errors.InvalidArgumentError, match="No bounding boxes"):
        Evaluator()(refused.begin)
    taken = df.image.sample_distorted_bounding_box([40, 60, 3], nothing, use_image_if_no_bounding_boxes=True)
    assert Evaluator()(taken.size).tolist()[2] == -1


def test_noise_around_an_image_is_within_its_range() -> None:
    x = BATCH[:2]
    window = Evaluator()(df.image.extract_glimpse(x, [6, 8], np.zeros((2, 2), np.float32)))
    np.testing.assert_array_equal(window[:, 1:5, 1:7], x)
    assert x.min() <= window.min() <= window.max() <= x.max()
    assert np.unique(window[:, 0]).size > 10
    black = Evaluator()(df.image.extract_glimpse(x, [6, 8], np.zeros((2, 2), np.float32), noise="zero"))
    assert not black[:, 0].any()


def test_boxes_of_each_class_are_chosen_by_themselves() -> None:
    rng = np.random.default_rng(4)
    corners = rng.random((1, 9, 1, 2)).astype(np.float32) / 2
    places, scores = np.concatenate([corners, corners + 0.4], -1), rng.random((1, 9, 2)).astype(np.float32)
    run = Evaluator()
    found, marks, classes, count = run(list(df.image.combined_non_max_suppression(places, scores, 3, 10, 0.3)))
    assert (marks[0] == sorted(marks[0], reverse=True)).all()
    for number in range(2):
        chosen = run(df.image.non_max_suppression(places[0, :, 0], scores[0, :, number], 3, 0.3))
        own = [i for i in range(count[0]) if classes[0, i] == number]
        np.testing.assert_array_equal(marks[0, own], scores[0, chosen, number])
        np.testing.assert_array_equal(found[0, own], places[0, chosen, 0])
    assert not found[0, count[0] :].any()
    with pytest.raises(df.errors.InvalidArgumentError, match="third dimension of boxes"):
        run(df.image.combined_non_max_suppression(places.repeat(3, 2), scores, 3, 10).nmsed_scores)
