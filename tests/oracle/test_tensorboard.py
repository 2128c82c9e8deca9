"""TensorBoard shows what dflow writes: scalars, histograms, images and the graph, over its HTTP API."""

from __future__ import annotations

import base64
import json
import os
import struct
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from google.protobuf import text_format

import dflow as df
from dflow.graph_proto import GraphDef

ORACLE = os.environ.get("DFLOW_ORACLE")
PAGES = Path(__file__).with_name("tensorboard_pages.py")

pytestmark = [
    pytest.mark.skipif(not ORACLE, reason="DFLOW_ORACLE names no Python with TensorBoard"),
    pytest.mark.timeout(300),
]


def written(folder: str) -> Any:
    """Write the events of three steps and the graph; gives the graph."""
    with df.Graph().as_default() as graph, df.Session() as sess:
        x = df.placeholder(df.float32, [], name="x")
        with df.name_scope("layer"):
            y = df.multiply(x, df.constant([1.0, 2.0, 3.0]), name="y")
        df.summary.scalar("loss", 2.0 * x)
        df.summary.histogram("y", y)
        df.summary.image("picture", df.fill([1, 4, 5, 3], x / 10.0))
        merged = df.summary.merge_all()
        with df.summary.FileWriter(folder, graph) as writer:
            for step in range(3):
                writer.add_summary(sess.run(merged, {x: float(step)}), step)
        return graph


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The graph and the answers of TensorBoard: name -> bytes."""
    folder = tmp_path_factory.mktemp("events")
    graph = written(str(folder / "train"))
    picture = {"run": "train", "tag": "picture/image/0", "sample": 0}
    paths = {
        "runs": "/data/runs",
        "scalars": f"/data/plugin/scalars/scalars?{urlencode({'run': 'train', 'tag': 'loss'})}",
        "histograms": f"/data/plugin/histograms/histograms?{urlencode({'run': 'train', 'tag': 'y'})}",
        "images": f"/data/plugin/images/images?{urlencode(picture)}",
        "graph": f"/data/plugin/graphs/graph?{urlencode({'run': 'train'})}",
    }
    command = [str(ORACLE), str(PAGES), str(folder), *paths.values()]
    if subprocess.run([str(ORACLE), "-c", "import tensorboard"], capture_output=True, check=False).returncode:
        pytest.skip("the environment has no TensorBoard: make .venv-oracle again")
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    answers = json.loads(found.stdout.splitlines()[-1])
    pages = {name: base64.b64decode(answers[path]) for name, path in paths.items()}
    pictures = [base64.b64decode(answers[f"{paths['images']}/{i}"]) for i in range(3)]
    return {**pages, "written": graph, "pictures": pictures}


def test_tensorboard_shows_scalars(shown: dict[str, Any]) -> None:
    assert json.loads(shown["runs"]) == ["train"]
    assert [(step, value) for _, step, value in json.loads(shown["scalars"])] == [(0, 0.0), (1, 2.0), (2, 4.0)]


def test_tensorboard_shows_histograms(shown: dict[str, Any]) -> None:
    histograms = json.loads(shown["histograms"])
    assert [step for _, step, _ in histograms] == [0, 1, 2]
    buckets = np.array(histograms[2][2])  # from, to, count
    assert buckets[:, 2].sum() == pytest.approx(3)
    assert 0 <= buckets[buckets[:, 2] > 0, 0].min() <= 2
    assert buckets[:, 1].max() >= 6


def test_tensorboard_shows_images(shown: dict[str, Any]) -> None:
    images = json.loads(shown["images"])
    assert [it["step"] for it in images] == [0, 1, 2]
    for picture in shown["pictures"]:
        assert picture.startswith(b"\x89PNG")
        assert struct.unpack(">II", picture[16:24]) == (5, 4)  # width and height


def test_tensorboard_shows_the_graph(shown: dict[str, Any]) -> None:
    found = text_format.Parse(shown["graph"].decode(), GraphDef())
    names = {node.name: node.op for node in found.node}
    assert names.keys() == {op.name for op in shown["written"].get_operations()}
    assert names["layer/y"] == "Mul"
