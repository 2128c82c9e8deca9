"""Training: optimizers, coordinated input, where variables live.  Source: tf.train of TensorFlow 1.15."""

from dflow.cluster.spec import ClusterSpec
from dflow.train.coordinator import Coordinator
from dflow.train.device_setter import replica_device_setter
from dflow.train.global_step import create_global_step, get_global_step, get_or_create_global_step, global_step
from dflow.train.input import input_producer, limit_epochs, string_input_producer
from dflow.train.optimizer import Optimizer
from dflow.train.optimizers import AdamOptimizer, GradientDescentOptimizer, MomentumOptimizer
from dflow.train.queue_runner import QueueRunner, add_queue_runner, start_queue_runners

__all__ = [
    "AdamOptimizer",
    "ClusterSpec",
    "Coordinator",
    "GradientDescentOptimizer",
    "MomentumOptimizer",
    "Optimizer",
    "QueueRunner",
    "add_queue_runner",
    "create_global_step",
    "get_global_step",
    "get_or_create_global_step",
    "global_step",
    "input_producer",
    "limit_epochs",
    "replica_device_setter",
    "start_queue_runners",
    "string_input_producer",
]
