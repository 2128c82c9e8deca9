"""Strategies of device setters: `df.contrib.training`.  Source: tf.contrib.training of TensorFlow 1.15."""

from dflow.train.ps_strategy import GreedyLoadBalancingStrategy, RandomStrategy, byte_size_load_fn

__all__ = ["GreedyLoadBalancingStrategy", "RandomStrategy", "byte_size_load_fn"]
