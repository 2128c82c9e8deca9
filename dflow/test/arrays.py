"""Assertions about values: arrays, tensors, and lists, tuples and dicts of them.

Source: tf.test.TestCase of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
from absl.testing import absltest

from dflow.dtypes import as_dtype
from dflow.graph import Tensor

Array = np.ndarray[Any, Any]


class ArrayAssertions(absltest.TestCase):
    """Assertions about values.  A tensor is evaluated first, by `evaluate`."""

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors; see `TestCase`."""
        raise NotImplementedError

    def _as_array(self, value: Any) -> Array:
        if isinstance(value, Tensor) or hasattr(value, "_as_tensor") or hasattr(value, "_fetch_parts"):
            value = self.evaluate(value)
        if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
            value = [self._as_array(item) for item in value]
        return value if isinstance(value, np.ndarray) else np.array(value)

    # -- near

    def assertNear(self, f1: float, f2: float, err: float, msg: str | None = None) -> None:
        """Two numbers differ by at most `err`, or are equal."""
        self.assertTrue(
            f1 == f2 or abs(f1 - f2) <= err, f"{f1!r} != {f2!r} +/- {err!r}{f' ({msg})' if msg is not None else ''}"
        )

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: str | None = None) -> None:
        """The numbers of two lists differ by at most `err`."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for f1, f2 in zip(farray1, farray2, strict=True):
            self.assertNear(float(f1), float(f2), err, msg)

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: float, msg: str | None = None) -> None:
        """The norm of the difference of two arrays is less than `err`."""
        self.assertTrue(np.linalg.norm(ndarray1 - ndarray2) < err, msg)

    # -- close and equal

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None) -> None:
        """Two structures of numbers are alike: |a - b| <= atol + rtol * |b| for each number, and equal shapes."""
        self._assert_close(a, b, rtol, atol, [], msg)

    def _assert_close(self, a: Any, b: Any, rtol: float, atol: float, path: list[str], msg: str | None) -> None:
        where = "".join(path)
        a, b = (value._asdict() if hasattr(value, "_asdict") else value for value in (a, b))
        if isinstance(a, Mapping) or isinstance(b, Mapping):
            if not (isinstance(a, Mapping) and isinstance(b, Mapping)):
                raise ValueError(f"Can't compare dict to non-dict, a{where} vs b{where}. {msg or ''}")
            self.assertCountEqual(a.keys(), b.keys(), f"mismatched keys: a{where} and b{where}. {msg or ''}")
            for key in a:
                self._assert_close(a[key], b[key], rtol, atol, [*path, f"[{key!s}]"], msg)
            return
        try:
            self._assert_arrays_close(self._as_array(a), self._as_array(b), rtol, atol, where, msg)
        except (ValueError, TypeError) as error:  # these are no arrays of numbers: compare item by item
            if not (isinstance(a, (list, tuple)) and isinstance(b, (list, tuple))):
                raise TypeError(f"Error: a{where} has {type(a)}, but b{where} has {type(b)}. {msg or ''}") from error
            if len(a) != len(b):
                raise ValueError(
                    f"Mismatched length: a{where} has {len(a)} items, b{where} has {len(b)}. {msg or ''}"
                ) from error
            for i, (item, other) in enumerate(zip(a, b, strict=True)):
                self._assert_close(item, other, rtol, atol, [*path, f"[{i}]"], msg)

    def _assert_arrays_close(self, a: Array, b: Array, rtol: float, atol: float, where: str, msg: str | None) -> None:
        text = f"{msg or ''} a{where} and b{where}"
        self.assertEqual(a.shape, b.shape, f"Shape mismatch: expected {a.shape}, got {b.shape}.{text}")
        a, b = _wide(a), _wide(b)
        if not np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
            with np.errstate(all="ignore"):
                a, b = np.atleast_1d(a, b)
                wrong = ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
                shown = f"not close where = {np.where(wrong)}\nnot close lhs = {a[wrong]}\nnot close rhs = {b[wrong]}"
                bounds = f"not close dif = {np.abs(a[wrong] - b[wrong])}\nnot close tol = {atol + rtol * abs(b[wrong])}"
            limits = f"rtol={rtol}, atol={atol}, dtype = {a.dtype}, shape = {a.shape}"
            raise AssertionError(f"Not equal to tolerance {limits}: {text}\n{shown}\n{bounds}")

    def assertAllCloseAccordingToType(
        self,
        a: Any,
        b: Any,
        rtol: float = 1e-6,
        atol: float = 1e-6,
        float_rtol: float = 1e-6,
        float_atol: float = 1e-6,
        half_rtol: float = 1e-3,
        half_atol: float = 1e-3,
        bfloat16_rtol: float = 1e-2,
        bfloat16_atol: float = 1e-2,
        msg: str | None = None,
    ) -> None:
        """As `assertAllClose`, with wider limits if one of both has a narrower dtype than float64."""
        a, b = self._as_array(a), self._as_array(b)
        for dtypes, limit, least in (
            ((np.float32, np.complex64), float_rtol, float_atol),
            ((np.float16,), half_rtol, half_atol),
            ((ml_dtypes.bfloat16,), bfloat16_rtol, bfloat16_atol),
        ):
            if a.dtype in dtypes or b.dtype in dtypes:
                rtol, atol = max(rtol, limit), max(atol, least)
        self.assertAllClose(a, b, rtol, atol, msg)

    def assertNotAllClose(self, a: Any, b: Any, **kwargs: Any) -> None:
        """`assertAllClose` fails."""
        try:
            self.assertAllClose(a, b, **kwargs)
        except AssertionError:
            return
        raise AssertionError("The two values are close at all elements")

    def assertAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Two arrays, tensors or lists have equal shapes and values; NaN equals NaN."""
        a, b = self._as_array(a), self._as_array(b)
        if b.size or a.size or a.shape != b.shape:
            self.assertEqual(
                a.shape, b.shape, f"Shape mismatch: expected {a.shape}, got {b.shape}. {msg or ''}\nContents: {b}"
            )
        same = _same(a, b)
        if not np.all(same):
            wrong = np.logical_not(same)
            if not a.ndim:
                raise AssertionError(f"{msg or ''} not equal lhs = {a!r}, not equal rhs = {b!r}")
            raise AssertionError(
                f"{msg or ''} Arrays are not equal: not equal where = {np.where(wrong)}\n"
                f"not equal lhs = {a[wrong]!r}\nnot equal rhs = {b[wrong]!r}"
            )

    def assertNotAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """`assertAllEqual` fails."""
        try:
            self.assertAllEqual(a, b)
        except AssertionError:
            return
        raise AssertionError(f"The two values are equal at all elements. {msg or ''}")

    # -- bounds

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """All values are greater."""
        self._assert_all(a, "smallest", np.min, self.assertGreater, comparison_target)

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """All values are less."""
        self._assert_all(a, "largest", np.max, self.assertLess, comparison_target)

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """All values are greater or equal."""
        self._assert_all(a, "smallest", np.min, self.assertGreaterEqual, comparison_target)

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """All values are less or equal."""
        self._assert_all(a, "largest", np.max, self.assertLessEqual, comparison_target)

    def _assert_all(self, values: Any, which: str, pick: Any, compare: Any, target: Any) -> None:
        picked = pick(self._as_array(values))
        compare(picked, target, f"{picked} is the {which} value")

    def assertAllInRange(
        self,
        target: Any,
        lower_bound: Any,
        upper_bound: Any,
        open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:
        """All values lie between two bounds, which are included unless they are open."""
        values = self._as_array(target)
        if values.dtype.kind not in "iuf" and as_dtype(values.dtype).name != "bfloat16":
            raise AssertionError(f"The value of {target} does not have an ordered numeric type: {values.dtype}")
        bad = (values <= lower_bound) if open_lower_bound else (values < lower_bound)
        bad = bad | ((values >= upper_bound) if open_upper_bound else (values > upper_bound)) | np.isnan(_wide(values))
        if np.any(bad):
            span = f"{'(' if open_lower_bound else '['}{lower_bound}, {upper_bound}{')' if open_upper_bound else ']'}"
            raise AssertionError(f"{int(np.sum(bad))} values are not in the range {span}: {values[bad]}")

    def assertAllInSet(self, target: Any, expected_set: Iterable[Any]) -> None:
        """Each value is one of a set."""
        values = self._as_array(target)
        odd = set(values.reshape(-1).tolist()) - set(expected_set)
        if odd:
            raise AssertionError(f"{len(odd)} values are not in the set {expected_set}: {odd}")

    # -- dtypes and shapes

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """A value has a dtype: of TensorFlow, of NumPy, or its name."""
        actual = target.dtype if hasattr(target, "dtype") else self._as_array(target).dtype
        self.assertEqual(as_dtype(actual).base_dtype, as_dtype(expected_dtype).base_dtype)

    def assertShapeEqual(self, np_array: Any, tf_tensor: Any, msg: str | None = None) -> None:
        """The static shape of a tensor is the shape of an array."""
        if not isinstance(np_array, (np.ndarray, np.generic)):
            raise TypeError("np_array must be a Numpy ndarray or Numpy scalar")
        if not isinstance(tf_tensor, Tensor):
            raise TypeError("tf_tensor must be a Tensor")
        self.assertAllEqual(np_array.shape, tf_tensor.get_shape().as_list(), msg)


def _wide(values: Array) -> Array:
    """Values of narrow dtypes as float32."""
    return values.astype(np.float32) if values.dtype == np.float16 or values.dtype == ml_dtypes.bfloat16 else values


def _same(a: Array, b: Array) -> Any:
    """Whether each value equals the other one, as bytes and text do, too."""
    if a.dtype.kind in "SUO" or b.dtype.kind in "SUO":
        a, b = _as_text(a), _as_text(b)
    same: Any = a == b
    if a.dtype.kind in "fc" and b.dtype.kind in "fc":
        same = np.logical_or(same, np.logical_and(np.isnan(a), np.isnan(b)))
    return same


def _as_text(values: Array) -> Array:
    """Text as bytes; other objects as they are."""
    result = np.empty(values.shape, object)
    result.reshape(-1)[:] = [item.encode() if isinstance(item, str) else item for item in values.reshape(-1).tolist()]
    return result
