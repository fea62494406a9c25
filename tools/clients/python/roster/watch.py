"""Every change of an organisation, in order, each revision once, however often the connection breaks."""

import collections
import threading
import time
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Type

from .channel import Channel, Options, hello
from .codec import Answer, Frame, decode_answer, encode_frame, error_of
from .connection import Backoff
from .errors import DeadlineExceeded, Disconnected, Malformed, Resync, RosterError
from .words import USER, Pairs, encode_request, given, resource_of

RECORDS, MEMBERSHIP, PERMISSION = 0, 1, 2                              # views
PUT, GONE, MEMBER_ADDED, MEMBER_REMOVED, GAINED, LOST = range(1, 7)  # events
HELLO, WATCH = 1, 2                                                    # ids of our requests
SILENT = 3.0  # heartbeats without a word after which the connection is given up


@dataclass(frozen=True)
class Event:
    """PUT (type, id, resource) and GONE (type, id); MEMBER_ADDED and MEMBER_REMOVED (group_id, id, member_kind); GAINED and LOST
    (id, and group_id in the view MEMBERSHIP). resource is None when it is too long to be told: read it over HTTPS."""

    event: int
    id: uuid.UUID
    type: Optional[str] = None
    group_id: Optional[uuid.UUID] = None
    member_kind: int = USER
    resource: Optional[Dict[str, Any]] = field(default=None, repr=False)

    @classmethod
    def of(cls, item: Answer) -> "Event":
        event = item.number("event")
        return cls(event, item.id(), item.maybe_text("type"), item.maybe_id("group-id"), item.number("kind"),
                   resource_of(item) if "resource" in item else None)


@dataclass(frozen=True)
class Change:
    """All of one revision; without events, a heartbeat: nothing else happened up to there.

    A snapshot comes in several, from the one that is `first` to the one that is `last`. When a connection breaks in it, it begins
    again with a first one: forget the one before. It is exact from the revision `settled` of its last on.
    """

    revision: int
    time: float  # seconds since 1970, by the server's clock
    events: List[Event]
    snapshot: bool = False
    first: bool = True
    last: bool = True
    settled: int = 0


class Watch(Iterator[Change]):
    """An iterator of Changes, without an end. It has a connection of its own, opened when it is first asked, and reads no
    faster than it is asked; connections that break are replaced, from the last whole revision on.

    Resync is raised when the journal does not go back to that revision any more; asked again, the watch begins anew with a
    snapshot. Any other error of the server, such as a permission that was withdrawn, is raised too; asked again, it tries again
    from where it was, after a while. revision is that of the last Change that was given out (None before, and in a snapshot):
    watch(revision) goes on behind it another time.
    """

    def __init__(self, options: Callable[[], Options], fields: Pairs, view: int, revision: Optional[int], heartbeat: Optional[float],
                 timeout: float, backoff: Backoff) -> None:
        self.revision = revision or None
        self._options, self._fields, self._view = options, fields, view
        self._heartbeat = self._asked_heartbeat = heartbeat or None
        self._timeout = timeout
        self._backoff = backoff
        self._channel: Optional[Channel] = None
        self._frames: Deque[Frame] = collections.deque()
        self._closed = False
        self._reading = threading.Lock()  # by whom the iteration is asked
        self._forget()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        """From any thread: the iteration ends."""
        self._closed = True
        channel = self._channel
        if channel is not None:
            channel.close()
        if self._reading.acquire(blocking=False):  # otherwise who reads lets go of it
            self._drop()
            self._reading.release()

    def __next__(self) -> Change:
        with self._reading:
            return self._next()

    def _next(self) -> Change:
        while not self._closed:
            try:
                change = self._change(self._frame())
                if change is not None:
                    return change
            except (Disconnected, DeadlineExceeded) as why:
                self._drop()
                self._backoff.failed()
                if isinstance(why, Disconnected) and why.final:
                    raise
            except Resync:
                self.restart()
                self._backoff.failed()
                raise
            except RosterError as why:
                self._drop()
                self._backoff.failed()
                if why.error not in ("UNAVAILABLE", "RATE_LIMITED", "TIMEOUT"):
                    raise
                self._backoff.not_before = max(self._backoff.not_before, time.monotonic() + (why.retry_after or 0))
            except BaseException:
                self._drop()  # an interrupted iteration goes on with a new connection
                raise
        self._drop()
        raise StopIteration

    def restart(self) -> None:
        """Begins anew, with a snapshot. For the thread that iterates."""
        self._drop()
        self.revision = None

    # -- The connection --

    def _frame(self) -> Frame:
        while not self._frames:
            if self._channel is None:
                self._open()
            assert self._channel is not None
            silence = self._timeout if self._heartbeat is None else self._heartbeat * SILENT + 1
            self._frames.extend(self._channel.receive(time.monotonic() + silence))
        return self._frames.popleft()

    def _open(self) -> None:
        self._forget()
        while not self._closed:
            wait = self._backoff.not_before - time.monotonic()
            if wait <= 0:
                break
            time.sleep(min(wait, 0.1))  # close() is noticed
        deadline = time.monotonic() + self._timeout
        options = self._options()  # the token may be another by now
        self._channel = Channel(options, deadline)
        if self._closed:
            raise Disconnected("the watch is closed")
        request = encode_request(self._fields + given(from_=self.revision))
        self._channel.send(encode_frame("hello", HELLO, hello(options)) + encode_frame("watch", WATCH, request),
                           deadline)

    def _drop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.release()
        self._forget()

    def _forget(self) -> None:
        """What came of a revision that is not whole."""
        self._frames.clear()
        self._events: List[Event] = []
        self._in_snapshot = False

    # -- Parts --

    def _change(self, frame: Frame) -> Optional[Change]:
        answer = decode_answer(frame.payload)
        if frame.error:
            raise error_of(answer)
        if frame.id == HELLO:
            if self._asked_heartbeat is None:
                self._heartbeat = answer.number("heartbeat") / 1000 or None
            return None
        if frame.id != WATCH or frame.last:
            raise Disconnected("the server ended the watch", sent=True)
        self._backoff.succeeded()
        return self._snapshot(answer) if answer.number("snapshot") else self._revision(answer)

    def _snapshot(self, answer: Answer) -> Change:
        first, last = not self._in_snapshot, not answer.number("more")
        if self.revision is not None:
            raise Malformed("a snapshot that was not asked for")
        self._in_snapshot = not last
        revision = answer.number("revision")
        if last:
            self.revision = revision
        return Change(revision, answer.number("time") / 1000, [Event.of(item) for item in answer.items_], True, first,
                      last, max(revision, answer.number("settled")))

    def _revision(self, answer: Answer) -> Optional[Change]:
        revision = answer.number("revision")
        self._check(revision, bool(answer.items_))
        self._events += [Event.of(item) for item in answer.items_]
        if answer.number("more"):
            return None
        events, self._events = self._events, []
        self.revision = revision
        return Change(revision, answer.number("time") / 1000, events)

    def _check(self, revision: int, events: bool) -> None:
        if self._in_snapshot or self.revision is None:
            raise Malformed("a change before the end of the snapshot")
        # What the clock brings in the other views comes with the revision at hand.
        if revision < self.revision or (revision == self.revision and events and self._view == RECORDS):
            raise Malformed(f"revision {revision} after {self.revision}")
