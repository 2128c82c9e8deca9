"""What Session.run takes and gives, in this process and on a cluster.  Statement ids: S23, S24, X26, I14."""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any, NamedTuple

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import Waiting, in_thread

Pair = namedtuple("Pair", ["first", "second"])


class Triple(NamedTuple):
    a: Any
    b: Any
    c: Any


class Attribute:
    """What attrs leaves on a class: the name of a field."""

    def __init__(self, name: str) -> None:
        self.name = name


class SampleAttr:
    """A class as attrs makes it."""

    __attrs_attrs__ = (Attribute("field1"), Attribute("field2"))

    def __init__(self, field1: Any, field2: Any) -> None:
        self.field1, self.field2 = field1, field2


# -- what is fetched


def test_the_result_has_the_structure_and_the_types_of_the_fetches(target: str) -> None:
    """S23.2"""
    a, b = tf.constant(1.0), tf.constant([2.0, 3.0])
    c = tf.add(a, b)
    with tf.Session(target) as sess:
        assert sess.run(a) == 1.0
        assert isinstance(sess.run(a), np.float32)
        assert isinstance(sess.run(b), np.ndarray)
        as_list = sess.run([a, [b], (c, a)])
        assert type(as_list) is list
        assert type(as_list[1]) is list
        assert type(as_list[2]) is tuple
        np.testing.assert_array_equal(as_list[2][0], [3.0, 4.0])
        assert as_list[2][1] == 1.0


def test_named_tuples_and_dicts_come_back_as_their_own_class(target: str) -> None:
    """S23.2"""
    a, b = tf.constant(1), tf.constant(2)
    with tf.Session(target) as sess:
        assert sess.run(Pair(a, [b, a])) == Pair(1, [2, 1])
        assert type(sess.run(Pair(a, b))) is Pair
        assert sess.run(Triple(a, Pair(b, a), {"x": b})) == Triple(1, Pair(2, 1), {"x": 2})
        found = sess.run({"a": a, ("b", 1): {"c": [b]}})
        assert found == {"a": 1, ("b", 1): {"c": [2]}}
        ordered = sess.run(OrderedDict([("z", a), ("y", b)]))
        assert type(ordered) is OrderedDict
        defaults = sess.run(defaultdict(list, a=a))
        assert (type(defaults), defaults.default_factory) == (defaultdict, list)
        assert list(ordered.items()) == [("z", 1), ("y", 2)]


def test_classes_made_by_attrs_come_back_as_their_own_class(target: str) -> None:
    """S23.2"""
    a, b = tf.constant(1), tf.constant(2)
    with tf.Session(target) as sess:
        found = sess.run(SampleAttr(a, [SampleAttr(b, a)]))
    assert type(found) is SampleAttr
    assert found.field1 == 1
    assert (found.field2[0].field1, found.field2[0].field2) == (2, 1)


def test_names_bytes_and_variables_are_fetched_like_the_tensors_that_they_mean(target: str) -> None:
    """S23.2"""
    a = tf.constant(7.0, name="a")
    v = tf.Variable(3.0, name="v")
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        assert sess.run("a:0") == 7.0
        assert sess.run(b"a:0") == 7.0
        assert sess.run("a") is None
        assert sess.run([v, a, "v:0", "v/read:0"]) == [3.0, 7.0, 3.0, 3.0]


def test_operations_are_fetched_as_none_and_empty_structures_as_themselves(target: str) -> None:
    """S23.3"""
    a = tf.constant(1)
    nothing = tf.no_op()
    with tf.Session(target) as sess:
        assert sess.run(nothing) is None
        assert sess.run([a, nothing, a.op]) == [1, None, None]
        assert sess.run({"op": nothing, "a": a}) == {"op": None, "a": 1}
        assert sess.run([]) == []
        assert sess.run(()) == ()
        assert sess.run({}) == {}
        assert sess.run([[], {}, ((),), a]) == [[], {}, ((),), 1]


