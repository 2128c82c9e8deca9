"""The cells: `df.nn.rnn_cell`.  Source: tf.nn.rnn_cell of TensorFlow 1.15."""

from dflow.rnn.base import RNNCell
from dflow.rnn.basic import BasicRNNCell, GRUCell
from dflow.rnn.dropout import DropoutWrapper
from dflow.rnn.lstm import BasicLSTMCell, LSTMCell, LSTMStateTuple
from dflow.rnn.multi import MultiRNNCell
from dflow.rnn.wrappers import DeviceWrapper, ResidualWrapper

__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "DeviceWrapper",
    "DropoutWrapper",
    "GRUCell",
    "LSTMCell",
    "LSTMStateTuple",
    "MultiRNNCell",
    "RNNCell",
    "ResidualWrapper",
]
