"""Feeding queues from Dask collections in a local session: what collections become, what is refused, how it ends."""

from concurrent.futures import CancelledError as FutureCancelled
from types import SimpleNamespace
from typing import Any, cast

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed.comm import CommClosedError

import dflow as df
from dflow.compile import DeviceInfo, DeviceTable
from dflow.data.feeders import failure
from dflow.data.feeding import workers_of
from dflow.data.push import Push, batches_of
from dflow.errors import UnavailableError
from tests.cluster.helpers import PATIENCE, eventually


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(6, dtype="float32"), "b": np.ones(6, "float32"), "label": np.arange(6)})


def ddf(partitions: int = 3, **columns: Any) -> dd.DataFrame:
    return dd.from_pandas(frame().assign(**columns), npartitions=partitions)


def pairs(**kwargs: Any) -> df.FIFOQueue:
    return df.FIFOQueue(100, [df.float32, df.int64], shapes=[[2], []], **kwargs)


def fed(collection: Any, queue: df.QueueBase, columns: Any = None) -> Any:
    """All that came through the queue, as one batch."""
    with df.Session() as session:
        feeding = df.data.enqueue_from(collection, queue, columns)
        found = list(df.data.batches(queue, 1000, session))
        feeding.result(PATIENCE)
    assert len(found) == 1
    return found[0]


# -- what collections become


def test_columns_of_a_frame_become_vectors_and_scalars_in_order() -> None:
    x, y = fed(ddf(), pairs(), [["a", "b"], "label"])
    np.testing.assert_array_equal(x, frame()[["a", "b"]].to_numpy())
    assert y.tolist() == list(range(6))
    assert (x.dtype, y.dtype) == (np.float32, np.int64)


def test_by_default_each_column_is_a_component_or_is_called_as_one() -> None:
    queue = df.FIFOQueue(10, [df.float32, df.float32, df.int64], shapes=[[], [], []])
    assert fed(ddf(), queue)[2].tolist() == list(range(6))
    queue = df.FIFOQueue(10, [df.int64, df.float32], shapes=[[], []], names=["label", "a"])
    assert fed(ddf(), queue)["label"].tolist() == list(range(6))


def test_a_dict_of_columns_is_for_a_queue_with_names() -> None:
    found = fed(ddf(), pairs(names=["x", "y"]), {"y": "label", "x": ["b", "a"]})
    assert found["x"][:, 1].tolist() == list(range(6))
    with pytest.raises(ValueError, match="the queue's components are called None"), df.Session():
        df.data.enqueue_from(ddf(), pairs(), {"y": "label", "x": ["b", "a"]})


def test_a_series_an_array_and_a_bag_of_plain_values_feed_one_component() -> None:
    for collection in (ddf()["label"], da.arange(6, chunks=4), db.from_sequence(range(6), npartitions=2)):
        queue = df.FIFOQueue(10, [df.int64], shapes=[[]])
        assert fed(collection, queue)[0].tolist() == list(range(6))


def test_text_becomes_bytes() -> None:
    text = ["a", "\u00e4", ""] * 2
    for column in (pd.Series(text), pd.Series(text, dtype=object), pd.Series(text, dtype="string[pyarrow]")):
        queue = df.FIFOQueue(10, [df.string], shapes=[[]])
        assert fed(ddf(text=column), queue, "text")[0].tolist() == [t.encode() for t in text]


def test_lists_in_a_column_become_vectors() -> None:
    with dask.config.set({"dataframe.convert-string": False}):  # which makes text of any object
        x, _ = fed(ddf(1, v=[[i, i + 0.5] for i in range(6)]), pairs(), ["v", "label"])
    assert x[3].tolist() == [3.0, 3.5]


def test_nullable_columns_without_missing_values_are_fine() -> None:
    queue = df.FIFOQueue(10, [df.int64], shapes=[[]])
    assert fed(ddf(n=pd.array([1, 2, 3, 4, 5, 6], dtype="Int64")), queue, "n")[0].tolist() == [1, 2, 3, 4, 5, 6]


def test_mappings_of_a_bag_are_picked_by_key() -> None:
    items = [{"a": i, "b": 1, "label": i} for i in range(6)]
    x, y = fed(db.from_sequence(items, npartitions=2), pairs(), [["a", "b"], "label"])
    assert x[:, 0].tolist() == y.tolist() == list(range(6))


def test_an_open_size_of_a_padding_queue_takes_rows_of_any_length() -> None:
    queue = df.PaddingFIFOQueue(10, [df.int64], shapes=[[None]])
    with df.Session() as session:
        df.data.enqueue_from(da.ones((4, 3), chunks=2, dtype="int64"), queue)
        (found,) = df.data.batches(queue, 10, session)
    assert found[0].shape == (4, 3)


