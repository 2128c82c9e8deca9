"""`dynamic_rnn`, `static_rnn` and others: values, lengths, gradients, shapes, names and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df

C = df.nn.rnn_cell
RNG = np.random.default_rng(8)
X = RNG.normal(size=(3, 5, 4))
LENGTHS = [2, 5, 0]


class Sum(C.RNNCell):
    """The state is the sum of the inputs so far, and the output is twice the state."""

    state_size = 4
    output_size = 4

    def call(self, inputs: Any, state: Any) -> Any:
        return 2 * (state + inputs), state + inputs


def sums(lengths: Any = None) -> tuple[Any, Any]:
    """What `Sum` gives, by step."""
    mask = np.arange(5)[None, :, None] < np.reshape([5] * 3 if lengths is None else lengths, (3, 1, 1))
    total = np.cumsum(X * mask, axis=1)
    return 2 * total * mask, total[:, -1]


def run(fetches: Any, feeds: Any = None) -> Any:
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        return sess.run(fetches, feeds)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("time_major", [False, True])
def test_a_cell_goes_over_the_steps_up_to_the_length_of_each_sequence(lengths: Any, time_major: bool) -> None:
    x = df.placeholder(df.float64, [None, None, 4])
    outputs, state = df.nn.dynamic_rnn(
        Sum(), x, lengths, dtype=df.float64, time_major=time_major, swap_memory=True, parallel_iterations=2
    )
    found, last = run([outputs, state], {x: X.swapaxes(0, 1) if time_major else X})
    expected = sums(lengths)
    np.testing.assert_allclose(found.swapaxes(0, 1) if time_major else found, expected[0])
    np.testing.assert_allclose(last, expected[1])
    assert str(outputs.shape) == "(?, ?, 4)"
    assert outputs.op.name == ("rnn/TensorArrayStack/TensorArrayGatherV3" if time_major else "rnn/transpose_1")


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_a_list_of_steps_gives_a_list_of_outputs(lengths: Any) -> None:
    steps = df.unstack(df.constant(X), axis=1)
    late = None if lengths is None else df.placeholder_with_default(lengths, [None])
    outputs, state = df.nn.static_rnn(Sum(), steps, dtype=df.float64, sequence_length=late, scope="s")
    expected = sums(lengths)
    found, last = run([df.stack(outputs, axis=1), state])
    np.testing.assert_allclose(found, expected[0])
    np.testing.assert_allclose(last, expected[1])
    assert [output.shape.as_list() for output in outputs] == [[3, 4]] * 5


@pytest.mark.parametrize("dynamic", [True, False])
def test_gradients_agree_with_finite_differences_and_stop_at_the_lengths(dynamic: bool) -> None:
    x = df.constant(X)
    with df.variable_scope("", initializer=df.random_uniform_initializer(-1, 1, seed=5), dtype=df.float64):
        cell = C.MultiRNNCell([C.LSTMCell(3, use_peepholes=True), C.GRUCell(2)])
        if dynamic:
            outputs, state = df.nn.dynamic_rnn(cell, x, LENGTHS, dtype=df.float64)
        else:
            outputs, state = df.nn.static_rnn(cell, df.unstack(x, axis=1), None, df.float64, LENGTHS)
    parts = df.nest.flatten([outputs, state])
    loss = df.add_n([df.reduce_sum(df.square(part) + part) for part in parts])
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        gradient = sess.run(df.gradients(loss, x)[0])
        assert (gradient.any(axis=2) == (np.arange(5) < np.reshape(LENGTHS, (3, 1)))).all()
        for variable in [df.trainable_variables()[0], df.trainable_variables()[5]]:
            value = sess.run(variable)
            gradient = sess.run(df.gradients(loss, variable)[0])
            for place in [(0, 0), (3, 2)]:
                shift = np.zeros_like(value)
                shift[place] = 1e-5
                values = []
                for moved in (value + shift, value - shift):
                    variable.load(moved, sess)
                    values.append(sess.run(loss))
                variable.load(value, sess)
                slope = (values[0] - values[1]) / 2e-5
                np.testing.assert_allclose(gradient[place], slope, rtol=1e-5, atol=1e-7)


def test_both_directions_have_cells_of_their_own() -> None:
    x = df.constant(X)
    for lengths in (None, LENGTHS):
        (forward, backward), (last, first) = df.nn.bidirectional_dynamic_rnn(
            Sum(), Sum(), x, lengths, dtype=df.float64, scope=f"dynamic_{lengths is None}"
        )
        both, at_end, at_start = df.nn.static_bidirectional_rnn(
            Sum(), Sum(), df.unstack(x, axis=1), dtype=df.float64, sequence_length=lengths
        )
        found = run([forward, backward, last, first, df.stack(both, axis=1), at_end, at_start])
        mask = np.arange(5)[None, :, None] < np.reshape(lengths or [5] * 3, (3, 1, 1))
        reverse = 2 * np.cumsum((X * mask)[:, ::-1], axis=1)[:, ::-1] * mask
        expected, state = sums(lengths)
        joined = np.concatenate([expected, reverse], axis=2)
        for got, wanted in zip(found, [expected, reverse, state, state, joined, state, state], strict=True):
            np.testing.assert_allclose(got, wanted)


def test_variables_of_each_direction_are_under_its_name() -> None:
    df.nn.bidirectional_dynamic_rnn(C.GRUCell(2), C.LSTMCell(2), df.zeros([3, 5, 4]), dtype=df.float32)
    df.nn.dynamic_rnn(C.BasicRNNCell(2), df.zeros([3, 5, 4]), dtype=df.float32, scope="mine")
    found = [variable.op.name for variable in df.global_variables()]
    assert found[0] == "bidirectional_rnn/fw/gru_cell/gates/kernel"
    assert found[4:] == [
        "bidirectional_rnn/bw/lstm_cell/kernel",
        "bidirectional_rnn/bw/lstm_cell/bias",
        "mine/basic_rnn_cell/kernel",
        "mine/basic_rnn_cell/bias",
    ]


def test_inputs_outputs_and_states_may_be_nested() -> None:
    class Nested(C.RNNCell):
        @property
        def state_size(self) -> Any:
            return df.TensorShape([4]), df.TensorShape([]), ()

        @property
        def output_size(self) -> Any:
            return {"a": 4, "b": df.TensorShape([2, 4])}

        def zero_state(self, batch_size: Any, dtype: Any) -> Any:
            array = df.TensorArray(dtype, size=0, dynamic_size=True)
            return df.zeros([batch_size, 4], dtype), df.constant(0), array

        def call(self, inputs: Any, state: Any) -> Any:
            x, y = inputs
            total, count, array = state
            outputs = {"a": x + y, "b": df.stack([x, y], axis=1)}
            return outputs, (total + x, count + 1, array.write(count, x))

    outputs, (total, count, array) = df.nn.dynamic_rnn(
        Nested(), (df.constant(X), df.constant(2 * X)), LENGTHS, dtype=df.float64
    )
    found, last, steps, seen = run([outputs, total, count, array.stack()])
    mask = np.arange(5)[None, :, None] < np.reshape(LENGTHS, (3, 1, 1))
    np.testing.assert_allclose(found["a"], 3 * X * mask)
    np.testing.assert_allclose(found["b"][:, :, 1], 2 * X * mask)
    np.testing.assert_allclose(last, sums(LENGTHS)[1])
    np.testing.assert_allclose(seen, X.swapaxes(0, 1))
    assert steps == 5


def test_a_function_directs_a_raw_loop() -> None:
    inputs = df.TensorArray(df.float64, size=5).unstack(df.constant(X.swapaxes(0, 1)))
    cell = Sum()

    def direct(time: Any, output: Any, state: Any, count: Any) -> Any:
        finished = time >= df.constant(LENGTHS)
        given = df.cond(df.reduce_all(finished), lambda: df.zeros([3, 4], df.float64), lambda: inputs.read(time))
        if output is None:
            return finished, given, cell.zero_state(3, df.float64), None, df.constant(1)
        return finished, given, state, output, 2 * count

    emitted, state, count = df.nn.raw_rnn(cell, direct)
    found, last, doubled = run([emitted.stack(), state, count])
    expected = sums(LENGTHS)
    np.testing.assert_allclose(found.swapaxes(0, 1), expected[0])
    np.testing.assert_allclose(last, expected[1])
    assert doubled == 32


def test_a_raw_loop_may_emit_what_is_no_output() -> None:
    size = df.placeholder(df.int32, [])

    def direct(time: Any, output: Any, state: Any, _: Any) -> Any:
        shape = [size] if output is None else [3, size]
        emitted = {"ones": df.ones(shape, df.int64), "twos": df.fill([2] if output is None else [3, 2], 2.0)}
        state = df.zeros([3, 4]) if output is None else state
        return df.fill([3], time >= 4), df.ones([3, 4]), state, emitted, None

    emitted, state, nothing = df.nn.raw_rnn(Sum(), direct)
    found = run([{name: array.stack() for name, array in emitted.items()}, state], {size: 6})
    assert found[0]["ones"].shape == (4, 3, 6)
    assert (found[0]["twos"] == 2).all()
    assert (found[1] == 4).all()
    assert nothing is None


def test_a_state_is_saved_between_runs() -> None:
    class Saver:
        def __init__(self) -> None:
            self.kept = {name: df.Variable(np.zeros([3, 2]), name=name) for name in ("c", "h")}

        def state(self, name: str) -> Any:
            return self.kept[name]

        def save_state(self, name: str, value: Any) -> Any:
            return df.assign(self.kept[name], value)

    saver = Saver()
    steps = df.unstack(df.constant(X), axis=1)
    cell = C.BasicLSTMCell(2)
    outputs, state = df.nn.static_state_saving_rnn(cell, steps, saver, ("c", "h"))
    longer, _ = df.nn.static_rnn(cell, steps * 2, dtype=df.float64)
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        wanted = sess.run(longer)
        first = sess.run(outputs[-1])
        second = sess.run(state)
    np.testing.assert_allclose(first, wanted[4])
    np.testing.assert_allclose(second.h, wanted[9])
    with pytest.raises(ValueError, match="state_name should be the same type as"):
        df.nn.static_state_saving_rnn(cell, steps, saver, "c")
    with pytest.raises(ValueError, match=r"#elems\(state_name\)"):
        df.nn.static_state_saving_rnn(cell, steps, saver, ("c",))


def test_what_no_cell_can_go_over_is_an_error() -> None:
    cell, x = C.GRUCell(2), df.zeros([3, 5, 4])
    dynamic, static = df.nn.dynamic_rnn, df.nn.static_rnn
    part = df.placeholder(df.float32, [3, 5, None])
    wrong: list[tuple[type[Exception], str, Any]] = [
        (TypeError, "is not an RNNCell", lambda: dynamic(3, x, dtype=df.float32)),
        (ValueError, "you must give a dtype", lambda: dynamic(cell, x)),
        (ValueError, "rank at least 2", lambda: dynamic(cell, df.zeros([3]), dtype=df.float32)),
        (ValueError, "rank at least 3", lambda: dynamic(cell, df.zeros([3, 5]), dtype=df.float32)),
        (ValueError, "depth of inputs", lambda: dynamic(cell, part, dtype=df.float32)),
        (ValueError, "must be a vector", lambda: dynamic(cell, x, [[3]], dtype=df.float32)),
        (ValueError, "Time steps", lambda: dynamic(cell, (x, x[:, 1:]), dtype=df.float32)),
        (ValueError, "Batch_size", lambda: dynamic(cell, (x, x[1:]), dtype=df.float32)),
        (ValueError, "only supports floating", lambda: dynamic(cell, df.zeros([3, 5, 4], df.int32), dtype=df.int32)),
        (TypeError, "must be a sequence", lambda: static(cell, x, dtype=df.float32)),
        (TypeError, "must be a sequence", lambda: df.nn.static_bidirectional_rnn(cell, cell, x)),
        (ValueError, "must not be empty", lambda: static(cell, [], dtype=df.float32)),
        (ValueError, "must not be empty", lambda: df.nn.static_bidirectional_rnn(cell, cell, [])),
        (ValueError, "dtype must be specified", lambda: static(cell, [x[0]])),
        (ValueError, "must be a vector", lambda: static(cell, [x[0]], dtype=df.float32, sequence_length=4)),
        (ValueError, "dimension 0 of inputs", lambda: static(cell, [part[:, 0]], dtype=df.float32)),
        (ValueError, "not compatible", lambda: static(cell, [x[0], x[0, 1:]], dtype=df.float32)),
        (TypeError, "loop_fn must be a callable", lambda: df.nn.raw_rnn(cell, 3)),
    ]
    for kind, text, call in wrong:
        with pytest.raises(kind, match=text):
            call()
    lengths = df.placeholder(df.int32, [None])
    outputs, _ = dynamic(Sum(), x, lengths, dtype=df.float32)
    with pytest.raises(df.errors.InvalidArgumentError, match="Expected shape for Tensor rnn"):
        run(outputs, {lengths: [1, 2]})
