"""Checkpoints: tensors come back, damage is found, and the last whole one can always be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import ml_dtypes
import numpy as np
import pytest

from dflow import errors
from dflow.checkpoints import files, writer
from dflow.checkpoints.reader import CheckpointReader
from dflow.checkpoints.slices import Part
from dflow.dtypes import ALL, as_dtype, string

RNG = np.random.default_rng(3)


def text(*values: bytes) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def save(prefix: str, tensors: dict[str, Any]) -> None:
    writer.write(prefix, list(tensors), [""] * len(tensors), [np.asarray(value) for value in tensors.values()])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- values


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_a_tensor_of_each_dtype_comes_back_bit_equal(tmp_path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    size = int(np.prod(shape))
    if dtype == string:
        values: Any = np.empty(size, object)
        values[:] = [bytes([65 + i % 26]) * (i * 100) for i in range(size)]
    else:
        values = RNG.integers(0, 2, size).astype(dtype.numpy_dtype)
    values = values.reshape(shape)
    save(f"{tmp_path}/m", {"x": values, "other": np.float32(2)})
    reader = CheckpointReader(f"{tmp_path}/m")
    found = reader.get_tensor("x")
    assert as_dtype(found.dtype) == dtype
    assert found.shape == shape
    assert found.tolist() == values.tolist()
    assert reader.get_variable_to_shape_map() == {"other": [], "x": list(shape)}
    assert reader.get_variable_to_dtype_map() == {"other": as_dtype("float32"), "x": dtype}


def test_special_floats_and_large_tensors_come_back(tmp_path: Path) -> None:
    tensors = {
        "special": np.array([np.nan, np.inf, -0.0, 1e-45], np.float32),
        "half": np.array([1.5, -2], ml_dtypes.bfloat16),
        "a": RNG.normal(size=(700, 333)),
        "b": RNG.normal(size=(1 << 18, 3)).astype(np.float32),
        "columns": RNG.normal(size=(40, 30)).T,
    }
    save(f"{tmp_path}/m", tensors)
    for name, values in tensors.items():
        found = CheckpointReader(f"{tmp_path}/m").get_tensor(name)
        assert found.tobytes() == np.ascontiguousarray(values).tobytes()
    assert names_in(tmp_path) == ["m.data-00000-of-00001", "m.index"]


def test_the_debug_string_lists_names_dtypes_and_shapes(tmp_path: Path) -> None:
    save(f"{tmp_path}/m", {"v": np.zeros((2, 3), np.float32), "b": np.zeros(1, bool)})
    assert CheckpointReader(f"{tmp_path}/m").debug_string() == b"b (DT_BOOL) [1]\nv (DT_FLOAT) [2,3]\n"


def test_names_and_dtypes_that_are_not_there_are_errors(tmp_path: Path) -> None:
    save(f"{tmp_path}/m", {"v": np.zeros((2, 3), np.float32)})
    reader = CheckpointReader(f"{tmp_path}/m")
    assert reader.has_tensor("v")
    assert not reader.has_tensor("w")
    with pytest.raises(errors.NotFoundError, match="Key w not found in checkpoint"):
        reader.get_tensor("w")
    with pytest.raises(errors.InvalidArgumentError, match="expected dtype int32 does not equal original dtype float"):
        reader.read(["v"], dtypes=[as_dtype("int32")])
    with pytest.raises(errors.NotFoundError, match="Failed to find any matching files for nothing"):
        CheckpointReader("nothing")
    with pytest.raises(ValueError, match="Adding duplicate key: v"):
        writer.write(f"{tmp_path}/m", ["v", "v"], ["", ""], [np.zeros(1), np.zeros(1)])


# -- parts of tensors


@pytest.mark.parametrize(
    ("number", "key"),
    [(0, "80"), (1, "81"), (-1, "7f"), (63, "bf"), (64, "c040"), (-64, "40"), (-65, "3fbf"), (1 << 20, "f0100000")],
)
def test_numbers_in_keys_are_in_the_order_of_numbers(number: int, key: str) -> None:
    found = Part(((number, 1),)).key("n")
    assert found == b"\0n\0\1\1\1" + bytes.fromhex(key) + b"\x81"


def test_keys_are_ordered_as_their_numbers() -> None:
    numbers = sorted({sign * (1 << bit) + off for sign in (1, -1) for bit in range(62) for off in (-1, 0, 1)})
    keys = [Part(((number, 1),)).key("n") for number in numbers]
    assert keys == sorted(keys)


def test_a_tensor_that_was_saved_in_parts_is_read_whole_or_in_other_parts(tmp_path: Path) -> None:
    whole = RNG.normal(size=(10, 3)).astype(np.float32)
    writer.write(
        f"{tmp_path}/m", ["w", "w", "v"], ["10 3 0,4:-", "10 3 4,6:0,3", ""], [whole[:4], whole[4:], np.float32(1)]
    )
    reader = CheckpointReader(f"{tmp_path}/m")
    assert reader.get_variable_to_shape_map() == {"v": [], "w": [10, 3]}
    np.testing.assert_array_equal(reader.get_tensor("w"), whole)
    for text_of_part, values in {"10 3 2,5:-": whole[2:7], "10 3 0,10:1,2": whole[:, 1:]}.items():
        np.testing.assert_array_equal(reader.read(["w"], [text_of_part])[0], values)
    with pytest.raises(errors.InvalidArgumentError, match="does not match the shape stored"):
        reader.read(["w"], ["11 3 0,1:-"])
    with pytest.raises(errors.InvalidArgumentError, match="a part from 0 to 12"):
        reader.read(["w"], ["10 3 0,12:-"])


def test_a_part_of_a_whole_tensor_is_read(tmp_path: Path) -> None:
    whole = RNG.normal(size=(10, 3))
    writer.write(f"{tmp_path}/m", ["w"], ["10 3 0,10:-"], [whole])  # a part that is all of it
    np.testing.assert_array_equal(CheckpointReader(f"{tmp_path}/m").read(["w"], ["10 3 8,2:1,1"])[0], whole[8:, 1:2])


def test_a_tensor_of_which_parts_are_missing_is_an_error(tmp_path: Path) -> None:
    writer.write(f"{tmp_path}/m", ["w"], ["10 3 0,4:-"], [np.zeros((4, 3))])
    with pytest.raises(errors.NotFoundError, match="does not have all"):
        CheckpointReader(f"{tmp_path}/m").get_tensor("w")


@pytest.mark.parametrize("part", ["10", "10 3 0,4", "10 3 0,4:-:-", "10 x 0,4:-", "10 3 0;4:-"])
def test_text_that_is_no_part_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(ValueError):
        writer.write(f"{tmp_path}/m", ["w"], [part], [np.zeros((4, 3))])


def test_checkpoints_of_several_devices_become_one(tmp_path: Path) -> None:
    whole = RNG.normal(size=(10, 3))
    parts = [writer.temporary(f"{tmp_path}/m") + f"-{i}" for i in range(2)]
    writer.write(parts[0], ["w", "a"], ["10 3 0,4:-", ""], [whole[:4], np.arange(3)])
    writer.write(parts[1], ["w", "b"], ["10 3 4,6:-", ""], [whole[4:], text(b"x", b"yz")])
    writer.merge(parts, f"{tmp_path}/m", True)
    assert names_in(tmp_path) == ["m.data-00000-of-00002", "m.data-00001-of-00002", "m.index"]
    reader = CheckpointReader(f"{tmp_path}/m")
    np.testing.assert_array_equal(reader.get_tensor("w"), whole)
    assert reader.get_tensor("b").tolist() == [b"x", b"yz"]
    assert reader.get_tensor("a").tolist() == [0, 1, 2]


# -- damage


def test_a_changed_byte_of_the_data_is_found(tmp_path: Path) -> None:
    save(f"{tmp_path}/m", {"v": np.arange(5, dtype=np.float32), "s": text(b"ab", b"", b"cde")})
    data = tmp_path / "m.data-00000-of-00001"
    whole = data.read_bytes()
    for place in range(len(whole)):
        data.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(errors.DataLossError):
            CheckpointReader(f"{tmp_path}/m").read(["v", "s"])


def test_a_cut_off_file_is_found(tmp_path: Path) -> None:
    save(f"{tmp_path}/m", {"v": np.arange(5, dtype=np.float32)})
    data, index = tmp_path / "m.data-00000-of-00001", tmp_path / "m.index"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(errors.DataLossError, match="cut off"):
        CheckpointReader(f"{tmp_path}/m").get_tensor("v")
    index.write_bytes(index.read_bytes()[:-1])
    with pytest.raises(errors.DataLossError, match=r"m\.index"):
        CheckpointReader(f"{tmp_path}/m")


# -- a whole checkpoint is there at any time


def test_a_checkpoint_takes_the_place_of_one_of_the_same_prefix(tmp_path: Path) -> None:
    counts = []
    for value in range(4):
        save(f"{tmp_path}/m", {"v": np.float32(value)})
        assert CheckpointReader(f"{tmp_path}/m").get_tensor("v") == value
        counts.append(names_in(tmp_path)[0])
        assert len(names_in(tmp_path)) == 2
    assert counts == ["m.data-00000-of-00001", "m.data-00000-of-00002"] * 2


class _Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: Any, left: list[int]) -> None:
        self._file, self._left = file, left

    def write(self, data: Any) -> int:
        self._left[0] -= len(data)
        if self._left[0] < 0:
            raise OSError(28, "No space left on device")
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(f"{tmp_path}/m", {"v": np.arange(10)})
    before = names_in(tmp_path)
    plain, left = files.write, [0]
    monkeypatch.setattr(files, "write", lambda path, fill: plain(path, lambda file: fill(_Full(file, left))))
    failed = 0
    for room in range(0, 1000, 7):
        left[0] = room
        try:
            save(f"{tmp_path}/m", {"v": np.arange(20)})
        except errors.ResourceExhaustedError:
            failed += 1
            assert names_in(tmp_path) == before
            assert CheckpointReader(f"{tmp_path}/m").get_tensor("v").tolist() == list(range(10))
        else:
            break
    assert failed > 20
    assert CheckpointReader(f"{tmp_path}/m").get_tensor("v").tolist() == list(range(20))


_KILLED = """
import os, signal, sys
import numpy as np
from dflow.checkpoints import files, writer
from dflow.checkpoints.reader import CheckpointReader