@pytest.mark.parametrize("fetches", [None, [None], {"a": None}, [[1.0]], 5, object()])
def test_what_is_no_element_of_the_graph_is_a_type_error(target: str, fetches: Any) -> None:
    """S23.4"""
    tf.constant(1)
    with tf.Session(target) as sess, pytest.raises(TypeError, match="has invalid type"):
        sess.run(fetches)


def test_unknown_names_and_elements_of_another_graph_are_value_errors(target: str) -> None:
    """S23.4"""
    with tf.Graph().as_default():
        foreign = tf.constant(2.0, name="foreign")
    a = tf.constant(1.0, name="a")
    with tf.Session(target) as sess:
        for fetch in ("not_there:0", "not_there", "a:1", "a:x", foreign, [a, foreign], foreign.op):
            with pytest.raises(ValueError, match="cannot be interpreted as a Tensor"):
                sess.run(fetch)
        assert sess.run(a) == 1.0


def test_an_operation_runs_once_however_often_it_is_fetched_and_only_if_it_is_needed(target: str) -> None:
    """S23.5"""
    v = tf.Variable(0, name="v")
    w = tf.Variable(0, name="w")
    count, other = v.assign_add(1), w.assign_add(1)
    twice = [count, count, count + 10, count.op, {"again": count}]
    with tf.Session(target) as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(twice) == [1, 1, 11, None, {"again": 1}]
        assert sess.run([v, w]) == [1, 0]
        sess.run(other)
        assert sess.run([v, w]) == [1, 1]


def test_all_fetches_of_a_run_are_values_of_one_step(target: str) -> None:
    """S23.5"""
    x = tf.random_uniform([4])
    y = x + 1
    with tf.Session(target) as sess:
        for _ in range(3):
            first, second, third = sess.run([x, y, x])
            np.testing.assert_array_equal(second, first + np.float32(1))
            np.testing.assert_array_equal(first, third)


# -- what is fed


def test_any_tensor_can_be_fed_and_its_producer_is_not_run(target: str) -> None:
    """S23.6, S23.8"""
    v = tf.Variable(0, name="v")
    count = v.assign_add(1)
    c = tf.constant(5, name="c")
    total = count * 2 + c
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        assert sess.run(total, {count: 10}) == 25
        assert sess.run(total, {count: 10, c: 1}) == 21
        assert sess.run([c, total], {"c:0": 2, count: 0}) == [2, 2]
        assert sess.run(v) == 0
        assert sess.run(total) == 7


def test_a_variable_can_be_fed_and_keeps_its_value(target: str) -> None:
    """S23.6"""
    v = tf.Variable([1.0, 2.0], name="v")
    double = v.value() * 2
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        np.testing.assert_array_equal(sess.run(v, {v: [5.0, 6.0]}), [5.0, 6.0])
        np.testing.assert_array_equal(sess.run(double, {v: [5.0, 6.0]}), [10.0, 12.0])
        np.testing.assert_array_equal(sess.run(double, {v.value(): [7.0, 8.0]}), [14.0, 16.0])
        np.testing.assert_array_equal(sess.run(double), [2.0, 4.0])


def test_fetching_a_fed_tensor_gives_the_fed_value(target: str) -> None:
    """S23.8"""
    p = tf.placeholder(tf.float32, [2])
    with tf.Session(target) as sess:
        np.testing.assert_array_equal(sess.run(p, {p: [1, 2]}), [1.0, 2.0])
        found = sess.run({"p": p, "q": p + 1}, {p: np.array([3.0, 4.0])})
        np.testing.assert_array_equal(found["p"], [3.0, 4.0])
        np.testing.assert_array_equal(found["q"], [4.0, 5.0])
        assert found["p"].dtype == np.float32


def test_a_queue_cannot_be_fetched_but_its_handle_can(target: str) -> None:
    """S23.4"""
    queue = tf.FIFOQueue(1, [tf.int32])
    with tf.Session(target) as sess:
        for fetch in (queue, [queue]):
            with pytest.raises(TypeError, match="has invalid type"):
                sess.run(fetch)
        assert sess.run(queue.queue_ref.op) is None


