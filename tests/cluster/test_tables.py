"""Lookup tables on a cluster: where they are, who shares them, and what a reset leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

import dflow as df
from dflow import errors
from tests.in_process import QUIET

pytestmark = pytest.mark.timeout(110)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **QUIET) as cluster:
        yield cluster.scheduler_address


def test_a_table_that_changes_is_shared_by_sessions_until_a_reset(address: str) -> None:
    with df.Graph().as_default(), df.device("/job:worker/task:1"):
        table = df.contrib.lookup.MutableHashTable(df.int64, df.string, "-", name="shared")
        insert = table.insert(df.constant([11, 12], df.int64), ["a", "b"])
        with df.device("/job:worker/task:0"):
            found = table.lookup(df.constant([10, 11, 12], df.int64))
        assert found.op.device == table.resource_handle.op.device == "/job:worker/task:1"
        with df.Session(address) as first:
            first.run(insert)
        with df.Session(address) as second:
            assert second.run([found, table.size()])[0].tolist() == [b"-", b"a", b"b"]
        df.Session.reset(address, ["worker"])
        with df.Session(address) as third:
            assert third.run(table.size()) == 0


def test_a_table_that_is_filled_once_belongs_to_its_session_unless_it_is_of_a_file(
    address: str, tmp_path: Path
) -> None:
    file = tmp_path / "words"
    file.write_text("a\nb\n")
    with df.Graph().as_default(), df.device("/job:worker/task:1"):
        of_file = df.contrib.lookup.index_table_from_file(str(file))
        of_list = df.contrib.lookup.index_table_from_tensor(["a", "b"])
        found = [table.lookup(df.constant(["b", "c"])) for table in (of_file, of_list)]
        fill = df.tables_initializer()
        with df.Session(address) as first, df.Session(address) as second:
            first.run(fill)
            assert [it.tolist() for it in first.run(found)] == [[1, -1]] * 2
            assert second.run(found[0]).tolist() == [1, -1]
            with pytest.raises(errors.FailedPreconditionError, match="Table not initialized"):
                second.run(found[1])
