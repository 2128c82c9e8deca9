"""Lookup tables.  Source: tf.lookup of TensorFlow 1.15."""

from dflow.lookup import experimental
from dflow.ops.lookup.buckets import StaticVocabularyTable
from dflow.ops.lookup.initializers import KeyValueTensorInitializer, TextFileIndex, TextFileInitializer
from dflow.ops.lookup.tables import StaticHashTable

__all__ = [
    "KeyValueTensorInitializer",
    "StaticHashTable",
    "StaticVocabularyTable",
    "TextFileIndex",
    "TextFileInitializer",
    "experimental",
]