def test_a_fed_tensor_without_dimensions_is_fetched_as_an_array(target: str) -> None:
    """S23.8"""
    p, text, c = tf.placeholder(tf.float32), tf.placeholder(tf.string), tf.constant(3)
    with tf.Session(target) as sess:
        found = sess.run([p, p + 1, text, c], {p: 5, text: "\u00fc", c: 4})
        assert [type(it) for it in found] == [np.ndarray, np.float32, np.ndarray, np.ndarray]
        assert [it.tolist() for it in found] == [5.0, 6.0, b"\xc3\xbc", 4]
        assert [it.dtype for it in found] == [np.float32, np.float32, object, np.int32]
        call = sess.make_callable(p, [p])
        assert isinstance(call(5.0), np.ndarray)


def test_a_fed_array_may_be_changed_by_its_owner_after_the_run(target: str) -> None:
    """S23.8"""
    p = tf.placeholder(tf.float32, [3])
    v = tf.Variable(tf.zeros([3]), name="v")
    store = v.assign(p)
    mine = np.ones(3, np.float32)
    with tf.Session(target) as sess:
        fetched = sess.run(store, {p: mine})
        mine[:] = 9
        np.testing.assert_array_equal(sess.run(v), [1, 1, 1])
        np.testing.assert_array_equal(fetched, [1, 1, 1])
        fetched = sess.run(v).copy()
        fetched[:] = 8
        np.testing.assert_array_equal(sess.run(v), [1, 1, 1])


def test_a_key_that_means_no_tensor_is_a_type_error(target: str) -> None:
    """S23.6"""
    a = tf.constant(1.0, name="a")
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    with tf.Session(target) as sess:
        for key in ("a", "not_there:0", a.op, foreign, 7, None):
            with pytest.raises(TypeError, match="Cannot interpret feed_dict"):
                sess.run(a, {key: 1.0})


def test_wrong_values_are_refused_before_anything_runs(target: str) -> None:
    """S23.7"""
    v = tf.Variable(0, name="v")
    p = tf.placeholder(tf.int32, [2], name="p")
    with tf.control_dependencies([v.assign_add(1)]):
        out = tf.identity(p)
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        with pytest.raises(TypeError, match=r"cannot be a tf\.Tensor object"):
            sess.run(out, {p: tf.constant([1, 2])})
        with pytest.raises(TypeError, match=r"cannot be a tf\.Tensor object"):
            sess.run(out, {p: v})
        for value in ([1.5, 2.5], ["a", "b"], [2**40, 0], [1 + 2j, 0], [np.nan, 1]):
            with pytest.raises(TypeError, match="is not compatible with Tensor type"):
                sess.run(out, {p: value})
        for value in ([1, 2, 3], 1, [[1, 2]]):
            with pytest.raises(ValueError, match="Cannot feed value of shape"):
                sess.run(out, {p: value})
        assert sess.run(v) == 0
        for lossless in ([1, 2], [1.0, 2.0], np.array([1, 2], np.uint8), np.array([1.0, 2.0])):
            np.testing.assert_array_equal(sess.run(out, {p: lossless}), [1, 2])
        np.testing.assert_array_equal(sess.run(out, {p: [True, False]}), [1, 0])


def test_a_tensor_of_unknown_shape_takes_any_shape_and_one_of_known_rank_that_rank(target: str) -> None:
    """S23.7"""
    anything, rows = tf.placeholder(tf.float32), tf.placeholder(tf.float32, [None, 2])
    with tf.Session(target) as sess:
        for shape in ((), (3,), (2, 0), (1, 2, 3)):
            assert sess.run(anything, {anything: np.zeros(shape)}).shape == shape
        for count in (0, 1, 5):
            assert sess.run(rows + 1, {rows: np.zeros((count, 2))}).shape == (count, 2)
        with pytest.raises(ValueError, match="Cannot feed value of shape"):
            sess.run(rows, {rows: np.zeros((3, 3))})