# -- what is refused at once


@pytest.mark.parametrize(
    ("collection", "columns", "kind", "words"),
    [
        (lambda: ddf(), None, ValueError, "has 3 columns, but an element has 2 components; say which columns"),
        (
            lambda: ddf(),
            ["a", "label"],
            ValueError,
            r"a row of column 'a' has shape \(\), but component 0 has shape \(2,\)",
        ),
        (lambda: ddf(), [["a", "b"], "lable"], ValueError, r"has no columns \['lable'\]; it has \['a', 'b', 'label'\]"),
        (lambda: ddf(), [["a", "b"]], ValueError, "columns has 1 entries"),
        (lambda: ddf(b=1.5), [["a", "b"], "label"], TypeError, "column 'b' is float64, but component 0 is float32"),
        (
            lambda: ddf(label="x"),
            [["a", "b"], "label"],
            TypeError,
            "column 'label' is string, but component 1 is int64",
        ),
        (lambda: ddf(label=pd.Timestamp(0)), [["a", "b"], "label"], TypeError, "column 'label' is datetime64"),
        (lambda: [da.ones((4, 2)), da.arange(4)], None, TypeError, "array 0 is float64, but component 0 is float32"),
        (lambda: [da.ones((4, 3), dtype="f4"), da.arange(4)], None, ValueError, r"a row of array 0 has shape \(3,\)"),
        (
            lambda: [da.ones((4, 2), dtype="f4", chunks=2), da.arange(4, chunks=4)],
            None,
            ValueError,
            r"in chunks \(2, 2\), those of array 1 in \(4,\)",
        ),
        (lambda: da.ones((4, 2), dtype="f4"), None, ValueError, "there are 1 arrays, but an element has 2 components"),
        (lambda: [da.ones((4, 2), dtype="f4"), da.arange(4)], ["a"], ValueError, "columns are names in a DataFrame"),
        (frame, None, TypeError, "expected a Dask DataFrame, .* got DataFrame; dask.dataframe.from_pandas"),
    ],
)
def test_the_call_itself_checks_what_the_collection_says_of_itself(
    collection: Any, columns: Any, kind: type[Exception], words: str
) -> None:
    with df.Session(), pytest.raises(kind, match=words):
        df.data.enqueue_from(collection(), pairs(), columns)


def test_an_error_names_the_queue() -> None:
    with df.Session(), pytest.raises(TypeError, match="queue 'mine': column 'b'"):
        df.data.enqueue_from(ddf(b=1.5), pairs(name="mine"), [["a", "b"], "label"])


def test_it_needs_a_session_and_a_queue_of_its_graph() -> None:
    queue = pairs()
    with pytest.raises(ValueError, match="there is no default session"):
        df.data.enqueue_from(ddf(), queue)
    with df.Session(graph=df.Graph()) as session, pytest.raises(ValueError, match="is of another graph"):
        df.data.enqueue_from(ddf(), queue, session=session)
    with df.Session(), pytest.raises(TypeError, match="fed one by one"):
        df.data.enqueue_from(ddf(), df.QueueBase.from_list(0, [queue, pairs()]))


# -- what is found in a partition


@pytest.mark.parametrize(
    ("collection", "columns", "words"),
    [
        (
            lambda: ddf(label=pd.array([0, 1, 2, 3, None, 5], "Int64")),
            [["a", "b"], "label"],
            "partition 2 .*column 'label'",
        ),
        (lambda: db.from_sequence([([1, 2], 3), ([1, 2],)], npartitions=2), None, "partition 1 .*item 0 has 1 values"),
        (lambda: db.from_sequence([([1, 2], "x")]), None, "partition 0 .*component 1: Expected int64"),
        (
            lambda: db.from_sequence([([1, 2, 3], 1)]),
            None,
            r"its items has shape \(3,\), but component 0 has shape \(2,\)",
        ),
        (lambda: db.from_sequence([{"x": 1}]), ["x", "y"], "item 0 is of type dict without 'x', 'y': KeyError"),
    ],
)
def test_a_partition_that_does_not_fit_is_named(collection: Any, columns: Any, words: str) -> None:
    with df.Session():
        feeding = df.data.enqueue_from(collection(), pairs(), columns)
        with pytest.raises(df.errors.InvalidArgumentError, match=words):
            feeding.result(PATIENCE)


def fail(block: np.ndarray) -> np.ndarray:
    raise ZeroDivisionError("no such block")


def test_a_partition_that_fails_reaches_the_coordinator_with_its_own_exception() -> None:
    queue = df.FIFOQueue(10, [df.int64], shapes=[[]])
    coord = df.train.Coordinator()
    words = r"partition 0 .*ZeroDivisionError: no such block"
    with df.Session() as session:
        bad = da.arange(6, chunks=2).map_blocks(fail, dtype=np.int64, meta=np.empty(0, np.int64))
        feeding = df.data.enqueue_from(bad, queue, coord=coord)
        assert list(df.data.batches(queue, 4, session)) == []
        with pytest.raises(df.errors.InvalidArgumentError, match=words) as raised:
            coord.join([feeding])
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


