"""`df.test`: a TestCase's sessions, assertions and threads; gradients by finite differences."""

from __future__ import annotations

import collections
import threading
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df


class _Case(df.test.TestCase):
    __test__ = False  # for pytest

    def runTest(self) -> None:
        """Nothing: the tests below use its methods."""


@pytest.fixture
def case() -> Any:
    found = _Case()
    found.setUp()
    yield found
    found.tearDown()


def fails(call: Callable[[], Any], says: str | None = None) -> None:
    with pytest.raises(AssertionError, match=says):
        call()


def test_values_that_are_close_pass_and_others_fail(case: Any) -> None:
    pair = collections.namedtuple("pair", "a b")
    x = df.constant([1.0, 2.0])
    case.assertAllClose([1.0, 2.0 + 1e-7], x)
    case.assertAllClose({"a": x, "b": (1, [2.0])}, pair([1.0, 2.0], (1, [2.0])))
    case.assertNotAllClose([1.0], [2.0])
    case.assertAllCloseAccordingToType(np.float16(1.0), np.float16(1.0005))
    case.assertNear(1.0, 1.1, 0.2)
    case.assertArrayNear([1.0, 2.0], [1.1, 2.1], 0.2)
    case.assertNDArrayNear(np.ones(2), np.ones(2) + 0.1, 0.2)
    fails(lambda: case.assertAllClose([1.0], [1.1]), "Not equal to tolerance")
    fails(lambda: case.assertAllClose([1.0], [1.0, 2.0]), "Shape mismatch")
    fails(lambda: case.assertAllClose({"y": (2, [{"n": 4.0}])}, {"y": (2, [{"n": 4.2}])}), r"\[y\]\[1\]\[0\]\[n\]")
    fails(lambda: case.assertAllClose({"a": 1}, {"b": 1}), "mismatched keys")
    with pytest.raises(ValueError, match="Can't compare dict to non-dict"):
        case.assertAllClose(1, {"a": 1})
    fails(lambda: case.assertNotAllClose([1.0], [1.0]))
    fails(lambda: case.assertNear(1.0, 2.0, 0.2, "far"), "far")


def test_values_that_are_equal_pass_and_others_fail(case: Any) -> None:
    case.assertAllEqual(df.constant([b"a", b"b"]), ["a", "b"])
    case.assertAllEqual([np.nan, 1.0], df.constant([np.nan, 1.0]))
    case.assertNotAllEqual([1], [2])
    case.assertAllGreater([2, 3], 1)
    case.assertAllLess([2, 3], 4)
    case.assertAllGreaterEqual([2, 3], 2)
    case.assertAllLessEqual([2, 3], 3)
    case.assertAllInRange([0.0, 1.0], 0.0, 1.0)
    case.assertAllInSet([1, 2], {1, 2, 3})
    case.assertDTypeEqual(df.constant(1), np.int32)
    case.assertShapeEqual(np.zeros([2, 3]), df.zeros([2, 3]))
    case.assertItemsEqual([2, 1], [1, 2])
    case.assertEquals(1, 1)
    fails(lambda: case.assertAllEqual([1, 2], [1, 3]), "not equal where")
    fails(lambda: case.assertAllEqual([1], [[1]]), "Shape mismatch")
    fails(lambda: case.assertNotAllEqual([1], [1]))
    fails(lambda: case.assertAllGreater([1, 3], 1))
    fails(lambda: case.assertAllInRange([0.0, 1.0], 0.0, 1.0, open_upper_bound=True))
    fails(lambda: case.assertAllInRange(["a"], 0.0, 1.0), "ordered numeric type")
    fails(lambda: case.assertAllInSet([1, 9], {1}))
    fails(lambda: case.assertDTypeEqual(df.constant(1), np.float32))
    fails(lambda: case.assertShapeEqual(np.zeros([2]), df.zeros([3])))


def test_messages_devices_and_texts_are_compared(case: Any) -> None:
    case.assertProtoEquals("name: 'a' op: 'b'", df.NodeDef(name="a", op="b"))
    case.assertProtoEquals(df.NodeDef(name="a"), df.NodeDef(name="a"))
    case.assertDeviceEqual("/gpu:0", "/device:GPU:0")
    case.assertStartsWith("abc", "ab")
    case.assertRegexpMatches("abc", "b")
    fails(lambda: case.assertProtoEquals("name: 'a'", df.NodeDef(name="b")))
    fails(lambda: case.assertDeviceEqual("/gpu:0", "/cpu:0"))
    fails(lambda: case.assertStartsWith("abc", "b", "why"), "why")


