"""Training: optimizers, coordinated input, placement of variables.  Source: tf.train of TensorFlow 1.15."""

from dflow.checkpoints.messages import CheckpointState
from dflow.cluster.spec import ClusterSpec
from dflow.graph_proto import SaverDef
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
from dflow.summary.iterator import summary_iterator
from dflow.summary.writer import FileWriter as SummaryWriter
from dflow.summary.writer_cache import FileWriterCache as SummaryWriterCache
from dflow.train.adadelta import AdadeltaOptimizer
from dflow.train.adagrad import AdagradOptimizer
from dflow.train.adagrad_da import AdagradDAOptimizer
from dflow.train.adam import AdamOptimizer
from dflow.train.basic_loops import basic_train_loop
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
from dflow.train.checkpoint_state import (
    checkpoint_exists,
    generate_checkpoint_state_proto,
    get_checkpoint_mtimes,
    get_checkpoint_state,
    latest_checkpoint,
    remove_checkpoint,
    update_checkpoint_state,
)
from dflow.train.checkpoint_utils import (
    NewCheckpointReader,
    checkpoints_iterator,
    init_from_checkpoint,
    list_variables,
    load_checkpoint,
    load_variable,
)
from dflow.train.coordinator import Coordinator
from dflow.train.device_setter import replica_device_setter
from dflow.train.ftrl import FtrlOptimizer
from dflow.train.global_step import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
    global_step,
)
from dflow.train.gradient_descent import GradientDescentOptimizer
from dflow.train.graph_files import write_graph
from dflow.train.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from dflow.train.hooks.checkpoints import CheckpointSaverHook, CheckpointSaverListener
from dflow.train.hooks.stopping import (
    FeedFnHook,
    GlobalStepWaiterHook,
    NanLossDuringTrainingError,
    NanTensorHook,
    StopAtStepHook,
)
from dflow.train.hooks.summaries import ProfilerHook, StepCounterHook, SummarySaverHook
from dflow.train.hooks.tensors import FinalOpsHook, LoggingTensorHook
from dflow.train.hooks.timer import SecondOrStepTimer
from dflow.train.input import (
    input_producer,
    limit_epochs,
    match_filenames_once,
    range_input_producer,
    slice_input_producer,
    string_input_producer,
)
from dflow.train.learning_rate_decay import (
    cosine_decay,
    cosine_decay_restarts,
    exponential_decay,
    inverse_time_decay,
    linear_cosine_decay,
    natural_exp_decay,
    noisy_linear_cosine_decay,
    piecewise_constant,
    piecewise_constant_decay,
    polynomial_decay,
)
from dflow.train.looper import LooperThread
from dflow.train.momentum import MomentumOptimizer
from dflow.train.monitored_session import MonitoredSession, SingularMonitoredSession
from dflow.train.monitored_training import MonitoredTrainingSession
from dflow.train.moving_averages import ExponentialMovingAverage
from dflow.train.optimizer import Optimizer
from dflow.train.proximal_adagrad import ProximalAdagradOptimizer
from dflow.train.proximal_gradient_descent import ProximalGradientDescentOptimizer
from dflow.train.queue_runner import QueueRunner, add_queue_runner, start_queue_runners
from dflow.train.queue_runner_proto import QueueRunnerDef
from dflow.train.rmsprop import RMSPropOptimizer
from dflow.train.saver import Saver
from dflow.train.saver_import import export_meta_graph, import_meta_graph
from dflow.train.scaffold import Scaffold
from dflow.train.session_creators import ChiefSessionCreator, SessionCreator, WorkerSessionCreator
from dflow.train.session_manager import SessionManager
from dflow.train.supervisor import Supervisor

__all__ = [
    "AdadeltaOptimizer",
    "AdagradDAOptimizer",
    "AdagradOptimizer",
    "AdamOptimizer",
    "BytesList",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "CheckpointState",
    "ChiefSessionCreator",
    "ClusterSpec",
    "Coordinator",
    "Example",
    "ExponentialMovingAverage",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FeedFnHook",
    "FinalOpsHook",
    "FloatList",
    "FtrlOptimizer",
    "GlobalStepWaiterHook",
    "GradientDescentOptimizer",
    "Int64List",
    "LoggingTensorHook",
    "LooperThread",
    "MomentumOptimizer",
    "MonitoredSession",
    "MonitoredTrainingSession",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "NewCheckpointReader",
    "Optimizer",
    "ProfilerHook",
    "ProximalAdagradOptimizer",
    "ProximalGradientDescentOptimizer",
    "QueueRunner",
    "QueueRunnerDef",
    "RMSPropOptimizer",
    "Saver",
    "SaverDef",
    "Scaffold",
    "SecondOrStepTimer",
    "SequenceExample",
    "SessionCreator",
    "SessionManager",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "SingularMonitoredSession",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "SummaryWriter",
    "SummaryWriterCache",
    "Supervisor",
    "WorkerSessionCreator",
    "add_queue_runner",
    "assert_global_step",
    "basic_train_loop",
    "batch",
    "batch_join",
    "checkpoint_exists",
    "checkpoints_iterator",
    "cosine_decay",
    "cosine_decay_restarts",
    "create_global_step",
    "exponential_decay",
    "export_meta_graph",
    "generate_checkpoint_state_proto",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "get_global_step",
    "get_or_create_global_step",
    "global_step",
    "import_meta_graph",
    "init_from_checkpoint",
    "input_producer",
    "inverse_time_decay",
    "latest_checkpoint",
    "limit_epochs",
    "linear_cosine_decay",
    "list_variables",
    "load_checkpoint",
    "load_variable",
    "match_filenames_once",
    "maybe_batch",
    "maybe_batch_join",
    "maybe_shuffle_batch",
    "maybe_shuffle_batch_join",
    "natural_exp_decay",
    "noisy_linear_cosine_decay",
    "piecewise_constant",
    "piecewise_constant_decay",
    "polynomial_decay",
    "range_input_producer",
    "remove_checkpoint",
    "replica_device_setter",
    "shuffle_batch",
    "shuffle_batch_join",
    "slice_input_producer",
    "start_queue_runners",
    "string_input_producer",
    "summary_iterator",
    "update_checkpoint_state",
    "write_graph",
]
