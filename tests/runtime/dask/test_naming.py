"""Which worker is which device: numbers at first sight, kept, given again to a worker that comes back."""

import pytest

from dflow.runtime.dask.naming import Applicant, DeviceNames, worker_name

CPU0, CPU1, CPU2 = (f"/job:worker/replica:0/task:{i}/device:CPU:0" for i in range(3))


def gpu(task: int, index: int) -> list[str]:
    return [f"/job:worker/replica:0/task:{task}/device:{kind}:{index}" for kind in ("CPU", "GPU")]


@pytest.mark.parametrize("name", ["/job:ps/task:1", "/job:ps/replica:0/task:1"])
def test_a_worker_named_after_a_task_is_that_task(name: str) -> None:
    assert DeviceNames().join(Applicant(name, "a")) == ["/job:ps/replica:0/task:1/device:CPU:0"]


def test_a_job_without_a_task_is_its_task_0() -> None:
    assert DeviceNames().join(Applicant("/job:ps", "a")) == ["/job:ps/replica:0/task:0/device:CPU:0"]


def test_workers_without_a_name_of_a_task_are_numbered_at_first_sight() -> None:
    names = DeviceNames()
    assert [names.join(Applicant(name, "a")) for name in ("x", "tcp://a:1", "y")] == [[CPU0], [CPU1], [CPU2]]


def test_a_worker_that_comes_back_is_the_same_device_and_no_number_shifts() -> None:
    names = DeviceNames()
    for name in ("x", "y"):
        names.join(Applicant(name, "a"))
    assert names.join(Applicant("y", "b")) == [CPU1]
    assert names.join(Applicant("z", "a")) == [CPU2]
    assert names.join(Applicant("x", "a")) == [CPU0]


def test_a_claimed_task_keeps_its_number_from_the_others() -> None:
    names = DeviceNames()
    names.join(Applicant("/job:worker/task:0", "a"))
    names.join(Applicant("/job:worker/task:2", "a"))
    assert names.join(Applicant("x", "a")) == [CPU1]
    assert names.join(Applicant("y", "a")) == ["/job:worker/replica:0/task:3/device:CPU:0"]


def test_two_workers_that_claim_one_task_are_an_error_that_names_both() -> None:
    names = DeviceNames()
    names.join(Applicant("/job:ps/task:0", "a"))
    with pytest.raises(ValueError, match=r"'/job:ps/replica:0/task:0' claims .*, which worker '/job:ps/task:0' has"):
        names.join(Applicant("/job:ps/replica:0/task:0", "a"))
    assert names.join(Applicant("/job:ps/task:0", "a")) == ["/job:ps/replica:0/task:0/device:CPU:0"]


def test_a_worker_that_is_refused_gets_none_of_the_devices_that_it_claimed() -> None:
    """The name that it would have had beside the taken one is free for its owner."""
    names = DeviceNames()
    names.join(Applicant("/job:ps/task:0", "a"))
    with pytest.raises(ValueError):
        names.join(Applicant("/job:ps/replica:0/task:0", "a", virtual_gpus=1))
    assert not any("GPU" in device for device in names.given)


def test_the_gpu_workers_of_a_host_are_one_task_with_a_cpu_beside_each_gpu() -> None:
    """As dask-cuda names them: X-0, X-1, ..., one process a GPU."""
    names = DeviceNames()
    found = [names.join(Applicant(f"X-{i}", "host", gpu=i)) for i in range(3)]
    assert found == [gpu(0, 0), gpu(0, 1), gpu(0, 2)]


def test_the_gpu_workers_of_another_host_are_another_task() -> None:
    names = DeviceNames()
    assert names.join(Applicant("X-0", "host", gpu=0)) == gpu(0, 0)
    assert names.join(Applicant("Y-0", "other", gpu=0)) == gpu(1, 0)
    assert names.join(Applicant("X-1", "host", gpu=1)) == gpu(0, 1)


def test_gpu_workers_that_come_in_any_order_have_the_numbers_of_the_driver() -> None:
    names = DeviceNames()
    assert [names.join(Applicant(f"X-{i}", "host", gpu=i)) for i in (2, 0, 1)] == [gpu(0, 2), gpu(0, 0), gpu(0, 1)]


def test_a_second_worker_of_one_gpu_gets_the_next_free_number() -> None:
    names = DeviceNames()
    assert names.join(Applicant("X", "host", gpu=0)) == gpu(0, 0)
    assert names.join(Applicant("Y", "host", gpu=0)) == gpu(0, 1)


def test_a_restarted_gpu_worker_has_its_numbers_again() -> None:
    names = DeviceNames()
    for i in range(2):
        names.join(Applicant(f"X-{i}", "host", gpu=i))
    assert names.join(Applicant("X-1", "host", gpu=1)) == gpu(0, 1)


def test_a_worker_without_a_gpu_beside_gpu_workers_is_a_task_of_its_own() -> None:
    names = DeviceNames()
    names.join(Applicant("X-0", "host", gpu=0))
    assert names.join(Applicant("plain", "host")) == [CPU1]


def test_a_named_task_has_its_gpu_as_number_0() -> None:
    found = DeviceNames().join(Applicant("/job:worker/task:3", "host", gpu=5))
    assert found == gpu(3, 0)


def test_virtual_gpus_are_devices_of_the_task() -> None:
    found = DeviceNames().join(Applicant("/job:worker/task:0", "host", virtual_gpus=2))
    assert found == [CPU0, *(f"/job:worker/replica:0/task:0/device:GPU:{i}" for i in range(2))]


def test_what_workers_would_be_if_they_joined_is_known_before_and_gives_nothing_away() -> None:
    names = DeviceNames()
    names.join(Applicant("x", "a"))
    ps = "/job:ps/replica:0/task:0/device:CPU:0"
    assert names.expected([("/job:ps/task:0", "a"), ("y", "a"), ("z", "b")]) == [[ps], [CPU1], [CPU2]]
    assert names.expected([("z", "b")]) == [[CPU1]]
    assert names.given == {CPU0: "x"}
    assert names.join(Applicant("z", "b")) == [CPU1]


def test_a_worker_that_comes_back_is_expected_as_what_it_was() -> None:
    names = DeviceNames()
    was = names.join(Applicant("/job:worker/task:0", "a", virtual_gpus=2))
    assert names.expected([("/job:worker/task:0", "b")]) == [was]


def test_another_worker_of_a_host_with_gpus_is_expected_with_the_next_gpu_of_its_task() -> None:
    names = DeviceNames()
    names.join(Applicant("X-0", "host", gpu=0))
    assert names.expected([("X-1", "host"), ("Y-0", "other")]) == [gpu(0, 1), [CPU1]]


def test_of_a_worker_that_will_be_refused_nothing_is_expected() -> None:
    names = DeviceNames()
    names.join(Applicant("/job:ps/task:0", "a"))
    assert names.expected([("/job:ps/replica:0/task:0", "a")]) == [[]]


def test_a_worker_without_a_name_is_known_by_its_nanny() -> None:
    assert worker_name("x", "tcp://a:1", "tcp://a:2") == "x"
    assert worker_name(0, "tcp://a:1", None) == "0"
    assert worker_name("tcp://a:1", "tcp://a:1", "tcp://a:2") == "tcp://a:2"
    assert worker_name("tcp://a:1", "tcp://a:1", None) == "tcp://a:1"
