"""The bucket of each string, by a hash of its bytes.

Source: tf.strings.to_hash_bucket, to_hash_bucket_fast, to_hash_bucket_strong of TensorFlow 1.15, whose buckets these
are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import int64
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op
from dflow.ops.text.each import Array, rules_of_each, strings
from dflow.ops.text.farmhash import fingerprints
from dflow.ops.text.hashes import hash64, siphash
from dflow.registry import define

__all__ = ["string_to_hash_bucket", "string_to_hash_bucket_fast", "string_to_hash_bucket_strong"]


def string_to_hash_bucket(
    string_tensor: Any = None, num_buckets: int | None = None, name: str | None = None, input: Any = None
) -> Tensor:
    """The bucket of each string, int64 in [0, num_buckets), by TensorFlow's old hash, which its releases may change.

    input: another name of `string_tensor`.
    """
    if string_tensor is not None and input is not None:
        raise ValueError("Cannot specify both 'string_tensor' and 'input'.")
    texts = strings(string_tensor if input is None else input, "string_tensor")
    tensor: Tensor = add_op("StringToHashBucket", texts, name=name, num_buckets=_buckets(num_buckets))
    return tensor


def string_to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """The bucket of each string, int64 in [0, num_buckets), by its fingerprint (FarmHash), which never changes."""
    tensor: Tensor = add_op("StringToHashBucketFast", strings(input), name=name, num_buckets=_buckets(num_buckets))
    return tensor


def string_to_hash_bucket_strong(input: Any, num_buckets: int, key: Sequence[int], name: str | None = None) -> Tensor:
    """The bucket of each string, int64 in [0, num_buckets), by a hash with a key (SipHash).

    key: two integers, without which no one can look for strings of one bucket.  InvalidArgumentError at run time for
    another number of them.
    """
    attrs = {"num_buckets": _buckets(num_buckets), "key": tuple(int(number) for number in key)}
    tensor: Tensor = add_op("StringToHashBucketStrong", strings(input), name=name, **attrs)
    return tensor


def _buckets(count: int | None) -> int:
    if count is None or isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"num_buckets is an integer, got {count!r}")
    if int(count) < 1:
        raise ValueError(f"Value for attr 'num_buckets' of {count} must be at least minimum 1")
    return int(count)


def _bucket_of(hashes: Array, shape: tuple[int, ...], num_buckets: int) -> Array:
    return (hashes % np.uint64(num_buckets)).astype(np.int64).reshape(shape)


def _old_kernel(texts: Array, num_buckets: int) -> Array:
    return _bucket_of(hash64(texts.reshape(-1).tolist()), texts.shape, num_buckets)


def _fast_kernel(texts: Array, num_buckets: int) -> Array:
    return _bucket_of(fingerprints(texts.reshape(-1).tolist()), texts.shape, num_buckets)


def _strong_kernel(texts: Array, num_buckets: int, key: tuple[int, ...]) -> Array:
    if len(key) != 2:
        raise InvalidArgumentError(None, None, f"Key must have 2 elements, got {len(key)}")
    return _bucket_of(siphash(texts.reshape(-1).tolist(), key), texts.shape, num_buckets)


define("StringToHashBucket", **rules_of_each(_old_kernel, int64))
define("StringToHashBucketFast", **rules_of_each(_fast_kernel, int64))
define("StringToHashBucketStrong", **rules_of_each(_strong_kernel, int64))
