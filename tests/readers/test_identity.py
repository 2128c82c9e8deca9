"""Work items as records."""

import dflow as df
from dflow.readers.identity import IdentityReader
from tests.readers.helpers import file_names, run_to_end


def test_key_and_value_are_the_work_item() -> None:
    """D16.16"""
    reader = IdentityReader("test_reader")
    queue, fill = file_names("A", "", "no/such file")
    record = reader.read(queue)
    with df.Session() as sess:
        sess.run(fill)
        assert run_to_end(sess, record) == [(item, item) for item in (b"A", b"", b"no/such file")]
        assert sess.run([reader.num_records_produced(), reader.num_work_units_completed()]) == [3, 3]


def test_items_are_read_one_at_a_time() -> None:
    """D16.25"""
    queue, fill = file_names("A", "B")
    keys, values = IdentityReader().read_up_to(queue, 5)
    with df.Session() as sess:
        sess.run(fill)
        found = run_to_end(sess, [keys, values])
    assert [[part.tolist() for part in parts] for parts in found] == [[[b"A"], [b"A"]], [[b"B"], [b"B"]]]


def test_a_state_brings_back_the_counts() -> None:
    """D16.9"""
    reader = IdentityReader()
    queue, fill = file_names("A", "B")
    record = reader.read(queue)
    state, produced = reader.serialize_state(), reader.num_records_produced()
    saved = df.placeholder(df.string, ())
    restore = reader.restore_state(saved)
    with df.Session() as sess:
        sess.run(fill)
        sess.run(record)
        value = sess.run(state)
        sess.run(record)
        sess.run(restore, {saved: value})
        assert sess.run(produced) == 1
