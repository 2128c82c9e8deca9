"""Strings: joined, split, matched, converted, hashed.  Source: tf.strings of TensorFlow 1.15."""

from dflow.ops.text.characters import string_length as length
from dflow.ops.text.characters import string_lower as lower
from dflow.ops.text.characters import string_strip as strip
from dflow.ops.text.characters import string_upper as upper
from dflow.ops.text.format import string_format as format
from dflow.ops.text.hash_bucket import string_to_hash_bucket as to_hash_bucket
from dflow.ops.text.hash_bucket import string_to_hash_bucket_fast as to_hash_bucket_fast
from dflow.ops.text.hash_bucket import string_to_hash_bucket_strong as to_hash_bucket_strong
from dflow.ops.text.join import reduce_join
from dflow.ops.text.join import string_join as join
from dflow.ops.text.numbers import as_string
from dflow.ops.text.numbers import string_to_number as to_number
from dflow.ops.text.regex import regex_full_match, regex_replace
from dflow.ops.text.split import string_bytes_split as bytes_split
from dflow.ops.text.split import strings_split_v1 as split
from dflow.ops.text.substring import substr
from dflow.ops.text.unicode import unicode_transcode

__all__ = [
    "as_string",
    "bytes_split",
    "format",
    "join",
    "length",
    "lower",
    "reduce_join",
    "regex_full_match",
    "regex_replace",
    "split",
    "strip",
    "substr",
    "to_hash_bucket",
    "to_hash_bucket_fast",
    "to_hash_bucket_strong",
    "to_number",
    "unicode_transcode",
    "upper",
]
