"""PyTorch takes its batches out of a shared queue, in as many processes as it likes.  `make test-torch` has PyTorch."""

import pickle
from collections.abc import Iterator

import dask.array as da
import numpy as np
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PATIENCE, PS, quick_cluster

torch = pytest.importorskip("torch")
data = pytest.importorskip("torch.utils.data")

pytestmark = pytest.mark.timeout(110)


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(nanny=True) as cluster:
        yield cluster


def shared_queue(name: str, **kwargs: object) -> df.FIFOQueue:
    with df.device(PS):
        return df.FIFOQueue(50, [df.float32, df.int64], shapes=[[2], []], shared_name=name, **kwargs)


def feed(queue: df.FIFOQueue, session: df.Session) -> df.data.Feeding:
    x = da.arange(200, dtype="float32", chunks=40).reshape(100, 2).rechunk((20, 2))
    return df.data.enqueue_from([x, da.arange(100, chunks=20)], queue, session=session)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # from Python 3.12 on
@pytest.mark.parametrize("start", [None, "fork", "spawn"])
def test_a_data_loader_gives_each_row_once(start: str | None, session: df.Session) -> None:
    """In this process, which has a session and a feeding, or in processes that are forked from it or spawned."""
    queue = shared_queue(f"loader-{start}")
    feeding = feed(queue, session)
    dataset = df.data.TorchDataset(queue, 16, session.target)
    loader = data.DataLoader(dataset, batch_size=None, num_workers=2 if start else 0, multiprocessing_context=start)
    found = list(loader)
    assert all(x.dtype == torch.float32 and len(x) == len(y) <= 16 for x, y in found)
    assert sorted(int(i) for _, y in found for i in y) == list(range(100))
    assert all(float(row[0]) == 2 * int(i) for x, y in found for row, i in zip(x, y, strict=True))
    assert feeding.result(PATIENCE) == 100


def test_names_and_text_and_bfloat16(session: df.Session) -> None:
    with df.device(PS):
        queue = df.FIFOQueue(9, [df.string, df.bfloat16], [[], []], names=["t", "v"], shared_name="text")
    session.run(queue.enqueue_many({"t": ["a", "b", "c"], "v": df.cast([1.0, 2.0, 3.0], df.bfloat16)}))
    session.run(queue.close())
    with session.as_default():
        first, second = df.data.TorchDataset(queue, 2)
    assert first["t"].tolist() == [b"a", b"b"]
    assert second["v"].dtype == torch.bfloat16
    assert second["v"].tolist() == [3.0]


def test_a_dataset_pickles_and_says_what_it_needs(session: df.Session) -> None:
    dataset = pickle.loads(pickle.dumps(df.data.TorchDataset(shared_queue("pickled"), 16, session.target)))
    assert isinstance(dataset, data.IterableDataset)
    with pytest.raises(ValueError, match=r"is private to its session.*shared_name="):
        df.data.TorchDataset(df.FIFOQueue(9, [df.int64], [[]]), 16, session.target)
    with df.Session(), pytest.raises(ValueError, match="needs the address of a cluster"):
        df.data.TorchDataset(shared_queue("local"), 16)


def test_a_loader_that_is_left_leaves_the_rest_to_others(session: df.Session) -> None:
    queue = shared_queue("left")
    session.run(queue.enqueue_many([np.zeros((30, 2), "f4"), np.arange(30)]))
    session.run(queue.close())
    loader = iter(df.data.TorchDataset(queue, 10, session.target))
    next(loader)
    loader.close()
    assert session.run(queue.size()) == 20
