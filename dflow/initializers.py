"""Initializers of variables.  Source: tf.initializers of TensorFlow 1.15."""

from dflow.ops.lookup.tables import tables_initializer
from dflow.ops.state.initializers import constant_initializer as constant
from dflow.ops.state.initializers import identity_initializer as identity
from dflow.ops.state.initializers import ones_initializer as ones
from dflow.ops.state.initializers import random_normal_initializer as random_normal
from dflow.ops.state.initializers import random_uniform_initializer as random_uniform
from dflow.ops.state.initializers import truncated_normal_initializer as truncated_normal
from dflow.ops.state.initializers import uniform_unit_scaling_initializer as uniform_unit_scaling
from dflow.ops.state.initializers import zeros_initializer as zeros
from dflow.ops.state.variable_lists import global_variables_initializer as global_variables
from dflow.ops.state.variable_lists import local_variables_initializer as local_variables
from dflow.ops.state.variable_lists import variables_initializer as variables
from dflow.ops.state.variance_scaling import glorot_normal_initializer as glorot_normal
from dflow.ops.state.variance_scaling import glorot_uniform_initializer as glorot_uniform
from dflow.ops.state.variance_scaling import he_normal, he_uniform, lecun_normal, lecun_uniform
from dflow.ops.state.variance_scaling import orthogonal_initializer as orthogonal
from dflow.ops.state.variance_scaling import variance_scaling_initializer as variance_scaling

__all__ = [
    "constant",
    "global_variables",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "local_variables",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "tables_initializer",
    "truncated_normal",
    "uniform_unit_scaling",
    "variables",
    "variance_scaling",
    "zeros",
]
