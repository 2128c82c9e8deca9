"""Plans, the result of the compiler: segments, each a straight line of kernel calls on one device.

Values travel on *edges*, numbered within a plan.  An edge leaves one segment, or the feeds of the run, and goes to
segments of any device and to the caller.  A control dependency between segments is an edge without a value.
A plan is immutable: all that a run changes is in its step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dflow.devices import DeviceSpec, matching
from dflow.errors import OpInfo
from dflow.specs import QueueSpec

LOOP = "While"  # the kind of operation that a `while_loop` of one device is


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device of the cluster, or of this process."""

    name: str  # the full name
    address: str = ""  # of its host; "" in this process
    virtual: bool = False  # a CPU in the role of a GPU, for tests
    lost: bool = False  # its worker is gone, and may come back
    starting: bool = False  # its worker has not declared its devices yet: it will have this one, and perhaps others
    # The id of its worker's process: the process that replaces it has the same name and no state.
    incarnation: str = field(default="", repr=False)
    # The number of this session's connection to that process: the session's private state there ends with it.
    connection: int = field(default=0, repr=False)

    @property
    def is_gpu(self) -> bool:
        return "/device:GPU:" in self.name

    @property
    def device_type(self) -> str:
        """CPU or GPU."""
        return self.name.rpartition("/device:")[2].partition(":")[0]


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """The devices that exist.  `version` grows with each change, so that a plan of an older table is not used."""

    devices: tuple[DeviceInfo, ...]
    version: int = 0
    refused: tuple[str, ...] = ()  # workers without devices, each with the reason

    @property
    def complete(self) -> bool:
        """Whether all the workers are there, with their devices."""
        return not any(device.lost or device.starting for device in self.devices)

    @property
    def starting(self) -> list[DeviceInfo]:
        return [device for device in self.devices if device.starting]

    @property
    def names(self) -> list[str]:
        return [device.name for device in self.devices]

    def by_name(self) -> dict[str, DeviceInfo]:
        return {device.name: device for device in self.devices}

    def matching(self, request: str) -> list[DeviceInfo]:
        """The devices that a partial name matches; if there is none, the matching tasks whose workers are starting."""
        names = set(matching(request, self.names))
        if not names and self.starting:
            task = DeviceSpec.from_string(request).replace(device_type=None, device_index=None).to_string()
            names = set(matching(task, [device.name for device in self.starting]))
        return [device for device in self.devices if device.name in names]

    def describe(self) -> str:
        """All devices in words, for errors and logs."""
        notes = [
            device.name
            + (" (virtual)" if device.virtual else "")
            + (" (lost)" if device.lost else "")
            + (" (starting)" if device.starting else "")
            for device in self.devices
        ]
        refused = "".join(f"; {worker}" for worker in self.refused)
        return (", ".join(notes) if notes else "none") + refused