def test_a_tensor_can_be_protected_from_feeding(target: str) -> None:
    """S23.7"""
    a = tf.constant(1.0, name="a")
    a.graph.prevent_feeding(a)
    with tf.Session(target) as sess, pytest.raises(ValueError, match="may not be fed"):
        sess.run(a, {a: 2.0})


def test_a_placeholder_that_is_needed_and_not_fed_is_an_invalid_argument_that_names_it(target: str) -> None:
    """S23.9, X26.5"""
    p = tf.placeholder(tf.float32, [2], name="my_input")
    out = p * 2
    with tf.Session(target) as sess:
        for _ in range(2):
            with pytest.raises(tf.errors.InvalidArgumentError, match="You must feed a value for placeholder") as caught:
                sess.run(out)
            assert caught.value.op is p.op
            assert "my_input" in str(caught.value)
            assert "float" in str(caught.value)
            assert "test_fetches_and_feeds.py" in str(caught.value)


def test_a_placeholder_with_a_default_need_not_be_fed(target: str) -> None:
    """S23.6"""
    p = tf.placeholder_with_default(tf.constant([1.0, 2.0]), [None])
    with tf.Session(target) as sess:
        np.testing.assert_array_equal(sess.run(p * 2), [2.0, 4.0])
        np.testing.assert_array_equal(sess.run(p * 2, {p: [5.0]}), [10.0])


# -- text and numbers


def test_strings_are_fetched_as_bytes_and_str_is_fed_as_utf8(target: str) -> None:
    """S23.10"""
    p = tf.placeholder(tf.string, name="p")
    c = tf.constant(["\u00fc", b"\xff\x00\x01", "a\0b"])
    one = tf.constant("one")
    with tf.Session(target) as sess:
        found = sess.run(c)
        assert found.dtype == object
        assert found.tolist() == [b"\xc3\xbc", b"\xff\x00\x01", b"a\x00b"]
        assert sess.run(one) == b"one"
        assert isinstance(sess.run(one), bytes)
        assert sess.run(p, {p: ["\u00fc", b"x", "a\0"]}).tolist() == [b"\xc3\xbc", b"x", b"a\x00"]
        assert sess.run(tf.identity(p), {p: np.array(["ab\0", "c\0\0d"], dtype=object)}).tolist() == [
            b"ab\0",
            b"c\0\0d",
        ]
        assert sess.run(tf.identity(p), {p: [["a"], ["b"]]}).tolist() == [[b"a"], [b"b"]]
        assert sess.run(tf.identity(p), {p: np.zeros((0,), object)}).shape == (0,)


@pytest.mark.parametrize(
    "dtype",
    [
        tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64,
        tf.uint8, tf.uint16, tf.bool, tf.complex64, tf.complex128,
    ],
)  # fmt: skip
def test_every_number_comes_back_bit_equal_in_its_own_dtype(target: str, dtype: tf.DType) -> None:
    """S23.10"""
    p = tf.placeholder(dtype)
    value = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype.numpy_dtype)
    with tf.Session(target) as sess:
        found = sess.run(tf.identity(p), {p: value})
        scalar = sess.run(tf.identity(p), {p: value[0, 1]})
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)
    assert isinstance(scalar, np.generic)
    assert scalar == value[0, 1]


# -- callables


def test_make_callable_gives_a_function_of_the_fed_values(target: str) -> None:
    """S23.16"""
    a, b = tf.placeholder(tf.float32, name="a"), tf.placeholder(tf.float32, [], name="b")
    total = a + b
    with tf.Session(target) as sess:
        f = sess.make_callable([total, {"a": a}], [a, "b:0"])
        for _ in range(3):
            assert f(1.0, 2.0) == [3.0, {"a": 1.0}]
        with pytest.raises(TypeError, match="expected 2 values"):
            f(1.0)
        with pytest.raises(ValueError, match="Cannot feed value of shape"):
            f(1.0, [2.0])
        g = sess.make_callable(tf.no_op())
        assert g() is None
        h = sess.make_callable(total, [a, b], accept_options=True)
        assert h(1.0, 2.0, options=tf.RunOptions(), run_metadata=tf.RunMetadata()) == 3.0
        with pytest.raises(TypeError):
            f(1.0, 2.0, options=tf.RunOptions())
    with pytest.raises(RuntimeError, match="closed"):
        f(1.0, 2.0)


