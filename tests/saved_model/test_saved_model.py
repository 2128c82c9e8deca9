"""Saved models: written, read, and what their signatures say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dflow as df
from dflow.saved_model import constants, signature_constants, tag_constants

sm = df.saved_model


def model() -> tuple[Any, Any]:
    """The input and the output of a small model."""
    x = df.placeholder(df.float32, [None, 2], name="x")
    w = df.Variable([[2.0], [3.0]], name="w")
    return x, df.matmul(x, w, name="y")


def saved(folder: str, **arguments: Any) -> None:
    with df.Graph().as_default(), df.Session() as sess:
        x, y = model()
        sess.run(df.global_variables_initializer())
        sm.simple_save(sess, folder, {"x": x}, {"y": y}, **arguments)


@pytest.mark.parametrize("scope", [None, "part"])
def test_a_saved_model_is_loaded_with_its_variables(tmp_path: Path, scope: str | None) -> None:
    folder = f"{tmp_path}/model"
    saved(folder)
    assert sorted(str(it.relative_to(folder)) for it in Path(folder).rglob("*") if it.is_file()) == [
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert sm.maybe_saved_model_directory(folder)
    assert sm.contains_saved_model(folder)
    with df.Session(graph=df.Graph()) as sess:
        found = sm.load(sess, [tag_constants.SERVING], folder, import_scope=scope)
        signature = found.signature_def[signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY]
        assert sm.is_valid_signature(signature)
        x, y = (
            sm.get_tensor_from_tensor_info(it, sess.graph, scope)
            for it in (signature.inputs["x"], signature.outputs["y"])
        )
        assert sess.run(y, {x: [[1.0, 1.0]]}).tolist() == [[5.0]]
        assert [dim.size for dim in signature.inputs["x"].tensor_shape.dim] == [-1, 2]


def test_one_set_of_variables_has_graphs_for_several_uses(tmp_path: Path) -> None:
    builder = sm.Builder(f"{tmp_path}/model")
    with pytest.raises(AssertionError, match="has not been saved yet"):
        builder.add_meta_graph(["other"])
    with df.Graph().as_default(), df.Session() as sess:
        model()
        sess.run(df.global_variables_initializer())
        builder.add_meta_graph_and_variables(sess, [tag_constants.TRAINING])
        with pytest.raises(AssertionError, match="has already been saved"):
            builder.add_meta_graph_and_variables(sess, [tag_constants.TRAINING])
    with df.Graph().as_default():
        model()
        df.constant(1.0, name="only_here")
        builder.add_meta_graph([tag_constants.SERVING, tag_constants.GPU])
    assert builder.save(as_text=True) == f"{tmp_path}/model/{constants.SAVED_MODEL_FILENAME_PBTXT}"
    with df.Session(graph=df.Graph()) as sess:
        sm.load(sess, ["gpu", "serve"], f"{tmp_path}/model")
        assert sess.run("w:0").tolist() == [[2.0], [3.0]]
        assert sess.run("only_here:0") == 1.0
    with (
        df.Session(graph=df.Graph()) as sess,
        pytest.raises(RuntimeError, match=r"tags \['serve'\] could not be found"),
    ):
        sm.load(sess, ["serve"], f"{tmp_path}/model")


def test_files_of_a_model_are_copied_and_its_first_operation_gets_their_new_names(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a b")
    with df.Graph().as_default(), df.Session() as sess:
        path = df.constant(str(tmp_path / "words"), name="path")
        where = df.Variable("", name="where")
        df.global_variables_initializer().run()
        first = df.group(where.assign(path), name="first")
        builder = sm.Builder(f"{tmp_path}/model")
        builder.add_meta_graph_and_variables(sess, ["serve"], assets_collection=[path], main_op=first)
        builder.save()
    with df.Session(graph=df.Graph()) as sess:
        sm.load(sess, ["serve"], f"{tmp_path}/model")
        found = sess.run("where:0").decode()
        assert found == f"{tmp_path}/model/assets/words"
        assert Path(found).read_text() == "a b"
    with df.Graph().as_default(), df.Session() as sess:
        df.Variable(1.0).initializer.run()
        with pytest.raises(ValueError, match="Invalid asset filepath tensor"):
            sm.Builder(f"{tmp_path}/b").add_meta_graph_and_variables(sess, ["s"], assets_collection=[df.constant(1)])


def test_a_model_needs_an_empty_folder_and_a_load_needs_a_model(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssertionError, match="isn't empty"):
        sm.Builder(str(tmp_path))
    with df.Session() as sess:
        with pytest.raises(OSError, match="SavedModel file does not exist at"):
            sm.load(sess, ["serve"], f"{tmp_path}/nothing")
        (tmp_path / "saved_model.pbtxt").write_text("no model")
        with pytest.raises(OSError, match="Cannot parse file"):
            sm.load(sess, ["serve"], str(tmp_path))
    assert not sm.maybe_saved_model_directory(f"{tmp_path}/nothing")


# -- signatures


def test_a_signature_says_the_tensors_of_its_method() -> None:
    text, number = df.placeholder(df.string, [None]), df.placeholder(df.float32, [None])
    regression = sm.regression_signature_def(text, number)
    both = sm.classification_signature_def(text, text, number)
    scores = sm.classification_signature_def(text, None, number)
    predict = sm.predict_signature_def({"a": number}, {"b": text})
    assert [it.method_name.rpartition("/")[2] for it in (regression, both, scores, predict)] == [
        "regress",
        "classify",
        "classify",
        "predict",
    ]
    assert list(both.outputs) == ["classes", "scores"] or sorted(both.outputs) == ["classes", "scores"]
    assert all(sm.is_valid_signature(it) for it in (regression, both, scores, predict))
    for wrong in (
        None,
        sm.build_signature_def({}, {}, "x"),
        sm.build_signature_def(dict(predict.inputs), dict(predict.outputs), "x"),
    ):
        assert not sm.is_valid_signature(wrong)
    regression.inputs["more"].CopyFrom(regression.inputs["inputs"])
    assert not sm.is_valid_signature(regression)


def test_wrong_tensors_of_a_signature_are_value_errors() -> None:
    text, number = df.placeholder(df.string), df.placeholder(df.float32)
    for call in (
        lambda: sm.regression_signature_def(None, number),
        lambda: sm.regression_signature_def(number, number),
        lambda: sm.regression_signature_def(text, text),
        lambda: sm.classification_signature_def(text, None, None),
        lambda: sm.classification_signature_def(number, text, number),
        lambda: sm.classification_signature_def(text, number, number),
        lambda: sm.classification_signature_def(text, text, text),
        lambda: sm.predict_signature_def({}, {"y": text}),
        lambda: sm.predict_signature_def({"x": text}, {}),
    ):
        with pytest.raises(ValueError):
            call()


def test_a_sparse_tensor_is_described_by_its_parts() -> None:
    sparse = df.SparseTensor([[0, 1]], [1.0], [2, 3])
    info = sm.build_tensor_info(sparse)
    assert info.coo_sparse.values_tensor_name == sparse.values.name
    with pytest.raises(ValueError, match="the name of a tensor is needed"):
        sm.get_tensor_from_tensor_info(info)


def test_the_first_operation_may_initialize_and_restore(tmp_path: Path) -> None:
    v = df.Variable(1.0, name="v")
    with df.Session() as sess:
        sess.run(sm.main_op.main_op())
        sess.run(v.assign(5.0))
        saver = df.train.Saver(filename=f"{tmp_path}/m")
        saver.save(sess, f"{tmp_path}/m")
        sess.run(v.assign(7.0))
        sess.run(sm.main_op_with_restore(saver.saver_def.restore_op_name))
        assert sess.run(v) == 5.0


def test_the_names_of_uses_and_signatures_stand_in_the_module_too() -> None:
    for module in (sm.constants, sm.signature_constants, sm.tag_constants):
        names = {name for name in vars(module) if name.isupper()} - {"TRAIN_OP_KEY"}
        assert {name: getattr(sm, name) for name in names} == {name: getattr(module, name) for name in names}
    assert (sm.SERVING, sm.TRAINING, sm.GPU, sm.TPU) == ("serve", "train", "gpu", "tpu")
    assert (
        *("inputs", "outputs"),
        "tensorflow/serving/predict",
    ) == (sm.PREDICT_INPUTS, sm.PREDICT_OUTPUTS, sm.PREDICT_METHOD_NAME)
    assert sm.DEFAULT_SERVING_SIGNATURE_DEF_KEY == "serving_default"
    assert [
        sm.CLASSIFY_INPUTS,
        sm.CLASSIFY_OUTPUT_CLASSES,
        sm.CLASSIFY_OUTPUT_SCORES,
    ] == ["inputs", "classes", "scores"]
    assert (sm.REGRESS_INPUTS, sm.REGRESS_OUTPUTS) == ("inputs", "outputs")
    assert sm.CLASSIFY_METHOD_NAME.rpartition("/")[2] == "classify"
    assert sm.REGRESS_METHOD_NAME.rpartition("/")[2] == "regress"
    assert (sm.SAVED_MODEL_FILENAME_PB, sm.SAVED_MODEL_FILENAME_PBTXT) == ("saved_model.pb", "saved_model.pbtxt")
    assert (sm.VARIABLES_DIRECTORY, sm.VARIABLES_FILENAME, sm.ASSETS_DIRECTORY) == ("variables", "variables", "assets")
    assert (
        *("saved_model_assets", "saved_model_main_op"),
        "legacy_init_op",
    ) == (sm.ASSETS_KEY, sm.MAIN_OP_KEY, sm.LEGACY_INIT_OP_KEY)
    assert sm.SAVED_MODEL_SCHEMA_VERSION == 1
    assert sm.builder.SavedModelBuilder is sm.Builder
    assert sm.loader.load is sm.load
    assert sm.main_op.main_op_with_restore is sm.main_op_with_restore
    assert sm.signature_def_utils.is_valid_signature is sm.is_valid_signature
    assert sm.utils.build_tensor_info is sm.build_tensor_info
