"""An element that is source to several receivers: who may use it, and when."""

import pytest

from dflow.runtime.device.shared_delivery import SharedDelivery
from tests.runtime.deliveries import FakeDelivery


def test_all_receivers_wait_until_the_first_acknowledgement_has_left() -> None:
    source, heard = FakeDelivery(slow=True), list[tuple[str, bool]]()
    delivery = SharedDelivery(source, 2)
    delivery(True, lambda sent: heard.append(("a", sent)))
    delivery(True, lambda sent: heard.append(("b", sent)))
    assert (source.settled, heard) == ([True], [])
    source.left()
    assert heard == [("a", True), ("b", True)]


@pytest.mark.parametrize("sent", [True, False])
def test_a_receiver_that_comes_later_hears_at_once(sent: bool) -> None:
    source, heard = FakeDelivery(slow=True), list[bool]()
    delivery = SharedDelivery(source, 3)
    delivery(False)
    delivery(True, heard.append)
    source.left(sent)
    delivery(True, heard.append)
    assert (source.settled, heard) == ([True], [sent, sent])


def test_what_no_receiver_wants_goes_back_once() -> None:
    source = FakeDelivery()
    delivery = SharedDelivery(source, 2)
    delivery(False)
    assert source.settled == []
    delivery(False)
    delivery.give_back()
    assert source.settled == [False]
