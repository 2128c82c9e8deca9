"""Normalizations, with names and defaults of `tf.contrib.layers`.

Source: tf.contrib.layers.batch_norm, tf.contrib.layers.layer_norm, tf.contrib.layers.unit_norm of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.contrib.framework.arg_scope import add_arg_scope
from dflow.contrib.framework.variables import add_model_variable, model_variable
from dflow.contrib.layers.collections import collect_named_outputs, variable_collections
from dflow.graph import GraphKeys, Tensor, convert_to_tensor
from dflow.layers.normalization import BatchNormalization
from dflow.ops.control import identity
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import rsqrt, sqrt, square
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.nn.moments import moments
from dflow.ops.rules.blocks import named
from dflow.ops.state.initializers import ONES, ZEROS
from dflow.ops.state.variable_scope import variable_scope

__all__ = ["batch_norm", "layer_norm", "unit_norm"]

_INITIALIZERS = {
    "beta": ZEROS,
    "gamma": ONES,
    "moving_mean": ZEROS,
    "moving_variance": ONES,
}


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: Any = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: dict[str, Any] | None = None,
    param_regularizers: dict[str, Any] | None = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: Any = 0.99,
    adjustment: Any = None,
) -> Any:
    """activation(gamma * (inputs - mean) / sqrt(variance + epsilon) + beta): see `layers.BatchNormalization`.

    decay: how slowly the moving averages follow; param_initializers, param_regularizers: by the names of variables;
    updates_collections: of the updates; None: the outputs wait for these.  is_training: a bool or a tensor of one.
    renorm_decay: the momentum of `renorm`.  batch_weights and zero_debias_moving_mean are not offered:
    NotImplementedError.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    if batch_weights is not None or zero_debias_moving_mean:
        raise NotImplementedError("batch_weights, zero_debias_moving_mean: the batch's rows all count the same")
    initial = _INITIALIZERS | (param_initializers or {})
    regularizers = param_regularizers or {}
    with variable_scope(scope, "BatchNorm", [inputs], reuse=reuse) as sc:
        x = convert_to_tensor(inputs)
        layer = BatchNormalization(
            axis=1 if data_format == "NCHW" else -1,
            momentum=decay,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=initial["beta"],
            gamma_initializer=initial["gamma"],
            moving_mean_initializer=initial["moving_mean"],
            moving_variance_initializer=initial["moving_variance"],
            beta_regularizer=regularizers.get("beta"),
            gamma_regularizer=regularizers.get("gamma"),
            renorm=renorm,
            renorm_clipping=renorm_clipping,
            renorm_momentum=renorm_decay,
            fused=fused,
            trainable=trainable,
            adjustment=adjustment,
            name=sc.name,
            _scope=sc,
            _reuse=reuse,
        )
        layer.updates_collections = updates_collections
        outputs = layer(x, training=is_training)
        for name in _INITIALIZERS:
            _add_to_collections(getattr(layer, name), variable_collections(variables_collections, name))
        if not updates_collections and layer.updates:
            with x.graph.control_dependencies(layer.updates):
                outputs = identity(outputs)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


def _add_to_collections(variable: Any, collections: Any) -> None:
    if variable is not None:
        add_model_variable(variable)
        for name in collections or ():
            if variable not in variable.graph.get_collection(name):
                variable.graph.add_to_collection(name, variable)


@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Any:
    """activation(gamma * (inputs - mean) / sqrt(variance) + beta), of each row by itself.

    begin_norm_axis: the first axis of those that a row has; begin_params_axis: that of `gamma` and `beta`.
    ValueError for axes that the inputs do not have, and for unknown sizes of these variables.
    """
    with variable_scope(scope, "LayerNorm", [inputs], reuse=reuse) as sc:
        x = convert_to_tensor(inputs)
        rank = x.shape.ndims
        if rank is None:
            raise ValueError(f"Inputs {x.name} has undefined rank.")
        first = begin_norm_axis + rank if begin_norm_axis < 0 else begin_norm_axis
        if begin_params_axis >= rank or first >= rank:
            raise ValueError(
                f"begin_params_axis ({begin_params_axis}) and begin_norm_axis ({begin_norm_axis}) must be < "
                f"rank(inputs) ({rank})"
            )
        shape = x.shape[begin_params_axis:]
        if not shape.is_fully_defined():
            raise ValueError(f"Inputs {x.name}: shape(inputs)[{begin_params_axis}:] is not fully defined: {x.shape}")

        def parameter(name: str) -> Any:
            return model_variable(
                name,
                shape=shape,
                dtype=x.dtype,
                initializer=_INITIALIZERS[name],
                collections=variable_collections(variables_collections, name),
                trainable=trainable,
            )

        beta = parameter("beta") if center else None
        gamma = parameter("gamma") if scale else None
        mean, variance = moments(x, list(range(first, rank)), keep_dims=True)
        with named(None, "batchnorm", (x,)):
            outputs = _normalized(x, mean, variance, beta, gamma)
        outputs.set_shape(x.shape)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


def _normalized(x: Tensor, mean: Tensor, variance: Tensor, beta: Any, gamma: Any) -> Tensor:
    factor = rsqrt(variance + (1e-12 if x.dtype.size > 2 else 1e-3))
    if gamma is not None:
        factor = multiply(factor, gamma)
    outputs = multiply(x, factor) - multiply(mean, factor)
    return outputs if beta is None else outputs + beta


@add_arg_scope
def unit_norm(inputs: Any, dim: int, epsilon: float = 1e-7, scope: Any = None) -> Any:
    """inputs / sqrt(epsilon + sum(inputs²)) along the axis `dim`.  ValueError for an axis that is not there."""
    with variable_scope(scope, "UnitNorm", [inputs]):
        x = convert_to_tensor(inputs)
        if x.shape.ndims is None:
            raise ValueError("The input rank must be known.")
        if dim < 0 or dim >= x.shape.ndims:
            raise ValueError("dim must be positive but smaller than the input rank.")
        return realdiv(x, sqrt(epsilon + reduce_sum(square(x), dim, keepdims=True)))
