"""Where dflow departs from TensorFlow on purpose: program -> place in its result -> reason.

A place is the one that the test names, or one that holds it.  An entry that no longer holds fails the test of its
program.
"""

from __future__ import annotations

_AT_BUILD = "What cannot work is said when the graph is built."
_READER_STATE = "Every reader gives its state, so that a checkpoint can hold it."
_BLANKS = "A CSV field of blanks counts as missing."
_MORE_CHECKS = "TensorFlow goes on with a value that cannot be meant; dflow says so."
_SPARSE_SIZES = "The sizes of a parsed sparse tensor are known when it is there, not in its static shape."
_KNOWN = "More is known of a static shape."
_LOSSLESS = "A fed value that would be changed is refused: an error rather than 1 for 1.5."

INTENDED: dict[str, dict[str, str]] = {
    "batching.wrong_batches": {"more": "TensorFlow ignores what a later entry has more."},
    "coordination.after_join": {
        "an error that was not raised": "An exception without a traceback is raised as it is; TensorFlow fails to."
    },
    "csv.blanks": {"only blanks, int32": _BLANKS, "only blanks, float32": _BLANKS},
    "csv.numbers": {"float32.0x1": "A hexadecimal number is no number of a CSV file, for floats as for integers."},
    "devices.functions": {"devices[4]": "Devices are printed in their long form, also those that a function gives."},
    "devices.variables_and_queues": {
        "queue[1]": "Operations on a queue are placed on its device when they are built, not when they run."
    },
    "example.sparse_features": {"too large": _MORE_CHECKS},
    "example.sparse_features_of_two_axes": {
        "already sorted: False[1]": _SPARSE_SIZES,
        "already sorted: True[1]": _SPARSE_SIZES,
    },
    "fifo_queue.enqueues_that_cannot_be_built": {"negative n, up to": _AT_BUILD},
    "fifo_queue.time_limit_of_a_partial_batch": {
        "size": "A dequeue_many that ends early gives back what it had taken; TensorFlow loses it."
    },
    "other_readers.a_header_longer_than_the_file": {
        "short file": "Such a file has no records: an OutOfRangeError would look like the end of the input.",
        "rest": "The record that TensorFlow gives after that error came in its place.",
    },
    "other_readers.broken_states": {"empty": "An empty state is a state cut short."},
    "other_readers.wrong_lengths": {"no record": _MORE_CHECKS},
    "priority_queue.the_rest_of_a_closed_queue": {
        "rest": "dequeue_up_to gives what is left in a closed queue; TensorFlow's PriorityQueue loses it."
    },
    "sessions.wrong_feeds": {"a lossy value": _LOSSLESS, "text for a number": _LOSSLESS},
    "tfrecord.a_reader_of_broken_files": {
        "changed[1].says 'corrupted record at 33'": "The record's offset, as in its key; TensorFlow's is the data's.",
        "changed[2].says 'corrupted record at 33'": "The record's offset, as in its key; TensorFlow's is the data's.",
    },
    "text_reader.names_and_a_queue_reference": {"supports_serialize": _READER_STATE},
    "text_reader.read_up_to": {"none": _MORE_CHECKS},
    "text_reader.serialize": {"error": _READER_STATE},
    "values.static_shapes": {"expand_dims, unknown": _KNOWN, "slice, unknown size": _KNOWN},
    "tfrecord.broken_files": {"cut header": "A file cut inside a record's header has lost data."},
}

ABSENT: dict[str, str] = {}
