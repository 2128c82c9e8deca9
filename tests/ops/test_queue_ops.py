"""Queues while the graph is built: what methods take, and the static shapes and dicts that they give."""

from __future__ import annotations

import numpy as np
import pytest

import dflow as df
from tests.ops.queue_kinds import KINDS, components, kinds

# -- what goes in


@kinds
def test_values_become_tensors_of_their_component(kind: str) -> None:
    """Q2.1, Q2.2, Q2.10"""
    queue = KINDS[kind](10, [df.float16, df.string], [(), ()])
    op = queue.enqueue(components(kind, 1, "word"))
    assert isinstance(op, df.Operation)
    assert op.outputs == ()
    assert [tensor.dtype for tensor in op.inputs] == queue.dtypes
    op = queue.enqueue_many([[] for _ in queue.dtypes])
    assert [tensor.dtype for tensor in op.inputs] == queue.dtypes
    variable = df.Variable(np.float16(2))
    assert queue.enqueue(components(kind, variable, "word")).inputs[-2].dtype == df.float16


@kinds
def test_a_tensor_of_another_dtype_is_a_value_error_and_a_value_that_does_not_fit_a_type_error(kind: str) -> None:
    """Q2.2"""
    queue = KINDS[kind](10, df.int32, [()])
    with pytest.raises(ValueError, match="Tensor conversion requested dtype int32"):
        queue.enqueue(components(kind, df.constant(1.0)))
    for value in (1.5, "text", 2**40):
        with pytest.raises(TypeError):
            queue.enqueue(components(kind, value))


def test_a_priority_is_an_int64_scalar() -> None:
    """Q9.7"""
    for queue in (df.PriorityQueue(10, df.string, ()), df.PriorityQueue(10, df.string)):
        for wrong in ("text", 1.5):
            with pytest.raises(TypeError, match="expected int64"):
                queue.enqueue((wrong, "value"))
        with pytest.raises(ValueError, match="Tensor conversion requested dtype int64"):
            queue.enqueue((df.constant(1), "value"))
        with pytest.raises(ValueError, match="component 0 of queue"):
            queue.enqueue(([1, 2], "value"))
        assert queue.enqueue((df.placeholder(df.int64), "value")).inputs[0].shape.ndims is None


@kinds
def test_too_many_and_too_few_values_are_value_errors(kind: str) -> None:
    """Q2.6, D2"""
    queue = KINDS[kind](10, [df.int32, df.int32], [(), ()])
    for values in (components(kind, 1), components(kind, 1, 2, 3), 1, []):
        with pytest.raises(ValueError, match=rf"has {len(queue.dtypes)} components, got {np.size(values)} values"):
            queue.enqueue(values)


def test_a_list_holds_one_value_for_each_component_also_if_there_is_one_only() -> None:
    """Q2.1, D2"""
    queue = df.FIFOQueue(10, df.int32, (3,))
    for one in ([[1, 2, 3]], ([1, 2, 3],), np.array([1, 2, 3]), df.constant([1, 2, 3])):
        assert queue.enqueue(one).inputs[0].shape == (3,)
    with pytest.raises(ValueError, match="got 3 values; a list or tuple holds one value per component"):
        queue.enqueue([1, 2, 3])


@kinds
def test_a_shape_that_cannot_fit_is_a_value_error_and_one_that_is_not_known_waits_for_the_run(kind: str) -> None:
    """Q2.3, Q7.3"""
    shape = (None, 3) if kind == "padding_fifo_queue" else (2, 3)
    queue = KINDS[kind](10, df.float32, [shape])
    for wrong in ([3], [2, 4], [2, 3, 1]):
        with pytest.raises(ValueError, match="of queue"):
            queue.enqueue(components(kind, np.zeros(wrong, np.float32)))
        many = [np.zeros((2, *np.shape(value)), np.asarray(value).dtype) for value in components(kind)]
        with pytest.raises(ValueError, match="of queue"):
            queue.enqueue_many([*many, np.zeros((2, *wrong), np.float32)])
    for open_shape in (None, [None, 3], [2, None]):
        queue.enqueue(components(kind, df.placeholder(df.float32, open_shape)))
    priorities = [[1] * 5] if kind == "priority_queue" else []
    queue.enqueue_many([*priorities, np.zeros((5, 2, 3), np.float32)])


