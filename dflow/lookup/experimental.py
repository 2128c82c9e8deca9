"""Lookup tables whose entries change.  Source: tf.lookup.experimental of TensorFlow 1.15."""

from dflow.ops.lookup.mutable import DenseHashTable, MutableHashTable

__all__ = ["DenseHashTable", "MutableHashTable"]
