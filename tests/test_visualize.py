"""Drawings: well-formed, complete, by device, and small for big graphs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.compile import DeviceInfo, DeviceTable
from dflow.visualize import Drawing, asked_devices
from dflow.visualize.layout import levels, shortened

SVG = "{http://www.w3.org/2000/svg}"


class Read:
    """A drawing, read back."""

    def __init__(self, drawing: Drawing) -> None:
        self.root = ElementTree.fromstring(drawing.svg)
        self.edges = [path for path in self.root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]

    @property
    def by_device(self) -> dict[str, list[str]]:
        """Device -> the names of its operations, the first line of what a box tells."""
        groups = [group for group in self.root.iter(f"{SVG}g") if "data-device" in group.attrib]
        return {group.attrib["data-device"]: [self._name(box) for box in group.iter(f"{SVG}g")][1:] for group in groups}

    @property
    def names(self) -> list[str]:
        return [name for names in self.by_device.values() for name in names]

    @staticmethod
    def _name(box: ElementTree.Element) -> str:
        return (box.findtext(f"{SVG}title") or "").partition("\n")[0]

    def titles(self, kind: str) -> list[str]:
        """What the arrows of a class tell."""
        return [edge.findtext(f"{SVG}title") or "" for edge in self.edges if kind in edge.attrib["class"].split()]

    def frames(self) -> list[str]:
        rects = [rect for rect in self.root.iter(f"{SVG}rect") if rect.attrib.get("class", "").startswith("frame")]
        return [rect.findtext(f"{SVG}title") or "" for rect in rects if rect.find(f"{SVG}title") is not None]


def cluster_program() -> tuple[Any, df.Operation]:
    """A variable on a ps, a queue on one worker, computation on another one."""
    with df.device("/job:ps/task:0"):
        w = df.Variable(df.zeros([3]), name="w")
    with df.device("/job:worker/task:0"):
        q = df.FIFOQueue(10, [df.float32], shapes=[(3,)], name="q")
        put = q.enqueue(df.constant([1.0, 2.0, 3.0]), name="put")
    with df.device("/job:worker/task:1"):
        loss = df.reduce_sum(df.multiply(q.dequeue(name="take"), w, name="weighted"), name="loss")
        with df.control_dependencies([loss]):
            done = df.no_op(name="done")
    return [loss, done], put


PS, QUEUES, WORK = [
    f"/job:{job}/replica:0/task:{task}/device:CPU:0" for job, task in (("ps", 0), ("worker", 0), ("worker", 1))
]


def test_every_operation_is_drawn_on_its_device() -> None:
    fetches, put = cluster_program()
    found = Read(df.visualize([*fetches, put])).by_device
    assert found[PS] == ["w", "w/read"]
    assert sorted(found[QUEUES]) == ["Const", "put", "take"]
    assert found[WORK] == ["weighted", "loss", "done"]


def test_without_fetches_the_whole_graph_is_drawn() -> None:
    cluster_program()
    graph = df.get_default_graph()
    assert {op.name for op in graph.get_operations()} == set(Read(df.visualize()).names)


def test_only_what_the_fetches_need_is_drawn() -> None:
    a = df.identity(df.constant(1.0, name="one"), name="a")
    df.negative(a, name="unused")
    assert sorted(Read(df.visualize(a)).names) == ["a", "one"]
    assert sorted(Read(df.visualize({"x": ["a:0"]})).names) == ["a", "one"]


def test_what_is_fed_is_drawn_as_fed() -> None:
    x = df.placeholder(df.float32, [None], name="x")
    y = df.negative(x, name="y")
    assert sorted(Read(df.visualize(y, feeds=[x])).names) == ["x:0", "y"]
    assert sorted(Read(df.visualize(y)).names) == ["x", "y"]


def test_data_is_drawn_solid_and_control_dependencies_dashed() -> None:
    fetches, _ = cluster_program()
    drawing = df.visualize(fetches)
    read = Read(drawing)
    assert read.titles("control") == ["done runs after loss"]
    assert len(read.edges) > 3
    assert ".dflow-graph .control{stroke-dasharray:" in drawing.svg
    assert ".dflow-graph .edge{fill:none;stroke:#8592a6;stroke-width:1.2}" in drawing.svg


def test_an_arrow_tells_the_tensor_its_dtype_and_its_shape() -> None:
    fetches, _ = cluster_program()
    read = Read(df.visualize(fetches))
    assert "weighted:0  float32 (3,)" in read.titles("edge")
    assert sorted(read.titles("sent")) == ["take:0  float32 (3,)", "w/read:0  float32 (3,)"]


def test_a_box_tells_type_device_shape_and_line() -> None:
    a = df.negative(df.placeholder(df.float32, [None, 3]), name="a")
    svg = df.visualize(a).svg
    for text in ("\nNeg\n", "on /job:localhost/replica:0/task:0/device:CPU:0", "gives float32 (?, 3)", "\nfetched"):
        assert text in svg
    assert "test_visualize.py:" in svg


def test_segments_are_frames_and_say_whether_they_may_wait() -> None:
    value = df.FIFOQueue(1, [df.float32], shapes=[()]).dequeue(name="take")
    frames = Read(df.visualize(df.negative(value, name="after"))).frames()
    assert frames == ["segment 0: take (may wait)", "segment 1: after"]


def test_names_and_devices_are_escaped() -> None:
    df.constant(np.array(b'<b>&"', object), name="a>b")
    drawing = df.visualize(devices=["/job:a&b/replica:0/task:0/device:CPU:0"])
    read = Read(drawing)
    assert read.names == ["a>b"]
    assert list(read.by_device) == ["/job:a&b/replica:0/task:0/device:CPU:0"]
    assert "<b>" not in drawing.svg


def test_an_empty_graph_is_drawn_empty() -> None:
    assert Read(df.visualize()).names == []
    assert "0 operations in 0 segments on 0 devices" in df.visualize().svg


# -- where


def test_a_drawing_needs_the_devices_that_are_asked_for_and_no_cluster() -> None:
    with df.device("/job:ps/task:3"):
        df.no_op()
    with df.device("/gpu:1"):
        df.no_op()
    with df.device("/job:worker/replica:0/task:2/device:GPU:0"):
        df.no_op()
    df.no_op()
    assert [name.replace("/replica:0", "").replace("/device", "") for name in asked_devices(ops())] == [
        "/job:ps/task:3:CPU:0",
        "/job:worker/task:0:CPU:0",
        "/job:worker/task:0:GPU:1",
        "/job:worker/task:2:CPU:0",
        "/job:worker/task:2:GPU:0",
    ]


def ops() -> list[df.Operation]:
    return df.get_default_graph().get_operations()


def test_a_graph_without_devices_is_drawn_on_one_cpu() -> None:
    df.no_op()
    assert asked_devices(ops()) == ["/job:localhost/replica:0/task:0/device:CPU:0"]


def test_what_has_no_gpu_kernel_is_drawn_on_the_cpu_beside() -> None:
    with df.device("/job:worker/task:0/gpu:0"):
        df.FIFOQueue(1, df.float32, name="q")
    assert Read(df.visualize()).by_device == {"/job:worker/replica:0/task:0/device:CPU:0": ["q"]}


def test_a_session_gives_its_graph_and_its_devices() -> None:
    with df.device("/cpu:1"):
        df.no_op(name="here")
    with df.Session(config=df.ConfigProto(device_count={"CPU": 2})) as session:
        found = Read(df.visualize(session=session)).by_device
    assert found == {"/job:localhost/replica:0/task:0/device:CPU:1": ["here"]}


def test_given_devices_are_meant_strictly() -> None:
    with df.device("/gpu:0"):
        df.no_op()
    with pytest.raises(df.errors.InvalidArgumentError, match="no device matches"):
        df.visualize(devices=["/job:localhost/replica:0/task:0/device:CPU:0"])


def test_virtual_devices_are_called_virtual() -> None:
    df.no_op()
    name = "/job:localhost/replica:0/task:0/device:GPU:0"
    assert f"{name} (virtual)" in df.visualize(devices=DeviceTable((DeviceInfo(name, virtual=True),))).svg


# -- big graphs


def test_a_big_graph_is_summed_up_by_name_scopes() -> None:
    x = df.constant(np.zeros(3, np.float32))
    for layer in range(20):
        with df.name_scope(f"layer{layer}"), df.device(f"/job:worker/task:{layer % 2}"):
            for _ in range(10):
                x = df.negative(x)
    drawing = df.visualize(x)
    read = Read(drawing)
    assert len(read.names) == 20
    assert "layer7/: 10 operations on /job:worker/replica:0/task:1/device:CPU:0" in read.names
    assert len(read.edges) == 19
    assert "200 operations in 20 segments on 2 devices; a summary in 20 boxes" in drawing.svg


def test_2000_operations_without_scopes_are_summed_up_in_bounds() -> None:
    x = df.identity(df.constant(1.0))
    for i in range(1000):
        with df.device(f"/cpu:{i % 3}"):
            x = df.negative(df.square(x))
    drawing = df.visualize(x)
    read = Read(drawing)
    assert len(drawing.svg) < 100_000
    assert float(read.root.attrib["width"]) < 5_000
    assert float(read.root.attrib["height"]) < 5_000
    assert "2,001 operations" in drawing.svg
    assert "Neg: 334 operations on /job:localhost/replica:0/task:0/device:CPU:0" in read.names


def test_the_limit_is_the_callers() -> None:
    x = df.placeholder(df.float32)
    for _ in range(150):
        x = df.negative(x)
    assert len(Read(df.visualize(x)).names) < 10
    assert len(Read(df.visualize(x, limit=200)).names) == 151


# -- files and notebooks


def test_it_is_written_as_svg_or_html(tmp_path: Path) -> None:
    a = df.negative(df.constant(1.0))
    drawing = df.visualize(a, tmp_path / "graph.svg")
    assert ElementTree.parse(tmp_path / "graph.svg").getroot().tag == f"{SVG}svg"
    df.visualize(a, str(tmp_path / "graph.html"))
    assert drawing.svg in (tmp_path / "graph.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"written as \.svg or \.html"):
        df.visualize(a, tmp_path / "graph.png")


def test_a_notebook_shows_drawings_and_graphs() -> None:
    drawing = df.visualize(df.negative(df.constant(1.0), name="a"))
    assert drawing._repr_svg_() == drawing.svg
    assert drawing.svg in drawing._repr_html_()
    assert repr(drawing) == "<dflow drawing: 1 operation in 1 segment on 1 device>"
    graph: Any = df.get_default_graph()
    assert "<svg" in graph._repr_html_()


# -- parts


def test_a_long_name_keeps_its_end() -> None:
    assert shortened("short/name") == "short/name"
    assert shortened("gradients/some/where/MatMul_grad/MatMul_1") == "…/MatMul_grad/MatMul_1"
    assert shortened("x" * 40) == "…" + "x" * 22


def test_levels_are_the_longest_ways_and_loops_do_no_harm() -> None:
    assert levels("abcd", [("a", "b"), ("b", "c"), ("a", "c"), ("c", "a")]) == {"a": 0, "b": 1, "c": 2, "d": 0}