@kinds
def test_a_batch_has_a_leading_dimension_in_which_its_components_agree(kind: str) -> None:
    """Q2.7, Q2.8"""
    queue = KINDS[kind](10, [df.int32, df.int32, df.int32], [(), (), ()])
    extra = [df.placeholder(df.int64)] if kind == "priority_queue" else []
    unknown = df.placeholder(df.int32)
    with pytest.raises(ValueError, match="leading dimension"):
        queue.enqueue_many([*extra, 1, 2, 3])
    for values in ([[1], [1, 2], [1]], [[1, 2], unknown, [1]]):
        with pytest.raises(ValueError, match=r"leading dimensions of the components differ: [12] and [12]"):
            queue.enqueue_many([*extra, *values])
    queue.enqueue_many([*extra, [1, 2], unknown, df.placeholder(df.int32, [None])])


# -- what comes out


@kinds
def test_static_shapes_of_what_comes_out(kind: str) -> None:
    """Q3.1, Q3.2, Q7.5"""
    shapes = [(None, 2), ()] if kind == "padding_fifo_queue" else [(3, 2), ()]
    queue = KINDS[kind](10, [df.float32, df.string], shapes)
    known = [list(shape) for shape in shapes]
    n = df.placeholder(df.int32, [])
    for tensors, leading in (
        (queue.dequeue(), []),
        (queue.dequeue_many(4), [4]),
        (queue.dequeue_many(df.constant(4)), [4]),
        (queue.dequeue_many(n), [None]),
        (queue.dequeue_up_to(4), [None]),
        (queue.dequeue_up_to(n), [None]),
    ):
        assert [tensor.shape.as_list() for tensor in tensors[-2:]] == [leading + shape for shape in known]
        assert [tensor.dtype for tensor in tensors] == queue.dtypes
        if kind == "priority_queue":
            assert tensors[0].shape.as_list() == leading
    assert (queue.size().shape, queue.size().dtype) == ((), df.int32)
    assert (queue.is_closed().shape, queue.is_closed().dtype) == ((), df.bool)


def test_one_component_comes_out_as_a_tensor_and_several_as_a_list() -> None:
    """Q3.1"""
    assert isinstance(df.FIFOQueue(10, df.int32).dequeue(), df.Tensor)
    assert isinstance(df.FIFOQueue(10, [df.int32, df.int32]).dequeue(), list)
    assert isinstance(df.PriorityQueue(10, df.int32).dequeue(), list)


@kinds
def test_the_number_of_elements_is_an_integer_scalar_that_is_not_negative(kind: str) -> None:
    """Q3.6"""
    queue = KINDS[kind](10, df.int32, [()])
    for take in (queue.dequeue_many, queue.dequeue_up_to):
        for n in (-1, df.constant(-2)):
            with pytest.raises(ValueError, match="cannot dequeue -"):
                take(n)
        for n in ([1, 2], df.placeholder(df.int32, [2])):
            with pytest.raises(ValueError, match="rank 0"):
                take(n)
        for n in (1.5, "2", df.constant(2.0)):
            with pytest.raises(TypeError):
                take(n)
        for n in (0, np.int64(3), df.constant(3, df.int64), df.Variable(3), df.placeholder(df.int32)):
            take(n)


# -- names


