"""Modules of TensorFlow that programs import, and what dflow has in their place.

Programs also import modules of `tensorflow.python`, which are private: most of their names are in `tf` as well.
"""

from __future__ import annotations

_TOP = """
tensorflow tensorflow.compat.v1 tensorflow.python.client.session
tensorflow.python.framework: constant_op dtypes function graph_util importer ops random_seed sparse_tensor tensor_shape
    tensor_util
tensorflow.python.ops: array_ops check_ops clip_ops control_flow_ops data_flow_ops functional_ops gradients
    gradients_impl histogram_ops init_ops io_ops linalg_ops logging_ops lookup_ops math_ops parsing_ops
    partitioned_variables random_ops resource_variable_ops script_ops session_ops sparse_ops state_ops string_ops
    template tensor_array_ops variable_scope variables
tensorflow.core.framework: attr_value_pb2 graph_pb2 node_def_pb2 summary_pb2 types_pb2 tensor_pb2 tensor_shape_pb2
tensorflow.core.protobuf: config_pb2 meta_graph_pb2
tensorflow.core.util: event_pb2
"""
_OTHERS = """
app: tensorflow.python.platform.app
client.device_lib: tensorflow.python.client.device_lib
client.timeline: tensorflow.python.client.timeline
compat: tensorflow.python.util.compat
errors: tensorflow.python.framework.errors tensorflow.python.framework.errors_impl
flags: tensorflow.python.platform.flags
gfile: tensorflow.python.platform.gfile
image: tensorflow.python.ops.image_ops tensorflow.python.ops.image_ops_impl
logging: tensorflow.python.platform.tf_logging
losses: tensorflow.python.ops.losses.losses
metrics: tensorflow.python.ops.metrics
nn: tensorflow.python.ops.nn tensorflow.python.ops.nn_ops tensorflow.python.ops.nn_impl tensorflow.python.ops.rnn
    tensorflow.python.ops.embedding_ops
nn.rnn_cell: tensorflow.python.ops.rnn_cell tensorflow.python.ops.rnn_cell_impl
python_io: tensorflow.python.lib.io.python_io tensorflow.python.lib.io.tf_record
resource_loader: tensorflow.python.platform.resource_loader
summary: tensorflow.python.summary.summary tensorflow.python.summary.writer.writer
test: tensorflow.python.platform.test tensorflow.python.platform.googletest
train: tensorflow.python.training.training tensorflow.python.training.saver tensorflow.python.training.adam
    tensorflow.python.training.coordinator tensorflow.python.training.gradient_descent
    tensorflow.python.training.input tensorflow.python.training.learning_rate_decay
    tensorflow.python.training.momentum tensorflow.python.training.moving_averages
    tensorflow.python.training.optimizer tensorflow.python.training.queue_runner
    tensorflow.python.training.queue_runner_impl tensorflow.python.training.training_util
    tensorflow.core.example.example_pb2 tensorflow.core.example.feature_pb2
"""


def _modules(text: str) -> list[tuple[str, list[str]]]:
    """The entries `head: words` of a table, each of which may go on in further, indented lines."""
    entries = text.strip().replace("\n   ", "").split("\n")
    parts = [entry.partition(":") for entry in entries]
    return [(head, words.split()) for head, _, words in parts]


MODULES: dict[str, str] = {}  # a module of TensorFlow -> the module of dflow in its place, "" for dflow itself
for _head, _names in _modules(_TOP):
    MODULES |= dict.fromkeys([f"{_head}.{_name}" for _name in _names] if _names else _head.split(), "")
for _head, _names in _modules(_OTHERS):
    MODULES |= dict.fromkeys(_names, _head)

_MNIST = (
    'read the files of MNIST yourself, for example with scikit-learn\'s fetch_openml("mnist_784"), and feed them by a '
    "feed_dict, or with df.train.batch"
)
ADVICE = {  # what dflow does not have: what to do
    "tensorflow.examples.tutorials.mnist": _MNIST,
    "tensorflow.contrib": "docs/tensorflow1.md lists what dflow has of tf.contrib",
    "tensorflow.keras": "build the layers of variables and operations",
    "tensorflow.python": "it is private; the same names are in tf, tf.nn, tf.train and so on",
    "tensorflow.core": "the messages are in tf: tf.Summary, tf.ConfigProto, tf.train.Example and so on",
    "tensorflow.models": "build the models of variables and operations",
}


def dflow_module(module: str) -> str | None:
    """The module of dflow in the place of one of TensorFlow: "" for dflow itself, "nn" for `dflow.nn`.

    None for a module of which only the names could say whether dflow has it.
    """
    if module in MODULES:
        return MODULES[module]
    for root in ("tensorflow.compat.v1.", "tensorflow."):
        if module.startswith(root):
            return None if module.startswith(("tensorflow.python", "tensorflow.core")) else module.removeprefix(root)
    return None


def advice_about(module: str) -> str:
    """What to do without a module of TensorFlow; "" if there is nothing to say."""
    return next((text for name, text in ADVICE.items() if module == name or module.startswith(f"{name}.")), "")
