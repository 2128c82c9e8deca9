"""An element that is lent to several receivers: who may use it, and when."""

import pytest

from dflow.runtime.device.loan import Loan
from tests.runtime.loans import Lent


def test_all_receivers_wait_until_the_first_acknowledgement_has_left() -> None:
    lent, heard = Lent(slow=True), list[tuple[str, bool]]()
    loan = Loan(lent, 2)
    loan(True, lambda sent: heard.append(("a", sent)))
    loan(True, lambda sent: heard.append(("b", sent)))
    assert (lent.settled, heard) == ([True], [])
    lent.left()
    assert heard == [("a", True), ("b", True)]


@pytest.mark.parametrize("sent", [True, False])
def test_a_receiver_that_comes_later_hears_at_once(sent: bool) -> None:
    lent, heard = Lent(slow=True), list[bool]()
    loan = Loan(lent, 3)
    loan(False)
    loan(True, heard.append)
    lent.left(sent)
    loan(True, heard.append)
    assert (lent.settled, heard) == ([True], [sent, sent])


def test_what_no_receiver_wants_goes_back_once() -> None:
    lent = Lent()
    loan = Loan(lent, 2)
    loan(False)
    assert lent.settled == []
    loan(False)
    loan.give_back()
    assert lent.settled == [False]
