"""Training: optimizers, coordinated input, placement of variables.  Source: tf.train of TensorFlow 1.15."""

from dflow.cluster.spec import ClusterSpec
from dflow.readers.example.proto import (
    BytesList,
    Example,
    Feature,
    FeatureList,
    FeatureLists,
    Features,
    FloatList,
    Int64List,
    SequenceExample,
)
from dflow.train.batching import (
    batch,
    batch_join,
    maybe_batch,
    maybe_batch_join,
    maybe_shuffle_batch,
    maybe_shuffle_batch_join,
    shuffle_batch,
    shuffle_batch_join,
)
from dflow.train.coordinator import Coordinator
from dflow.train.device_setter import replica_device_setter
from dflow.train.global_step import create_global_step, get_global_step, get_or_create_global_step, global_step
from dflow.train.input import (
    input_producer,
    limit_epochs,
    match_filenames_once,
    range_input_producer,
    slice_input_producer,
    string_input_producer,
)
from dflow.train.looper import LooperThread
from dflow.train.optimizer import Optimizer
from dflow.train.optimizers import AdamOptimizer, GradientDescentOptimizer, MomentumOptimizer
from dflow.train.queue_runner import QueueRunner, QueueRunnerDef, add_queue_runner, start_queue_runners

__all__ = [
    "AdamOptimizer",
    "BytesList",
    "ClusterSpec",
    "Coordinator",
    "Example",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "GradientDescentOptimizer",
    "Int64List",
    "LooperThread",
    "MomentumOptimizer",
    "Optimizer",
    "QueueRunner",
    "QueueRunnerDef",
    "SequenceExample",
    "add_queue_runner",
    "batch",
    "batch_join",
    "create_global_step",
    "get_global_step",
    "get_or_create_global_step",
    "global_step",
    "input_producer",
    "limit_epochs",
    "match_filenames_once",
    "maybe_batch",
    "maybe_batch_join",
    "maybe_shuffle_batch",
    "maybe_shuffle_batch_join",
    "range_input_producer",
    "replica_device_setter",
    "shuffle_batch",
    "shuffle_batch_join",
    "slice_input_producer",
    "start_queue_runners",
    "string_input_producer",
]
