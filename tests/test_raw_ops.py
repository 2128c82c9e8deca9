"""`df.raw_ops`: the operations by their kinds, with TensorFlow's names of arguments."""

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.registry import OPS
from dflow.signatures import dtype_fault, kinds, signature_of


def value(tensor: df.Tensor) -> Any:
    with df.Session(graph=tensor.graph) as session:
        return session.run(tensor)


def test_each_kind_has_a_function_of_both_names() -> None:
    assert {"ReluGrad", "MaxPoolGradV2", "Conv2DBackpropInput", "TanhGrad"} <= set(dir(df.raw_ops))
    for kind in kinds():
        function = getattr(df.raw_ops, kind)
        assert function.__name__ == kind
        assert kind in function.__doc__
    assert df.raw_ops.conv2d_backprop_input.__name__ == "Conv2DBackpropInput"
    with pytest.raises(AttributeError, match="no attribute 'Unheard'"):
        _ = df.raw_ops.Unheard


def test_inputs_and_attributes_have_the_names_of_tensorflow() -> None:
    relu = df.raw_ops.ReluGrad(gradients=[1.0, 2.0], features=[-1.0, 3.0], name="back")
    assert relu.op.type == "ReluGrad"
    assert relu.name == "back:0"
    np.testing.assert_array_equal(value(relu), [0, 2])
    with pytest.raises(TypeError, match="positional"):
        df.raw_ops.ReluGrad([1.0], [2.0])
    with pytest.raises(TypeError, match=r"ReluGrad.*missing a required argument: 'features'"):
        df.raw_ops.ReluGrad(gradients=[1.0])
    np.testing.assert_array_equal(value(df.raw_ops.relu_grad([1.0, 2.0], [-1.0, 3.0])), [0, 2])


def test_numbers_that_dflow_has_as_attributes_are_inputs_here_and_their_values_count_for_the_shape() -> None:
    part = df.raw_ops.Slice(input=df.constant([1, 2, 3], df.int64), begin=[1], size=[2])
    assert part.shape == [2]
    np.testing.assert_array_equal(value(part), [2, 3])
    image = np.ones((1, 2, 2, 1), np.float32)
    pooled = df.raw_ops.MaxPoolGrad(
        orig_input=image, orig_output=image[:, :1, :1], grad=image[:, :1, :1], ksize=[1, 2, 2, 1],
        strides=[1, 2, 2, 1], padding="VALID",
    )  # fmt: skip
    np.testing.assert_array_equal(value(pooled).reshape(-1), [1, 0, 0, 0])


def test_several_outputs_have_names_and_lists_stay_lists() -> None:
    best = df.raw_ops.TopKV2(input=[1.0, 3.0, 2.0], k=2)
    np.testing.assert_array_equal(value(best.values), [3, 2])
    np.testing.assert_array_equal(value(best.indices), [1, 2])
    assert len(df.raw_ops.Split(split_dim=0, value=[1, 2], num_split=2)) == 2
    assert len(df.raw_ops.IdentityN(input=[[1], [2.0]])) == 2


def test_a_variable_is_updated_by_its_kind_of_operation() -> None:
    v = df.Variable([1.0, 2.0])
    update = df.raw_ops.AssignAdd(ref=v, value=[1.0, 1.0])
    with df.Session() as session:
        session.run(v.initializer)
        np.testing.assert_array_equal(session.run(update), [2, 3])


def test_kinds_that_dflow_builds_of_others_compute_what_their_formulas_say() -> None:
    raw = df.raw_ops
    x, dy = df.constant([0.5, 2.0]), df.constant([1.0, 3.0])
    y = df.tanh(x)
    np.testing.assert_allclose(value(raw.TanhGrad(y=y, dy=dy)), value(df.gradients(y, x, dy)[0]), rtol=1e-6)
    y = df.sigmoid(x)
    np.testing.assert_allclose(value(raw.SigmoidGrad(y=y, dy=dy)), value(df.gradients(y, x, dy)[0]), rtol=1e-6)
    for function, kind in ((df.sqrt, "SqrtGrad"), (df.rsqrt, "RsqrtGrad"), (df.reciprocal, "ReciprocalGrad")):
        y = function(x)
        np.testing.assert_allclose(
            value(getattr(raw, kind)(y=y, dy=dy)), value(df.gradients(y, x, dy)[0]), rtol=1e-5, err_msg=kind
        )
    y = df.nn.softplus(x)
    np.testing.assert_allclose(
        value(raw.SoftplusGrad(gradients=dy, features=x)), value(df.gradients(y, x, dy)[0]), rtol=1e-6
    )
    np.testing.assert_array_equal(value(raw.Reverse(tensor=[[1, 2]], dims=[False, True])), [[2, 1]])
    np.testing.assert_array_equal(value(raw.Mod(x=[-5], y=[3])), [-2])


def test_the_axes_of_broadcast_gradients_and_the_offsets_of_a_concatenation() -> None:
    first, second = df.raw_ops.BroadcastGradientArgs(s0=[2, 3, 5], s1=[5])
    np.testing.assert_array_equal(value(first), [])
    np.testing.assert_array_equal(value(second), [0, 1])
    offsets = df.raw_ops.ConcatOffset(concat_dim=1, shape=[[2, 3, 5], [2, 7, 5]])
    np.testing.assert_array_equal(value(offsets[1]), [0, 3, 0])
    for axis, other, words in ((4, [2, 7, 5], "Concat dim is out of range: 4 vs. 3"),
                               (1, [2, 7, 4], "All dimensions except 1 must match. Input 1 has shape \\[2 7 4\\]"),
                               (1, [2, 7], "input 1 should contain 3 elements, but got 2")):  # fmt: skip
        with pytest.raises(df.errors.InvalidArgumentError, match=words):
            value(df.raw_ops.ConcatOffset(concat_dim=axis, shape=[[2, 3, 5], other])[0])


def test_errors_of_dtypes_have_the_names_of_arguments() -> None:
    x, y = df.constant([1]), df.constant([1.0])
    with pytest.raises(TypeError, match="Input 'y' of 'Add' Op has type float32 that does not match type int32 of arg"):
        df.add(x, y)
    with pytest.raises(
        TypeError, match=r"'values' of 'ConcatV2' Op have types \[int32, float32\] that don't all match"
    ):
        df.concat([x, y], 0)
    with pytest.raises(TypeError, match="Value passed to parameter 'x' has DataType int32 not in list of allowed val"):
        df.sin(x)
    assert dtype_fault("Unheard", ["int32"]) is None
    assert dtype_fault("Add", ["int32", "int32"]) is None


def test_each_line_of_the_table_is_a_kind_and_can_be_read() -> None:
    formulas = {kind for kind in kinds() if kind not in OPS}
    assert len(formulas) < 50
    for kind in kinds():
        signature = signature_of(kind)
        assert signature is not None
        assert signature.kind == kind
