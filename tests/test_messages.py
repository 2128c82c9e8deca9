"""Options, events and summaries as messages.  The oracle programs compare their bytes with TensorFlow's."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import dflow as df
from dflow.config_proto import AutoParallelOptions


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (df.ConfigProto(allow_soft_placement=True), b"\x38\x01"),
        (df.ConfigProto(gpu_options=df.GPUOptions(allow_growth=True)), b"\x32\x02\x20\x01"),
        (df.GraphOptions(optimizer_options=df.OptimizerOptions(opt_level=df.OptimizerOptions.L0)),
         b"\x1a\x0b\x18" + b"\xff" * 9 + b"\x01"),
        (AutoParallelOptions(num_replicas=2), b"\x10\x02"),
        (df.RunOptions(trace_level=df.RunOptions.FULL_TRACE), b"\x08\x03"),
        (df.Event(step=3, session_log=df.SessionLog(status=df.SessionLog.START)), b"\x10\x03\x3a\x02\x08\x01"),
        (df.LogMessage(level=df.LogMessage.WARN), b"\x08\x1e"),
        (df.Summary(value=[df.Summary.Value(tag="a", simple_value=0.5)]), b"\x0a\x08\x0a\x01a\x15\x00\x00\x00?"),
        (df.HistogramProto(bucket=[0.0]), b"\x3a\x08" + bytes(8)),
        (df.SummaryMetadata(display_name="d"), b"\x12\x01d"),
    ],
    ids=lambda it: type(it).__name__,
)  # fmt: skip
def test_messages_have_tensorflows_bytes_and_are_kept_by_pickle(message: Any, data: bytes) -> None:
    assert message.SerializeToString() == data
    assert type(message).FromString(data) == message == pickle.loads(pickle.dumps(message))


def test_options_of_a_session_are_taken_as_they_are_when_it_is_made() -> None:
    config = df.ConfigProto(device_count={"CPU": 2})
    config.gpu_options.allow_growth = True
    config.graph_options.rewrite_options.constant_folding = 2
    config.placement_period = 3
    config.use_per_session_threads = config.isolate_session_state = True
    config.device_filters.append("/job:ps")
    config.cluster_def.job.add(name="ps")
    config.rpc_options.compression_level = 1
    config.experimental.collective_group_leader = "/job:ps/task:0"
    config.session_inter_op_thread_pool.add(num_threads=2)
    with df.Session(config=config) as sess:
        config.device_count["CPU"] = 5
        assert len(sess.list_devices()) == 2


def test_options_of_a_run_that_have_no_effect_are_accepted() -> None:
    options = df.RunOptions(inter_op_thread_pool=1, report_tensor_allocations_upon_oom=True)
    options.experimental.use_run_handler_pool = True
    with df.Session() as sess:
        assert sess.run(df.constant(1), options=options) == 1


def test_a_run_says_where_it_ran_in_its_metadata() -> None:
    x, metadata = df.constant(1, name="x"), df.RunMetadata()
    with df.Session() as sess:
        for _ in range(2):
            sess.run(x + 1, run_metadata=metadata)
    assert metadata.placement
    assert df.RunMetadata.FromString(metadata.SerializeToString()).placement == metadata.placement
