"""Arrays in the other byte order are the numbers that they hold, wherever an operation takes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as tf

X = np.arange(1, 5, dtype=np.int32).reshape(2, 2)
NUMBERS: dict[str, tuple[Callable[..., Any], list[Any]]] = {  # what takes arrays of numbers, and these
    "constant": (tf.constant, [[1, 300]]),
    "a scalar": (lambda a: tf.constant(a[1]), [[1, 300]]),
    "a list of arrays": (lambda a: tf.constant([a, a]), [[1, 300]]),
    "another dtype": (lambda a: tf.constant(a, tf.int64), [[1, 300]]),
    "every second": (lambda a: tf.constant(a[::2]), [[1, 2, 300]]),
    "an operand": (lambda a: [X + tf.constant(a), tf.constant(X) * a, tf.multiply(X, a)], [[1, 300]]),
    "beside an array": (lambda a: a + tf.constant(X), [[1, 300]]),
    "transpose": (lambda a: tf.transpose(X, a), [[1, 0]]),
    "reshape": (lambda a: tf.reshape(X, a), [[4, 1]]),
    "slice": (lambda a, b: tf.slice(X, a, b), [[1, 0], [1, 2]]),
    "strided_slice": (lambda a, b: tf.strided_slice(X, a, b), [[1, 0], [2, 2]]),
    "index": (lambda a: tf.constant(X)[a[0], a[1] :], [[1, 0]]),
    "tile": (lambda a: tf.tile(X, a), [[2, 1]]),
    "pad": (lambda a: tf.pad(X, a), [[[1, 0], [0, 1]]]),
    "gather": (lambda a: tf.gather(X, a), [[1, 0]]),
    "one_hot": (lambda a: tf.one_hot(a, 3), [[1, 0]]),
    "reduce_sum": (lambda a: tf.reduce_sum(X, a), [[1]]),
    "argmax": (lambda a: tf.argmax(X, a), [1]),
    "expand_dims": (lambda a: tf.expand_dims(X, a), [1]),
    "concat": (lambda a: tf.concat([X, X], a), [1]),
    "cumsum": (lambda a: tf.cumsum(X, a), [1]),
    "split": (lambda a: tf.split(X, a, 1), [[1, 1]]),
    "range": (tf.range, [5]),
    "fill": (tf.fill, [[2, 3], 7]),
    "zeros": (tf.zeros, [[2, 3]]),
    "zeros_like": (tf.zeros_like, [[1, 2]]),
    "broadcast_to": (lambda a: tf.broadcast_to(X, a), [[2, 2, 2]]),
    "random_uniform": (lambda a: tf.shape(tf.random_uniform(a)), [[2, 3]]),
    "invert_permutation": (tf.invert_permutation, [[1, 0, 2]]),
    "where": (lambda a: tf.where(X > 2, tf.constant(a), a), [[[5, 6], [7, 8]]]),
    "in_top_k": (lambda a: tf.nn.in_top_k(tf.constant(X, tf.float32), a, 1), [[1, 0]]),
    "losses": (lambda a: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=a, logits=np.float32(X)), [[1, 0]]),
    "cast": (lambda a: tf.cast(a, tf.float32), [[1, 300]]),
    "placeholder_with_default": (lambda a: tf.placeholder_with_default(a, None), [[1, 300]]),
    "serialize_tensor": (tf.serialize_tensor, [[1, 300]]),
    "make_tensor_proto": (lambda a: tf.constant(tf.make_ndarray(tf.make_tensor_proto(a))), [[1, 300]]),
    "a sparse tensor": (lambda a: tf.SparseTensor([[1, 0], [1, 1]], a, [2, 2]), [[1, 300]]),
    "places of a sparse tensor": (lambda a, b: tf.SparseTensor(a, [1.0], b), [[[1, 0]], [2, 300]]),
    "py_func": (lambda a: tf.py_func(lambda x: x[::-1], [a], tf.int32), [[1, 300]]),
    "what py_func gives": (lambda a: tf.py_func(lambda: [a, a[0]], [], [tf.int32, tf.int32]), [[1, 300]]),
    "Assert": (lambda a: tf.Assert(True, [a]), [[1, 300]]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_an_argument_in_the_other_byte_order_means_the_same(name: str) -> None:
    build, numbers = NUMBERS[name]
    kind = np.int64 if name == "places of a sparse tensor" else np.int32
    found = []
    with tf.Session() as sess:
        for order in "=><":
            found.append(sess.run(build(*(np.array(it, np.dtype(kind).newbyteorder(order)) for it in numbers))))
    for other in found[1:]:
        for one, another in zip(parts(found[0]), parts(other), strict=True):
            assert np.asarray(another).dtype.isnative
            assert np.asarray(one).dtype == np.asarray(another).dtype
            np.testing.assert_array_equal(one, another)


def parts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("kind", ["i2", "u2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"])
def test_elements_and_values_in_the_other_byte_order_arrive(target: str, kind: str) -> None:
    native = np.array([1, 2, 45], kind)
    foreign = native.astype(native.dtype.newbyteorder(">"))
    fed, queue = tf.placeholder(native.dtype, [3]), tf.FIFOQueue(9, [native.dtype], [[]])
    variable = tf.Variable(foreign)
    given = tf.py_func(lambda: foreign, [], native.dtype)
    enqueues = [queue.enqueue_many([fed]), queue.enqueue_many([foreign]), queue.enqueue([foreign[1]])]
    with tf.Session(target) as sess:
        sess.run(variable.initializer)
        for enqueue in enqueues:
            sess.run(enqueue, {fed: foreign})
        found = sess.run([fed, variable, given, queue.dequeue_many(7)], {fed: foreign})
        assert [it.tolist() for it in found] == [[1, 2, 45]] * 3 + [[1, 2, 45, 1, 2, 45, 2]]
        assert {it.dtype for it in found} == {native.dtype}
        variable.load(foreign[::-1], sess)
        assert sess.run(variable).tolist() == [45, 2, 1]