@kinds
def test_a_queue_with_names_takes_and_gives_dicts(kind: str) -> None:
    """Q10.1, Q10.3, Q10.4, Q9.10"""
    names = components(kind, "x", "y") if kind != "priority_queue" else ["rank", "x", "y"]
    queue = KINDS[kind](10, [df.int32, df.float32], [(), ()], names=names)
    assert queue.names == names
    element = dict(zip(names, components(kind, 1, 2.0), strict=True))
    assert [tensor.dtype for tensor in queue.enqueue(element).inputs] == queue.dtypes
    queue.enqueue_many({name: [value] for name, value in element.items()})
    for given in (queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2)):
        assert list(given) == names
        assert [tensor.dtype for tensor in given.values()] == queue.dtypes
    for wrong in ({}, {"x": 1}, element | {"z": 1}):
        for put in (queue.enqueue, queue.enqueue_many):
            with pytest.raises(ValueError, match="match names of Queue"):
                put(wrong)
    with pytest.raises(ValueError, match="enqueue a dictionary"):
        queue.enqueue(list(element.values()))


def test_one_name_may_be_a_string() -> None:
    """Q10.4"""
    queue = df.FIFOQueue(10, df.int32, (), names="x")
    assert queue.names == ["x"]
    assert list(queue.dequeue()) == ["x"]


@kinds
def test_a_queue_without_names_takes_no_dict(kind: str) -> None:
    """Q10.2"""
    queue = KINDS[kind](10, df.int32, [()])
    for put in (queue.enqueue, queue.enqueue_many):
        with pytest.raises(ValueError, match="must have names"):
            put({"x": 1})


# -- from_list


def test_a_list_of_queues_has_the_shapes_that_they_agree_on() -> None:
    """Q10.8"""
    a, b, c = (df.FIFOQueue(10, df.float32, shape) for shape in ((1, 2), (1, 3), (1,)))
    d = df.FIFOQueue(10, df.float32)
    for queues, shape in (([a, a], [1, 2]), ([a, b], [1, None]), ([b, c], None), ([a, d], None)):
        queue = df.QueueBase.from_list(0, queues)
        for found, leading in ((queue.shapes[0], []), (queue.dequeue().shape, []), (queue.dequeue_many(4).shape, [4])):
            assert found.dims == (None if shape is None else tuple(leading + shape))
    queue = df.QueueBase.from_list(0, [a, b])
    assert queue.dtypes == [df.float32]
    with pytest.raises(ValueError, match="the value is"):
        queue.enqueue([[1.0, 2.0]])
    queue.enqueue([[[1.0, 2.0]]])  # fits one of the two


def test_operations_of_a_list_of_queues_are_named_after_it() -> None:
    """Q1.10, Q10.5"""
    queues = [df.FIFOQueue(10, df.int32, ()) for _ in range(2)]
    queue = df.QueueBase.from_list(1, queues)
    assert queue.name == "from_list"
    assert queue.enqueue(1).name == "from_list_enqueue"
    assert queue.dequeue().op.name == "from_list_Dequeue"
    assert queue.close(name="shut").name == "shut"
    assert (queue.size().shape, queue.is_closed().dtype) == ((), df.bool)
    assert df.QueueBase.from_list(0, queues).name == "from_list_1"


def test_what_is_no_list_of_like_queues_is_a_type_error() -> None:
    """Q10.7"""
    a, b = df.FIFOQueue(10, df.int32, ()), df.FIFOQueue(10, df.float32, ())
    named = df.FIFOQueue(10, df.int32, (), names="x")
    for wrong in ([], (a, a), a, [a, 1], None):
        with pytest.raises(TypeError, match="A list of queues expected"):
            df.QueueBase.from_list(0, wrong)
    with pytest.raises(TypeError, match="matching component dtypes"):
        df.QueueBase.from_list(0, [a, b])
    with pytest.raises(TypeError, match="matching component names"):
        df.QueueBase.from_list(0, [a, named])
    with pytest.raises(TypeError, match="in another list"):
        df.QueueBase.from_list(0, [df.QueueBase.from_list(0, [a])])
    for index in (1.5, df.constant(1.0)):
        with pytest.raises(TypeError, match="expected an integer"):
            df.QueueBase.from_list(index, [a])
    with pytest.raises(ValueError, match="rank 0"):
        df.QueueBase.from_list([0, 0], [a])
