"""A reader as a pure machine: read attempts go in with a ticket, replies and requests for files come out.

Attempts stand in one line and are served strictly in order.  A reader asks for a file name only when an attempt waits
and no file is in progress, one request at a time.  It knows no threads, no queue and no Dask: its caller holds one lock
around each call, carries out the returned effects, and answers a `NeedFile` with `file` or `no_file`.

Records for a receiver that may end are a *delivery*: the reader keeps them until the receiver acknowledges.  Returned
records are read again first, in their old order, with the counts as if they had not been handed out.

Why the format object reads the file inside the call: a read of the current file never waits for another operation.
Source: ReaderBase of TensorFlow 1.15 (core/framework/reader_base.cc).
"""

from __future__ import annotations

import os
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from dflow.errors import USER_ERRORS, InvalidArgumentError, OpError, OutOfRangeError
from dflow.machines.queue.queue import Reply
from dflow.machines.reader.file_errors import read_error
from dflow.machines.reader.saved_state import ReaderState
from dflow.registry import ReaderFormat


@dataclass(frozen=True, slots=True)
class NeedFile:
    """An effect: take a file name out of the queue of attempt `ticket`, then call `file` or `no_file`."""

    ticket: int


LOOK = 1 << 20  # bytes that are enough of uncommitted records

Effects = list[Reply | NeedFile]
Records = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class _Attempt:
    ticket: int
    limit: int | None  # None: read(); a number: read_up_to()
    ack: bool
    uncommitted: bool
    opens: bool  # whether it may open a file, or wait for one


@dataclass(slots=True)
class _Run:
    """Records of one file that follow each other."""

    start: int  # the place of the first record among all that the reader ever read
    records: Records
    count: int
    ends_file: bool  # the file is completed with the last one
    uncommitted: bool = False  # delivered, and not counted before it is acknowledged
    counted: int = 0  # the first records of an uncommitted run, which count already

    @property
    def rest(self) -> _Run:
        """The run of the records that do not count yet."""
        if not self.counted:
            return self
        return self.part(self.counted, self.count)

    def part(self, start: int, stop: int) -> _Run:
        """Records `start` to `stop`."""
        ends_file = self.ends_file and stop == self.count
        return _Run(self.start + start, self.records[start:stop], stop - start, ends_file, self.uncommitted)


