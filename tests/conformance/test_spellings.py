"""Functions, constants and methods that few programs use: each gives what TensorFlow 1 gives."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow as tf


def run(fetches: Any) -> Any:
    with tf.Session() as sess:
        return sess.run(fetches)


# -- functions


def test_old_names_of_division_are_those_of_division() -> None:
    seven, two = tf.constant([7, -7]), tf.constant(2)
    assert run(tf.mod(seven, two)).tolist() == [1, 1]
    assert run(tf.floor_div(seven, two)).tolist() == [3, -4]
    assert run(tf.realdiv(tf.constant([7.0]), 2.0)).tolist() == [3.5]


def test_logical_xor_is_true_where_one_is() -> None:
    found = tf.logical_xor([False, False, True, True], [False, True, False, True])
    assert run(found).tolist() == [False, True, True, False]


def test_an_integer_of_more_than_64_bits_is_a_floating_number() -> None:
    found = [tf.constant(2**64, tf.float32), tf.constant([0.5, -(10**20)], tf.float64), tf.constant(1j) * 10**20]
    assert run(found[0]) == 2.0**64
    assert run(found[1]).tolist() == [0.5, -1e20]
    assert run(found[2]) == np.complex128(1e20j)
    assert run(tf.clip_by_value(tf.constant([1.0, 1e30]), 0, 10**20)).tolist() == [1.0, np.float32(1e20)]
    for dtype in (None, tf.int64, tf.uint64, tf.bool, tf.string):
        with pytest.raises(TypeError):
            tf.constant(2**64, dtype)
    with pytest.raises(TypeError, match="too large"):
        tf.constant(10**400, tf.float64)


def test_two_names_of_one_argument_are_not_given_together() -> None:
    x = tf.constant([[1, 2]])
    with pytest.raises(ValueError, match="Cannot specify both 'axis' and 'reduction_indices'"):
        tf.reduce_sum(x, 0, reduction_indices=0)
    with pytest.raises(ValueError, match="Cannot specify both 'keepdims' and 'keep_dims'"):
        tf.reduce_max(x, keepdims=False, keep_dims=True)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (tf.Graph.device, ["self", "device_name_or_function"]),
        (tf.Graph.container, ["self", "container_name"]),
        (tf.as_dtype, ["type_value"]),
        (tf.DeviceSpec.merge_from, ["self", "dev"]),
        (tf.SparseTensor.from_value, ["sparse_tensor_value"]),
        (tf.errors.error_code_from_exception_type, ["cls"]),
        (tf.parallel_stack, ["values", "name"]),
        (tf.count_up_to, ["ref", "limit", "name"]),
    ],
)
def test_arguments_have_the_names_of_tensorflow(function: Any, names: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == names


def test_the_conjugate_of_a_real_number_is_the_number_itself() -> None:
    real = tf.constant([1.0, 2.0])
    assert tf.conj(real) is real
    assert run(tf.conj(tf.constant([1 + 2j]))).tolist() == [1 - 2j]


def test_tensors_are_cast_by_functions_named_after_their_dtype() -> None:
    numbers = tf.constant([1.5, -1.5])
    found = [tf.to_int32(numbers), tf.to_int64(numbers), tf.to_double(numbers), tf.to_float(numbers)]
    assert [it.dtype for it in found] == [tf.int32, tf.int64, tf.float64, tf.float32]
    assert [it.tolist() for it in run(found)] == [[1, -1], [1, -1], [1.5, -1.5], [1.5, -1.5]]


def test_none_is_no_dtype() -> None:
    """NumPy takes it for float64."""
    for wrong in (tf.as_dtype, tf.placeholder):
        with pytest.raises(TypeError, match="Cannot convert value None to a TensorFlow DType"):
            wrong(None)


def test_a_tensor_has_no_array_while_the_graph_is_built_and_numpy_says_so() -> None:
    x, v = tf.placeholder(tf.float32, [2], name="x"), tf.Variable([1.0, 2.0], name="v")
    for name, it in {"x:0": x, "v:0": v}.items():
        for make in (np.asarray, np.exp, lambda it: np.array([it]), tf.constant, lambda it: tf.constant([it, 1.0])):
            with pytest.raises(NotImplementedError, match=f"{name} has no value while the graph is built"):
                make(it)
    with tf.Session() as sess, pytest.raises(NotImplementedError, match="x:0 has no value"):
        sess.run(x, {x: [x, 1.0]})


def test_numpy_arrays_and_numbers_stand_on_either_side_of_a_tensor() -> None:
    x, v = tf.constant([1.0, 2.0]), tf.Variable([1.0, 2.0])
    ones = np.ones(2, np.float32)
    sums = [ones + x, x + ones, np.float32(1) + x, np.float64(1) + x, ones + v, v + ones]
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert [it.tolist() for it in sess.run(sums)] == [[2.0, 3.0]] * 6


def test_a_mask_picks_elements_by_an_index() -> None:
    x = tf.constant([1.0, -2.0, 3.0])
    assert [it.tolist() for it in run([x[x > 0.0], x[np.array([False, True, True])]])] == [[1.0, 3.0], [-2.0, 3.0]]


@pytest.mark.parametrize("make", [tf.constant, lambda rows: tf.add(tf.ones([2, 2]), rows)])
def test_rows_of_differing_lengths_are_no_tensor(make: Any) -> None:
    with pytest.raises(ValueError, match=r"Argument must be a dense tensor: \[\[1.0\], \[2.0, 3.0\]\]"):
        make([[1.0], [2.0, 3.0]])


def test_dtypes_have_a_long_and_a_short_name() -> None:
    assert tf.half is tf.float16
    assert tf.double is tf.float64


@pytest.mark.parametrize("name", ["bfloat16", "half", "uint32", "uint64", "complex64"])
def test_a_constant_of_a_rare_dtype_comes_back_in_it(name: str) -> None:
    dtype = getattr(tf, name)
    found = run(tf.constant([1, 2], dtype))
    assert found.dtype == dtype.as_numpy_dtype
    assert found.tolist() == [1, 2]


def test_parallel_stack_stacks_along_a_new_first_axis() -> None:
    assert run(tf.parallel_stack([tf.constant([1, 2]), tf.constant([3, 4])])).tolist() == [[1, 2], [3, 4]]


def test_the_global_norm_is_that_of_all_tensors_and_none_is_left_out() -> None:
    assert run(tf.global_norm([tf.constant([3.0]), None, tf.constant([[4.0]])])) == 5


def test_random_numbers_of_each_kind_have_the_shape_and_the_dtype_asked_for() -> None:
    normal = tf.random_normal([2, 3], seed=1)
    truncated = tf.truncated_normal([1000], stddev=2.0, dtype=tf.float64, seed=1)
    shuffled = tf.random_shuffle(list(range(10)), seed=1)
    assert (normal.shape.as_list(), truncated.dtype) == ([2, 3], tf.float64)
    first, second, third = run([normal, truncated, shuffled])
    assert first.shape == (2, 3)
    assert np.abs(second).max() <= 4  # two standard deviations
    assert sorted(third) == list(range(10))


def test_reset_default_graph_forgets_all_operations() -> None:
    def work() -> None:
        graph = tf.get_default_graph()
        tf.constant(1, name="forgotten")
        tf.reset_default_graph()
        found.extend([tf.get_default_graph() is graph, len(tf.get_default_graph().get_operations())])

    found: list[Any] = []
    thread = threading.Thread(target=work)  # where the default graph is the global one
    thread.start()
    thread.join()
    assert found == [False, 0]


def test_unconnected_gradients_are_none_or_zeros() -> None:
    x, y = tf.constant(3.0), tf.constant([1.0, 2.0])
    assert tf.gradients(x * x, [y], unconnected_gradients=tf.UnconnectedGradients.NONE) == [None]
    (zeros,) = tf.gradients(x * x, [y], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert run(zeros).tolist() == [0, 0]


@pytest.mark.parametrize("method", ["DEFAULT", "ADD_N", "EXPERIMENTAL_TREE", "EXPERIMENTAL_ACCUMULATE_N"])
def test_gradients_are_summed_alike_by_each_aggregation_method(method: str) -> None:
    x = tf.constant(3.0)
    (found,) = tf.gradients(x * x + x, [x], aggregation_method=getattr(tf.AggregationMethod, method))
    assert run(found) == 7


# -- graphs


def test_names_are_made_unique_and_may_be_asked_for_in_advance() -> None:
    graph = tf.get_default_graph()
    with tf.name_scope("a"):
        assert graph.get_name_scope() == "a"
        assert [graph.unique_name("x") for _ in range(2)] == ["a/x", "a/x_1"]
        assert tf.constant(1, name="x").op.name == "a/x_2"
    assert graph.get_name_scope() == ""


def test_a_finalized_graph_takes_no_operation() -> None:
    graph = tf.get_default_graph()
    op = tf.constant(1).op
    assert not graph.finalized
    graph.finalize()
    assert graph.finalized
    assert graph.get_operation_by_name(op.name) is op
    assert graph.get_tensor_by_name("Const:0") is op.outputs[0]
    with pytest.raises(RuntimeError, match="finalized"):
        tf.constant(2)


def test_a_graph_says_what_may_be_fed_and_how_many_operations_it_has() -> None:
    graph = tf.get_default_graph()
    before = graph.version
    protected, other = tf.constant(1), tf.constant(2)
    graph.prevent_feeding(protected)
    assert [graph.is_feedable(it) for it in (protected, other)] == [False, True]
    assert graph.version > before
    assert graph.as_graph_element("Const:0") is protected


def test_collections_hold_what_is_added_under_one_or_several_names() -> None:
    graph = tf.get_default_graph()
    tf.add_to_collection("a", 1)
    graph.add_to_collection("a", 2)
    graph.add_to_collections(["a", "b", "a"], 3)
    assert (tf.get_collection("a"), graph.get_collection("b")) == ([1, 2, 3], [3])
    graph.get_collection("a").append(4)
    assert graph.get_collection("a") == [1, 2, 3]
    graph.get_collection_ref("b").append(4)
    assert graph.get_collection("b") == [3, 4]
    tf.add_to_collections(["b", "c"], 5)
    assert (tf.get_collection_ref("b"), tf.get_collection("c")) == ([3, 4, 5], [5])
    assert tf.get_collection_ref("c") is graph.get_collection_ref("c")
    assert {"a", "b"} <= set(graph.get_all_collection_keys())
    assert tf.GraphKeys.LOSSES == "losses"


def test_each_collection_of_tensorflow_has_its_name() -> None:
    keys = """
    ACTIVATIONS ASSET_FILEPATHS BIASES CONCATENATED_VARIABLES COND_CONTEXT EVAL_STEP INIT_OP LOCAL_INIT_OP
    LOCAL_RESOURCES METRIC_VARIABLES MODEL_VARIABLES MOVING_AVERAGE_VARIABLES READY_FOR_LOCAL_INIT_OP READY_OP RESOURCES
    SAVEABLE_OBJECTS SAVERS SUMMARIES SUMMARY_OP TABLE_INITIALIZERS TRAINABLE_RESOURCE_VARIABLES UPDATE_OPS VARIABLES
    WEIGHTS WHILE_CONTEXT
    """
    others = {"TABLE_INITIALIZERS": "table_initializer", "VARIABLES": "variables"}
    for key in keys.split():
        assert getattr(tf.GraphKeys, key) == others.get(key, key.lower())


def test_an_operation_knows_its_type_its_inputs_and_its_outputs() -> None:
    x = tf.constant([1.0], name="x")
    op = tf.negative(x, name="minus").op
    assert (op.name, op.type, op.graph) == ("minus", "Neg", tf.get_default_graph())
    assert (list(op.inputs), list(op.control_inputs)) == ([x], [])
    assert list(op.outputs) == list(op.values())
    assert x.consumers() == [op]
    with tf.Session():
        assert op.run() is None


def test_what_an_operation_works_on_is_its_first_input() -> None:
    queue, reader, variable = tf.FIFOQueue(3, tf.string), tf.WholeFileReader(), tf.Variable([1.0])
    key, _ = reader.read(queue)
    put, assign = queue.enqueue(["x"]), variable.assign([2.0]).op
    assert list(key.op.inputs) == [reader.reader_ref, queue.queue_ref]
    assert put.inputs[0] is queue.queue_ref
    assert [tensor.dtype for tensor in put.inputs[1:]] == [tf.string]
    assert assign.inputs[0] is variable.op.outputs[0]
    assert list(reader.reset().inputs) == [reader.reader_ref]
    assert {key.op, put} <= set(queue.queue_ref.consumers())
    assert {variable.initializer, assign} <= set(variable.op.outputs[0].consumers())
    assert [list(it.op.inputs) for it in (queue, reader, variable)] == [[], [], []]


def test_a_tensor_knows_its_place_and_takes_a_better_shape() -> None:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    assert (x.name, x.op.name, x.value_index, x.graph) == ("x:0", "x", 0, tf.get_default_graph())
    assert x.dtype == tf.float32
    x.set_shape([3, None])
    assert x.get_shape().as_list() == x.shape.as_list() == [3, 2]
    with pytest.raises(ValueError):
        x.set_shape([4, 2])


def test_a_session_is_of_one_graph() -> None:
    with tf.Session() as sess:
        assert sess.graph is tf.get_default_graph()
        assert not sess.sess_str  # in this process


def test_options_for_which_there_is_no_use_are_accepted() -> None:
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    options = tf.RunOptions(trace_level=0, output_partition_graphs=False)
    with tf.Session(config=config) as sess:
        assert sess.run(tf.constant(1), options=options) == 1


# -- dtypes and shapes


def test_a_dtype_knows_what_it_is() -> None:
    def kinds(dtype: Any) -> list[bool]:
        return [dtype.is_bool, dtype.is_integer, dtype.is_floating, dtype.is_complex]

    assert [kinds(it).index(True) for it in (tf.bool, tf.int8, tf.float16, tf.complex64)] == [0, 1, 2, 3]
    assert kinds(tf.string) == [False] * 4
    assert [it.is_numeric for it in (tf.int8, tf.complex64, tf.string)] == [True, True, False]
    assert (tf.int8.min, tf.int8.max, tf.int8.size, tf.int8.name) == (-128, 127, 1, "int8")
    assert tf.float32.as_numpy_dtype == np.float32
    assert tf.float32.base_dtype == tf.as_dtype("float32")


def test_a_shape_merges_with_what_is_known_of_it() -> None:
    shape = tf.TensorShape([None, 3])
    assert (shape.ndims, shape.rank, shape.num_elements(), shape.is_fully_defined()) == (2, 2, None, False)
    assert shape.merge_with([2, None]).as_list() == [2, 3]
    assert shape.concatenate([4]).as_list() == [None, 3, 4]
    assert shape.with_rank(2).as_list() == [None, 3]
    assert shape.is_compatible_with([7, 3])
    assert not shape.is_compatible_with([7, 4])
    assert tf.TensorShape([2, 3]).num_elements() == 6
    assert tf.TensorShape(None).ndims is None


# -- variables, optimizers, threads, files


def test_variables_are_assigned_and_counted_by_functions() -> None:
    v = tf.Variable(5, name="v")
    with tf.Session() as sess:
        sess.run(tf.variables_initializer([v]))
        found = [sess.run(it) for it in (tf.assign(v, 3), tf.assign_add(v, 4), tf.assign_sub(v, 1))]
        assert found == [3, 7, 6]
        assert sess.run(tf.count_up_to(v, 7)) == 6
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(tf.count_up_to(v, 7))


def test_what_an_assignment_gives_can_be_assigned_to_and_comes_first() -> None:
    v, count = tf.Variable(0.0, name="v"), tf.Variable(0, name="count")
    with tf.Session() as sess:
        sess.run([v.initializer, count.initializer])
        assert sess.run(tf.assign_add(tf.assign(v, 5.0), 2.0)) == 7
        assert sess.run(tf.assign_sub(v.assign_add(1.0), 2.0)) == 6
        assert sess.run(tf.assign(v.assign_sub(1.0), 3.0)) == 3
        assert sess.run(v) == 3
        assert sess.run(tf.count_up_to(tf.assign(count, 4), 5, name="counted")) == 4
        assert sess.run(count) == 5
    for other in (tf.constant(1.0), v + 1):
        with pytest.raises(TypeError, match="only a variable can be changed"):
            tf.assign(other, 1.0)


@pytest.mark.parametrize("initial", ["text", ["text"], True])
def test_text_and_bool_are_not_added_to(initial: Any) -> None:
    v = tf.Variable(initial)
    for update in (v.assign_add, v.assign_sub):
        with pytest.raises(TypeError, match="not in list of allowed values"):
            update(initial)


@pytest.mark.parametrize("initial", ["text", True, 1.0, np.int8(1)])
def test_only_int32_and_int64_are_counted_up(initial: Any) -> None:
    with pytest.raises(TypeError, match="count_up_to is for int32 and int64"):
        tf.Variable(initial).count_up_to(3)


def test_a_variable_has_methods_that_assign_count_and_load() -> None:
    v = tf.Variable(5.0, name="v")
    count = tf.Variable(0, name="count", trainable=False)
    assert (v.name, v.dtype.base_dtype, v.get_shape().as_list(), v.graph) == ("v:0", tf.float32, [], v.op.graph)
    assert (v.trainable, count.trainable) == (True, False)
    assert v.shape.as_list() == v.initial_value.shape.as_list() == []
    with tf.Session() as sess:
        sess.run([v.initializer, count.initializer])
        assert [sess.run(it) for it in (v.assign(3.0), v.assign_add(4.0), v.assign_sub(1.0))] == [3, 7, 6]
        assert sess.run(count.count_up_to(1)) == 0
        v.load(2.5, sess)
        assert v.eval() == sess.run(v.value()) == sess.run(v.read_value()) == 2.5
        assert sess.run(v.initialized_value()) == 2.5


def test_a_variable_scope_tells_its_defaults_and_its_variables() -> None:
    def halved(value: Any) -> Any:
        return 0.5 * value

    first = tf.constant_initializer(1.0)
    with tf.variable_scope("a", initializer=first, dtype=tf.float64) as scope:
        v = tf.get_variable("v", [2])
        assert (scope.name, scope.original_name_scope, scope.dtype) == ("a", "a/", tf.float64)
        assert (scope.initializer, scope.regularizer) == (first, None)
        second = tf.zeros_initializer()
        scope.set_initializer(second)
        scope.set_regularizer(halved)
        assert (scope.initializer, scope.regularizer) == (second, halved)
        w = tf.get_variable("w", [2], trainable=False)
        assert scope.global_variables() == [v, w]
        assert scope.trainable_variables() == [v]
        assert not scope.reuse
        scope.reuse_variables()
        assert scope.reuse
        assert tf.get_variable("v", [2], dtype=tf.float64) is v
    assert len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == 1


def test_a_sparse_tensor_is_three_tensors() -> None:
    value = tf.SparseTensorValue(np.array([[0, 1]], np.int64), np.array([2.0], np.float32), np.array([2, 3], np.int64))
    x = tf.SparseTensor.from_value(value)
    assert (x.dtype, x.graph, x.op) == (tf.float32, tf.get_default_graph(), x.values.op)
    assert x.shape.as_list() == x.get_shape().as_list() == [2, 3]
    with tf.Session() as sess:
        for found in (x.eval(), sess.run(x)):
            assert [it.tolist() for it in found] == [[[0, 1]], [2], [2, 3]]
        parts = sess.run([x.indices, x.values, x.dense_shape])
        assert [it.tolist() for it in parts] == [[[0, 1]], [2], [2, 3]]


def test_an_optimizer_has_a_name_and_three_ways_to_wait_for_gradients() -> None:
    optimizer = tf.train.GradientDescentOptimizer(0.5, name="descent")
    assert isinstance(optimizer, tf.train.Optimizer)
    assert optimizer.get_name() == "descent"
    v = tf.Variable(3.0)
    updates = [
        optimizer.minimize(v * v, gate_gradients=gate)
        for gate in (tf.train.Optimizer.GATE_NONE, optimizer.GATE_OP, optimizer.GATE_GRAPH)
    ]
    with tf.Session() as sess:
        for update in updates:
            sess.run(v.initializer)
            sess.run(update)
            assert sess.run(v) == 0


def test_a_looper_can_be_run_by_the_thread_of_the_caller() -> None:
    coord = tf.train.Coordinator()
    called: list[int] = []

    def step() -> None:
        called.append(1)
        if len(called) == 3:
            coord.request_stop()

    looper = tf.train.LooperThread(coord, None, target=step)
    looper.run()
    assert len(called) == 3
    assert looper.daemon


def test_the_compression_of_a_file_of_records_has_a_name(tmp_path: Path) -> None:
    kind, options = tf.python_io.TFRecordCompressionType, tf.python_io.TFRecordOptions
    named = [options.get_compression_type_string(options(it)) for it in (kind.NONE, kind.ZLIB, kind.GZIP)]
    assert (
        named == [options.compression_type_map[it] for it in (kind.NONE, kind.ZLIB, kind.GZIP)] == ["", "ZLIB", "GZIP"]
    )
    writer = tf.python_io.TFRecordWriter(str(tmp_path / "f"), options(kind.GZIP))
    writer.write(b"one")
    writer.flush()
    writer.close()
    assert list(tf.python_io.tf_record_iterator(str(tmp_path / "f"), options(kind.GZIP))) == [b"one"]


def test_each_class_of_errors_has_its_code() -> None:
    kinds = {
        "CANCELLED": "CancelledError",
        "UNKNOWN": "UnknownError",
        "INVALID_ARGUMENT": "InvalidArgumentError",
        "DEADLINE_EXCEEDED": "DeadlineExceededError",
        "NOT_FOUND": "NotFoundError",
        "ALREADY_EXISTS": "AlreadyExistsError",
        "PERMISSION_DENIED": "PermissionDeniedError",
        "RESOURCE_EXHAUSTED": "ResourceExhaustedError",
        "FAILED_PRECONDITION": "FailedPreconditionError",
        "ABORTED": "AbortedError",
        "OUT_OF_RANGE": "OutOfRangeError",
        "UNIMPLEMENTED": "UnimplementedError",
        "INTERNAL": "InternalError",
        "UNAVAILABLE": "UnavailableError",
        "DATA_LOSS": "DataLossError",
        "UNAUTHENTICATED": "UnauthenticatedError",
    }
    assert tf.errors.OK == 0
    for number, (name, kind_name) in enumerate(kinds.items(), start=1):
        code, kind = getattr(tf.errors, name), getattr(tf.errors, kind_name)
        assert code == number
        assert tf.errors.error_code_from_exception_type(kind) == code
        assert tf.errors.exception_type_from_error_code(code) is kind
        error = kind(None, None, "why")
        assert isinstance(error, tf.errors.OpError)
        assert (error.error_code, error.message, error.op, error.node_def) == (code, "why", None, None)
