"""The base of layers: names, variables, updates, losses, demands on inputs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import dflow as df


class Scale(df.layers.Layer):
    """Multiplies by a variable."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_variable("factor", (), df.float32, initializer=df.ones_initializer())
        self.built = True

    def call(self, inputs: Any) -> Any:
        return df.multiply(inputs, self.factor, name="my_op")


class Same(df.layers.Layer):
    """Gives its inputs, and demands something of them."""

    def __init__(self, **demands: Any) -> None:
        super().__init__()
        self.input_spec = df.layers.InputSpec(**demands) if demands else None

    def call(self, inputs: Any) -> Any:
        return inputs


def test_a_layer_is_named_after_its_class_and_its_scope_after_the_place() -> None:
    x = df.placeholder(df.float32, ())
    first, second, named, again = Scale(), Scale(), Scale(name="mine"), Scale(name="mine")
    outputs = [layer(x) for layer in (first, second, named, again)]
    assert [it.op.name for it in outputs] == ["scale/my_op", "scale_1/my_op", "mine/my_op", "mine_1/my_op"]
    assert [it.factor.name for it in (first, again)] == ["scale/factor:0", "mine_1/factor:0"]
    assert (first.name, second.name, named.name) == ("scale_1", "scale_2", "mine")
    assert first(x).op.name == "scale/my_op_1"
    with df.variable_scope("outer"), df.name_scope("inside"):
        inner = Scale(name="mine")
        assert inner(x).op.name == "outer/inside/mine/my_op"
        assert (inner.scope_name, inner.factor.name) == ("outer/mine", "outer/mine/factor:0")


def test_a_layer_keeps_its_variables_whether_they_are_trained_or_not() -> None:
    layer = df.layers.Layer(name="my_layer")
    assert (layer.variables, layer.updates, layer.losses, layer.built) == ([], [], [], False)
    trained = layer.add_weight("a", [2, 2], initializer=df.zeros_initializer())
    fixed = layer.add_weight("b", [2, 2], trainable=False)
    layer.add_weight("c", [2], regularizer=lambda x: df.reduce_sum(x) * 1e-3)
    assert trained.name == "my_layer/a:0"
    assert (layer.trainable_variables[0], layer.non_trainable_variables) == (trained, [fixed])
    assert layer.weights == layer.variables == [*layer.trainable_weights, fixed]
    assert df.trainable_variables() == layer.trainable_variables
    assert layer.losses == df.get_collection(df.GraphKeys.REGULARIZATION_LOSSES)
    assert [loss.op.name.rpartition("/")[0] for loss in layer.losses] == ["my_layer/c/Regularizer"]
    layer.trainable = False
    assert (layer.trainable_weights, len(layer.non_trainable_weights)) == ([], 3)
    with pytest.raises(TypeError, match="Unknown keyword argument"):
        layer.add_weight("d", [], color="red")
    with pytest.raises(TypeError, match="Keyword argument not understood"):
        df.layers.Layer(color="red")


def test_variables_that_were_there_before_are_found_and_not_owned() -> None:
    x = df.placeholder(df.float32, ())
    layer = Scale(_reuse=True)
    with df.variable_scope("new"):
        with df.variable_scope("scale"):
            there = df.get_variable("factor", ())
        layer(x)
    assert (layer.variables, layer.factor, layer.scope_name) == ([], there, "new/scale")
    with pytest.raises(ValueError, match="nowhere/scale/factor does not exist"), df.variable_scope("nowhere"):
        Scale(_reuse=True)(x)
    other = Scale()
    with df.variable_scope("given") as scope:
        other(x, scope=scope)
    assert other.factor.name == "given/factor:0"