# -- threads and growing graphs


def test_many_threads_may_run_one_session_at_once(target: str) -> None:
    """S23.11"""
    p = tf.placeholder(tf.int32)
    v = tf.Variable(0, name="v")
    square, count = p * p, v.assign_add(1)
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        barrier = threading.Barrier(6)

        def work(number: int) -> list[int]:
            barrier.wait()
            found = [int(sess.run(square, {p: number * 10 + i})) for i in range(5)]
            sess.run(count)
            return found

        futures = [in_thread(work, number) for number in range(6)]
        for number, future in enumerate(futures):
            assert future.result(30) == [(number * 10 + i) ** 2 for i in range(5)]
        assert sess.run(v) == 6


def test_the_graph_may_grow_between_runs_and_state_stays(target: str) -> None:
    """S23.11"""
    v = tf.Variable(1.0, name="v")
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        sess.run(v.assign(5.0))
        more = v * 2
        assert sess.run(more) == 10.0
        w = tf.Variable(v.initialized_value() + 1, name="w")
        sess.run(w.initializer)
        assert sess.run(w + more) == 16.0  # V34.8: v has a value, which is 5


def test_a_queue_may_be_built_and_used_while_the_session_is_open(target: str) -> None:
    """S23.11, I14.14"""
    with tf.Session(target) as sess:
        queue = tf.FIFOQueue(10, tf.int32, ())
        sess.run(queue.enqueue(1))
        assert sess.run(queue.dequeue()) == 1


def test_the_graph_may_grow_in_one_thread_while_another_one_runs(target: str) -> None:
    """S23.11"""
    start = tf.constant(1)
    graph = tf.get_default_graph()
    with tf.Session(target) as sess:

        def grow() -> list[int]:
            with graph.as_default():
                return [int(sess.run(start + i)) for i in range(10)]

        futures = [in_thread(grow) for _ in range(3)]
        for future in futures:
            assert future.result(60) == list(range(1, 11))


# -- sessions


def test_a_closed_session_refuses_to_run_and_may_be_closed_again(target: str) -> None:
    """S24.3"""
    a = tf.constant(1)
    sess = tf.Session(target)
    assert sess.run(a) == 1
    sess.close()
    sess.close()
    with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
        sess.run(a)
    with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
        sess.make_callable(a)


def test_running_on_an_empty_graph_is_a_runtime_error(target: str) -> None:
    """S23.4"""
    with tf.Graph().as_default(), tf.Session(target) as sess:
        for fetches in ([], "a:0"):
            with pytest.raises(RuntimeError, match="The Session graph is empty"):
                sess.run(fetches)


def test_a_with_block_makes_session_and_graph_the_defaults_and_closes_at_its_end(target: str) -> None:
    """S23.12, S23.13"""
    graph = tf.Graph()
    outer = tf.get_default_graph()
    with tf.Session(target, graph=graph) as sess:
        assert tf.get_default_session() is sess
        assert tf.get_default_graph() is graph
        a = tf.constant(4.0)
        assert a.eval() == 4.0
        assert a.op.run() is None
        with pytest.raises(RuntimeError, match="not re-entrant"), sess:
            pass
    assert tf.get_default_session() is None
    assert tf.get_default_graph() is outer
    with pytest.raises(RuntimeError, match="closed"):
        sess.run(a)


def test_as_default_does_not_close_and_must_nest(target: str) -> None:
    """S23.12"""
    a = tf.constant(1.0)
    with tf.Session(target) as sess, tf.Session(target) as other:

        def leave_in_a_wrong_order() -> None:
            first, second = sess.as_default(), other.as_default()
            first.__enter__()
            second.__enter__()
            with pytest.raises(AssertionError, match="Nesting violated"):
                first.__exit__(None, None, None)

        def leave_in_order() -> None:
            with sess.as_default():
                assert a.eval() == 1.0
            assert sess.run(a) == 1.0
            assert tf.get_default_session() is None

        in_thread(leave_in_a_wrong_order).result(30)
        in_thread(leave_in_order).result(30)


