"""Example and SequenceExample: messages that hold the features of a record by name, as TensorFlow programs store them.

    Example(features=Features(feature={"label": Feature(int64_list=Int64List(value=[3]))})).SerializeToString()

The bytes are those of TensorFlow's messages.
Source: the messages of TensorFlow's example.proto and feature.proto.
"""

from dflow.protos import messages

(
    BytesList,
    FloatList,
    Int64List,
    Feature,
    Features,
    FeatureList,
    FeatureLists,
    Example,
    SequenceExample,
) = messages(
    "example.proto",
    {
        "BytesList": [("value", 1, "repeated bytes")],
        "FloatList": [("value", 1, "repeated float")],
        "Int64List": [("value", 1, "repeated int64")],
        "Feature": [("bytes_list", 1, "BytesList"), ("float_list", 2, "FloatList"), ("int64_list", 3, "Int64List")],
        "Features": [("feature", 1, "map Feature")],
        "FeatureList": [("feature", 1, "repeated Feature")],
        "FeatureLists": [("feature_list", 1, "map FeatureList")],
        "Example": [("features", 1, "Features")],
        "SequenceExample": [("context", 1, "Features"), ("feature_lists", 2, "FeatureLists")],
    },
    __name__,
    one_of={"Feature": ("kind", ("bytes_list", "float_list", "int64_list"))},
)
