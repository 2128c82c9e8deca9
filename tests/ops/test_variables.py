"""Variables: their arguments, classes, creators, messages, and lists of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import dflow as df
from dflow.ops.state import resource_variables as resource
from dflow.ops.state.variables import ResourceVariable, Variable


@pytest.fixture(autouse=True)
def sess() -> Any:
    with df.Graph().as_default(), df.Session() as session:
        yield session


def test_a_resource_variable_is_of_a_class_of_its_own_and_does_the_same(sess: Any) -> None:
    v = df.Variable(1.0, use_resource=True, name="v")
    assert type(v) is ResourceVariable
    assert isinstance(v, Variable)
    assert type(df.Variable(1.0)) is Variable
    assert not sess.run(v.is_initialized())
    sess.run(v.create)
    assert sess.run([df.assign_add(v.handle, 2.0), v.is_initialized()]) == [3, True]
    assert repr(v) == "<tf.Variable 'v:0' shape=() dtype=float32>"
    assert repr(df.Variable([[1, 2]], name="w")) == "<tf.Variable 'w:0' shape=(1, 2) dtype=int32_ref>"
    with pytest.raises(NotImplementedError):
        copy.deepcopy(v)
    with pytest.raises(RuntimeError, match="not supported"):
        v += 1.0


def test_a_scope_or_a_switch_makes_resource_variables() -> None:
    with df.variable_scope("a", use_resource=True):
        assert type(df.get_variable("v", [])) is ResourceVariable
        assert type(df.get_variable("w", [], use_resource=False)) is Variable
        assert type(df.Variable(1.0)) is ResourceVariable
    df.enable_resource_variables()
    try:
        assert df.resource_variables_enabled()
        assert type(df.Variable(1.0)) is ResourceVariable
    finally:
        df.disable_resource_variables()
    assert type(df.Variable(1.0)) is Variable


def test_assignments_give_the_value_or_the_operation(sess: Any) -> None:
    v = df.Variable([1.0, 2.0])
    sess.run(v.initializer)
    for change in (v.assign([3.0, 4.0], read_value=False), v.assign_add([1.0, 1.0], read_value=False)):
        assert isinstance(change, df.Operation)
        sess.run(change)
    assert sess.run(v.assign_sub([1.0, 1.0])).tolist() == [3, 4]


def test_wrong_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="collections argument"):
        df.Variable(1.0, collections="mine")
    with pytest.raises(ValueError, match="callable"):
        df.Variable(1.0, constraint=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Invalid variable synchronization mode"):
        df.Variable(1.0, synchronization=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Invalid variable aggregation mode"):
        df.Variable(1.0, aggregation="sum")  # type: ignore[arg-type]
    v = df.Variable(1.0, synchronization=df.VariableSynchronization.ON_READ, aggregation=df.VariableAggregation.MEAN)
    assert (v.trainable, v.synchronization.name, v.aggregation.name) == (False, "ON_READ", "MEAN")


def test_a_caching_device_is_where_other_operations_read_a_variable() -> None:
    v = df.Variable(1.0, caching_device="/job:moo")
    assert (v.device, v.value().device) == ("", "/job:moo")
    with df.variable_scope("a", caching_device="/job:live") as scope:
        assert df.get_variable("v", []).value().device == "/job:live"
        scope.set_caching_device(lambda op: op.device)
        assert df.get_variable("w", []).value().device == ""


def test_a_shape_may_be_less_than_that_of_the_initial_value(sess: Any) -> None:
    v = df.Variable([1.0, 2.0], shape=[None])
    assert v.shape.as_list() == [None]
    sess.run(v.initializer)
    assert sess.run(df.assign(v, [1.0, 2.0, 3.0])).tolist() == [1, 2, 3]
    w = df.Variable([1.0], validate_shape=False)
    w.set_shape([1])
    assert w.shape == w.value().shape == [1]


def test_a_variable_is_found_again_by_its_message(sess: Any) -> None:
    v = df.Variable([1.0, 2.0], name="v", trainable=False, use_resource=True)
    v._set_save_slice_info(Variable.SaveSliceInfo("whole", [4], [2], [2]))
    message = v.to_proto()
    assert (message.variable_name, message.initializer_name, message.snapshot_name) == ("v:0", "v/Assign", "v/read:0")
    assert (message.is_resource, message.trainable) == (True, False)
    again = Variable.from_proto(message)
    assert type(again) is ResourceVariable
    assert (again.op, again.initializer, again.initial_value) == (v.op, v.initializer, v.initial_value)
    assert again._save_slice_info.spec == "4 2,2"
    sess.run(again.initializer)
    assert sess.run([v, again.value()])[1].tolist() == [1, 2]
    assert v.to_proto(export_scope="other") is None
    with df.name_scope("outer"):
        inner = df.Variable(1.0, name="inner")
    assert inner.to_proto("outer").variable_name == "inner:0"
    assert Variable.from_proto(inner.to_proto("outer"), import_scope="outer").op is inner.op


def test_creators_change_what_is_made_the_innermost_first() -> None:
    seen = []

    def outer(next_creator: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["name"])
        return next_creator(**kwargs)

    def inner(next_creator: Any, **kwargs: Any) -> Any:
        return next_creator(**{**kwargs, "name": "forced"})

    with df.variable_creator_scope(outer), df.variable_creator_scope(inner):
        assert df.Variable(1.0, name="v").op.name == "forced"
        assert df.get_variable("w", []).op.name == "forced_1"
    assert seen == ["forced", "forced"]
    assert df.Variable(1.0, name="v").op.name == "v"
    first = df.variable_creator_scope(outer)
    first.__enter__()
    with df.variable_creator_scope(inner), pytest.raises(RuntimeError, match="nesting"):
        first.__exit__(None, None, None)


def test_custom_getters_are_called_from_the_inside_out(sess: Any) -> None:
    def total(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return getter(f"{name}/a", *args, **kwargs) + getter(f"{name}/b", *args, **kwargs)

    def product(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return getter(f"{name}/x", *args, **kwargs) * getter(f"{name}/y", *args, **kwargs)

    with df.variable_scope("s", custom_getter=product), df.variable_scope("t", custom_getter=total):
        df.get_variable("v", [], initializer=df.ones_initializer())
    assert [v.op.name for v in df.global_variables()] == [f"s/t/v/{i}/{j}" for i in "ab" for j in "xy"]
    with pytest.raises(ValueError, match="not callable"):
        df.get_variable("w", [], custom_getter=3)  # type: ignore[arg-type]


def test_a_scope_has_defaults_of_every_kind_and_methods_to_change_them() -> None:
    constraint = abs
    with df.variable_scope("a", constraint=constraint, dtype=df.float64) as scope:
        v = df.get_variable("v", [1])
        assert (v.constraint, v.dtype) == (constraint, df.float64)
        scope.set_dtype(df.float32)
        scope.set_custom_getter(lambda getter, name, **kwargs: getter(f"{name}_mine", **kwargs))
        assert df.get_variable("v", [1]).name == "a/v_mine:0"
        scope.set_custom_getter(None)
        scope.set_partitioner(df.fixed_size_partitioner(2))
        assert df.get_variable("w", [2]).name == "a/w"
        with df.variable_scope("b", regularizer=lambda x: df.reduce_sum(x)):
            df.get_variable("regular", [1], regularizer=df.no_regularizer)
    assert df.get_collection(df.GraphKeys.REGULARIZATION_LOSSES) == []
    assert scope.get_collection("nothing") == []
    assert [it.op.name for it in scope.global_variables()][:2] == ["a/v", "a/v_mine"]


def test_a_local_variable_is_in_its_collections_alone() -> None:
    v = df.get_local_variable("v", [], collections=["mine"])
    assert df.get_collection("mine") == df.local_variables() == [v]
    assert df.global_variables() == df.trainable_variables() == []
    with df.variable_scope("", reuse=True):
        assert df.get_local_variable("v", []) is v
        assert df.get_variable_scope().local_variables() == [v]


def test_an_initial_value_of_another_dtype_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"Initializer type 'int32' and explicit dtype 'float64' don't match"):
        df.get_variable("v", initializer=df.constant(1), dtype=df.float64)
    with pytest.raises(TypeError):
        df.get_variable("w", initializer={})
    with pytest.raises(ValueError, match="The initializer passed is not valid"):
        df.get_variable("x", initializer=lambda x: [2])


def test_blocks_that_are_left_in_a_wrong_order_are_a_runtime_error() -> None:
    with df.variable_scope("aa"):
        scope = df.variable_scope("bb")
        scope.__enter__()
        with df.variable_scope("cc"), pytest.raises(RuntimeError, match="Improper nesting"):
            scope.__exit__(None, None, None)
        scope.__exit__(None, None, None)


def test_the_older_order_of_arguments_of_a_scope_warns() -> None:
    with pytest.warns(DeprecationWarning, match="variable_op_scope"), df.variable_op_scope([], "a", "b") as scope:
        assert scope.name == "a"


def test_variables_are_asserted_to_have_values(sess: Any) -> None:
    assert df.assert_variables_initialized() is None
    v, w = df.Variable(1.0, name="v"), df.Variable(2.0, collections=[df.GraphKeys.MODEL_VARIABLES])
    check = df.assert_variables_initialized()
    with pytest.raises(df.errors.FailedPreconditionError, match="uninitialized value v"):
        sess.run(check)
    sess.run(v.initializer)
    sess.run(check)
    assert df.model_variables() == [w]
    assert df.moving_average_variables() == []


def test_a_scope_says_all_of_its_defaults() -> None:
    def constraint(x: Any) -> Any:
        return x

    partitioner = df.fixed_size_partitioner(2)
    with df.variable_scope("a", constraint=constraint, caching_device="/job:a", partitioner=partitioner) as scope:
        assert isinstance(scope, df.VariableScope)
        assert (scope.constraint, scope.caching_device, scope.partitioner) == (constraint, "/job:a", partitioner)
        assert scope.custom_getter is None
        assert callable(scope.get_variable)


def test_collections_have_tensorflows_names() -> None:
    keys = df.GraphKeys
    assert {
        *(keys.ACTIVATIONS, keys.ASSET_FILEPATHS, keys.BIASES, keys.CONCATENATED_VARIABLES, keys.COND_CONTEXT),
        *(keys.EVAL_STEP, keys.INIT_OP, keys.LOCAL_INIT_OP, keys.LOCAL_RESOURCES, keys.METRIC_VARIABLES),
        *(keys.MODEL_VARIABLES, keys.MOVING_AVERAGE_VARIABLES, keys.READY_FOR_LOCAL_INIT_OP, keys.READY_OP),
        *(keys.RESOURCES, keys.SAVEABLE_OBJECTS, keys.SAVERS, keys.SUMMARIES, keys.SUMMARY_OP),
        *(keys.TRAINABLE_RESOURCE_VARIABLES, keys.UPDATE_OPS, keys.VARIABLES, keys.WEIGHTS, keys.WHILE_CONTEXT),
        keys.TABLE_INITIALIZERS,
    } == {
        *("activations", "asset_filepaths", "biases", "concatenated_variables", "cond_context", "eval_step", "init_op"),
        *("local_init_op", "local_resources", "metric_variables", "model_variables", "moving_average_variables"),
        *("ready_for_local_init_op", "ready_op", "resources", "saveable_objects", "savers", "summaries", "summary_op"),
        *("table_initializer", "trainable_resource_variables", "update_ops", "variables", "weights", "while_context"),
    }


def test_handles_are_given_in_the_place_of_variables(sess: Any) -> None:
    v = resource.var_handle_op(df.int32, [2, 1])
    assert not sess.run(resource.var_is_initialized_op(v))
    sess.run(resource.assign_variable_op(v, [[1], [6]]))
    sess.run(resource.assign_add_variable_op(v, [[1], [1]]))
    sess.run(resource.assign_sub_variable_op(v, [[0], [1]]))
    for change, at, by in (
        (resource.resource_scatter_add, 0, 3),
        (resource.resource_scatter_sub, 0, 1),
        (resource.resource_scatter_mul, 0, 5),
        (resource.resource_scatter_div, 1, 3),
        (resource.resource_scatter_min, 0, 8),
        (resource.resource_scatter_max, 1, 4),
        (resource.resource_scatter_update, 1, 7),
    ):
        sess.run(change(v, [at], [[by]]))
    assert sess.run(resource.read_variable_op(v, df.int32)).tolist() == [[8], [7]]
    assert sess.run(resource.resource_gather(v, [1], df.int32)).tolist() == [[7]]
    assert sess.run(resource.variable_shape(v)).tolist() == [2, 1]
    with pytest.raises(ValueError, match="wrong dtype"):
        resource.read_variable_op(v, df.float32)
    with pytest.raises(ValueError):
        resource.assign_variable_op(v, df.constant([[1.0], [2.0]]))
    with pytest.raises(ValueError):
        resource.shape_safe_assign_variable_handle(v, [3], [1, 2])
    assert resource.is_resource_variable(df.Variable(1, use_resource=True))


def test_rows_and_slices_of_a_variable_are_read(sess: Any) -> None:
    v = df.Variable([[1.0, 2.0], [3.0, 4.0]])
    sess.run(v.initializer)
    assert sess.run([v.sparse_read([1]), v.gather_nd([[1, 0]])])[0].tolist() == [[3, 4]]
    assert sess.run(v.gather_nd([[1, 0]])).tolist() == [3]


def test_rows_and_slices_of_a_variable() -> None:
    v = df.Variable([[1.0, 2.0], [3.0, 4.0]])
    with df.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(v.sparse_read([1])).tolist() == [[3.0, 4.0]]
        assert sess.run(v.gather_nd([[0, 1], [1, 0]])).tolist() == [2.0, 3.0]


# -- initial values that depend on other variables


def test_variables_that_depend_on_each_other_are_initialized_in_one_run(sess: Any) -> None:
    a = df.Variable(3.0, name="a")
    b = df.Variable(2.0 * a, name="b")
    c = df.Variable(lambda: [b + a, a.read_value()], name="c")
    assert b.initializer.operands[0].op.name == "mul_b"
    for _ in range(5):
        sess.run(df.global_variables_initializer())
        assert [it.tolist() for it in sess.run([a, b, c])] == [3, 6, [9, 3]]
    sess.run([a.assign(1.0), b.assign(10.0)])
    sess.run(c.initializer)  # these have values: it takes them
    assert sess.run(c).tolist() == [11, 1]
    assert sess.run(b.initial_value) == 2  # the tensor that was given


def test_an_initial_value_without_variables_is_used_as_it_is(sess: Any) -> None:
    _, value = df.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, 2.0 * x), [0, df.constant(1.0)])
    assert df.Variable(value).initializer.operands[0] is value
    d = df.Variable(lambda: df.constant(1.0), name="d")
    assert [op.operands for op in df.get_default_graph().get_operations() if op.name == "d/Assign"] == [
        (d.initial_value,)
    ]


def test_an_initial_value_from_inside_a_loop_or_a_branch_is_an_error() -> None:
    def body(i: Any) -> Any:
        df.Variable(df.zeros([]))
        return i + 1

    with pytest.raises(ValueError, match="inside a control-flow construct"):
        df.while_loop(lambda i: i < 3, body, [0])
    with pytest.raises(ValueError, match="use a lambda as the initializer"):
        df.cond(df.constant(True), lambda: df.Variable(df.zeros([])), lambda: df.zeros([]))


def test_what_an_initializer_builds_is_beside_its_variable_also_in_an_imported_graph() -> None:
    with df.device(lambda op: "/job:ps" if op.type == "VariableV2" else "/job:worker"):
        v = df.get_variable("v", [2], initializer=df.random_uniform_initializer())
        df.Variable(df.zeros([], name="zero"), name="w")
    graph = df.get_default_graph()
    ops = [op for op in graph.get_operations() if op.name.startswith("v")]
    assert {op.colocation_groups()[0] for op in ops} == {b"loc:@v"}
    assert {op.device for op in ops} == {"/job:ps"}
    assert graph.get_operation_by_name("zero").device == "/job:worker"
    message = graph.as_graph_def()
    with df.Graph().as_default() as other:
        df.import_graph_def(message, name="")
        assert other.as_graph_def() == message
        imported = other.get_operation_by_name(v.initial_value.op.name)
        assert (imported.device, imported.colocation_groups()) == ("/job:ps", [b"loc:@v"])


def test_a_message_without_an_initial_value_is_a_variable_without_one() -> None:
    message = df.Variable(1.0).to_proto()
    message.ClearField("initial_value_name")
    v = Variable(variable_def=message)
    assert v.to_proto() == message
    with pytest.raises(ValueError, match="not known"):
        v.initialized_value()
    df.Variable(v + 1.0)  # reads it as it is


def test_the_check_of_variables_is_a_tensor(sess: Any) -> None:
    v, w = df.Variable([1, 2]), df.Variable(3)
    one, both = df.assert_variables_initialized([v]), df.assert_variables_initialized()
    assert one is not None
    assert both is not None
    sess.run(v.initializer)
    assert sess.run(one) == 1
    with pytest.raises(df.errors.FailedPreconditionError, match="uninitialized value"):
        both.op.run(session=sess)
    sess.run(w.initializer)
    assert sess.run(both).tolist() == [1, 0]
