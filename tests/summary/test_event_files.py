"""Event files: what a FileWriter writes, when it is there, and what happens if the disk is slow or fails."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import dflow as df
from dflow.summary import event_file
from dflow.summary.event_file import EventFileWriter


def number(value: float, tag: str = "a") -> Any:
    return df.Summary(value=[df.Summary.Value(tag=tag, simple_value=value)])


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"))


def events(path: Path) -> list[Any]:
    return list(df.train.summary_iterator(path))


def test_a_file_begins_with_its_version_and_has_all_events_in_their_order(tmp_path: Path) -> None:
    with df.summary.FileWriter(tmp_path, filename_suffix=".mine") as writer:
        writer.add_session_log(df.SessionLog(status=df.SessionLog.START), 1)
        writer.add_summary(number(2.0), 2)
        writer.add_summary(number(3.0).SerializeToString(), 3)
        writer.add_run_metadata(df.RunMetadata(), "run", 4)
        writer.add_event(df.Event(step=5))
        with pytest.raises(ValueError, match="tag was already used"):
            writer.add_run_metadata(df.RunMetadata(), "run")
    (path,) = files(tmp_path)
    assert path.name.endswith(".mine")
    found = events(path)
    assert [event.WhichOneof("what") for event in found] == [
        "file_version", "session_log", "summary", "summary", "tagged_run_metadata", None,
    ]  # fmt: skip
    assert [event.step for event in found] == [0, 1, 2, 3, 4, 5]
    assert found[0].file_version == "brain.Event:2"
    assert (writer.get_logdir(), found[2].summary.value[0].simple_value) == (str(tmp_path), 2.0)


def test_what_was_flushed_is_in_the_file_while_the_writer_is_open(tmp_path: Path) -> None:
    writer = df.summary.FileWriter(str(tmp_path), max_queue=1000)
    for step in range(100):
        writer.add_summary(number(step), step)
    writer.flush()
    (path,) = files(tmp_path)
    assert [event.step for event in events(path)][1:] == list(range(100))
    writer.close()
    writer.close()


def test_the_metadata_of_a_tag_are_written_once(tmp_path: Path) -> None:
    described = number(1.0)
    described.value[0].metadata.display_name = "A"
    with df.summary.FileWriter(tmp_path) as writer:
        writer.add_summary(described.SerializeToString())
        writer.add_summary(described.SerializeToString())
    assert [event.summary.value[0].metadata.display_name for event in events(files(tmp_path)[0])[1:]] == ["A", ""]


def test_a_graph_is_written_with_the_nodes_of_its_operations(tmp_path: Path) -> None:
    df.constant([1.0], name="one")
    graph = df.get_default_graph()
    with df.summary.FileWriter(tmp_path, graph) as writer:
        writer.add_graph(graph, 7)
    found = events(files(tmp_path)[0])
    assert [event.WhichOneof("what") for event in found[1:]] == ["graph_def", "meta_graph_def", "graph_def"]
    written = df.GraphDef.FromString(found[1].graph_def)
    assert [(node.name, "_output_shapes" in node.attr) for node in written.node] == [("one", True)]
    assert df.MetaGraphDef.FromString(found[2].meta_graph_def).graph_def == written
    assert found[3].step == 7
    with pytest.raises(TypeError, match="must be an instance of `Graph`"):
        df.summary.FileWriter(tmp_path, "no graph")
    with df.summary.FileWriter(tmp_path) as writer, pytest.raises(TypeError, match="must be type MetaGraphDef"):
        writer.add_meta_graph(1)


def test_a_writer_is_reopened_with_a_new_file_and_a_closed_one_warns(tmp_path: Path) -> None:
    writer = df.summary.FileWriter(tmp_path)
    writer.close()
    with pytest.warns(UserWarning, match="Attempting to use a closed FileWriter"):
        writer.add_summary(number(1.0))
    writer.reopen()
    writer.add_summary(number(2.0), 9)
    writer.close()
    first, second = files(tmp_path)
    assert (len(events(first)), [event.step for event in events(second)]) == (1, [0, 9])


def test_a_folder_has_one_writer_in_a_process(tmp_path: Path) -> None:
    cache = df.summary.FileWriterCache
    writer = cache.get(str(tmp_path))
    assert cache.get(str(tmp_path)) is writer
    cache.clear()
    assert cache.get(str(tmp_path)) is not writer
    cache.clear()


class _SlowFile:
    """A file whose first write waits until it may go on."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        assert self.may_go_on.wait(60)
        self.written.append(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_slow_disk_does_not_hold_up_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _SlowFile()
    monkeypatch.setattr(event_file, "_new_file", lambda folder, suffix: file)
    writer = EventFileWriter(tmp_path, max_queue=1)
    for step in range(1000):
        writer.add_event(df.Event(step=step))
    file.may_go_on.set()
    writer.close()
    assert [df.Event.FromString(data).step for data in file.written] == list(range(1000))


def test_events_for_which_there_is_no_memory_are_dropped_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = _SlowFile()
    monkeypatch.setattr(event_file, "_new_file", lambda folder, suffix: file)
    monkeypatch.setattr(event_file, "MOST_BYTES", 100)
    monkeypatch.setattr(event_file, "PATIENCE", 0.01)
    writer = EventFileWriter(tmp_path, max_queue=1)
    for step in range(1, 200):
        writer.add_event(df.Event(step=step))
    file.may_go_on.set()
    writer.close()
    assert 1 < len(file.written) < 199
    assert "events are dropped" in caplog.text


def test_an_error_of_the_disk_is_raised_by_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(_SlowFile):
        def write(self, data: bytes) -> None:
            raise OSError("No space left on device")

    monkeypatch.setattr(event_file, "_new_file", lambda folder, suffix: Full())
    writer = EventFileWriter(tmp_path)
    writer.add_event(df.Event(step=1))
    with pytest.raises(df.errors.FailedPreconditionError, match="No space left on device"):
        writer.flush()
    with pytest.raises(df.errors.FailedPreconditionError, match="No space left on device"):
        writer.add_event(df.Event(step=2))
    with pytest.raises(df.errors.FailedPreconditionError):
        writer.close()


def test_events_of_a_writer_that_nobody_closed_are_written_at_the_end_of_the_program(tmp_path: Path) -> None:
    program = (
        f"import dflow as df\nwriter = df.summary.FileWriter({str(tmp_path)!r})\nwriter.add_event(df.Event(step=3))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
    assert [event.step for event in events(files(tmp_path)[0])] == [0, 3]


def test_events_are_written_to_a_url() -> None:
    with df.summary.FileWriter("memory://logs-of-a-test") as writer:
        writer.add_event(df.Event(step=3))
    (path,) = df.gfile.Glob("memory://logs-of-a-test/events*")
    assert [event.step for event in df.train.summary_iterator(path)] == [0, 3]
    df.gfile.DeleteRecursively("memory://logs-of-a-test")


def test_a_broken_file_is_a_data_loss(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(b"no event file at all")
    with pytest.raises(df.errors.DataLossError):
        list(df.train.summary_iterator(tmp_path / "events"))


def test_the_messages_of_events_have_two_names() -> None:
    summary = df.summary
    assert (summary.Event, summary.SessionLog, summary.Summary) == (df.Event, df.SessionLog, df.Summary)
    assert summary.TaggedRunMetadata(tag="a").tag == "a"


def test_summaries_have_the_names_of_older_versions() -> None:
    assert df.train.SummaryWriter is df.summary.FileWriter
    assert df.train.SummaryWriterCache is df.summary.FileWriterCache
    a = df.scalar_summary("a", 1.0)
    assert df.merge_all_summaries().op.type == df.merge_summary([a]).op.type == "MergeSummary"


def test_writers_of_one_session_share_their_file(tmp_path: Path) -> None:
    with df.Session() as sess, df.Session() as other:
        first, second = (df.summary.FileWriter(tmp_path, session=sess) for _ in range(2))
        apart = df.summary.FileWriter(tmp_path, session=other)
        for step, writer in enumerate((first, second, apart, first)):
            writer.add_event(df.Event(step=step))
            writer.flush()
        for writer in (first, apart):
            writer.close()
    assert sorted([event.step for event in events(path)] for path in files(tmp_path)) == [[0, 0, 1, 3], [0, 2]]
