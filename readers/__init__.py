"""Readers: a file for each format, or a package (`csv`, `example`, `tfrecord`); the decoding of their records.

They use dflow's public extension API only.
"""

if __name__ != "dflow.readers":
    raise ImportError(f"this package is 'dflow.readers'; you imported it as {__name__!r}")

from dflow.readers.csv.operations import decode_csv
from dflow.readers.csv.reader import CSVReader
from dflow.readers.encodings import decode_base64, decode_compressed, encode_base64
from dflow.readers.example.features import FixedLenFeature, FixedLenSequenceFeature, SparseFeature, VarLenFeature
from dflow.readers.example.json import decode_json_example
from dflow.readers.example.operations import parse_example, parse_single_example
from dflow.readers.example.sequence_operations import parse_sequence_example, parse_single_sequence_example
from dflow.readers.fixed_length import FixedLengthRecordReader
from dflow.readers.identity import IdentityReader
from dflow.readers.parquet import ParquetReader
from dflow.readers.raw import decode_raw
from dflow.readers.tensors import parse_tensor, serialize_tensor
from dflow.readers.text import TextLineReader
from dflow.readers.tfrecord.reader import TFRecordReader
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
