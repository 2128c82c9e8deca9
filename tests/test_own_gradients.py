"""Gradients of programs: custom_gradient, RegisterGradient, gradient_override_map, hessians."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dflow as tf
from dflow import gradient_rules


@pytest.fixture(autouse=True)
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[tf.Graph]:
    """A graph of its own, and the registered gradients of one test alone."""
    monkeypatch.setattr(gradient_rules, "_REGISTERED", {})
    with tf.Graph().as_default() as made:
        yield made


def value(tensor: Any) -> Any:
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensor)


@tf.custom_gradient
def doubled(x: Any) -> Any:
    """The identity, with a gradient that is twice as large."""

    def grad(dy: Any) -> Any:
        return 2 * dy

    return tf.identity(x), grad


def test_a_function_has_the_gradient_that_it_gives() -> None:
    class Scale:
        by = 5.0

        @tf.custom_gradient
        def times(self, a: Any, b: Any) -> Any:
            return a * b, lambda dy: [dy * a * self.by, None]

    x, b = tf.constant(3.0), tf.constant(4.0)
    y = Scale().times(x, b)
    assert y.op.type == "IdentityN"
    assert doubled.__name__ == "doubled"
    assert value(y) == 12.0
    assert value(tf.gradients(y, x)[0]) == 15.0
    assert tf.gradients(y, b) == [None]
    assert value(tf.gradients(doubled(doubled(np.float32(1.0) * x)), x)[0]) == 4.0


def test_a_gradient_of_its_own_holds_within_branches_loops_and_second_derivatives() -> None:
    x = tf.constant(2.0)
    _, y = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, doubled(a) * x), [0, tf.constant(1.0)])
    # a2 = 2 (2 (2 * 1 * x) * x) * x to the eye of the gradient, with the values of a
    assert value(y) == 8.0
    assert value(tf.gradients(y, x)[0]) == 4.0 + 2 * 4.0 + 4 * 4.0
    branch = tf.cond(x > 1, lambda: doubled(x), lambda: x)
    assert value(tf.gradients(branch, x)[0]) == 2.0
    (first,) = tf.gradients(doubled(x * x), x)
    assert value(tf.gradients(first, x)[0]) == 4.0


def test_variables_of_a_function_get_the_gradients_that_it_gives() -> None:
    w = tf.get_variable("w", (), initializer=tf.constant_initializer(3.0), use_resource=True)
    other = tf.get_variable("other", (), trainable=False, use_resource=True)

    @tf.custom_gradient
    def f(x: Any) -> Any:
        def grad(dy: Any, variables: Any = None) -> Any:
            assert variables == [w]
            return dy, [dy * 7.0]

        return x * w * other, grad

    x = tf.constant(2.0)
    dx, dw = tf.gradients(f(x), [x, w])
    assert (value(dx), value(dw)) == (1.0, 7.0)
    assert tf.gradients(f(x), other) == [None]
    with pytest.raises(TypeError, match="grad_fn must accept a keyword argument 'variables'"):
        tf.custom_gradient(lambda x: (x * w, lambda dy: dy))(x)
    with pytest.raises(ValueError, match="Must return gradient for each variable"):
        tf.gradients(tf.custom_gradient(lambda x: (x * w, lambda dy, variables: (dy, [])))(x), x)
    with pytest.raises(TypeError, match="must be `ResourceVariable`s"):
        tf.custom_gradient(lambda x: (x * tf.get_variable("ref", ()), lambda dy, variables: (dy, [dy])))(x)
    with pytest.raises(ValueError, match="Num gradients 1 generated for op"):
        tf.gradients(tf.custom_gradient(lambda x: (x, lambda dy: []))(x), x)


def test_a_registered_gradient_stands_for_that_of_the_kinds_that_the_graph_maps_to_it(graph: tf.Graph) -> None:
    @tf.RegisterGradient("Tenfold")
    def tenfold(op: tf.Operation, dy: tf.Tensor) -> tf.Tensor:
        assert op.inputs[0].name == x.name
        return 10 * dy

    x = tf.constant([1.0, -2.0])
    with graph.gradient_override_map({"Square": "Tenfold", "Sign": "Identity", "Exp": "Missing"}):
        with graph.gradient_override_map({"Exp": "Identity"}):
            y = tf.sign(tf.square(x)) + tf.exp(x)
        missing = tf.exp(x)
    assert value(tf.gradients(y, x)[0]).tolist() == [11.0, 11.0]
    assert graph.as_graph_def().node[1].attr["_gradient_op_type"].s == b"Tenfold"
    assert tf.square(x).op.node_def.attr["_gradient_op_type"].s == b""
    with pytest.raises(LookupError, match=r"No gradient defined for operation 'Exp_1' \(op type: Exp\)"):
        tf.gradients(missing, x)
    with tf.Graph().as_default() as other:
        tf.import_graph_def(graph.as_graph_def(), name="")
        found = tf.gradients(other.get_tensor_by_name(y.name), other.get_tensor_by_name(x.name), name="again")
        assert found[0].op.type == "AddN"
    for name in ("Tenfold", "Square"):
        with pytest.raises(KeyError, match=f"Registering two gradient with name '{name}'"):
            tf.RegisterGradient(name)(tenfold)
    with pytest.raises(TypeError, match="op_type must be a string"):
        tf.RegisterGradient(tf.square)  # type: ignore[arg-type]
    for wrong in ([("Square", "Tenfold")], {"Square": tenfold}):
        with pytest.raises(TypeError, match="op_type_map must be a dictionary mapping strings to strings"):
            graph.gradient_override_map(wrong)  # type: ignore[arg-type]


def test_kinds_may_count_as_constants(graph: tf.Graph) -> None:
    tf.NotDifferentiable("Still")
    assert tf.NoGradient is tf.NotDifferentiable
    x = tf.constant(1.0)
    with graph.gradient_override_map({"Square": "Still"}):
        assert tf.gradients(tf.square(x), x) == [None]
    with pytest.raises(TypeError, match="op_type must be a string"):
        tf.NotDifferentiable(3)  # type: ignore[arg-type]


def test_hessians_have_the_second_derivatives_of_each_pair_of_entries() -> None:
    m, x = tf.constant(np.arange(6.0).reshape(2, 3)), tf.constant(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    y = tf.reduce_sum(m * x * x) + tf.reduce_sum(x) ** 2 + tf.reduce_sum(m**3)
    of_x, of_m = value(tf.hessians(y, [x, m]))
    assert np.allclose(of_x.reshape(6, 6), np.diag(2 * np.arange(6.0)) + 2)
    assert np.allclose(of_m.reshape(6, 6), np.diag(6 * np.arange(6.0)))
    with pytest.raises(ValueError):
        tf.hessians(x, x)
