"""Training operations: gradients that are clipped, multiplied and summarized, and a loop that runs them.

Source: tf.contrib.training of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dflow import logging
from dflow.blocks import control_dependencies
from dflow.graph import GraphKeys, Tensor, get_default_graph
from dflow.ops.array.cast import cast
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.checks.numerics import check_numerics
from dflow.ops.control import identity, no_op
from dflow.ops.nn.clip import clip_by_norm, global_norm
from dflow.ops.state.variable_lists import trainable_variables
from dflow.ops.summary.histogram import histogram
from dflow.ops.summary.scalar import scalar
from dflow.train.global_step import get_or_create_global_step
from dflow.train.hooks.base import SessionRunHook
from dflow.train.monitored_training import MonitoredTrainingSession
from dflow.train.optimizer import Optimizer
from dflow.train.scaffold import Scaffold

_USE_GLOBAL_STEP: Any = 0  # make or take the global step of the graph


def add_gradients_summaries(grads_and_vars: Sequence[tuple[Any, Any]]) -> list[Tensor]:
    """Summaries of gradients: a histogram and the norm of each.  Those that are None are logged."""
    summaries = list[Tensor]()
    for gradient, variable in grads_and_vars:
        if gradient is None:
            logging.info("Var %s has no gradient", variable.op.name)
            continue
        values = gradient.values if isinstance(gradient, IndexedSlices) else gradient
        summaries.append(histogram(f"{variable.op.name}_gradient", values))
        summaries.append(scalar(f"{variable.op.name}_gradient_norm", global_norm([values])))
    return summaries


def clip_gradient_norms(gradients_to_variables: Sequence[tuple[Any, Any]], max_norm: float) -> list[tuple[Any, Any]]:
    """The gradients, each of at most this norm, and their variables."""
    clipped = []
    for gradient, variable in gradients_to_variables:
        if isinstance(gradient, IndexedSlices):
            values = clip_by_norm(gradient.values, max_norm)
            gradient = IndexedSlices(values, gradient.indices, gradient.dense_shape)
        elif gradient is not None:
            gradient = clip_by_norm(gradient, max_norm)
        clipped.append((gradient, variable))
    return clipped


def clip_gradient_norms_fn(max_norm: float) -> Callable[[Sequence[tuple[Any, Any]]], list[tuple[Any, Any]]]:
    """`clip_gradient_norms` of this norm, for `transform_grads_fn` of `create_train_op`."""
    return lambda gradients_to_variables: clip_gradient_norms(gradients_to_variables, max_norm)


def multiply_gradients(
    grads_and_vars: Sequence[tuple[Any, Any]], gradient_multipliers: Mapping[Any, Any]
) -> list[tuple[Any, Any]]:
    """The gradients, times the factors of their variables.

    gradient_multipliers: variable, or the name of its operation -> factor.
    ValueError for other kinds of arguments, for no factors, and for the factor of a gradient that is None.
    """
    if not isinstance(grads_and_vars, list):
        raise ValueError("`grads_and_vars` must be a list.")
    if not gradient_multipliers:
        raise ValueError("`gradient_multipliers` is empty.")
    if not isinstance(gradient_multipliers, dict):
        raise ValueError("`gradient_multipliers` must be a dict.")
    multiplied = []
    for gradient, variable in grads_and_vars:
        key = variable if variable in gradient_multipliers else variable.op.name
        if key in gradient_multipliers:
            if gradient is None:
                raise ValueError("Requested multiple of `None` gradient.")
            gradient = _times(gradient, gradient_multipliers[key])
        multiplied.append((gradient, variable))
    return multiplied


def _times(gradient: Any, factor: Any) -> Any:
    if isinstance(factor, Tensor):
        factor = cast(factor, gradient.dtype)
    if isinstance(gradient, IndexedSlices):
        return IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor


def create_train_op(
    total_loss: Any,
    optimizer: Optimizer,
    global_step: Any = _USE_GLOBAL_STEP,
    update_ops: Any = None,
    variables_to_train: Sequence[Any] | None = None,
    transform_grads_fn: Callable[[Any], Any] | None = None,
    summarize_gradients: bool = False,
    gate_gradients: int = Optimizer.GATE_OP,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    check_numerics: bool = True,
) -> Tensor:
    """A tensor that trains when it is fetched, and is the loss.

    global_step: is counted up; None: none; by default that of the graph.
    update_ops: run before the loss, by default those of the collection UPDATE_OPS.
    variables_to_train: by default all trainable ones.  transform_grads_fn: changes the pairs of gradients and
    variables.  summarize_gradients: add summaries of them.  check_numerics: an error for a loss that is no number.
    gate_gradients, aggregation_method, colocate_gradients_with_ops: as in `Optimizer.compute_gradients`.
    """
    graph = get_default_graph()
    if global_step is _USE_GLOBAL_STEP:
        global_step = get_or_create_global_step()
    total_loss = _after_updates(total_loss, update_ops)
    if variables_to_train is None:
        variables_to_train = trainable_variables()
    else:
        there = trainable_variables()
        for variable in variables_to_train:
            assert variable in there, f"{variable.op.name} is not trainable"
    assert variables_to_train
    grads = optimizer.compute_gradients(
        total_loss,
        variables_to_train,
        gate_gradients=gate_gradients,
        aggregation_method=aggregation_method,
        colocate_gradients_with_ops=colocate_gradients_with_ops,
    )
    if transform_grads_fn is not None:
        grads = transform_grads_fn(grads)
    if summarize_gradients:
        with graph.name_scope("summarize_grads"):
            add_gradients_summaries(grads)
    updates = optimizer.apply_gradients(grads, global_step=global_step)
    with graph.name_scope("train_op"):
        if check_numerics:
            total_loss = _checked(total_loss)
        with control_dependencies([updates]):
            train_op = identity(total_loss)
    train_ops: Any = graph.get_collection_ref(GraphKeys.TRAIN_OP)
    if not any(train_op is there for there in train_ops):
        train_ops.append(train_op)
    return train_op


def _after_updates(total_loss: Any, update_ops: Any) -> Any:
    """The loss, after the updates of moving averages and the like."""
    every = set(get_default_graph().get_collection(GraphKeys.UPDATE_OPS))
    updates = every if update_ops is None else set(update_ops)
    if not every.issubset(updates):
        logging.warning("update_ops in create_train_op does not contain all the update_ops in GraphKeys.UPDATE_OPS")
    if not updates:
        return total_loss
    with control_dependencies(list(updates)):
        barrier = no_op(name="update_barrier")
    with control_dependencies([barrier]):
        return identity(total_loss)


def _checked(loss: Any) -> Tensor:
    return check_numerics(loss, "LossTensor is inf or nan")


def train(
    train_op: Any,
    logdir: str | None,
    master: str = "",
    is_chief: bool = True,
    scaffold: Scaffold | None = None,
    hooks: Sequence[SessionRunHook] | None = None,
    chief_only_hooks: Sequence[SessionRunHook] | None = None,
    save_checkpoint_secs: float | None = 600,
    save_summaries_steps: int | None = 100,
    config: Any = None,
    max_wait_secs: float = 7200,
) -> Any:
    """Run a training operation until a hook stops it or the input ends; gives its last value.

    logdir: the folder of checkpoints and summaries.  The other arguments are those of
    `df.train.MonitoredTrainingSession`.  ValueError for a chief without a folder, unless nothing is saved.
    """
    if logdir is None and is_chief:
        if save_summaries_steps:
            raise ValueError("logdir cannot be None when save_summaries_steps is not None")
        if save_checkpoint_secs:
            raise ValueError("logdir cannot be None when save_checkpoint_secs is not None")
    loss = None
    with MonitoredTrainingSession(
        master=master,
        is_chief=is_chief,
        checkpoint_dir=logdir,
        scaffold=scaffold,
        hooks=hooks,
        chief_only_hooks=chief_only_hooks,
        save_checkpoint_secs=save_checkpoint_secs,
        save_summaries_steps=save_summaries_steps,
        config=config,
        max_wait_secs=max_wait_secs,
    ) as session:
        while not session.should_stop():
            loss = session.run(train_op)
    return loss
