"""Hyperparameters, and strategies of device setters: `df.contrib.training`.

Source: tf.contrib.training of TensorFlow 1.15.
"""

from dflow.contrib.hparam import HParams, parse_values
from dflow.train.ps_strategy import GreedyLoadBalancingStrategy, RandomStrategy, byte_size_load_fn

__all__ = ["GreedyLoadBalancingStrategy", "HParams", "RandomStrategy", "byte_size_load_fn", "parse_values"]