# -- ends


def full(session: df.Session) -> None:
    """Return when a push waits for room."""
    eventually(lambda: any(row["waiting_enqueues"] for row in session.queue_rows()))


@pytest.mark.parametrize("error", [FutureCancelled("fed-3-0"), CommClosedError("Stream is closed")])
def test_a_partition_that_dask_lost_sight_of_is_unavailable(error: BaseException) -> None:
    found = failure(cast(Push, SimpleNamespace(name_of="partition {}".format)), 3, error)
    assert isinstance(found, UnavailableError)
    assert str(found).startswith("partition 3 could not be computed")


def test_it_closes_the_queue_unless_told_not_to() -> None:
    first, second = (df.FIFOQueue(10, [df.int64], shapes=[[]]) for _ in range(2))
    with df.Session() as session:
        df.data.enqueue_from(da.arange(6), first).result(PATIENCE)
        df.data.enqueue_from(da.arange(6), second, close=False).result(PATIENCE)
        assert session.run([first.is_closed(), second.is_closed()]) == [True, False]
        assert session.run([first.size(), second.size()]) == [6, 6]


def test_a_stop_ends_what_waits_for_room() -> None:
    queue = df.FIFOQueue(3, [df.int64], shapes=[[]])
    with df.Session() as session:
        feeding = df.data.enqueue_from(da.arange(20, chunks=2), queue)
        assert isinstance(feeding, df.data.Feeding)
        full(session)
        with pytest.raises(TimeoutError):
            feeding.result(0)
        feeding.stop()
        assert feeding.result(PATIENCE) == 2  # the rows of complete partitions
        assert feeding.done()
        assert feeding.error is None
        assert session.run(queue.is_closed())
        assert session.run(queue.size()) == 3


def test_a_coordinator_s_stop_ends_it_and_join_waits_for_it() -> None:
    queue = df.FIFOQueue(3, [df.int64], shapes=[[]])
    with df.Session() as session:
        with df.train.Coordinator() as coord:
            feeding = df.data.enqueue_from(da.arange(20), queue, coord=coord)
            full(session)
        assert feeding.done()


def test_closing_the_session_ends_it() -> None:
    queue = df.FIFOQueue(3, [df.int64], shapes=[[]])
    with df.Session() as session:
        feeding = df.data.enqueue_from(da.arange(20), queue)
        full(session)
    with pytest.raises(df.errors.CancelledError, match="its session was closed"):
        feeding.result(PATIENCE)


def test_a_queue_that_is_closed_under_it_is_an_error_that_says_how_far_it_came() -> None:
    queue = df.FIFOQueue(3, [df.int64], shapes=[[]])
    with df.Session() as session:
        feeding = df.data.enqueue_from(da.arange(20), queue)
        full(session)
        session.run(queue.close(cancel_pending_enqueues=True))
        with pytest.raises(df.errors.CancelledError, match=r"partition 0 \(of 1\).*0 of its 20 rows are in the queue"):
            feeding.result(PATIENCE)


def test_batches_of_rows_are_bounded_in_bytes_and_the_last_one_is_marked() -> None:
    numbers, text = np.arange(10), np.array([b"x" * 92] * 10, dtype=object)
    found = list(batches_of([numbers, text], 300))
    assert [len(batch[0]) for batch, _ in found] == [3, 3, 3, 1]
    assert [last for _, last in found] == [False, False, False, True]
    assert [len(batch[0]) for batch, _ in batches_of([numbers], 1)] == [1] * 10
    assert list(batches_of([numbers[:0]], 300)) == []


def test_a_feeding_that_begins_while_a_worker_is_slow_or_all_are_lost_counts_these_workers_too() -> None:
    """A slow one takes its share when it is ready; with none to count, the feeding would never begin."""
    there, lost, starting = (
        DeviceInfo(f"/job:worker/task:{i}/cpu:0", f"tcp://w:{i}", lost=i == 1, starting=i == 2) for i in range(3)
    )
    assert workers_of(DeviceTable((there, lost, starting))) == {"tcp://w:0", "tcp://w:2"}
    assert workers_of(DeviceTable((lost,))) == {"tcp://w:1"}


def test_a_local_session_has_no_workers_to_name() -> None:
    with df.Session() as session, pytest.raises(ValueError, match="local session has no workers"):
        df.data.enqueue_from(da.arange(6), df.FIFOQueue(9, [df.int64], shapes=[[]]), session=session, workers=["x"])
