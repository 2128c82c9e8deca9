"""The part of `tf.keras` that dflow has, under the same names.  Source: tf.keras of TensorFlow 1.15."""

from dflow.keras import constraints

__all__ = ["constraints"]
