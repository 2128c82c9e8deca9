"""How graphs, operations and tensors print, and what they say when they are used in a wrong way."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dflow as tf


@pytest.fixture(autouse=True)
def graph() -> Iterator[tf.Graph]:
    with tf.Graph().as_default() as made:
        yield made


def test_tensors_operations_and_dtypes_print_as_in_tensorflow(graph: tf.Graph) -> None:
    x = tf.constant([1.0, 2.0], name="x")
    assert repr(x) == "<tf.Tensor 'x:0' shape=(2,) dtype=float32>"
    assert repr(x.op) == "<tf.Operation 'x' type=Const>"
    assert repr(tf.complex64) == "tf.complex64"
    assert str(tf.identity(x, name="y").op).startswith('name: "y"\nop: "Identity"\ninput: "x"\n')
    assert x._shape_tuple() == (2,)
    assert tf.placeholder(tf.float32)._shape_tuple() is None
    assert x.op._id == 1
    (dx,) = tf.gradients(tf.exp(x, name="z"), x)
    assert dx.op._original_op is graph.get_operation_by_name("z")


def test_references_are_equal_for_the_same_object_only() -> None:
    x, v = tf.constant(1.0), tf.Variable(1.0)
    for item in (x, v):
        assert item.ref() == item.experimental_ref()
        assert len({item.ref(), item.ref(), tf.constant(1.0).ref()}) == 2
        assert item.ref().deref() is item
        assert item.ref() != item
        assert repr(item.ref()) == f"<Reference wrapping {item!r}>"


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda g, x: g.as_graph_element("zz"), KeyError, "The name 'zz' refers to an Operation not in the graph."),
        (lambda g, x: g.as_graph_element("zz:0"), KeyError, "The operation, 'zz', does not exist in the graph."),
        (lambda g, x: g.as_graph_element("x:2"), KeyError, "The operation, 'x', exists but only has 1 outputs."),
        (lambda g, x: g.as_graph_element("x", False, False), ValueError, "can't both be False"),
        (lambda g, x: g.get_operation_by_name("x:0"), ValueError, "'x:0' appears to refer to a Tensor, not a Op"),
        (lambda g, x: g.get_operation_by_name(3), TypeError, r"Operation names are strings \(or similar\), not int."),
        (lambda g, x: g.get_tensor_by_name("x"), ValueError, "The name 'x' refers to an Operation, not a Tensor."),
        (lambda g, x: g.get_tensor_by_name("zz"), ValueError, r"'zz' looks like an \(invalid\) Operation name, not a "),
        (lambda g, x: g.get_tensor_by_name("x:y"), ValueError, "'x:y' looks a like a Tensor name, but is not a valid"),
        (lambda g, x: g.get_tensor_by_name(3), TypeError, r"Tensor names are strings \(or similar\), not int."),
        (lambda g, x: tf.Graph().as_graph_element(x), ValueError, r"Tensor Tensor.* is not an element of this graph"),
        (lambda g, x: bool(x), TypeError, "using a `tf.Tensor` as a Python `bool` is not allowed in Graph execution"),
        (lambda g, x: len(x), TypeError, "Please call `x.shape` rather than `len\\(x\\)`"),
        (lambda g, x: x.eval(), ValueError, r"Cannot evaluate tensor using `eval\(\)`: No default session is"),
        (lambda g, x: x.op.run(), ValueError, r"Cannot execute operation using `run\(\)`: No default session is"),
        (lambda g, x: x.set_shape([3]), ValueError, r"must be equal, but are 2 and 3. Shapes are \[2\] and \[3\]."),
        (lambda g, x: x.set_shape([2, None]), ValueError, "Shapes must be equal rank, but are 1 and 2"),
        (lambda g, x: tf.constant(1, name="_"), ValueError, "'_' is not a valid node name"),
        (lambda g, x: tf.name_scope("?").__enter__(), ValueError, "'\\?' is not a valid scope name"),
        (lambda g, x: tf.name_scope(None, None, [x]), ValueError, "At least one of name .* must be provided."),
        (lambda g, x: tf.name_scope(None, [x]), TypeError, "is not a string type. You likely meant to pass this into"),
        (lambda g, x: tf.constant([1, 1.5], tf.int32), TypeError, "Expected int32, got 1.5 of type 'float' instead."),
        (lambda g, x: tf.constant([1j, "a"], tf.float32), TypeError, "Expected float32, got 1j of type 'complex' inst"),
        (lambda g, x: tf.as_dtype("zz"), TypeError, "Cannot convert value 'zz' to a TensorFlow DType."),
        (lambda g, x: tf.constant([1, None]), TypeError, "Failed to convert object of type <class 'list'> to Tensor."),
        (lambda g, x: tf.float16.limits, ValueError, "does not have defined limits"),
        (lambda g, x: len(tf.TensorShape(None)), ValueError, "Cannot take the length of shape with unknown rank."),
        (lambda g, x: list(tf.TensorShape(None)), ValueError, "Cannot iterate over a shape with unknown rank."),
        (lambda g, x: tf.constant(1, tf.string), TypeError, "Expected string, got 1 of type 'int' instead."),
    ],
)  # fmt: skip
def test_a_wrong_use_is_said_in_tensorflows_words(
    graph: tf.Graph, wrong: Callable[[tf.Graph, Any], Any], error: type[Exception], text: str
) -> None:
    x = tf.constant([1.0, 2.0], name="x")
    with pytest.raises(error, match=text):
        wrong(graph, x)


def test_a_name_scope_is_in_the_graph_of_its_values(graph: tf.Graph) -> None:
    x = tf.constant(1.0)
    with tf.Graph().as_default(), tf.name_scope(None, "default", [x]) as scope:
        assert scope == "default/"
        assert tf.get_default_graph() is graph