prefix = sys.argv[1]

def killing(function):
    def counted(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return counted

class File:
    def __init__(self, file): self._file = file
    def write(self, data):
        for start in range(0, len(data), 64):
            killing(self._file.write)(bytes(data[start:start + 64]))
            self._file.flush()
    def __getattr__(self, name): return getattr(self._file, name)

def save(value, step):
    global left
    left = step
    shards = [f"{prefix}_temp_x/part-{i}" for i in range(2)]
    for i, shard in enumerate(shards):
        writer.write(shard, [f"v{i}"], [""], [np.full(100, value)])
    writer.merge(shards, prefix, True)

save(1, -1)
plain = files.write
files.write = lambda path, fill: plain(path, lambda file: fill(File(file)))
for name in ("replace", "fsync", "remove", "mkdir"):
    setattr(os, name, killing(getattr(os, name)))
value = 1
for step in range(1, 1000):
    child = os.fork()
    if child == 0:
        save(value + 1, step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    values = np.concatenate(CheckpointReader(prefix).read(["v0", "v1"]))
    print(os.WIFSIGNALED(status), int(values.min()) - value, int(values.max()) - value)
    value = int(values.max())
    if not os.WIFSIGNALED(status):
        break
"""


def test_a_kill_at_any_point_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """The script saves again and again, each time a little longer until it is killed, and reads what is there."""
    command = [sys.executable, "-W", "ignore", "-c", _KILLED, f"{tmp_path}/m"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [tuple(line.split()) for line in lines]
    assert found[-1] == ("False", "1", "1")
    assert {(low, high) for _, low, high in found} == {("0", "0"), ("1", "1")}  # all old, or all new
    assert len(found) > 50
    assert names_in(tmp_path)[0].startswith("m.data-00000-of-0000")
    assert not [name for name in names_in(tmp_path) if "temp_" in name]


# -- other file systems


def test_a_checkpoint_is_saved_on_any_file_system_of_fsspec() -> None:
    system = fsspec.filesystem("memory")
    save("memory://folder/m", {"v": np.arange(3), "s": text(b"x")})
    save("memory://folder/m", {"v": np.arange(4), "s": text(b"y")})
    assert CheckpointReader("memory://folder/m").get_tensor("v").tolist() == [0, 1, 2, 3]
    assert CheckpointReader("memory://folder/m").get_tensor("s").tolist() == [b"y"]
    assert [name.rpartition("/")[2] for name in sorted(system.ls("/folder", detail=False))] == [
        "m.data-00000-of-00002",
        "m.index",
    ]
    parts = [writer.temporary("memory://folder/n") + f"-{i}" for i in range(2)]
    for i, part in enumerate(parts):
        save(part, {f"v{i}": np.float32(i)})
    writer.merge(parts, "memory://folder/n", True)
    assert [it.item() for it in CheckpointReader("memory://folder/n").read(["v0", "v1"])] == [0, 1]
    assert not [name for name in system.find("/folder") if "temp" in name]


def test_a_url_of_this_machine_is_a_path(tmp_path: Path) -> None:
    save(f"file://{tmp_path}/m", {"v": np.arange(3)})
    assert CheckpointReader(f"{tmp_path}/m").get_tensor("v").tolist() == [0, 1, 2]
    assert files.matching(f"file://{tmp_path}/m.ind*") == [f"file://{tmp_path}/m.index"]
