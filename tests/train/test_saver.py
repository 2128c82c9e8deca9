"""Savers: what `tests/oracle/programs/checkpoints.py` cannot compare with TensorFlow."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.ops.saveable import SaveableObject, SaveSpec
from dflow.train import saver as saver_module

DATA = Path(__file__).parents[1] / "checkpoints" / "written_by_tensorflow"


def two_variables() -> tuple[df.Variable, df.Variable]:
    return df.Variable([1.0, 2.0], name="a"), df.Variable([b"x"], name="b")


def saved(prefix: str, **arguments: Any) -> str:
    """The prefix of a checkpoint with two variables."""
    with df.Graph().as_default(), df.Session() as sess:
        two_variables()
        sess.run(df.global_variables_initializer())
        path = df.train.Saver(**arguments).save(sess, prefix)
        assert path is not None
        return path


# -- TensorFlow's files


def test_checkpoints_of_tensorflow_are_read() -> None:
    reader = df.train.NewCheckpointReader(str(DATA / "plain"))
    assert reader.get_variable_to_shape_map() == {
        "b": [2],
        "bf": [2],
        "c": [1],
        "empty": [0, 3],
        "h": [],
        "i8": [3],
        "layer/w": [2, 3],
        "s": [2, 2],
        "step": [],
    }
    np.testing.assert_array_equal(reader.get_tensor("layer/w"), np.arange(6, dtype=np.float32).reshape(2, 3) / 2)
    assert reader.get_tensor("s").tolist() == [[b"", b"\xff\x00"], [b"long" * 100, b"d"]]
    assert reader.get_tensor("step") == 1 << 40
    assert reader.get_tensor("b").tolist() == [True, False]
    assert reader.get_tensor("c").tolist() == [1 - 2j]
    assert reader.get_tensor("h") == 1.5
    assert reader.get_tensor("bf").astype(float).tolist() == [1.0, -2.5]
    assert reader.get_tensor("i8").tolist() == [-1, 0, 127]


def test_variables_are_restored_from_a_checkpoint_of_tensorflow_with_several_files_and_parts() -> None:
    v = df.Variable(np.zeros([10, 3], np.float32), name="v")
    w = df.Variable(0, name="w")
    saver = df.train.Saver([v, w])
    with df.Session() as sess:
        saver.restore(sess, df.train.latest_checkpoint(str(DATA / "sharded")) or "")
        np.testing.assert_array_equal(sess.run(v), np.arange(30, dtype=np.float32).reshape(10, 3))
        assert sess.run(w) == 7


# -- what is saved


def test_a_saveable_object_says_its_tensors_and_takes_them_back(tmp_path: Path) -> None:
    state = {"value": 3.0}

    class Box(SaveableObject):
        def __init__(self) -> None:
            def read() -> Any:
                return df.py_func(lambda: np.float32(state["value"]), [], df.float32)

            super().__init__(self, [SaveSpec(read, "", "box/value", df.float32, "")], "box")

        def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
            def write(value: Any) -> Any:
                state["value"] = float(value)
                return value

            return df.py_func(write, restored_tensors, df.float32)

    df.add_to_collection(df.GraphKeys.SAVEABLE_OBJECTS, Box())
    df.Variable(1.0, name="v")
    saver = df.train.Saver()
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        path = saver.save(sess, f"{tmp_path}/m", write_meta_graph=False) or ""
        state["value"] = 0.0
        saver.restore(sess, path)
    assert state["value"] == 3.0
    assert [name for name, _ in df.train.list_variables(path)] == ["box/value", "v"]


def test_a_reader_goes_on_at_the_place_that_was_saved(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("1\n2\n3\n4\n")
    queue = df.FIFOQueue(3, df.string, shapes=[()])
    put = queue.enqueue(str(tmp_path / "lines"))
    reader = df.TextLineReader()
    _, line = reader.read(queue)
    saver = df.train.Saver({"reader": reader})
    with df.Session() as sess:
        sess.run(put)
        assert [sess.run(line) for _ in range(2)] == [b"1", b"2"]
        path = saver.save(sess, f"{tmp_path}/m", write_meta_graph=False) or ""
        assert sess.run(line) == b"3"
    with df.Session() as sess:
        saver.restore(sess, path)
        assert sess.run(line) == b"3"


def test_the_devices_of_a_sharded_saver_write_their_own_files(tmp_path: Path) -> None:
    for i in range(3):
        with df.device(f"/cpu:{i % 2}"):
            df.Variable(np.full(3, i), name=f"v{i}")
    saver = df.train.Saver(sharded=True)
    graph = df.get_default_graph()
    saves = [op for op in graph.get_operations() if op.type == "SaveV2"]
    assert [(op.device, len(op.inputs) - 3) for op in saves] == [("/device:CPU:0", 2), ("/device:CPU:0", 1)]
    with df.Session(config=df.ConfigProto(device_count={"CPU": 2})) as sess:
        sess.run(df.global_variables_initializer())
        for _ in range(2):  # the second one takes the place of the first
            saver.save(sess, f"{tmp_path}/m")
        assert len(list(tmp_path.glob("m.data-*"))) == 2
        assert not list(tmp_path.glob("*temp*"))
        sess.run([variable.assign(np.zeros(3, int)) for variable in df.global_variables()])
        saver.restore(sess, f"{tmp_path}/m")
        assert [value.tolist() for value in sess.run(df.global_variables())] == [[i] * 3 for i in range(3)]


def test_only_some_variables_are_restored_and_under_other_names(tmp_path: Path) -> None:
    path = saved(f"{tmp_path}/m")
    c = df.Variable([0.0, 0.0], name="c")
    df.Variable(5.0, name="other")
    with df.Session() as sess:
        df.train.Saver({"a": c}).restore(sess, path)
        assert sess.run(c).tolist() == [1.0, 2.0]
        assert sess.run(df.report_uninitialized_variables()).tolist() == [b"other"]


# -- files


def test_a_folder_with_relative_paths_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    saved(f"{tmp_path}/old/m", save_relative_paths=True)
    os.rename(tmp_path / "old", tmp_path / "new")
    assert df.train.latest_checkpoint(str(tmp_path / "new")) == f"{tmp_path}/new/m"


def test_a_relative_folder_has_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert saved("m") == "m"
    assert df.train.latest_checkpoint(".") == "./m"
    assert saved("folder/m") == "folder/m"  # the folder is made
    assert (tmp_path / "folder" / "checkpoint").read_text().startswith('model_checkpoint_path: "m"')
    assert df.train.latest_checkpoint("folder") == "folder/m"


def test_checkpoints_go_to_any_file_system() -> None:
    path = saved("memory://run/m")
    assert path == "memory://run/m"
    assert df.train.latest_checkpoint("memory://run") == path
    a, _ = two_variables()
    saver = df.train.Saver()
    with df.Session() as sess:
        saver.restore(sess, path)
        assert sess.run(a).tolist() == [1.0, 2.0]
    df.train.remove_checkpoint(path)
    assert not df.train.checkpoint_exists(path)


def test_an_old_checkpoint_is_kept_every_so_often(tmp_path: Path) -> None:
    v = df.Variable(1.0, name="v")
    with mock.patch.object(saver_module, "time") as clock, df.Session() as sess:
        clock.time.return_value = 1000.0
        saver = df.train.Saver([v], max_to_keep=2, keep_checkpoint_every_n_hours=0.5 / 3600)
        sess.run(v.initializer)
        clock.time.return_value = 1001.0
        paths = [saver.save(sess, f"{tmp_path}/s{i}") or "" for i in range(4)]
    assert [df.train.checkpoint_exists(path) for path in paths] == [True, False, True, True]
    assert saver.last_checkpoints == paths[2:]


def test_the_list_of_checkpoints_can_be_set_and_recovered(tmp_path: Path) -> None:
    v = df.Variable(1.0, name="v")
    first, second = (df.train.Saver([v], max_to_keep=3) for _ in range(2))
    with df.Session() as sess:
        sess.run(v.initializer)
        paths = [first.save(sess, f"{tmp_path}/s{i}") or "" for i in range(3)]
        df.train.remove_checkpoint(paths[0])
        second.recover_last_checkpoints(paths)
        assert second.last_checkpoints == paths[1:]
        assert df.train.get_checkpoint_mtimes(paths) == pytest.approx([it for _, it in second._last_checkpoints])
        second.set_last_checkpoints_with_time([(paths[1], 0.0), (paths[2], 0.0)])
        new = [second.save(sess, f"{tmp_path}/t{i}") for i in range(2)]
    assert second.last_checkpoints == [paths[2], *new]
    assert not df.train.checkpoint_exists(paths[1])
    second.set_last_checkpoints([])
    assert second.last_checkpoints == []
    with pytest.raises(AssertionError):
        second.set_last_checkpoints(("a",))


def test_a_saver_without_variables_saves_nothing(tmp_path: Path) -> None:
    df.constant(1.0)
    saver = df.train.Saver(allow_empty=True)
    with df.Session() as sess:
        assert saver.save(sess, f"{tmp_path}/m") is None
        saver.restore(sess, f"{tmp_path}/m")
    assert [path.name for path in tmp_path.iterdir()] == ["m.meta"]


def test_padded_step_numbers_are_in_the_order_of_names(tmp_path: Path) -> None:
    v = df.Variable(1.0)
    with df.Session() as sess:
        sess.run(v.initializer)
        saver = df.train.Saver(pad_step_number=True)
        assert saver.save(sess, f"{tmp_path}/m", global_step=np.int64(7)) == f"{tmp_path}/m-00000007"
        assert saver.save(sess, f"{tmp_path}/m", global_step=df.constant(8)) == f"{tmp_path}/m-00000008"


def test_the_default_of_the_file_name_is_that_of_the_saver() -> None:
    df.Variable(1.0)
    saver = df.train.Saver(filename="somewhere")
    with df.Session() as sess:
        assert sess.run(saver.saver_def.filename_tensor_name) == b"somewhere"


def test_a_saver_comes_back_from_its_definition(tmp_path: Path) -> None:
    path = saved(f"{tmp_path}/m")
    a, _ = two_variables()
    with df.name_scope("part"):
        saver = df.train.Saver(sharded=True, max_to_keep=3)
    within = saver.to_proto("part")
    assert within.restore_op_name == "save/restore_all"
    assert saver.to_proto("other") is None
    back = df.train.Saver.from_proto(within, import_scope="part")
    assert back.as_saver_def() == saver.to_proto() == saver.saver_def
    with df.Session() as sess:
        back.restore(sess, path)
        assert sess.run(a).tolist() == [1.0, 2.0]


def test_a_failed_save_leaves_the_list_as_it_was(tmp_path: Path) -> None:
    v = df.Variable(1.0, name="v")
    saver = df.train.Saver()
    with df.Session() as sess:
        sess.run(v.initializer)
        path = saver.save(sess, f"{tmp_path}/m", global_step=1)
    with df.Session() as sess, pytest.raises(errors.FailedPreconditionError, match="uninitialized value v"):
        saver.save(sess, f"{tmp_path}/m", global_step=2)
    assert saver.last_checkpoints == [path]
    assert df.train.latest_checkpoint(str(tmp_path)) == path


def test_a_state_whose_checkpoint_is_gone_is_no_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(f"{tmp_path}/m")
    df.train.remove_checkpoint(path)
    with caplog.at_level(logging.ERROR):
        assert df.train.latest_checkpoint(str(tmp_path)) is None
    assert "Couldn't match files for checkpoint" in caplog.text
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file or checkpoints in given directory"):
        df.train.load_checkpoint(str(tmp_path))


def test_new_checkpoints_are_given_one_by_one(tmp_path: Path) -> None:
    asked = []

    def stop() -> bool:
        asked.append(None)
        if len(asked) == 1:
            saved(f"{tmp_path}/second")
        return len(asked) == 2

    saved(f"{tmp_path}/first")
    found = list(df.train.checkpoints_iterator(str(tmp_path), timeout=0, timeout_fn=stop))
    assert found == [f"{tmp_path}/first", f"{tmp_path}/second"]
    assert list(df.train.checkpoints_iterator(str(tmp_path / "nothing"), timeout=0)) == []


# -- tf.contrib.framework


def test_variables_are_assigned_from_a_checkpoint(tmp_path: Path) -> None:
    path = saved(f"{tmp_path}/m")
    a, b = two_variables()
    c = df.Variable([0.0, 0.0], name="c")
    framework = df.contrib.framework
    with df.Session() as sess:
        op, feeds = framework.assign_from_checkpoint(path, {"a": [c], "b": b})
        sess.run(op, feeds)
        assert [it.tolist() for it in sess.run([c, b])] == [[1.0, 2.0], [b"x"]]
        restore = framework.assign_from_checkpoint_fn(path, [a, c], ignore_missing_vars=True)
        assert restore is not None
        restore(sess)
        assert sess.run(a).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"Checkpoint is missing variable \[c\]"):
        framework.assign_from_checkpoint(path, [c])
    assert framework.assign_from_checkpoint(path, [c], ignore_missing_vars=True)[1] == {}
    assert framework.assign_from_checkpoint_fn(path, [c], ignore_missing_vars=True) is None
    with pytest.raises(ValueError, match="var_list cannot be empty"):
        framework.assign_from_checkpoint_fn(path, [])
    with pytest.raises(ValueError, match="Total size of new array must be unchanged"):
        framework.assign_from_checkpoint(path, {"a": df.Variable(1.0)})


@pytest.mark.parametrize("sharded", [False, True])
def test_checkpoints_of_version_1_are_written_and_restored(tmp_path: Path, sharded: bool) -> None:
    with df.device("/cpu:0"):
        a = df.Variable(np.arange(6, dtype=np.float16).reshape(2, 3), name="a")
    with df.device("/cpu:1"):
        b = df.Variable([b"x", b"\xff"], name="b")
    saver = df.train.Saver(sharded=sharded, write_version=df.train.SaverDef.V1, max_to_keep=1)
    with df.Session(config=df.ConfigProto(device_count={"CPU": 2})) as sess:
        sess.run(df.global_variables_initializer())
        first = saver.save(sess, f"{tmp_path}/old")
        path = saver.save(sess, f"{tmp_path}/m") or ""
        assert path == f"{tmp_path}/m" + ("-?????-of-00002" if sharded else "")
        assert df.train.latest_checkpoint(str(tmp_path)) == path
        assert not df.train.checkpoint_exists(first or "")
        sess.run([a.assign(np.zeros([2, 3])), b.assign([b"", b""])])
        saver.restore(sess, path)
        assert [it.tolist() for it in sess.run([a, b])] == [[[0, 1, 2], [3, 4, 5]], [b"x", b"\xff"]]
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint",
        *(["m-00000-of-00002", "m-00001-of-00002"] if sharded else ["m"]),
        "m.meta",
    ]
    if sharded:
        assert df.train.list_variables(f"{tmp_path}/m-00000-of-00002") == [("a", [2, 3])]


def test_a_checkpoint_of_version_1_that_tensorflow_wrote_is_read() -> None:
    reader = df.train.NewCheckpointReader(str(DATA / "version_1"))
    assert reader.get_variable_to_shape_map() == {"c": [1], "i8": [3], "s": [2], "v": [10, 3], "w": []}
    np.testing.assert_array_equal(reader.get_tensor("v"), np.arange(30, dtype=np.float32).reshape(10, 3))
    np.testing.assert_array_equal(reader.read(["v"], ["10 3 2,5:1,2"])[0], reader.get_tensor("v")[2:7, 1:])
    assert reader.get_tensor("s").tolist() == [b"", b"\xff\x00"]
    assert [reader.get_tensor(name).tolist() for name in ("w", "i8", "c")] == [7, [-1, 0, 127], [1 - 2j]]


def test_the_operations_of_a_saver_can_be_added_later(tmp_path: Path) -> None:
    df.Variable(1.0, name="a")
    saver = df.train.Saver(defer_build=True)
    df.Variable(2.0, name="b")
    saver.build()
    saver.build()  # does nothing
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        path = saver.save(sess, f"{tmp_path}/m") or ""
    assert [name for name, _ in df.train.list_variables(path)] == ["a", "b"]


def test_a_partitioned_variable_is_saved_in_its_parts_and_restored_in_others(tmp_path: Path) -> None:
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    for number, saved_in in enumerate((2, 3, None)):
        for restored_in in (2, 3, None):
            for named in (False, True):
                with df.Graph().as_default(), df.Session() as sess:
                    whole = _variable(values, saved_in)
                    sess.run(df.global_variables_initializer())
                    path = df.train.Saver({"w": whole} if named else [whole]).save(sess, f"{tmp_path}/{number}") or ""
                assert df.train.list_variables(path) == [("w", [10, 2])]
                with df.Graph().as_default(), df.Session() as sess:
                    whole = _variable(np.zeros_like(values), restored_in)
                    df.train.Saver({"w": whole} if named else [whole]).restore(sess, path)
                    np.testing.assert_array_equal(sess.run(df.convert_to_tensor(whole)), values)


def _variable(values: np.ndarray, parts: int | None) -> Any:
    partitioner = None if parts is None else df.fixed_size_partitioner(parts)
    return df.get_variable("w", initializer=df.constant(values), partitioner=partitioner)


def test_a_checkpoint_state_is_a_message(tmp_path: Path) -> None:
    path = saved(f"{tmp_path}/m")
    state = df.train.get_checkpoint_state(str(tmp_path))
    assert state == df.train.CheckpointState(model_checkpoint_path=path, all_model_checkpoint_paths=[path])


def test_names_of_contrib_are_those_of_train() -> None:
    framework = df.contrib.framework
    assert framework.init_from_checkpoint is df.train.init_from_checkpoint
    assert framework.list_variables is df.train.list_variables
    assert framework.load_checkpoint is df.train.load_checkpoint
    assert framework.load_variable is df.train.load_variable


def test_the_entries_of_tables_are_saved_with_the_variables(tmp_path: Path) -> None:
    for kind in ("hash", "dense", "vectors"):
        with df.Graph().as_default(), df.Session() as sess:
            table, _ = _table(kind)
            sess.run([df.global_variables_initializer(), table.insert(["a", "b"], _values(kind, 1, 2))])
            path = df.train.Saver().save(sess, f"{tmp_path}/{kind}") or ""
        assert [name for name, _ in df.train.list_variables(path)] == ["t-keys", "t-values", "v"]
        with df.Graph().as_default(), df.Session() as sess:
            table, look = _table(kind)
            sess.run(table.insert(["c"], _values(kind, 3)))
            df.train.Saver().restore(sess, path)
            assert sess.run([look, table.size()])[0].tolist() == _values(kind, 1, 2, -1)
            assert sess.run(table.size()) == 2
    df.contrib.lookup.MutableHashTable(df.string, df.int64, -1, checkpoint=False)
    assert df.get_collection(df.GraphKeys.SAVEABLE_OBJECTS) == []


def _table(kind: str) -> tuple[Any, Any]:
    df.Variable(1.0, name="v")
    default = df.constant(_values(kind, -1)[0], df.int64)
    if kind == "dense":
        table: Any = df.contrib.lookup.MutableDenseHashTable(
            df.string, df.int64, default, empty_key="", deleted_key="-", name="t"
        )
    else:
        table = df.contrib.lookup.MutableHashTable(df.string, df.int64, default, name="t")
    return table, table.lookup(df.constant(["a", "b", "c"]))


def _values(kind: str, *numbers: int) -> list[Any]:
    return [[number, number] for number in numbers] if kind == "vectors" else list(numbers)


def test_a_resource_variable_of_a_gpu_is_saved_from_the_cpu_of_its_task() -> None:
    with df.Graph().as_default() as graph:
        with df.device("/job:ps/device:GPU:0"):
            df.Variable([1.0], use_resource=True, name="v")
            df.Variable([1.0], name="w")
        df.train.Saver()
        (save,) = [op for op in graph.get_operations() if op.type == "SaveV2"]
        devices = [it.device for it in save.inputs[3:]]
        assert devices == ["/job:ps/device:CPU:0", "/job:ps/device:GPU:0"]
        assert save.inputs[3].op.name.startswith("save/")