@dataclass(frozen=True, slots=True)
class Instruction:
    """One kernel call of a program: slots in, slots out."""

    op: OpInfo
    attrs: dict[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    frees: tuple[int, ...] = ()  # slots whose values may be large, and which no one reads after it
    inplace: int | None = None  # the input whose memory its output may reuse: nothing else has its value
    guards: tuple[
        int, ...
    ] = ()  # slots of its branch: if one of them is dead, it does not run, and its outputs are dead
    alive: int | None = None  # a slot that is dead if it did not run


@dataclass(frozen=True, slots=True)
class Segment:
    """Operations of one device that start together and end together.

    A segment that blocks has one instruction, an attempt; it ends when the attempt is answered.
    """

    index: int  # its place in the plan
    device: str
    label: str  # the user's operation names, short, for the Dask dashboard
    blocks: bool
    needs: tuple[int, ...]  # the edges that must be there before it starts, control edges included
    arguments: tuple[tuple[int, int], ...]  # (slot, edge): where the values of its edges go
    literals: tuple[tuple[int, Any], ...]  # (slot, constant)
    slots: int  # how many there are
    instructions: tuple[Instruction, ...]
    results: tuple[tuple[int, int], ...]  # (edge, slot): the values that leave it
    done: int | None  # the control edge that says it ended; None if no one asks

    @property
    def op(self) -> OpInfo:
        """Its first operation, the only one of a segment that blocks."""
        return self.instructions[0].op

    def all_instructions(self) -> Iterator[Instruction]:
        """Its instructions, each loop before those in it."""
        for instruction in self.instructions:
            yield instruction
            if instruction.op.kind == LOOP:
                yield from instruction.attrs["code"].segment.all_instructions()

    @property
    def kinds(self) -> set[str]:
        """The kinds of its operations, with those in loops."""
        return {it.op.kind for it in self.all_instructions()}

    @property
    def gives(self) -> list[int]:
        """The edges that leave it, the control edge included."""
        return [edge for edge, _ in self.results] + ([] if self.done is None else [self.done])


@dataclass(frozen=True, slots=True)
class LoopCode:
    """A `while_loop` of one device: the program of an iteration, and how values go from one to the next.

    variables: for each loop variable, the slot of its value, its first values among the operands, of which one is not
    dead, and the slot of its next value.
    test: the slot of the condition, and the number of instructions that compute it: the rest runs if it is true.
    None: the iteration is one pass, and the loop ends when all next values are dead.
    """

    segment: Segment  # its arguments are filled as follows, its results are not used
    test: tuple[int, int] | None
    variables: tuple[tuple[int, tuple[int, ...], int | None], ...]
    constants: tuple[tuple[int, int], ...]  # (slot, place among the operands)
    results: tuple[int, ...]  # the slots of the values that leave the loop


@dataclass(frozen=True, slots=True)
class VectorizedBody:
    """The body of a loop, for many records at once.

    The slots are those of `line`, for all three.
    """

    read: Instruction
    line: Segment  # what is computed: the outputs of the read are its edges 0, 1, the components its results 0, 1, ...
    enqueue: Instruction


@dataclass(frozen=True, slots=True)
class PrefetchedDequeue:
    """A dequeue that is no part of a loop's plan: the loop makes it itself, ahead of its iterations, and feeds them."""

    op: OpInfo
    address: str  # of the process that has the queue
    queue: QueueSpec
    method: str  # of the queue
    arguments: tuple[Any, ...]  # of the method
    outputs: tuple[int | None, ...]  # the output of the dequeue for each feed of the plan; None for a control edge

    def feeds(self, components: Sequence[Any]) -> list[Any]:
        """The values to feed, from the components of an element or a batch."""
        return [None if output is None else components[output] for output in self.outputs]


@dataclass(frozen=True, slots=True)
class PipelinedEnqueue:
    """An enqueue that is no part of a loop's plan: the loop makes it itself, and goes on before it has its answer."""

    op: OpInfo
    address: str  # of the process that has the queue
    queue: QueueSpec
    many: bool  # whether it enqueues several elements
    components: tuple[tuple[int | None, Any], ...]  # the place of each in the plan's fetches, or None and a constant
    fetches: int  # the number of the user's fetches, which are the first ones of the plan


@dataclass(frozen=True, slots=True)
class Threads:
    """The limits of a session in each process; 0 (or less): no limit."""

    inter: int = 0  # programs at once
    intra: int = 0  # threads of BLAS


NO_LIMIT = Threads()


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """A plan's part on one device, for its host."""

    plan: int  # the plan's number in its session
    device: str
    segments: tuple[Segment, ...]
    feeds: tuple[int, ...]  # the edges that each run gives
    routes: dict[int, tuple[str, ...]]  # edge -> the other devices that it goes to
    fetched: frozenset[int]  # the edges that go to the caller
    addresses: dict[str, str]  # device -> the address of its host, for the devices in `routes`
    reports: bool = True  # whether it tells the caller that it finished; not if others cannot finish before it
    vectorized: VectorizedBody | None = None  # how a loop runs it for many records at once
    threads: Threads = NO_LIMIT
    traced: bool = False  # whether its kernel calls are timed

    @property
    def receivers(self) -> set[str]:
        """The other devices that it sends values to."""
        return {device for devices in self.routes.values() for device in devices}

    @property
    def kinds(self) -> list[str]:
        """The kinds of operations that it needs kernels for."""
        return sorted({kind for segment in self.segments for kind in segment.kinds})


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The part of a plan for the caller of a step: the devices to start, the feeds of each, and the fetches."""

    number: int
    addresses: dict[str, str]  # device -> the address of its host; one part of the step each
    feeds: tuple[int, ...]  # the edge of each fed tensor
    feeds_of: dict[str, tuple[int, ...]]  # device -> the fed edges that it needs
    fetches: tuple[int | None, ...]  # the edge of each fetch; None for an operation
    reports: int  # the number of parts that tell that they finished; then all have
    producers: dict[str, frozenset[str]] = field(default_factory=dict)  # device -> those whose values start it


@dataclass(frozen=True, slots=True)
class LoopSteps:
    """A `while_loop` whose iterations are steps of a plan of their own.

    variables: for each loop variable, its place among the feeds, its first values among the operands, of which one is
    not dead, and the place of its next value among the fetches.  results: the number of the fetches that leave the
    loop, which come first.
    """

    call: CallPlan
    variables: tuple[tuple[int, tuple[int, ...], int | None], ...]
    constants: tuple[tuple[int, int], ...]  # (place among the feeds, place among the operands)
    results: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The computation of one set of fetches from one set of fed tensors."""

    number: int
    segments: tuple[Segment, ...]
    feeds: tuple[int, ...]  # the edge of each fed tensor, in the order of the feeds
    fetches: tuple[int | None, ...]  # the edge of each fetch; None for an operation
    parts: dict[str, DevicePlan]  # device -> its part
    placement: dict[str, str]  # operation -> device, for logs and drawings
    addresses: dict[str, str]  # device -> the address of its host
    vectorized: VectorizedBody | None = None  # how a loop runs it for many records at once
    one_by_one: str = ""  # why a loop that reads and enqueues does not
    prefetch: PrefetchedDequeue | None = None  # the source of the feeds of a loop's iterations
    pipelined: PipelinedEnqueue | None = None  # the destination of the values of a loop's iterations
    inner: tuple[Plan, ...] = ()  # the plans of iterations of its `while_loop`s
    call: CallPlan = field(init=False)

    @property
    def devices(self) -> list[str]:
        return list(self.parts)

    def traced(self) -> Plan:
        """This plan with timed kernel calls, on all devices and in all loops."""
        parts = {device: replace(part, traced=True) for device, part in self.parts.items()}
        return replace(self, parts=parts, inner=tuple(plan.traced() for plan in self.inner))

    def whole(self) -> Iterator[Plan]:
        """This plan and the plans of its loops."""
        yield self
        for plan in self.inner:
            yield from plan.whole()

    def __post_init__(self) -> None:
        feeds = {device: part.feeds for device, part in self.parts.items()}
        reports = sum(part.reports for part in self.parts.values())
        call = CallPlan(self.number, self.addresses, self.feeds, feeds, self.fetches, reports, self._givers())
        object.__setattr__(self, "call", call)

    def _givers(self) -> dict[str, frozenset[str]]:
        """The devices whose parts begin with values of other devices, and these other devices."""
        return {
            device: frozenset(other for other, sender in self.parts.items() if device in sender.receivers)
            for device, part in self.parts.items()
            if not part.feeds and all(segment.needs for segment in part.segments)
        }

    @property
    def sinks(self) -> list[int]:
        """The segments with fetches, and those that no other one needs: when these are done, all are."""
        ends, fetched = self.ends, set(self.fetches)
        return [s.index for s in self.segments if s.index in ends or not fetched.isdisjoint(s.gives)]

    @property
    def ends(self) -> set[int]:
        """The segments that no other one needs."""
        needed = {edge for segment in self.segments for edge in segment.needs}
        return {s.index for s in self.segments if needed.isdisjoint(s.gives)}


def describe_segments(segments: Iterable[Segment]) -> str:
    """A plan in lines, for the errors of the checker."""
    return "\n".join(
        f"{s.index}: {s.device} {'blocks ' * s.blocks}{s.label} needs {s.needs} gives {[e for e, _ in s.results]}"
        for s in segments
    )
