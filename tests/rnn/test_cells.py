"""Cells: what they compute, the names of their variables, states, wrappers, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df

C = df.nn.rnn_cell
RNG = np.random.default_rng(7)
X = RNG.normal(size=(3, 4)).astype(np.float32)
H = RNG.normal(size=(3, 2)).astype(np.float32)
M = RNG.normal(size=(3, 2)).astype(np.float32)


def run(fetches: Any, feeds: Any = None) -> Any:
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        return sess.run(fetches, feeds)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def names() -> list[str]:
    return [variable.name for variable in df.global_variables()]


def test_a_basic_cell_is_a_product_of_inputs_and_state() -> None:
    cell = C.BasicRNNCell(2, activation="relu")
    output, state = cell(df.constant(X), df.constant(H))
    assert (cell.state_size, cell.output_size) == (2, 2)
    assert names() == ["basic_rnn_cell/kernel:0", "basic_rnn_cell/bias:0"]
    assert cell.trainable_weights == df.trainable_variables()
    found, kernel = run([output, cell.weights[0]])
    np.testing.assert_allclose(found, np.maximum(np.hstack([X, H]) @ kernel, 0), rtol=1e-5, atol=1e-6)
    assert state is output
    again = C.BasicRNNCell.from_config(cell.get_config())
    assert again.get_config() == cell.get_config()


def test_a_gated_cell_mixes_its_state_and_a_candidate() -> None:
    cell = C.GRUCell(2, kernel_initializer=df.random_normal_initializer(seed=1))
    output, _ = cell(df.constant(X), df.constant(H))
    assert names() == [
        f"gru_cell/{name}:0" for name in ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")
    ]
    found, gates, ones, candidate, zeros = run([output, *cell.weights])
    r, u = np.split(sigmoid(np.hstack([X, H]) @ gates + ones), 2, axis=1)
    c = np.tanh(np.hstack([X, r * H]) @ candidate + zeros)
    np.testing.assert_allclose(found, u * H + (1 - u) * c, rtol=1e-5, atol=1e-6)
    assert (ones == 1).all()
    assert not zeros.any()


@pytest.mark.parametrize("as_tuple", [True, False])
def test_an_lstm_cell_has_a_memory_in_its_state(as_tuple: bool) -> None:
    cell = C.BasicLSTMCell(2, forget_bias=0.5, state_is_tuple=as_tuple)
    given: Any = C.LSTMStateTuple(df.constant(M), df.constant(H)) if as_tuple else df.constant(np.hstack([M, H]))
    output, state = cell(df.constant(X), given)
    found, after, kernel = run([output, state, cell.weights[0]])
    i, j, f, o = np.split(np.hstack([X, H]) @ kernel, 4, axis=1)
    c = M * sigmoid(f + 0.5) + sigmoid(i) * np.tanh(j)
    h = np.tanh(c) * sigmoid(o)
    np.testing.assert_allclose(found, h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.hstack(after) if as_tuple else after, np.hstack([c, h]), rtol=1e-5, atol=1e-6)
    assert names() == ["basic_lstm_cell/kernel:0", "basic_lstm_cell/bias:0"]


@pytest.mark.parametrize("as_tuple", [True, False])
def test_an_lstm_cell_has_peepholes_clipping_and_a_projection_in_parts(as_tuple: bool) -> None:
    cell = C.LSTMCell(
        2,
        use_peepholes=True,
        cell_clip=0.3,
        initializer=df.random_uniform_initializer(-1, 1, seed=2),
        num_proj=3,
        proj_clip=0.05,
        num_unit_shards=2,
        state_is_tuple=as_tuple,
    )
    before = RNG.normal(size=(3, 3)).astype(np.float32)
    given: Any = (df.constant(M), df.constant(before)) if as_tuple else df.constant(np.hstack([M, before]))
    output, state = cell(df.constant(X), given)
    found, after, weights = run([output, state, df.global_variables()])
    part, other, _, w_f, w_i, w_o, projection = weights
    i, j, f, o = np.split(np.hstack([X, before]) @ np.vstack([part, other]), 4, axis=1)
    c = np.clip(M * sigmoid(f + 1 + w_f * M) + sigmoid(i + w_i * M) * np.tanh(j), -0.3, 0.3)
    h = np.clip((np.tanh(c) * sigmoid(o + w_o * c)) @ projection, -0.05, 0.05)
    np.testing.assert_allclose(found, h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.hstack(after) if as_tuple else after, np.hstack([c, h]), rtol=1e-5, atol=1e-6)
    parts = ["kernel/part_0", "kernel/part_1", "bias", "w_f_diag", "w_i_diag", "w_o_diag", "projection/kernel"]
    assert names() == [f"lstm_cell/{name}:0" for name in parts]
    assert cell.state_size == (C.LSTMStateTuple(2, 3) if as_tuple else 5)
    assert C.LSTMCell.from_config(cell.get_config()).get_config() == cell.get_config()


@pytest.mark.parametrize("as_tuple", [True, False])
def test_cells_on_top_of_each_other_have_variables_of_their_own(as_tuple: bool) -> None:
    cell = C.MultiRNNCell([C.GRUCell(2), C.BasicRNNCell(3)], state_is_tuple=as_tuple)
    state = cell.zero_state(3, df.float32)
    output, after = cell(df.constant(X), state)
    again, _ = cell(df.constant(X), state)
    found, same, last = run([output, again, after])
    np.testing.assert_array_equal(found, same)
    np.testing.assert_array_equal(found, last[1] if as_tuple else last[:, 2:])
    assert names()[::2] == [
        "multi_rnn_cell/cell_0/gru_cell/gates/kernel:0",
        "multi_rnn_cell/cell_0/gru_cell/candidate/kernel:0",
        "multi_rnn_cell/cell_1/basic_rnn_cell/kernel:0",
    ]
    assert cell.variables == df.global_variables()
    assert cell.state_size == ((2, 3) if as_tuple else 5)
    cell.trainable = False
    assert (cell.trainable_variables, len(cell.non_trainable_variables)) == ([], 6)
    assert [item["class_name"] for item in cell.get_config()["cells"]] == ["GRUCell", "BasicRNNCell"]


def test_dropout_keeps_values_with_a_probability_and_the_memory_of_an_lstm_cell() -> None:
    inner = C.LSTMCell(2, initializer=df.ones_initializer())
    cell = C.DropoutWrapper(inner, input_keep_prob=1e-6, output_keep_prob=1e-6, state_keep_prob=1e-6, seed=3)
    output, state = cell(df.constant(X), C.LSTMStateTuple(df.constant(M), df.constant(H)))
    found, (c, h) = run([output, state])
    assert not found.any()
    assert not h.any()
    assert c.all()
    assert (cell.wrapped_cell, cell.state_size, cell.output_size) == (inner, inner.state_size, 2)
    assert cell.trainable_weights == inner.trainable_weights
    again = C.DropoutWrapper.from_config({**cell.get_config(), "cell": inner})
    assert again.get_config() == cell.get_config()
    kept = C.DropoutWrapper(inner, input_keep_prob=df.constant(1.0), state_keep_prob=df.placeholder(df.float32, []))
    assert kept(df.constant(X), state)[1].h.shape == (3, 2)


def test_variational_dropout_drops_the_same_values_in_each_step() -> None:
    x = df.ones([2, 50, 3])
    cell = C.DropoutWrapper(
        C.MultiRNNCell([C.BasicRNNCell(4), C.GRUCell(4)]),
        input_keep_prob=0.5,
        output_keep_prob=0.5,
        state_keep_prob=df.constant(0.9),
        variational_recurrent=True,
        input_size=3,
        dtype=df.float32,
        dropout_state_filter_visitor=lambda state: (False, True) if isinstance(state, tuple) else True,
    )
    outputs, state = df.nn.dynamic_rnn(cell, x, dtype=df.float32)
    found, _ = run([outputs, state])
    assert ((found != 0) == (found[:, :1] != 0)).all()


def test_a_wrapper_adds_inputs_to_outputs_or_sets_a_device() -> None:
    inner = C.GRUCell(4)
    zero = inner.zero_state(3, df.float32)
    plain, _ = inner(df.constant(X), zero)
    added, _ = C.ResidualWrapper(inner)(df.constant(X), zero)
    own, _ = C.ResidualWrapper(inner, lambda x, y: y - x)(df.constant(X), zero)
    placed = C.DeviceWrapper(inner, "/cpu:0")
    there, _ = placed(df.constant(X), placed.zero_state(3, df.float32))
    found = run([plain, added, own, there])
    np.testing.assert_allclose(found[1:], [found[0] + X, found[0] - X, found[0]], rtol=1e-5, atol=1e-6)
    assert there.op.device.lower().endswith("cpu:0")
    assert C.DeviceWrapper.from_config({**placed.get_config(), "cell": inner}).get_config() == placed.get_config()


def test_a_cell_of_ones_own_may_make_its_variables_in_its_call() -> None:
    class Own(C.RNNCell):
        state_size = 2
        output_size = df.TensorShape([2])

        def call(self, inputs: Any, state: Any) -> Any:
            weight = df.get_variable("w", [4, 2])
            after = df.matmul(inputs, weight) + state
            return after, after

    cell = Own(name="mine")
    state = cell.get_initial_state(inputs=df.constant(X))
    cell(df.constant(X), state)
    cell(df.constant(X), state)
    cell(df.constant(X), state, scope="other")
    assert names() == ["mine/w:0"]
    assert cell.trainable_weights == df.global_variables()
    assert state.op.name.startswith("OwnZeroState")


def test_what_no_cell_can_be_made_of_is_an_error() -> None:
    gru, x = C.GRUCell(2), df.constant(X)
    inputs = df.placeholder(df.float32, [3, None])
    wrong: list[tuple[type[Exception], str, Any]] = [
        (ValueError, "RNN cell only supports floating", lambda: C.GRUCell(2, dtype=df.int32)),
        (ValueError, "Expected inputs.shape", lambda: gru(inputs, gru.zero_state(3, df.float32))),
        (ValueError, "expected ndim=2", lambda: C.GRUCell(2)(df.zeros([3, 4, 2]), df.zeros([3, 2]))),
        (ValueError, "Unknown activation function: much", lambda: C.BasicRNNCell(2, activation="much")),
        (ValueError, "at least one cell", lambda: C.MultiRNNCell([])),
        (TypeError, "cells must be a list or tuple", lambda: C.MultiRNNCell(gru)),
        (ValueError, "state_is_tuple is not set", lambda: C.MultiRNNCell([C.LSTMCell(2)], state_is_tuple=False)),
        (ValueError, "Expected state to be a tuple of length 1", lambda: C.MultiRNNCell([gru])(x, x)),
        (ValueError, "input_keep_prob must be between 0 and 1", lambda: C.DropoutWrapper(gru, input_keep_prob=2.0)),
        (ValueError, "dtype must be provided", lambda: C.DropoutWrapper(gru, variational_recurrent=True)),
        (ValueError, "input_size must be provided", lambda: C.DropoutWrapper(gru, 0.5, 1, 1, True, dtype=df.float32)),
        (TypeError, "must be callable", lambda: C.DropoutWrapper(gru, dropout_state_filter_visitor=1)),
        (TypeError, "is not an RNNCell: 'output_size' property is missing", lambda: C.DropoutWrapper(3)),
        (ValueError, "incompatible", lambda: C.ResidualWrapper(C.GRUCell(2))(x, df.zeros([3, 2]))),
        (ValueError, "cannot be None", lambda: gru.get_initial_state()),
        (ValueError, "batch size from input", lambda: gru.get_initial_state(x, 4)),
        (ValueError, "dtype from input", lambda: gru.get_initial_state(x, dtype=df.float64)),
        (TypeError, "Inconsistent internal state", lambda: C.LSTMStateTuple(x, df.zeros([3], df.int32)).dtype),
        (NotImplementedError, "Abstract method", lambda: C.RNNCell().state_size),
        (NotImplementedError, "Abstract method", lambda: C.RNNCell().output_size),
    ]
    for kind, text, call in wrong:
        with pytest.raises(kind, match=text):
            call()
    assert C.LSTMStateTuple(x, x).dtype == df.float32
