"""The part of `tf.contrib` that dflow has, under the same names.  Source: tf.contrib of TensorFlow 1.15."""

from dflow.contrib import framework, layers, lookup, opt, rnn, slim, tensorboard, testing, training, util

__all__ = ["framework", "layers", "lookup", "opt", "rnn", "slim", "tensorboard", "testing", "training", "util"]
