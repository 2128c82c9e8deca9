"""TFRecord files outside of a graph: `df.python_io`.  Source: tf.python_io of TensorFlow 1.15."""

from dflow.readers.tfrecord.io import TFRecordCompressionType, TFRecordOptions, TFRecordWriter, tf_record_iterator

__all__ = ["TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter", "tf_record_iterator"]