def test_eval_without_a_session_and_with_one_of_another_graph_are_value_errors(target: str) -> None:
    """S23.13"""
    a = tf.constant(1.0)
    with pytest.raises(ValueError, match="No default session is registered"):
        a.eval()
    with pytest.raises(ValueError, match="No default session is registered"):
        a.op.run()
    with tf.Session(target, graph=tf.Graph()) as sess:
        with pytest.raises(ValueError, match="different"):
            a.eval()
        with pytest.raises(ValueError, match="different"):
            a.eval(session=sess)


def test_a_new_thread_has_the_global_graph_and_no_default_session(target: str) -> None:
    """S23.14"""
    a = tf.constant(1.0)
    with tf.Session(target) as sess:

        def look() -> tuple[Any, bool]:
            with pytest.raises(ValueError, match="No default session"):
                a.eval()
            return tf.get_default_session(), tf.get_default_graph() is a.graph

        assert in_thread(look).result(30) == (None, False)
        assert in_thread(lambda: a.eval(session=sess)).result(30) == 1.0

        def own_block() -> float:
            with sess.as_default():
                return float(a.eval())

        assert in_thread(own_block).result(30) == 1.0


def test_an_interactive_session_is_the_default_until_it_is_closed(target: str) -> None:
    """S23.15"""
    a = tf.constant(3.0)
    sess = tf.InteractiveSession(target)
    assert a.eval() == 3.0
    assert tf.get_default_session() is sess
    sess.close()
    sess.close()
    assert tf.get_default_session() is None


def test_a_second_open_interactive_session_warns(target: str) -> None:
    """S23.15"""
    tf.constant(3.0)
    first = tf.InteractiveSession(target)
    with pytest.warns(UserWarning, match="An interactive session is already active"):
        second = tf.InteractiveSession(target)
    second.close()
    first.close()
    third = tf.InteractiveSession(target)  # no warning: warnings are errors here
    third.close()


def test_wrong_arguments_of_a_session_are_type_errors() -> None:
    """S23.1"""
    tf.constant(1)
    with pytest.raises(TypeError, match="target must be a string"):
        tf.Session(37)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"config must be a tf\.ConfigProto"):
        tf.Session(config=37)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"graph must be a tf\.Graph"):
        tf.Session(graph=37)  # type: ignore[arg-type]
    with pytest.raises(tf.errors.NotFoundError, match="No session factory registered for the given session options"):
        tf.Session("INVALID_TARGET")


def test_a_scheduler_that_cannot_be_reached_is_unavailable_and_within_a_limit_a_deadline() -> None:
    """S29.16"""
    nobody = "tcp://127.0.0.1:9"
    limit = tf.ConfigProto(operation_timeout_in_ms=300)
    with pytest.raises(tf.errors.UnavailableError, match=f"no Dask scheduler answers at {nobody}: nobody listens"):
        tf.Session(nobody)
    with pytest.raises(tf.errors.UnavailableError, match=f"no Dask scheduler answers at {nobody}: nobody listens"):
        tf.Session(nobody, config=tf.ConfigProto(operation_timeout_in_ms=60_000))  # which it does not wait for
    with pytest.raises(tf.errors.DeadlineExceededError, match=nobody):
        tf.Session(nobody, config=limit)
    with pytest.raises(tf.errors.DeadlineExceededError, match=nobody):
        tf.Session.reset(nobody, config=limit)


def test_who_listens_but_is_no_scheduler_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port of a dashboard, or a scheduler that stands still: Dask's own client waits for ever.  S29.16"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(tf.errors.DeadlineExceededError, match=f"{address} within 300 ms"):
            tf.Session(address, config=tf.ConfigProto(operation_timeout_in_ms=300))
        monkeypatch.setattr("dflow.runtime.base.timeouts.SCHEDULER_ANSWER", 0.3)
        with pytest.raises(tf.errors.UnavailableError, match=f"no Dask scheduler answers at {address}: nothing came"):
            tf.Session(address)


