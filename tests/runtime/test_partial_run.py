"""Partial runs: a step in several calls."""

from __future__ import annotations

import pytest

import dflow as df
from dflow.errors import InvalidArgumentError


def test_a_partial_run_goes_on_with_the_results_of_its_earlier_calls() -> None:
    a, b, c = (df.placeholder(df.float32, []) for _ in range(3))
    total = df.add(a, b)
    product = total * c
    with df.Session() as sess:
        one, other = (sess.partial_run_setup([total, product], [a, b, c]) for _ in range(2))
        assert sess.partial_run(one, total, {a: 1, b: 2}) == 3
        assert sess.partial_run(other, [total], {a: 10, b: 20}) == [30]
        assert sess.partial_run(one, {"p": product}, {c: 17}) == {"p": 51}
        assert sess.partial_run(other, [], {c: 2}) == []
        assert sess.partial_run(other, product) == 60
        with pytest.raises(InvalidArgumentError, match="Must run 'setup' before performing partial runs!"):
            sess.partial_run(one, product)


def test_no_operation_runs_twice_in_a_partial_run() -> None:
    count = df.Variable(0)
    add = count.assign_add(1)
    again = df.identity(add) * 10
    number = df.random_uniform([])
    same = number + 0.0
    with df.Session() as sess:
        sess.run(count.initializer)
        handle = sess.partial_run_setup([add, again, number, same, count.initializer])
        assert sess.partial_run(handle, add) == 1
        assert sess.partial_run(handle, again) == 10
        assert sess.partial_run(handle, number) == sess.partial_run(handle, same)
        assert sess.run(count) == 1
        sess.partial_run(handle, count.initializer)
        assert sess.run(count) == 0


def test_a_partial_run_refuses_what_it_was_not_told_of_and_what_comes_twice() -> None:
    a, b, c = (df.placeholder(df.float32, []) for _ in range(3))
    total, product = df.add(a, b), df.multiply(a, c)
    with df.Session() as sess:
        handle = sess.partial_run_setup([total], [a, b])
        with pytest.raises(InvalidArgumentError, match=r"was not specified in partial_run_setup\.$"):
            sess.partial_run(handle, total, {a: 1, b: 2, c: 3})
        with pytest.raises(InvalidArgumentError, match=r"was not specified in partial_run_setup\.$"):
            sess.partial_run(handle, product, {a: 1})
        handle = sess.partial_run_setup([total, product], [a, b, c])
        sess.partial_run(handle, total, {a: 1, b: 2})
        with pytest.raises(InvalidArgumentError, match=r"has already been fed\.$"):
            sess.partial_run(handle, product, {a: 1, c: 3})
        with pytest.raises(InvalidArgumentError, match=r"has already been fetched\.$"):
            sess.partial_run(handle, total, {c: 3})
        with pytest.raises(InvalidArgumentError, match="Must specify at least one target to fetch or execute"):
            sess.partial_run_setup([], [a])
        missing = sess.partial_run_setup([total])
        with pytest.raises(InvalidArgumentError, match="You must feed a value for placeholder"):
            sess.partial_run(missing, total)