def test_errors_are_expected_by_text_or_by_a_function(case: Any) -> None:
    def raise_op_error() -> None:
        raise df.errors.OutOfRangeError(None, None, "at the end")

    with case.assertRaisesOpError("the end"):
        raise_op_error()
    with case.assertRaisesWithPredicateMatch(
        df.errors.OpError, lambda error: error.error_code == df.errors.OUT_OF_RANGE
    ):
        raise_op_error()
    with case.assertRaisesRegexp(ValueError, "bad"):
        raise ValueError("bad")

    def expect(what: Any, act: Callable[[], Any]) -> None:
        with case.assertRaisesOpError(what):
            act()

    fails(lambda: expect("another", raise_op_error))
    fails(lambda: expect("the end", lambda: None), "not raised")


def test_an_expected_error_names_its_operation(case: Any) -> None:
    with case.session() as sess:
        check = df.Assert(False, ["no"], name="my_check")
        with case.assertRaisesOpError("my_check"):
            sess.run(check)


def test_a_test_has_sessions_of_its_own(case: Any) -> None:
    with case.cached_session() as first, case.cached_session() as second:
        assert first is second is df.get_default_session()
        assert df.constant(1).eval() == 1
        assert df.constant(1).device.endswith("CPU:0")
    with case.session(use_gpu=True) as other:
        assert other is not first
        assert not df.constant(1).device
    with case.test_session(graph=df.Graph()) as sess:
        assert sess.graph is df.get_default_graph()
    assert sess.closed
    assert not first.closed
    with pytest.raises(ValueError, match="graph used to get the cached session"), case.cached_session(graph=df.Graph()):
        pass
    with pytest.raises(ValueError, match="force_gpu value"), case.cached_session(force_gpu=True):
        pass
    assert case.evaluate({"a": df.constant(2)}) == {"a": 2}


def test_a_thread_that_fails_fails_the_test(case: Any) -> None:
    done = threading.Event()
    good, bad = case.checkedThread(target=done.set), case.checkedThread(target=lambda x: 1 // x, args=(0,))
    for thread in (good, bad):
        thread.start()
    good.join()
    assert done.is_set()
    assert not good.is_alive()
    fails(bad.join, "integer division or modulo by zero")


def test_unittest_runs_a_test_case() -> None:
    ran: list[Any] = []

    class Example(df.test.TestCase):
        def test_graph(self) -> None:
            ran.append(df.get_default_graph().seed)
            self.assertTrue(self.get_temp_dir().startswith(df.test.get_temp_dir()))

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Example).run(result)
    assert (ran, result.testsRun, result.errors, result.failures) == ([87654321], 2, [], [])
    assert [reason for _, reason in result.skipped] == ["Not a test."]  # test_session, which is none


def test_gradients_are_compared_with_finite_differences() -> None:
    x = df.placeholder(df.float64, [2])
    z = df.placeholder(df.complex64, [2])
    w = df.placeholder(df.float32, [3])
    with df.Session():
        exact, near = df.test.compute_gradient(x, [2], x * x, [2], x_init_value=np.array([1.0, 2.0]))
        np.testing.assert_allclose(exact, [[2, 0], [0, 4]])
        np.testing.assert_allclose(near, exact, atol=1e-6)
        assert df.test.compute_gradient_error(x, [2], df.exp(x), [2]) < 1e-5
        assert df.test.compute_gradient_error(z, [2], z * z, [2]) < 1e-2
        pairs = df.test.compute_gradient([x, w], [[2], [3]], df.reduce_sum(df.cast(x, df.float32)) * w, [3], delta=1e-2)
        assert [pair[0].shape for pair in pairs] == [(2, 3), (3, 3)]
        independent, _ = df.test.compute_gradient(x, [2], w * 1.0, [3], extra_feed_dict={w: np.zeros(3)})
        assert not independent.any()


def test_a_machine_says_what_it_has() -> None:
    assert df.test.is_gpu_available() == bool(df.test.gpu_device_name())
    assert df.test.is_built_with_gpu_support() == (df.test.is_built_with_cuda() or df.test.is_built_with_rocm())
    assert df.test.test_src_dir_path("version.py").endswith("dflow/version.py")
    assert df.test.mock is unittest.mock
    assert callable(df.test.main)
    with pytest.raises(NotImplementedError, match="EmbeddedCluster"):
        df.test.create_local_cluster(1, 1)
    with pytest.raises(TypeError, match=r"Expected tf\.GraphDef"):
        df.test.assert_equal_graph_def(1, 2)