def test_state_of_sessions_in_this_process_is_their_own_and_that_of_a_cluster_is_shared(
    target: str, container: str
) -> None:
    """Q11.4, S29.8"""
    v = tf.Variable(1.0, name="v")
    with tf.Session(target) as first, tf.Session(target) as second:
        first.run(v.initializer)
        if target:
            assert second.run(v) == 1.0
            second.run(v.assign(2.0))
            assert first.run(v) == 2.0
        else:
            with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value v"):
                second.run(v)


def test_devices_are_listed_by_their_full_names(target: str) -> None:
    """S23.18"""
    tf.constant(1)
    with tf.Session(target) as sess:
        names = [device.name for device in sess.list_devices()]
    if target:
        assert "/job:ps/replica:0/task:0/device:CPU:0" in names
        assert "/job:worker/replica:0/task:1/device:GPU:0" in names
    else:
        assert names[0] == "/job:localhost/replica:0/task:0/device:CPU:0"


def test_devices_have_a_type_and_a_local_session_may_have_several_cpus() -> None:
    """S23.18"""
    tf.constant(1)
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as sess:
        devices = sess.list_devices()
        assert "incarnation" not in repr(devices)
    cpus = [device.name for device in devices if device.device_type == "CPU"]
    assert cpus == [f"/job:localhost/replica:0/task:0/device:CPU:{i}" for i in range(2)]


# -- limits


def test_a_time_limit_of_the_session_or_of_the_run_ends_a_run_that_waits(target: str) -> None:
    """S24.1, S24.2"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    dequeue, enqueue = queue.dequeue(), queue.enqueue(7)
    late = 1500 if target else 300  # milliseconds; enough to open a session on a busy cluster
    with tf.Session(target, config=tf.ConfigProto(operation_timeout_in_ms=late)) as sess:
        for _ in range(2):
            with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out waiting for notification"):
                sess.run(dequeue)
    with tf.Session(target) as sess:
        for _ in range(2):
            with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out waiting for notification"):
                sess.run(dequeue, options=tf.RunOptions(timeout_in_ms=late))
        sess.run(enqueue, options=tf.RunOptions(timeout_in_ms=30_000))
        assert sess.run(dequeue, options=tf.RunOptions(timeout_in_ms=30_000)) == 7


def test_closing_a_session_cancels_its_runs_in_other_threads(target: str) -> None:
    """S24.3"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    dequeue = queue.dequeue()
    sess = tf.Session(target)
    waiting = Waiting(sess, queue)
    blocked = in_thread(sess.run, dequeue)
    waiting.dequeues(1)
    sess.close()
    with pytest.raises(tf.errors.CancelledError, match=r"was cancelled|Session::Close"):
        blocked.result(30)


def test_a_failing_operation_ends_the_rest_of_its_step_and_is_the_error_that_is_told(target: str) -> None:
    """S24.4, S24.5, X26.1"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    p = tf.placeholder(tf.int32, [], name="p")
    failing = tf.Assert(tf.greater(p, 0), [p], name="must_be_positive")
    with tf.control_dependencies([failing]):
        checked = tf.identity(p)
    with tf.Session(target) as sess:
        for _ in range(2):
            with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed") as caught:
                sess.run([queue.dequeue(), checked], {p: -1})
            assert caught.value.op is failing
            assert caught.value.error_code == tf.errors.INVALID_ARGUMENT
            assert caught.value.message in str(caught.value)
        assert sess.run(checked, {p: 1}) == 1


def test_a_negative_deadline_is_refused() -> None:
    x = tf.constant(1)
    with tf.Session() as sess, pytest.raises(ValueError, match="timeout_in_ms must not be negative, got -5"):
        sess.run(x, options=tf.RunOptions(timeout_in_ms=-5))
    with pytest.raises(ValueError, match="operation_timeout_in_ms must not be negative, got -5"):
        tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=-5))
