"""`df.contrib.rnn`: what its cells compute, and the names of their variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df

C = df.contrib.rnn
RNG = np.random.default_rng(9)
X = RNG.normal(size=(5, 3, 4)).astype(np.float32)  # [time, batch, size]
LENGTHS = [2, 5, 0]


def run(fetches: Any) -> Any:
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        return sess.run(fetches)


def names() -> list[str]:
    return [variable.op.name for variable in df.global_variables()]


def alike(one: Any, other: Any) -> None:
    for a, b in zip(df.nest.flatten(one), df.nest.flatten(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_cells_of_nn_are_here_too() -> None:
    cells = [C.BasicLSTMCell, C.BasicRNNCell, C.DeviceWrapper, C.DropoutWrapper, C.GRUCell, C.LSTMCell]
    cells += [C.LSTMStateTuple, C.MultiRNNCell, C.RNNCell, C.ResidualWrapper]
    assert cells == [getattr(df.nn.rnn_cell, name) for name in df.nn.rnn_cell.__all__]
    assert C.static_rnn is df.nn.static_rnn
    assert C.static_bidirectional_rnn is df.nn.static_bidirectional_rnn
    assert C.static_state_saving_rnn is df.nn.static_state_saving_rnn
    assert issubclass(C.GRUCell, C.LayerRNNCell)
    assert C.transpose_batch_time(df.constant(X)).shape.as_list() == [3, 5, 4]
    assert C.best_effort_input_batch_size([df.constant(X)]) == 3
    assert run(C.transpose_batch_time(df.placeholder_with_default(X, None))).shape == (3, 5, 4)


@pytest.mark.parametrize("peephole", [False, True])
def test_block_cells_compute_what_an_lstm_cell_does_over_lists_and_tensors(peephole: bool) -> None:
    x = df.constant(X)
    block = C.LSTMBlockCell(2, 0.5, cell_clip=0.2, use_peephole=peephole)
    fused = C.LSTMBlockFusedCell(2, 0.5, cell_clip=0.2, use_peephole=peephole)
    with df.variable_scope("", initializer=df.random_uniform_initializer(-1, 1, seed=3)):
        plain = C.LSTMCell(2, peephole, 0.2, forget_bias=0.5, name="lstm")
        expected = df.nn.dynamic_rnn(plain, x, LENGTHS, dtype=df.float32, time_major=True, scope="r")
        by_steps = df.nn.dynamic_rnn(block, x, LENGTHS, dtype=df.float32, time_major=True, scope="s")
        at_once = fused(x, dtype=df.float32, sequence_length=LENGTHS)
        state = df.ones([3, 2]), df.zeros([3, 2])
        outputs, last = fused(df.unstack(x), initial_state=state)
    own = ["kernel", "bias", *(["w_i_diag", "w_f_diag", "w_o_diag"] if peephole else [])]
    assert [name for name in names() if "fused" in name] == [f"lstm_fused_cell/{name}" for name in own]
    assert [name for name in names() if name.startswith("s/")] == [f"s/lstm_cell/{name}" for name in own]
    by_name = {variable.op.name: variable for variable in df.global_variables()}
    scopes = ("s/lstm_cell", "lstm_fused_cell")
    same = [by_name[f"{scope}/{name}"].assign(by_name[f"r/lstm/{name}"]) for name in own for scope in scopes]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        sess.run(same)
        found = sess.run([expected, by_steps, at_once, outputs[-1], last.h])
    alike(found[0], found[1])
    alike(found[0], found[2])
    np.testing.assert_array_equal(found[3], found[4])
    assert fused.num_units == 2
    with pytest.raises(ValueError, match="Either initial_state or dtype"):
        fused(x)
    with pytest.raises(ValueError, match="tuple with length 2"):
        block(x[0], (state[0],))


def test_gated_block_cells_compute_what_a_gated_cell_does() -> None:
    first, second, plain = C.GRUBlockCell(2), C.GRUBlockCellV2(cell_size=2, name="second"), C.GRUCell(2, name="plain")
    state = df.ones([3, 2])
    with df.variable_scope("", initializer=df.random_uniform_initializer(-1, 1, seed=3)):
        outputs = [cell(df.constant(X[0]), state)[0] for cell in (first, second, plain)]
    assert names()[:4] == ["gru_cell/w_ru", "gru_cell/b_ru", "gru_cell/w_c", "gru_cell/b_c"]
    assert [name.removeprefix("second/") for name in names()[4:8]] == [it.removeprefix("plain/") for it in names()[8:]]
    targets = [*first.weights, *second.weights]
    copies = [df.assign(*pair) for pair in zip(targets, plain.weights * 2, strict=True)]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        sess.run(copies)
        found = sess.run(outputs)
    alike(found[0], found[2])
    alike(found[1], found[2])
    with pytest.raises(ValueError, match="Exactly one of num_units or cell_size"):
        C.GRUBlockCell()
    with pytest.raises(ValueError, match="h_prev"):
        first(df.constant(X[0]), df.ones([3, 4]))


def test_fused_cells_of_plain_ones_go_forward_or_backward() -> None:
    x = df.constant(X)
    cell = C.BasicRNNCell(2)
    dynamic, static = C.FusedRNNCellAdaptor(cell, use_dynamic_rnn=True), C.FusedRNNCellAdaptor(cell)
    expected = df.nn.dynamic_rnn(cell, x, LENGTHS, dtype=df.float32, time_major=True)
    forward = [adaptor(x, dtype=df.float32, sequence_length=LENGTHS) for adaptor in (dynamic, static)]
    as_list = static(df.unstack(x), dtype=df.float32, sequence_length=LENGTHS)
    turned = df.reverse_sequence(x, LENGTHS, seq_axis=0, batch_axis=1)
    wanted, last = dynamic(turned, dtype=df.float32, sequence_length=LENGTHS)
    backward = C.TimeReversedFusedRNN(static)(x, dtype=df.float32, sequence_length=LENGTHS)
    whole = C.TimeReversedFusedRNN(dynamic)(df.unstack(x), dtype=df.float32)
    found = run([expected, *forward, (df.stack(as_list[0]), as_list[1])])
    for other in found[1:]:
        alike(found[0], other)
    there = run([df.reverse_sequence(wanted, LENGTHS, seq_axis=0, batch_axis=1), last, *backward])
    assert issubclass(C.FusedRNNCellAdaptor, C.FusedRNNCell)
    assert len(whole[0]) == 5
    assert there[0].shape == there[2].shape


def test_a_coupled_gate_lets_in_what_it_forgets() -> None:
    cell = C.CoupledInputForgetGateLSTMCell(2, use_peepholes=True, num_unit_shards=2)
    c, h = RNG.normal(size=(2, 3, 2)).astype(np.float32)
    with df.variable_scope("", initializer=df.ones_initializer()):
        output, state = cell(df.constant(X[0]), (df.constant(c), df.constant(h)))
    found, after = run([output, state])
    gates = (np.hstack([X[0], h]).sum(axis=1, keepdims=True)) * np.ones((1, 2))
    keep = 1 / (1 + np.exp(-(gates + 1 + c)))
    new = keep * c + (1 - keep) * np.tanh(gates)
    alike(after.c, new)
    alike(found, np.tanh(new) / (1 + np.exp(-(gates + new))))
    own = ["W_0", "W_1", "B", "W_F_diag", "W_O_diag"]
    assert names() == [f"coupled_input_forget_gate_lstm_cell/{name}" for name in own]
    normal = C.CoupledInputForgetGateLSTMCell(2, num_proj=3, proj_clip=0.1, state_is_tuple=False, layer_norm=True)
    with df.variable_scope("normal"):
        output, state = normal(df.constant(X[0]), df.zeros([3, 5]))
    found = run(output)
    assert np.abs(found).max() <= 0.1 + 1e-6
    assert (state.shape.as_list(), normal.state_size, normal.output_size) == ([3, 5], 5, 3)


def test_a_cell_with_normalised_layers_has_their_variables() -> None:
    cell = C.LayerNormBasicLSTMCell(2, dropout_keep_prob=0.5, dropout_prob_seed=1, norm_shift=0.5)
    outputs, state = df.nn.dynamic_rnn(cell, df.constant(X), dtype=df.float32)
    found, _ = run([outputs, state])
    assert np.isfinite(found).all()
    layers = ("input", "transform", "forget", "output", "state")
    own = ["kernel", *(f"{layer}/{name}" for layer in layers for name in ("gamma", "beta"))]
    assert names() == [f"rnn/layer_norm_basic_lstm_cell/{name}" for name in own]
    plain = C.LayerNormBasicLSTMCell(2, layer_norm=False)
    same = C.BasicLSTMCell(2)
    state = plain.zero_state(3, df.float32)
    with df.variable_scope("", initializer=df.ones_initializer()):
        pair = [plain(df.constant(X[0]), state)[0], same(df.constant(X[0]), state)[0]]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        sess.run(same.weights[1].assign(np.ones(8)))
        alike(*sess.run(pair))


def test_cells_around_a_cell_multiply_and_look_up_and_mix() -> None:
    ids = df.constant([[1], [0], [2]])
    state = df.zeros([3, 4])
    inner = C.EmbeddingWrapper(C.GRUCell(4), 5, 3)
    cell = C.OutputProjectionWrapper(C.InputProjectionWrapper(C.GRUCell(4), 2, df.nn.relu), 6, df.tanh)
    embedded, _ = inner(ids, inner.zero_state(3, df.float32))
    projected, after = cell(df.constant(X[0]), state)
    highway, _ = C.HighwayWrapper(C.GRUCell(4))(df.constant(X[0]), state)
    with df.variable_scope("open"):
        open_way, _ = C.HighwayWrapper(C.GRUCell(4), False, 2.0)(df.constant(X[0]), state)
    found = run([embedded, projected, after, highway, open_way])
    assert [it.shape for it in found] == [(3, 4), (3, 6), (3, 4), (3, 4), (3, 4)]
    assert names()[0] == "embedding_wrapper/embedding"
    assert names()[5:7] == [
        "output_projection_wrapper/input_projection_wrapper/kernel",
        "output_projection_wrapper/input_projection_wrapper/bias",
    ]
    assert names()[11:13] == ["output_projection_wrapper/kernel", "output_projection_wrapper/bias"]
    assert [name for name in names() if name.endswith("_w")] == ["carry_w", "open/carry_w", "open/transform_w"]
    with pytest.raises(ValueError, match="output_size must be > 0"):
        C.OutputProjectionWrapper(cell, 0)
    with pytest.raises(ValueError, match="embedding_size must be > 0"):
        C.EmbeddingWrapper(cell, 0, 1)
    with pytest.raises(ValueError, match="linear is expecting 2D"):
        C.InputProjectionWrapper(C.GRUCell(4), 2)(df.constant(X), state)


@pytest.mark.parametrize("as_tuple", [True, False])
def test_a_cell_attends_to_its_last_outputs(as_tuple: bool) -> None:
    cell = C.AttentionCellWrapper(C.GRUCell(4), 3, attn_size=2, attn_vec_size=5, state_is_tuple=as_tuple)
    outputs, state = df.nn.dynamic_rnn(cell, df.constant(X), dtype=df.float32, time_major=True)
    found, last = run([outputs, state])
    past = last[2] if as_tuple else last[:, -6:]
    np.testing.assert_array_equal(past.reshape(3, 3, 2), found[2:].swapaxes(0, 1))
    scope = "rnn/attention_cell_wrapper"
    assert [name.removeprefix(f"{scope}/") for name in names() if "gru" not in name] == [
        *("kernel", "bias", "attention/attn_w", "attention/attn_v", "attention/kernel", "attention/bias"),
        *("attn_output_projection/kernel", "attn_output_projection/bias"),
    ]
    with pytest.raises(ValueError, match="state_is_tuple is not set"):
        C.AttentionCellWrapper(C.LSTMCell(4), 3, state_is_tuple=False)
    with pytest.raises(ValueError, match="greater than zero"):
        C.AttentionCellWrapper(C.GRUCell(4), 0)


def test_layers_go_in_both_directions() -> None:
    def cells() -> list[Any]:
        return [C.GRUCell(2), C.BasicLSTMCell(3)]

    x = df.constant(X)
    with df.variable_scope("", initializer=df.ones_initializer()):
        dynamic = C.stack_bidirectional_dynamic_rnn(cells(), cells(), x, dtype=df.float32, time_major=True)
        static = C.stack_bidirectional_rnn(cells(), cells(), df.unstack(x), dtype=df.float32, scope="static")
    found = run([dynamic, (df.stack(static[0]), *static[1:])])
    alike(*found)
    assert found[0][0].shape == (5, 3, 6)
    assert names()[0] == "stack_bidirectional_rnn/cell_0/bidirectional_rnn/fw/gru_cell/gates/kernel"
    assert "static/cell_1/bw/basic_lstm_cell/bias" in names()
    for text, args in (
        ("at least one fw cell", ([], cells())),
        ("at least one bw cell", (cells(), [])),
        ("cells_bw must be a list", (cells(), tuple(cells()))),
        ("the same depth", (cells(), cells()[:1])),
    ):
        with pytest.raises(ValueError, match=text):
            C.stack_bidirectional_rnn(*args, df.unstack(x), dtype=df.float32)
    with pytest.raises(ValueError, match="initial_states_fw must be a list"):
        C.stack_bidirectional_dynamic_rnn(cells(), cells(), x, initial_states_fw=[x], dtype=df.float32)
