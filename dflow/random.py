"""Random values, as TensorFlow 1 names them in `tf.random`: mostly the same functions as in `df`, with shorter names.

Source: tf.random of TensorFlow 1.15.
"""

from dflow.ops.random import random_normal as normal
from dflow.ops.random import random_shuffle as shuffle
from dflow.ops.random import random_uniform as uniform
from dflow.ops.random import seeds_of as get_seed
from dflow.ops.random import set_random_seed, truncated_normal
from dflow.ops.sampling.categories import categorical, multinomial
from dflow.ops.sampling.gamma import random_gamma as gamma
from dflow.ops.sampling.gamma import random_poisson as poisson
from dflow.ops.sampling.stateless import (
    stateless_categorical,
    stateless_multinomial,
    stateless_truncated_normal,
)
from dflow.ops.sampling.stateless import stateless_random_normal as stateless_normal
from dflow.ops.sampling.stateless import stateless_random_uniform as stateless_uniform

__all__ = [
    "categorical",
    "gamma",
    "get_seed",
    "multinomial",
    "normal",
    "poisson",
    "set_random_seed",
    "shuffle",
    "stateless_categorical",
    "stateless_multinomial",
    "stateless_normal",
    "stateless_truncated_normal",
    "stateless_uniform",
    "truncated_normal",
    "uniform",
]
