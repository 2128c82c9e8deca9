"""Where dflow departs from TensorFlow on purpose: which outcomes of a line may differ, and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fuzz_graphs.interpret import DIED, HANGS, Outcomes, Program
from tests.oracle.compare import differences

_CONTROL_INPUTS = re.compile(r"control_dependencies\((.*?)\)")


@dataclass(frozen=True)
class Case:
    """A line of a program, what TensorFlow and dflow give for it, and the lines before it with what they give."""

    line: str
    expected: Any
    got: Any
    before: list[tuple[str, Any]]

    @property
    def errors(self) -> tuple[str, str]:
        """The classes of the errors; "" for a value."""
        return _error(self.expected), _error(self.got)

    @property
    def ops(self) -> tuple[str, str] | None:
        """The operations that the errors name, if these are of one class; "" for none."""
        one, other = self.errors
        return (self.expected["op"] or "", self.got["op"] or "") if one == other != "" else None

    def comes_after(self, text: str) -> bool:
        """Has one of the lines before this text?"""
        return any(text in line for line, _ in self.before)


def _error(outcome: Any) -> str:
    return str(outcome["error"]) if isinstance(outcome, dict) and "error" in outcome else ""


def _bytes(outcome: Any) -> Any:
    """An outcome with all text as bytes."""
    if isinstance(outcome, dict):
        return outcome if "bytes" in outcome else {k: it if k == "array" else _bytes(it) for k, it in outcome.items()}
    if isinstance(outcome, list):
        return [_bytes(it) for it in outcome]
    return {"bytes": outcome.encode().decode("latin-1")} if isinstance(outcome, str) else outcome


def _no_op(case: Case) -> bool:
    return case.ops is not None and case.ops[0] == ""


def _of_list(case: Case) -> bool:
    return case.ops is not None and case.comes_after("from_list")


def _closed_session(case: Case) -> bool:
    return case.ops is not None and case.ops[1] == "" and any(line == "sess.close()" for line, _ in case.before)


def _read(case: Case) -> bool:
    return case.ops is not None and case.errors[0] == "FailedPreconditionError"


def _partial(case: Case) -> bool:
    batches = any("dequeue_many" in line or "dequeue_up_to" in line for line, _ in case.before)
    return batches and any(_error(outcome) == "DeadlineExceededError" for _, outcome in case.before)


def _rest(case: Case) -> bool:
    op = str(case.expected.get("op")) if isinstance(case.expected, dict) else ""
    other = not isinstance(case.got, dict) or case.got.get("op") != op
    return case.comes_after("PriorityQueue") and other and "DequeueUpTo" in op and case.errors[0] == "OutOfRangeError"


def _ties(case: Case) -> bool:
    reordered = sorted(str(case.expected)) == sorted(str(case.got))  # the same elements, at other places
    found = re.search(r"\bd\d", case.line) is not None or reordered
    return case.comes_after("PriorityQueue") and case.errors == ("", "") and found


def _left_out(case: Case) -> bool:
    op = str(case.got.get("op")).rpartition("/")[2] if isinstance(case.got, dict) else ""
    failed = op.startswith(("Reshape", "floor")) or (op.startswith("GatherV2") and _only_waited_for(case, "tf.gather"))
    if not failed or case.errors[1] != "InvalidArgumentError":
        return False
    # Both fail alike if TensorFlow, which left this operation out, comes to another one that fails.
    return case.ops is None or case.ops[0] != case.ops[1]


def _only_waited_for(case: Case, function: str) -> bool:
    """Does the function make a tensor that is a control input, and that no other operation and not this run reads?"""
    built = (line for line, _ in case.before if not line.startswith("run("))
    lines = "\n".join([*built, case.line])
    waited_for, rest = " ".join(_CONTROL_INPUTS.findall(lines)), _CONTROL_INPUTS.sub("", lines)
    made = re.findall(rf"(\w+) = {re.escape(function)}\(", lines)
    return any(_count(name, waited_for) and _count(name, rest) == 1 for name in made)


def _count(name: str, lines: str) -> int:
    return len(re.findall(rf"\b{name}\b", lines))


def _selected(case: Case) -> bool:
    failed = case.errors == ("", "InvalidArgumentError") and "Select" in str(case.got["op"])
    return failed and case.comes_after("reshape")


def _no_elements(case: Case) -> bool:
    return case.errors == ("", "InvalidArgumentError") and str(case.got["op"]).startswith("GatherV2")


def _scalar(case: Case) -> bool:
    refused = case.errors[1] == "InvalidArgumentError" and str(case.got["op"]).endswith("EnqueueMany")
    return refused and case.errors[0] in ("", "DeadlineExceededError")  # TensorFlow enqueues it, or waits for room


def _assigned(case: Case) -> bool:
    return case.errors == ("TypeError", "") and re.search(r"= a\d+ \+", case.line) is not None


def _callable(case: Case) -> bool:
    return case.line.endswith(")(1, 2)") and case.errors[1] == "TypeError"


def _shared_memory(case: Case) -> bool:
    enqueued = any(re.search(r"enqueue.*\b[va]\d", line) for line, _ in case.before)
    return enqueued and case.errors == ("", "") and case.comes_after(".assign")


def _text(case: Case) -> bool:
    return not list(differences(_bytes(case.expected), _bytes(case.got)))


def _at_build(case: Case) -> bool:
    return "dequeue_up_to([1])" in case.line and case.errors == ("", "ValueError")


def _priority(case: Case) -> bool:
    return "PriorityQueue(3, [tf.int32])" in case.line and case.errors == ("TypeError", "")


def _components(case: Case) -> bool:
    return "enqueue" in case.line and set(case.errors) == {"TypeError", "ValueError"}


def _lossless(case: Case) -> bool:
    return "{" in case.line and case.errors[1] == "TypeError" and case.got["op"] is None


def _tensor(case: Case) -> bool:
    return case.line.startswith("run(v") and case.errors[1] == "TypeError"


def _not_utf8(case: Case) -> bool:
    return case.errors[0] == "UnicodeDecodeError" and case.errors[1] != ""


def _queue(case: Case) -> bool:
    return case.ops is not None and case.ops[1].startswith(case.ops[0].rpartition("/")[2] + "_")


def _numbers(case: Case) -> bool:
    refused = any(_error(outcome) in ("TypeError", "ValueError") for _, outcome in case.before)
    return refused and case.ops is not None and len({re.sub(r"_\d+", "", op) for op in case.ops}) == 1


DIFFERENCES: dict[str, Callable[[Case], bool]] = {
    "An error names an operation where TensorFlow names none.": _no_op,
    "An operation on a queue of `QueueBase.from_list` becomes one operation for each queue in the list.": _of_list,
    "A run that ends because its session was closed names no operation.": _closed_session,
    "An error about an uninitialized variable `v` names the operation `v`; TensorFlow names `v/read`.": _read,
    "A `dequeue_many` that ends early gives back the elements that it had taken; TensorFlow loses them.": _partial,
    "`dequeue_up_to` returns the last elements of a closed queue; TensorFlow's `PriorityQueue` loses them.": _rest,
    "Of elements with equal priorities, the oldest is dequeued first; TensorFlow has no order.": _ties,
    "An operation runs even if it is only a control input, or a reshape of a reshape.": _left_out,
    "A select whose sides differ in shape fails; TensorFlow may have removed the reshape of one side.": _selected,
    "An index out of range is an error even if there is nothing to gather.": _no_elements,
    "`enqueue_many` with a scalar, where it needs rows, raises `InvalidArgumentError`.": _scalar,
    "An element in a queue does not change when its variable changes; in TensorFlow they share memory.": _shared_memory,
    "You can add to the output of an assignment to a string variable; TensorFlow refuses that.": _assigned,
    "A callable takes exactly as many values as it has tensors to feed.": _callable,
    "An argument that can never work raises an error while you build the graph.": _at_build,
    "A `PriorityQueue` needs no `shapes`; in TensorFlow their default raises `TypeError`.": _priority,
    "If an enqueue has a wrong number of components and a wrong value, the error is about the number.": _components,
    "A fed value that does not fit the dtype without loss is refused.": _lossless,
    "A variable as the value of a feed raises `TypeError`, as a tensor does.": _tensor,
    "Text is fetched as bytes, even if you fed it as `str`.": _text,
    "An error can show text that is not UTF-8; TensorFlow raises `UnicodeDecodeError` instead.": _not_utf8,
    "If a queue cannot be made, the error names the operation that uses it; TensorFlow names the queue.": _queue,
    "If an operation cannot be made, its name may be taken where TensorFlow leaves it for the next one.": _numbers,
}


def reason(side: str, program: Program, line: int, outcomes: Outcomes, got: Any) -> str:
    """Why what dflow gives for a line may differ from the outcome on that side; "" if it may not."""
    if side != "tensorflow":
        return ""
    if outcomes in (DIED, HANGS):
        return "TensorFlow crashes." if outcomes == DIED else ""
    case = Case(program[line], outcomes[line], got, list(zip(program[:line], outcomes[:line], strict=True)))
    return next((why for why, holds in DIFFERENCES.items() if holds(case)), "")
