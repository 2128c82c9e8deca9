"""Hooks: code that runs beside the steps of a monitored session.  Source: the hooks of tf.train of TensorFlow 1.15."""
