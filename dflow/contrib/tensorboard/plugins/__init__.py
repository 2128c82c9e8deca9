"""TensorBoard's plugins that have functions here."""

from dflow.contrib.tensorboard.plugins import projector

__all__ = ["projector"]
