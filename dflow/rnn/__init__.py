"""Recurrent networks: cells, and the functions that run a cell over the steps of sequences.

Source: tf.nn.rnn_cell, tf.nn.dynamic_rnn and others of TensorFlow 1.15.
"""
