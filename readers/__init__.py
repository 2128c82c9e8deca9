"""Readers: one file a format; the decoding of CSV, Examples and raw bytes.

They use dflow's public extension API only.
"""

if __name__ != "dflow.readers":
    raise ImportError(f"this package is 'dflow.readers'; you imported it as {__name__!r}")

from dflow.readers.csv import decode_csv
from dflow.readers.csv_blocks import CSVReader
from dflow.readers.encodings import decode_base64, decode_compressed, encode_base64
from dflow.readers.example import parse_example, parse_single_example
from dflow.readers.features import FixedLenFeature, FixedLenSequenceFeature, SparseFeature, VarLenFeature
from dflow.readers.fixed_length import FixedLengthRecordReader
from dflow.readers.identity import IdentityReader
from dflow.readers.json_example import decode_json_example
from dflow.readers.parquet import ParquetReader
from dflow.readers.raw import decode_raw
from dflow.readers.sequence_example import parse_sequence_example, parse_single_sequence_example
from dflow.readers.tensors import parse_tensor, serialize_tensor
from dflow.readers.text import TextLineReader
from dflow.readers.tfrecord import TFRecordReader
from dflow.readers.whole_file import WholeFileReader

__all__ = [
    "CSVReader",
    "FixedLenFeature",
    "FixedLenSequenceFeature",
    "FixedLengthRecordReader",
    "IdentityReader",
    "ParquetReader",
    "SparseFeature",
    "TFRecordReader",
    "TextLineReader",
    "VarLenFeature",
    "WholeFileReader",
    "decode_base64",
    "decode_compressed",
    "decode_csv",
    "decode_json_example",
    "decode_raw",
    "encode_base64",
    "parse_example",
    "parse_sequence_example",
    "parse_single_example",
    "parse_single_sequence_example",
    "parse_tensor",
    "serialize_tensor",
]
