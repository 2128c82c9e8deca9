"""Tools beside a session.  Source: tensorflow.python.client of TensorFlow 1.15.

timeline    the times of a traced run as a Chrome trace
device_lib  the devices of this process
"""

from dflow.client import device_lib, timeline

__all__ = ["device_lib", "timeline"]
