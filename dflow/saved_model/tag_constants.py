"""Names of the uses of a graph in a saved model.  Source: tf.saved_model.tag_constants."""

SERVING = "serve"
TRAINING = "train"
GPU = "gpu"
TPU = "tpu"
