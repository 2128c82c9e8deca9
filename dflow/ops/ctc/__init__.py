"""Labels of sequences whose places in the sequence are not known: connectionist temporal classification.

Source: ctc_ops of TensorFlow 1.15; A. Graves and others: Connectionist Temporal Classification, 2006.
"""
