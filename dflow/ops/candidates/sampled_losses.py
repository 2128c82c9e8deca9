"""Losses over many classes that look at the true ones and at some drawn ones.

weights: [classes, dim], or a list of such tensors that it was cut into; biases: [classes]; labels: int64 [n, num_true];
inputs: [n, dim]; num_sampled, num_classes: how many classes are drawn, and of how many; sampled_values: the result of
a candidate sampler; None: of `log_uniform_candidate_sampler`.  remove_accidental_hits: leave out drawn classes that are
true.  partition_strategy: how the weights were cut, see `embedding_lookup`.
Source: nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones, ones_like, zeros_like
from dflow.ops.array.shape import expand_dims, reshape, shape
from dflow.ops.array.slice import slice as slice_
from dflow.ops.array.stack import stack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.candidates.samplers import log_uniform_candidate_sampler
from dflow.ops.control import stop_gradient
from dflow.ops.embedding.lookup import embedding_lookup
from dflow.ops.math.arithmetic import multiply, subtract
from dflow.ops.math.compare import equal
from dflow.ops.math.division import realdiv
from dflow.ops.math.linalg import matmul
from dflow.ops.math.powers import log
from dflow.ops.math.reduction import reduce_any
from dflow.ops.nn.losses import sigmoid_cross_entropy_with_logits, softmax_cross_entropy_with_logits_v2
from dflow.ops.rules.blocks import named

__all__ = ["compute_sampled_logits", "nce_loss", "sampled_softmax_loss"]

_LOWEST = np.finfo(np.float32).min


def compute_sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    subtract_log_q: bool = True,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str | None = None,
    seed: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The logits of the true and of the drawn classes, and labels for them: both [n, num_true + num_sampled].

    The labels of true classes are 1 / num_true, those of drawn ones 0.  subtract_log_q: take off the logarithm of how
    often a class is expected.
    """
    parts = list(weights) if isinstance(weights, (list, tuple)) or _is_partitioned(weights) else [weights]
    with named(name, "compute_sampled_logits", (*parts, biases, inputs, labels)):
        inputs, labels = convert_to_tensor(inputs), cast(convert_to_tensor(labels), int64)
        true = reshape(labels, [-1])
        if sampled_values is None:
            sampled_values = log_uniform_candidate_sampler(labels, num_true, num_sampled, True, num_classes, seed)
        sampled, true_expected, sampled_expected = (stop_gradient(value) for value in sampled_values)
        sampled = cast(sampled, int64)
        all_ids = concat([true, sampled], 0)
        all_w = embedding_lookup(parts, all_ids, partition_strategy=partition_strategy)
        all_b = embedding_lookup(biases, all_ids, partition_strategy=partition_strategy)
        count = get_item(shape(true), 0)
        sampled_w = slice_(all_w, stack([count, 0]), [-1, -1])
        sampled_logits = matmul(inputs, sampled_w, transpose_b=True) + slice_(all_b, shape(true), [-1])
        true_w = slice_(all_w, [0, 0], stack([count, -1]))
        true_logits = _true_logits(inputs, true_w, num_true) + reshape(slice_(all_b, [0], shape(true)), [-1, num_true])
        if remove_accidental_hits:
            hits = reduce_any(equal(expand_dims(labels, 2), reshape(sampled, [1, 1, -1])), 1)
            sampled_logits += multiply(cast(hits, sampled_logits.dtype), _lowest(sampled_logits))
        if subtract_log_q:
            true_logits = subtract(true_logits, cast(log(true_expected), true_logits.dtype))
            sampled_logits = subtract(sampled_logits, cast(log(sampled_expected), sampled_logits.dtype))
        out_logits = concat([true_logits, sampled_logits], 1, name="out_logits")
        true_labels = realdiv(ones_like(true_logits), convert_to_tensor(num_true, true_logits.dtype))
        return out_logits, concat([true_labels, zeros_like(sampled_logits)], 1, name="out_labels")


def _is_partitioned(weights: Any) -> bool:
    return hasattr(weights, "__iter__") and hasattr(weights, "_variable_list")


def _lowest(x: Tensor) -> Tensor:
    return convert_to_tensor(_LOWEST if x.dtype.size >= 4 else -6e4, x.dtype)


def _true_logits(inputs: Tensor, true_w: Tensor, num_true: int) -> Tensor:
    """The product of each row of the inputs with the weights of its true classes: [n, num_true]."""
    dim = get_item(shape(true_w), slice(1, 2))
    rows = multiply(expand_dims(inputs, 1), reshape(true_w, concat([[-1, num_true], dim], 0)))
    return reshape(_sum_rows(reshape(rows, concat([[-1], dim], 0))), [-1, num_true])


def _sum_rows(x: Tensor) -> Tensor:
    """The sum of each row, as a product of matrices."""
    columns = get_item(shape(x), 1)
    return reshape(matmul(x, ones(stack([columns, 1]), x.dtype)), [-1])


def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:
    """The loss of each row that tells true classes from drawn ones, each by itself: [n].  Source: tf.nn.nce_loss."""
    logits, targets = compute_sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        True,
        remove_accidental_hits,
        partition_strategy,
        name,
    )
    return _sum_rows(sigmoid_cross_entropy_with_logits(labels=targets, logits=logits, name="sampled_losses"))


def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """The cross entropy of each row over its true and the drawn classes: [n].  Source: tf.nn.sampled_softmax_loss."""
    logits, targets = compute_sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        True,
        remove_accidental_hits,
        partition_strategy,
        name,
        seed,
    )
    targets = stop_gradient(targets, name="labels_stop_gradient")
    return softmax_cross_entropy_with_logits_v2(labels=targets, logits=logits)
