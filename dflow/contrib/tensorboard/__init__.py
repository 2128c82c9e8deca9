"""Files for TensorBoard's plugins: `df.contrib.tensorboard`.  Source: tf.contrib.tensorboard of TensorFlow 1.15."""

from dflow.contrib.tensorboard import plugins

__all__ = ["plugins"]