class Reader:
    """The state of one reader: its place in the current file, its counts and the attempts that wait.

    name: of the reader's operation; kind: such as "TextLineReader"; make_format: makes the object that reads files,
    and may raise InvalidArgumentError.
    produced: records handed out, and not returned, since creation or reset.  completed: files read to their end.

    A format may set `ends_with_record = True`: each of its files is one record, and is completed together with it.
    A format whose `read` raises stays where it is, so that the next read fails in the same way.
    A format may have `read_up_to(limit)`, which gives at least one record, at most `limit`, or None at the end of the
    file: a sequence of (key, value), which may have both as vectors in its attribute `columns`.  It may have
    `at_hand()`: the number of next records that it has found already, or finds when it looks ahead now; 0: none.
    """

    def __init__(self, name: str, kind: str, make_format: Callable[[], ReaderFormat]) -> None:
        self.name = name
        self.kind = kind
        self.produced = 0
        self.completed = 0
        self._format = make_format()
        self._read_up_to = getattr(self._format, "read_up_to", None)
        self._at_hand: Callable[[], int] | None = getattr(self._format, "at_hand", None)
        self._ends_with_record = bool(getattr(self._format, "ends_with_record", False))
        self._taken = 0  # records ever taken from files
        self._unacknowledged: dict[int, _Run] = {}  # by the ticket of their attempt
        self._returned: list[_Run] = []  # returned records, in the order of reading
        self._line: deque[_Attempt] = deque()
        self._asked_for: int | None = None  # the attempt that the outstanding request was made for
        self._end: OpError | None = None  # its answer, if there are no more files; told when no delivery is open
        self._files: deque[bytes] = deque()  # file names from the queue, not started yet
        self._path: bytes | None = None  # the file in progress
        self._is_open = False
        self._at_end = False  # of the file that is open
        self._place: Any = None  # where to open the file in progress; None: at its beginning

    @property
    def left_out(self) -> int:
        """The format's count of records that it left out, such as broken ones; 0 for a format that leaves none out."""
        return int(getattr(self._format, "left_out", 0))

    # -- calls for attempts and deliveries

    def read(
        self,
        ticket: int,
        limit: int | None = None,
        *,
        ack: bool = False,
        uncommitted: bool = False,
        opens: bool = True,
    ) -> Effects:
        """Read one record, or up to `limit` records of one file.

        The reply's value is (key, value): two scalar object arrays without a limit, else two vectors of one length
        between 1 and `limit`.  A limit below 1: InvalidArgumentError.
        A file that cannot be opened fails the attempt and is skipped; a record that cannot be read fails it as well,
        and the reader stays at that record.
        ack: the reader keeps the records, until `acknowledge` or `take_back`.
        uncommitted: the same, and until `commit` or `acknowledge` the counts and the state are those of a reader that
        did not read them.  It gets no more than the format finds easily, or `LOOK` bytes.
        opens: False for an uncommitted read that leaves the file in progress open, opens no other one, and requests
        none.  The reply's value is None if that gives no record.
        """
        if limit is not None and limit <= 0:
            fact = f"{self.kind} '{self.name}': num_records must be positive, got {limit}"
            return [Reply(ticket, None, InvalidArgumentError(None, None, fact))]
        self._line.append(_Attempt(ticket, limit, ack or uncommitted, uncommitted, opens))
        return self._serve()

    def commit(self, ticket: int, count: int) -> Effects:
        """The next `count` records of an uncommitted read are used: they count, and never come back."""
        run = self._unacknowledged.get(ticket)
        if run is None:  # the reader was reset, and nothing counts any more
            return []
        if run.counted + count < run.count:
            run.counted += count
            self.produced += count
            return []
        return self.acknowledge(ticket)

    def acknowledge(self, ticket: int) -> Effects:
        """End a delivery whose receiver has the records.  Nothing happens if there is no delivery."""
        run = self._unacknowledged.pop(ticket, None)
        if run is not None and run.uncommitted:
            self._count(run, 1)
        if self._end is None or self._may_return():
            return []
        error, self._end = self._end, None
        return self.no_file(error)

    def take_back(self, ticket: int) -> Effects:
        """End a delivery whose receiver is gone: the records are read again, before all that follow them.

        Nothing happens if there is no delivery.
        """
        run = self._unacknowledged.pop(ticket, None)
        if run is None:
            return []
        if not run.count:  # the reader was reset meanwhile
            self._unacknowledged[ticket] = run
            return self.acknowledge(ticket)
        if run.uncommitted:
            run = run.rest
        else:
            self._count(run, -1)
        run.uncommitted = False
        insort(self._returned, run, key=lambda r: r.start)
        if self._end is not None:
            self._asked_for = self._end = None
        return self._serve()

    def withdraw(self, ticket: int, error: OpError) -> Effects:
        """End a waiting attempt with `error`; nothing happens if it waits no more.  Its file request stays open."""
        for attempt in self._line:
            if attempt.ticket == ticket:
                self._line.remove(attempt)
                if self._end is not None:
                    self._asked_for = self._end = None
                return [Reply(ticket, None, error), *self._serve()]
        return []

    # -- answers to NeedFile

    def file(self, path: bytes) -> Effects:
        """Answer a request with a file name.  If no attempt waits for it any more, the next read starts with it."""
        self._asked_for = None
        self._files.append(path)
        return self._serve()

    def no_file(self, error: OpError) -> Effects:
        """Answer a request without a file name: the attempt that asked fails with `error`; the next one asks anew.

        If the attempt that asked was withdrawn, no attempt fails: the error concerned only its queue or its step.
        The end of the input (OutOfRangeError) is reported when no record of an acknowledged read can be returned any
        more.  Uncommitted records do not hold it up: a loop may wait with them for ever, for room in its queue.
        """
        if self._may_return() and isinstance(error, OutOfRangeError):
            self._end = error
            return []
        asked_for, self._asked_for = self._asked_for, None
        replies: Effects = []
        if self._line and self._line[0].ticket == asked_for:
            replies.append(Reply(self._line.popleft().ticket, None, error))
        return replies + self._serve()

    # -- state

    def reset(self) -> None:
        """Forget the file in progress, the returned records, and the counts.

        A file name that was not started yet is kept.
        """
        self._leave()
        self._returned.clear()
        self._unacknowledged = dict.fromkeys(self._unacknowledged, _Run(0, [], 0, False))
        self.produced = self.completed = 0

    def state(self) -> bytes:
        """The counts and the place, see `ReaderState`.  The format's state must be JSON."""
        place = self._format.state() if self._is_open else self._place
        returned = [(list(run.records), run.ends_file) for run in self._not_read()]
        files = list(self._files)
        return ReaderState(self.kind, self.produced, self.completed, self._path, place, files, returned).to_bytes()

    def restore(self, state: bytes) -> Effects:
        """Go back to a state from `state()`; attempts that wait go on there, so the result may hold replies.

        The file is opened by the next read.  A file name that was not started yet is kept.
        Raises InvalidArgumentError, and leaves the reader reset, if these are not the bytes of such a state.
        """
        self.reset()
        try:
            saved = ReaderState.from_bytes(state)
            if saved.kind != self.kind:
                raise ValueError(f"it is the state of a {saved.kind}")
        except ValueError as error:
            fact = f"Could not parse state for {self.kind} '{self.name}': {error}"
            raise InvalidArgumentError(None, None, fact) from None
        self.produced, self.completed = saved.produced, saved.completed
        self._path, self._place = saved.path, saved.place
        self._files = deque(dict.fromkeys([*saved.files, *self._files]))
        self._returned += [self._run(records, len(records), ends_file) for records, ends_file in saved.returned]
        if self._end is not None:
            self._asked_for = self._end = None
        return self._serve()

    # -- inside

    def _may_return(self) -> bool:
        """Whether a read has delivered records that are counted, and not acknowledged."""
        return any(not run.uncommitted for run in self._unacknowledged.values())

    def _not_read(self) -> list[_Run]:
        """Records that were taken from files, and are to be read again."""
        uncommitted = [run.rest for run in self._unacknowledged.values() if run.uncommitted]
        return sorted([*self._returned, *uncommitted], key=lambda run: run.start)

    def _count(self, run: _Run, sign: int) -> None:
        self.produced += sign * (run.count - run.counted)
        self.completed += sign * run.ends_file

    def _serve(self) -> Effects:
        """Serve the line until its head has to wait."""
        effects: Effects = []
        while self._line:
            head = self._line[0]
            if not (head.opens or self._returned or self._is_open):
                effects.append(Reply(self._line.popleft().ticket))
                continue
            if self._path is None and self._files:
                self._path = self._files.popleft()
            if self._path is None and not self._returned:
                if self._asked_for is None:
                    self._asked_for = head.ticket
                    effects.append(NeedFile(self._asked_for))
                return effects
            run = self._take(head)
            if isinstance(run, OpError):
                effects.append(Reply(self._line.popleft().ticket, None, run))
            elif not run.count and not head.opens:
                effects.append(Reply(self._line.popleft().ticket))
            elif run.count:
                effects.append(Reply(self._line.popleft().ticket, _packed(run.records, head.limit), None))
                if head.ack:
                    self._unacknowledged[head.ticket] = run
        return effects

    def _take(self, attempt: _Attempt) -> _Run | OpError:
        """Records for an attempt: returned ones, or of the file in progress; none: the file was at its end."""
        limit = 1 if attempt.limit is None else attempt.limit
        run = self._take_returned(limit) if self._returned else self._take_new(limit, attempt)
        if isinstance(run, _Run):
            run.uncommitted = attempt.uncommitted and run.count > 0
            if not run.uncommitted:
                self._count(run, 1)
        return run

    def _take_returned(self, limit: int) -> _Run:
        run = self._returned[0]
        if limit >= run.count:
            return self._returned.pop(0)
        self._returned[0] = run.part(limit, run.count)
        return run.part(0, limit)

    def _take_new(self, limit: int, attempt: _Attempt) -> _Run | OpError:
        """Up to `limit` records of the file in progress.

        An error is returned only if it comes before any record: else the next read meets it again.
        For an uncommitted read `LOOK` bytes are enough, or the records at hand.  A file at its end stays open if it
        gave records, as these may be returned: the next read closes it.
        """
        uncommitted = attempt.uncommitted
        assert self._path is not None
        path = self._path
        parts: list[Records] = []
        missing = limit
        looked, ends_file = 0, False
        try:
            self._open()
            while missing and not self._at_end and (looked < LOOK or not uncommitted):
                if uncommitted and parts and self._at_hand is not None:
                    break  # it would have to look for more, and might wait
                part = self._read(self._easily(missing) if uncommitted else missing)
                if part is not None:
                    parts.append(part)
                    missing -= len(part)
                    looked += LOOK if hasattr(part, "columns") else len(part[0][1])
                self._at_end = part is None or self._ends_with_record
            if self._at_end and (self._ends_with_record or not uncommitted or (attempt.opens and not parts)):
                self._leave()
                ends_file = True
        except USER_ERRORS as error:
            if not parts:
                return read_error(error, os.fsdecode(path))
        records = parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
        return self._run(records, limit - missing, ends_file)

    def _easily(self, limit: int) -> int:
        """The number of records at hand, at least 1: to look for more would be to look at these again."""
        return limit if self._at_hand is None else min(limit, max(1, self._at_hand()))

    def _read(self, limit: int) -> Records | None:
        """The next records of the file that is open, up to `limit`, as many as its format chooses; None at the end."""
        if limit > 1 and self._read_up_to is not None:
            records: Records | None = self._read_up_to(limit)
            return records
        record = self._format.read()
        return None if record is None else [record]

    def _run(self, records: Records, count: int, ends_file: bool) -> _Run:
        start, self._taken = self._taken, self._taken + count
        return _Run(start, records, count, ends_file)

    def _open(self) -> None:
        if self._is_open:
            return
        assert self._path is not None
        path, place = self._path, self._place
        self._path = self._place = None  # a file that cannot be opened is skipped
        if b"\0" in path:
            raise InvalidArgumentError(None, None, f"a file name has no byte 0, got {path!r}")
        self._format.open(os.fsdecode(path), place)
        self._path, self._is_open, self._at_end = path, True, False

    def _leave(self) -> None:
        was_open, self._is_open = self._is_open, False
        self._path = self._place = None
        if was_open:
            self._format.close()


def _packed(records: Records, limit: int | None) -> tuple[Any, ...]:
    """Keys and values: scalars for read(), vectors for read_up_to()."""
    if limit is None:
        return tuple(np.array(part, dtype=object) for part in records[0])
    if (vectors := getattr(records, "columns", None)) is not None:
        return tuple(vectors)
    columns = np.empty((2, len(records)), dtype=object)
    if records:
        columns[0], columns[1] = zip(*records, strict=True)
    return columns[0], columns[1]
