"""The messages of summaries and of event files: Summary, HistogramProto, Event, SessionLog and their parts.

Their bytes are those of TensorFlow's messages, so that TensorBoard reads them.
Source: summary.proto and event.proto of TensorFlow 1.15.
"""

from __future__ import annotations

from dflow import tensor_proto as _tensor_proto  # its messages are used here  # noqa: F401
from dflow.protos import messages

_IN_A_VALUE = [
    ("simple_value", 2, "float"),
    ("obsolete_old_style_histogram", 3, "bytes"),
    ("image", 4, "Summary.Image"),
    ("histo", 5, "HistogramProto"),
    ("audio", 6, "Summary.Audio"),
    ("tensor", 8, "TensorProto"),
]
_IN_AN_EVENT = [
    ("file_version", 3, "string"),
    ("graph_def", 4, "bytes"),
    ("summary", 5, "Summary"),
    ("log_message", 6, "LogMessage"),
    ("session_log", 7, "SessionLog"),
    ("tagged_run_metadata", 8, "TaggedRunMetadata"),
    ("meta_graph_def", 9, "bytes"),
]

SummaryDescription, HistogramProto, SummaryMetadata, _, Summary, _, _, _ = messages(
    "summary.proto",
    {
        "SummaryDescription": [("type_hint", 1, "string")],
        "HistogramProto": [
            ("min", 1, "double"),
            ("max", 2, "double"),
            ("num", 3, "double"),
            ("sum", 4, "double"),
            ("sum_squares", 5, "double"),
            ("bucket_limit", 6, "repeated double"),
            ("bucket", 7, "repeated double"),
        ],
        "SummaryMetadata": [
            ("plugin_data", 1, "SummaryMetadata.PluginData"),
            ("display_name", 2, "string"),
            ("summary_description", 3, "string"),
        ],
        "SummaryMetadata.PluginData": [("plugin_name", 1, "string"), ("content", 2, "bytes")],
        "Summary": [("value", 1, "repeated Summary.Value")],
        "Summary.Image": [
            ("height", 1, "int32"),
            ("width", 2, "int32"),
            ("colorspace", 3, "int32"),
            ("encoded_image_string", 4, "bytes"),
        ],
        "Summary.Audio": [
            ("sample_rate", 1, "float"),
            ("num_channels", 2, "int64"),
            ("length_frames", 3, "int64"),
            ("encoded_audio_string", 4, "bytes"),
            ("content_type", 5, "string"),
        ],
        "Summary.Value": [
            ("tag", 1, "string"),
            ("node_name", 7, "string"),
            ("metadata", 9, "SummaryMetadata"),
            *_IN_A_VALUE,
        ],
    },
    __name__,
    one_of={"Summary.Value": ("value", [name for name, _, _ in _IN_A_VALUE])},
    uses=["tensor.proto"],
)

LogMessage, SessionLog, TaggedRunMetadata, Event = messages(
    "event.proto",
    {
        "LogMessage": [("level", 1, "LogMessage.Level"), ("message", 2, "string")],
        "SessionLog": [
            ("status", 1, "SessionLog.SessionStatus"),
            ("checkpoint_path", 2, "string"),
            ("msg", 3, "string"),
        ],
        "TaggedRunMetadata": [("tag", 1, "string"), ("run_metadata", 2, "bytes")],
        "Event": [("wall_time", 1, "double"), ("step", 2, "int64"), *_IN_AN_EVENT],
    },
    __name__,
    one_of={"Event": ("what", [name for name, _, _ in _IN_AN_EVENT])},
    enums={
        "LogMessage.Level": {"UNKNOWN": 0, "DEBUGGING": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50},
        "SessionLog.SessionStatus": {"STATUS_UNSPECIFIED": 0, "START": 1, "STOP": 2, "CHECKPOINT": 3},
    },
    uses=["summary.proto"],
)
