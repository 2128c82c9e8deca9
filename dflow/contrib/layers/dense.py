"""Layers of products of matrices, biases, embeddings, and layers repeated.

Source: tf.contrib.layers of TensorFlow 1.15.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from dflow.contrib.framework.arg_scope import add_arg_scope
from dflow.contrib.framework.variables import model_variable
from dflow.contrib.layers.collections import collect_named_outputs, variable_collections
from dflow.contrib.layers.initializers import XAVIER
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.core import product
from dflow.ops.array.concat import concat
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import reshape, shape
from dflow.ops.array.unique import unique as unique_values
from dflow.ops.embedding.lookup import embedding_lookup
from dflow.ops.nn.activations import relu as relu_
from dflow.ops.nn.bias import bias_add as bias_add_
from dflow.ops.nn.rectifiers import elu as elu_
from dflow.ops.nn.rectifiers import relu6 as relu6_
from dflow.ops.state.initializers import ZEROS
from dflow.ops.state.variable_scope import variable_scope

__all__ = ["bias_add", "elu", "embed_sequence", "fully_connected", "linear", "relu", "relu6", "repeat", "stack"]


@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Any = relu_,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """activation(inputs @ weights + biases), along the last axis; variables `weights` and `biases`.

    normalizer_fn: in the place of the biases, such as `batch_norm`, with `normalizer_params`.
    variables_collections: collections for the variables, or a mapping from their names to these.
    ValueError for a number of outputs that is none, and for an unknown last axis.
    """
    if not isinstance(num_outputs, int) and not hasattr(num_outputs, "__index__"):
        raise ValueError(f"num_outputs type should be one of [int], got {type(num_outputs)}.")
    with variable_scope(scope, "fully_connected", [inputs], reuse=reuse) as sc:
        x = convert_to_tensor(inputs)
        size = None if x.shape.ndims is None else x.spec.shape[-1]
        if size is None:
            raise ValueError("The last dimension of the inputs to `Dense` should be defined. Found `None`.")
        weights = model_variable(
            "weights",
            shape=[int(size), int(num_outputs)],
            dtype=x.dtype,
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            collections=variable_collections(variables_collections, "weights"),
            trainable=trainable,
        )
        outputs = finish(
            product(x, convert_to_tensor(weights)),
            activation_fn,
            normalizer_fn,
            normalizer_params,
            biases_initializer,
            biases_regularizer,
            variables_collections,
            trainable,
        )
        return collect_named_outputs(outputs_collections, sc.name, outputs)


def finish(
    outputs: Any,
    activation_fn: Any,
    normalizer_fn: Any,
    normalizer_params: dict[str, Any] | None,
    biases_initializer: Any,
    biases_regularizer: Any,
    variables_collections: Any,
    trainable: bool,
    data_format: str | None = None,
) -> Any:
    """The outputs of a layer, normalized or with biases, and then activated."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    elif biases_initializer is not None:
        channels = outputs.spec.shape[1 if (data_format or "").startswith("NC") else -1]
        biases = model_variable(
            "biases",
            shape=[int(channels)],
            dtype=outputs.dtype,
            initializer=biases_initializer,
            regularizer=biases_regularizer,
            collections=variable_collections(variables_collections, "biases"),
            trainable=trainable,
        )
        first = (data_format or "").startswith("NC")
        outputs = bias_add_(outputs, biases, data_format="NCHW" if first else "NHWC")
    return outputs if activation_fn is None else activation_fn(outputs)


elu = functools.partial(fully_connected, activation_fn=elu_)
relu = functools.partial(fully_connected, activation_fn=relu_)
relu6 = functools.partial(fully_connected, activation_fn=relu6_)
linear = functools.partial(fully_connected, activation_fn=None)


@add_arg_scope
def bias_add(
    inputs: Any,
    activation_fn: Any = None,
    initializer: Any = ZEROS,
    regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """activation(inputs + biases), one bias for each channel; a variable `biases`."""
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    with variable_scope(scope, "BiasAdd", [inputs], reuse=reuse) as sc:
        x = convert_to_tensor(inputs)
        options = initializer, regularizer, variables_collections, trainable, data_format
        outputs = finish(x, activation_fn, None, None, *options)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Tensor:
    """The rows of a variable `embeddings`, [vocab_size, embed_dim], at ids [n, m]: [n, m, embed_dim].

    unique: each different number is looked up once.  ValueError without a size for a new variable.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise ValueError(f"Must specify vocab size and embedding dimension when not reusing. "
                         f"Got vocab_size={vocab_size} and embed_dim={embed_dim}")  # fmt: skip
    with variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        sizes = [vocab_size, embed_dim] if vocab_size and embed_dim else None
        embeddings = model_variable(
            "embeddings", shape=sizes, initializer=initializer, regularizer=regularizer, trainable=trainable
        )
        if not unique:
            return embedding_lookup(embeddings, ids)
        ids = convert_to_tensor(ids)
        distinct, places = unique_values(reshape(ids, [-1]))
        rows = gather(embedding_lookup(embeddings, distinct), places)
        return reshape(rows, concat([shape(ids), [convert_to_tensor(embeddings).shape[-1]]], 0))


def repeat(inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A layer on the outputs of the same layer, `repetitions` times; their scopes are numbered from 1."""
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Repeat", [inputs]):
        name = scope if isinstance(scope, str) else _layer_name(layer)
        outputs = inputs
        for i in range(repetitions):
            outputs = layer(outputs, *args, **{**kwargs, "scope": f"{name}_{i + 1}"})
        return outputs


def stack(inputs: Any, layer: Callable[..., Any], stack_args: Sequence[Any], **kwargs: Any) -> Any:
    """A layer on the outputs of the same layer, with one entry of `stack_args` each; their scopes are numbered."""
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Stack", [inputs]):
        name = scope if isinstance(scope, str) else _layer_name(layer)
        outputs = inputs
        for i, given in enumerate(stack_args):
            arguments = given if isinstance(given, (list, tuple)) else [given]
            outputs = layer(outputs, *arguments, **{**kwargs, "scope": f"{name}_{i + 1}"})
        return outputs


def _layer_name(layer: Any) -> str:
    while isinstance(layer, functools.partial):
        layer = layer.func
    return str(getattr(layer, "__name__", "layer"))
