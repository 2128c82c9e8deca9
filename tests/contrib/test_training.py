"""`df.contrib.training`: training operations, and evaluations of checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.contrib import training


@pytest.fixture(autouse=True)
def graph() -> Iterator[df.Graph]:
    with df.Graph().as_default() as made:
        yield made
    df.summary.FileWriterCache.clear()


def loss_of(*variables: df.Variable) -> Any:
    return df.add_n([df.reduce_sum(df.square(variable)) for variable in variables])


def test_a_training_operation_runs_updates_first_counts_steps_and_is_the_loss() -> None:
    w, other = df.Variable([3.0, 4.0], name="w"), df.Variable([1.0], name="other")
    average = df.Variable(0.0, trainable=False)
    df.add_to_collection(df.GraphKeys.UPDATE_OPS, average.assign_add(1.0).op)
    optimizer = df.train.GradientDescentOptimizer(0.5)
    op = training.create_train_op(
        loss_of(w, other),
        optimizer,
        variables_to_train=[w],
        transform_grads_fn=training.clip_gradient_norms_fn(2.0),
        summarize_gradients=True,
    )
    assert df.get_collection(df.GraphKeys.TRAIN_OP)[-1] is op
    tags = sorted(it.op.name for it in df.get_collection(df.GraphKeys.SUMMARIES))
    assert tags == ["summarize_grads/w_gradient", "summarize_grads/w_gradient_norm"]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        assert sess.run(op) == 26.0
        np.testing.assert_allclose(sess.run(w), [2.4, 3.2], rtol=1e-6)
        assert sess.run([other[0], average, df.train.get_global_step()]) == [1.0, 1.0, 1]
        bad = training.create_train_op(loss_of(w) / 0.0, optimizer, global_step=None)
        with pytest.raises(df.errors.InvalidArgumentError, match="LossTensor is inf or nan"):
            sess.run(bad)


def test_gradients_are_clipped_and_multiplied() -> None:
    v = df.Variable([3.0, 4.0], name="v")
    rows = df.IndexedSlices(df.constant([[3.0, 4.0]]), df.constant([1]))
    clipped = training.clip_gradient_norms([(df.constant([3.0, 4.0]), v), (rows, v), (None, v)], 1.0)
    twice = training.multiply_gradients([(rows, v), (df.constant([1.0]), v)], {"v": 2})
    scaled = training.multiply_gradients([(df.constant([1.0]), v)], {v: df.constant(3)})
    assert len(training.add_gradients_summaries([(rows, v), (None, v)])) == 2
    assert clipped[2][0] is None
    with df.Session() as sess:
        np.testing.assert_allclose(sess.run(clipped[0][0]), [0.6, 0.8], rtol=1e-6)
        np.testing.assert_allclose(sess.run(clipped[1][0].values), [[0.6, 0.8]], rtol=1e-6)
        assert sess.run(twice[0][0].values).tolist() == [[6.0, 8.0]]
        assert sess.run([twice[1][0], scaled[0][0]]) == [[2.0], [3.0]]
    pair: Any = (df.constant([1.0]), v)
    wrong = [((pair,), {v: 1}), ([pair], {}), ([pair], [v]), ([(None, v)], {v: 1})]
    for pairs, factors in wrong:
        with pytest.raises(ValueError):
            training.multiply_gradients(pairs, factors)  # type: ignore[arg-type]


def test_a_training_runs_until_a_hook_stops_it(tmp_path: Path) -> None:
    w = df.Variable([4.0])
    op = training.create_train_op(loss_of(w), df.train.GradientDescentOptimizer(0.25))
    loss = training.train(op, str(tmp_path), hooks=[df.train.StopAtStepHook(last_step=3)])
    assert loss == 1.0
    assert df.train.load_variable(str(tmp_path), "global_step") == 3
    stop = df.train.StopAtStepHook(num_steps=1)
    assert training.train(op, None, hooks=[stop], save_checkpoint_secs=None, save_summaries_steps=None) == 16.0
    for given in ({"save_checkpoint_secs": None}, {"save_summaries_steps": None}):
        with pytest.raises(ValueError, match="logdir cannot be None"):
            training.train(op, None, **given)  # type: ignore[arg-type]


def test_checkpoints_are_evaluated_once_or_each_new_one(tmp_path: Path) -> None:
    folder = str(tmp_path)
    df.train.get_or_create_global_step()
    w = df.Variable(2.0, name="w")
    paths = []
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        paths.append(df.train.Saver().save(sess, f"{folder}/m"))
    total = df.Variable(0.0, collections=[df.GraphKeys.LOCAL_VARIABLES], name="total")
    step = training.get_or_create_eval_step()
    assert step is training.get_or_create_eval_step()
    df.summary.scalar("total", total)
    add = total.assign_add(w)
    final: dict[str, Any] = {"final_ops": [total, step]}
    hooks = [training.StopAfterNEvalsHook(3), training.SummaryAtEndHook(folder)]
    for eval_ops in (add, [add], {"add": add}):
        assert training.evaluate_once(paths[0], eval_ops=eval_ops, hooks=hooks, **final) == [6.0, 3]
    assert training.evaluate_once(paths[0], **final) == [0.0, 0]
    repeated = training.evaluate_repeatedly(
        folder, eval_ops=add, hooks=hooks, eval_interval_secs=0, max_number_of_evaluations=1, **final
    )
    assert repeated == [6.0, 3]
    assert training.evaluate_repeatedly(folder + "/none", timeout=0.01, eval_interval_secs=0, **final) is None
    assert training.wait_for_new_checkpoint(folder) == paths[0]
    assert list(training.checkpoints_iterator(folder, timeout=0)) == paths
    events = df.contrib.testing.latest_summaries(folder)
    assert [event.summary.value[0].simple_value for event in events] == [6.0] * 4
    with pytest.raises(ValueError, match="log_dir and summary_writer should not both be None"):
        training.SummaryAtEndHook()
    df.add_to_collection(df.GraphKeys.EVAL_STEP, step)
    with pytest.raises(ValueError, match="Multiple tensors added to"):
        training.get_or_create_eval_step()