def test_a_second_call_makes_no_new_variables() -> None:
    class Grows(df.layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_variable("always", [2])
            if self.built:
                self.add_variable("late", [2])
            return inputs

    layer, x = Grows(name="grows"), df.zeros([2])
    layer(x)
    with pytest.raises(ValueError, match="grows/late"):
        layer(x)
    assert [variable.name for variable in layer.variables] == ["grows/always:0"]


def test_a_layer_is_of_one_graph() -> None:
    layer = Scale()
    with df.Graph().as_default():
        layer(df.zeros([]))
    with pytest.raises(ValueError, match="Input graph and Layer graph are not the same"):
        layer(df.zeros([]))
    with pytest.raises(ValueError, match="has not been used yet"):
        _ = Scale().scope_name


@pytest.mark.parametrize(
    ("demands", "good", "bad", "text"),
    [
        ({"ndim": 2}, [[1], [2]], [1], "expected ndim=2, found ndim=1"),
        ({"min_ndim": 2}, [[[1]]], [1], "expected min_ndim=2, found ndim=1"),
        ({"max_ndim": 2}, [1], [[[1]]], "expected max_ndim=2, found ndim=3"),
        ({"dtype": "float32"}, [1.0], [1], "expected dtype=float32, found dtype=int32"),
        ({"axes": {-1: 2}}, [[1, 2]], [1, 2, 3], "expected axis -1 of input shape to have value 2"),
        ({"shape": (None, 3)}, [[1, 2, 3]], [[1, 2]], "expected shape="),
    ],
)
def test_a_layer_may_demand_something_of_its_inputs(demands: Any, good: Any, bad: Any, text: str) -> None:
    Same(**demands)(df.constant(good))
    with pytest.raises(ValueError, match=text):
        Same(**demands)(df.constant(bad))
    if not demands.keys() & {"dtype", "axes", "shape"}:
        with pytest.raises(ValueError, match="requires a defined rank"):
            Same(**demands)(df.placeholder(df.int32))
    Same()(df.placeholder(df.int32))


def test_updates_and_losses_belong_to_the_inputs_that_they_are_made_of() -> None:
    class Counts(df.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.a = self.add_variable("a", (), df.float32, trainable=False)
            self.add_update(df.assign_add(self.a, 1.0))
            self.add_loss(self.a)
            self.built = True

        def call(self, inputs: Any) -> Any:
            self.add_update(df.assign_add(self.a, inputs), inputs=True)
            self.add_loss(inputs, inputs=True)
            return inputs + 1

    layer = Counts()
    for calls in (1, 2):
        x = df.placeholder(df.float32, ())
        middle = x + 1
        outputs = layer(middle)
        for items, found in ((layer.updates, layer.get_updates_for), (layer.losses, layer.get_losses_for)):
            assert len(items) == 1 + calls
            assert [len(found(it)) for it in (None, [x], [middle], [outputs])] == [1, 1, 1, 0]
    assert df.get_collection(df.GraphKeys.UPDATE_OPS) == layer.updates
    assert df.get_collection(df.GraphKeys.REGULARIZATION_LOSSES) == layer.losses


def test_an_activity_regularizer_gives_a_loss_of_the_outputs_by_the_number_of_rows() -> None:
    layer = df.layers.Layer(activity_regularizer=df.reduce_sum)
    x = df.constant([[1.0, 2.0], [3.0, 4.0]])
    layer(x)
    with df.Session() as sess:
        assert sess.run(layer.get_losses_for(x)) == [5.0]
        assert sess.run(df.losses.get_regularization_loss()) == 5.0


def test_inputs_may_be_dictionaries_arrays_and_variables() -> None:
    class Renamed(df.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return {f"l{key}": value for key, value in inputs.items()}

    found = Renamed()({"abel": df.placeholder(df.int32), "ogits": df.placeholder(df.float32)})
    assert set(found) == {"label", "logits"}
    scale = Scale()
    outputs = [scale(np.array([2.0], np.float32)), scale(df.Variable([3.0])), scale.apply(4.0)]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        assert [float(it.item()) for it in sess.run(outputs)] == [2.0, 3.0, 4.0]


def test_a_copy_of_a_layer_has_the_same_graph_and_variables() -> None:
    layer = Scale(name="mine")
    layer(df.zeros([]))
    other = copy.deepcopy(layer)
    assert (other.name, other.graph, other.factor) == (layer.name, layer.graph, layer.factor)
    assert (other.scope_name, other.variables) == (layer.scope_name, layer.variables)
    other.add_loss(df.constant(1.0))
    assert layer.losses == []


def test_parameters_are_counted_when_they_are_made() -> None:
    dense = df.layers.Dense(16)
    with pytest.raises(ValueError):
        dense.count_params()
    dense.build((None, 4))
    assert dense.count_params() == 16 * 4 + 16
