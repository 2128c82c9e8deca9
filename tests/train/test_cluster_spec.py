"""ClusterSpec: S29.1, S29.2."""

from typing import Any

import pytest

from dflow.cluster.spec import ClusterDef, ClusterSpec, JobDef

DENSE = {"ps": ["ps0:1111", "ps1:1111"], "worker": ["w0:2222"]}
SPARSE = {"worker": {1: "w1:2222", 3: "w3:2222"}}


@pytest.mark.parametrize("given", [DENSE, SPARSE, {}, {"empty": {}}])
def test_a_spec_says_what_it_was_made_from(given: Any) -> None:
    """S29.1: from a dict, another spec or a ClusterDef; lists for dense jobs, dicts for sparse ones."""
    spec = ClusterSpec(given)
    assert spec.as_dict() == given
    assert ClusterSpec(spec).as_dict() == given
    assert ClusterSpec(spec.as_cluster_def()).as_dict() == given


def test_a_dict_of_all_indices_is_a_list() -> None:
    """S29.1."""
    assert ClusterSpec({"a": {1: "y:1", 0: "x:1"}}).as_dict() == {"a": ["x:1", "y:1"]}
    assert ClusterSpec({"a": ("x:1", b"y:1")}).as_dict() == {"a": ["x:1", "y:1"]}


def test_a_cluster_def_lists_its_jobs_sorted() -> None:
    """S29.1."""
    made = ClusterSpec({"b": ["x:1"], "a": {2: "y:1"}}).as_cluster_def()
    assert made == ClusterDef([JobDef("a", {2: "y:1"}), JobDef("b", {0: "x:1"})])


def test_specs_are_equal_by_content() -> None:
    """S29.1: {0: a} equals [a]."""
    assert ClusterSpec({"a": {0: "x:1"}}) == ClusterSpec({"a": ["x:1"]})
    assert ClusterSpec(DENSE) == ClusterSpec(dict(reversed(DENSE.items())))
    assert ClusterSpec({"a": {1: "x:1"}}) != ClusterSpec({"a": ["x:1"]})
    assert ClusterSpec({"a": ["x:1"]}) != {"a": ["x:1"]}


def test_a_spec_without_jobs_is_falsy() -> None:
    """S29.1."""
    assert not ClusterSpec({})
    assert ClusterSpec({"a": []})


def test_a_spec_prints_its_jobs_sorted() -> None:
    """S29.1."""
    spec = ClusterSpec({"worker": {3: "w3:1"}, "ps": ["ps0:1111"]})
    assert str(spec) == repr(spec) == "ClusterSpec({'ps': ['ps0:1111'], 'worker': {3: 'w3:1'}})"


def test_a_spec_knows_its_tasks() -> None:
    """S29.2: missing indices are None in job_tasks; an empty job is kept."""
    spec = ClusterSpec({**DENSE, "sparse": {3: "s3:1", 1: "s1:1"}, "empty": []})
    assert spec.jobs == ["ps", "worker", "sparse", "empty"]
    assert [spec.num_tasks(job) for job in spec.jobs] == [2, 1, 2, 0]
    assert spec.task_indices("sparse") == [1, 3]
    assert spec.task_address("ps", 1) == "ps1:1111"
    assert spec.job_tasks("ps") == ["ps0:1111", "ps1:1111"]
    assert spec.job_tasks("sparse") == [None, "s1:1", None, "s3:1"]
    assert spec.task_indices("empty") == spec.job_tasks("empty") == []


def test_an_unknown_job_or_task_is_a_value_error() -> None:
    """S29.2."""
    spec = ClusterSpec(DENSE)
    for ask in (spec.num_tasks, spec.task_indices, spec.job_tasks, lambda job: spec.task_address(job, 0)):
        with pytest.raises(ValueError, match="No such job in cluster: 'moon'"):
            ask("moon")
    with pytest.raises(ValueError, match="No task with index 2 in job 'ps'"):
        spec.task_address("ps", 2)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (3, TypeError, "must be a dictionary"),
        (None, TypeError, "must be a dictionary"),
        ({"a": 3}, TypeError, "The tasks for job 'a' must be a list or a dictionary"),
        ({"a": "x:1"}, TypeError, "The tasks for job 'a' must be a list or a dictionary"),
        ({"a": [3]}, TypeError, "Task address 3 must be"),
        ({"a": [None, "x:1"]}, TypeError, "Task address None must be"),
        ({3: ["x:1"]}, TypeError, "Job name 3 must be"),
        ({"a": {"x": "y:1"}}, ValueError, "invalid literal for int"),
    ],
)
def test_what_is_no_cluster_is_refused(given: Any, error: type[Exception], text: str) -> None:
    """S29.1."""
    with pytest.raises(error, match=text):
        ClusterSpec(given)
