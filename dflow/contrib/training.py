"""Training operations, evaluations, hyperparameters, and strategies of device setters: `df.contrib.training`.

Source: tf.contrib.training of TensorFlow 1.15.
"""

from dflow.contrib.hparam import HParams, parse_values
from dflow.contrib.training_ops import (
    add_gradients_summaries,
    clip_gradient_norms,
    clip_gradient_norms_fn,
    create_train_op,
    multiply_gradients,
    train,
)
from dflow.train.checkpoint_utils import checkpoints_iterator, wait_for_new_checkpoint
from dflow.train.evaluation import (
    StopAfterNEvalsHook,
    SummaryAtEndHook,
    evaluate_once,
    evaluate_repeatedly,
    get_or_create_eval_step,
)
from dflow.train.ps_strategy import GreedyLoadBalancingStrategy, RandomStrategy, byte_size_load_fn

__all__ = [
    "GreedyLoadBalancingStrategy",
    "HParams",
    "RandomStrategy",
    "StopAfterNEvalsHook",
    "SummaryAtEndHook",
    "add_gradients_summaries",
    "byte_size_load_fn",
    "checkpoints_iterator",
    "clip_gradient_norms",
    "clip_gradient_norms_fn",
    "create_train_op",
    "evaluate_once",
    "evaluate_repeatedly",
    "get_or_create_eval_step",
    "multiply_gradients",
    "parse_values",
    "train",
    "wait_for_new_checkpoint",
]
