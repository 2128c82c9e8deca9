"""The versions of dflow, and of the TensorFlow whose names and behaviour it has.

Source: tf.version of TensorFlow 1.15.
"""

from dflow.graph_proto import GRAPH_DEF_VERSION, GRAPH_DEF_VERSION_MIN_CONSUMER, GRAPH_DEF_VERSION_MIN_PRODUCER

__all__ = [
    "COMPILER_VERSION",
    "GIT_VERSION",
    "GRAPH_DEF_VERSION",
    "GRAPH_DEF_VERSION_MIN_CONSUMER",
    "GRAPH_DEF_VERSION_MIN_PRODUCER",
    "VERSION",
]

__version__ = "0.1.0"

VERSION = "1.15.0"  # of TensorFlow: programs compare it before they use a name
GIT_VERSION = f"dflow-{__version__}"
COMPILER_VERSION = "none"
