"""The whole desired state of an organisation, or of a part of it, brought about in one step."""

import collections
import time
import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional, Tuple, Type, Union

from .channel import Channel, Options, hello
from .codec import Answer, Frame, decode_answer, encode_frame, error_of
from .errors import Disconnected
from .words import Pairs, encode_request, given, json_bytes

ACTIONS = {1: "create", 2: "change", 3: "remove", 4: "unchanged", 5: "member-add", 6: "member-remove"}
CHUNK = 256 << 10  # bytes of records in a frame
AHEAD = 4          # frames of records that are not answered yet

Counts = Dict[Tuple[str, str], int]


@dataclass(frozen=True)
class Sample:
    """Something that the plan would do. data says to people what changes."""

    action: str
    type: str
    id: Optional[uuid.UUID]
    name: str
    data: str


@dataclass(frozen=True)
class Plan:
    """counts: by (action, type), such as ("create", "User")."""

    revision: int
    counts: Counts
    samples: List[Sample]


@dataclass(frozen=True)
class Committed:
    revision: int
    counts: Counts


class _Part(Answer):
    def __init__(self, frame: Frame) -> None:
        super().__init__(decode_answer(frame.payload))
        self.last, self.error = frame.last, frame.error


class Sync:
    """Used with `with`: what is not committed at its end is forgotten. It has a connection of its own, and is one thread's
    business. When the connection breaks, Disconnected says so and all has to be sent anew; after commit() it may have been done.

    timeout is for every answer that is waited for.
    """

    def __init__(self, options: Options, org: Optional[str], fields: Pairs, timeout: float) -> None:
        self._org = org
        self._timeout = timeout
        self._last_id = 0
        self._unanswered: Deque[int] = collections.deque()
        self._answers: Dict[int, List[_Part]] = {}
        self.count = 0  # records that the server has
        self._channel = Channel(options, self._deadline())
        try:
            greeting = self._write("hello", hello(options))
            begun = self._write("sync-begin", encode_request(given(org=org) + fields))
            self._answer(greeting)
            self._number = self._answer(begun)[-1].number("sync")
        except BaseException:
            self._channel.release()
            raise

    def __enter__(self) -> "Sync":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def records(self, records: Iterable[Union[Dict[str, Any], str, bytes]]) -> int:
        """SCIM Users and Groups, each a dictionary or a line of JSON. Returns how many the server has by now."""
        for lines in _chunks(records):
            if len(self._unanswered) >= AHEAD:
                self._acknowledge()
            self._unanswered.append(self._write("sync-records", encode_request(self._fields(data=lines))))
        while self._unanswered:
            self._acknowledge()
        return self.count

    def plan(self, limit: Optional[int] = None) -> Plan:
        """What commit() would do, with samples: at most limit of each kind."""
        parts = self._answer(self._write("sync-plan", encode_request(self._fields(limit=limit))))
        items = [item for part in parts for item in part.items_]
        samples = [Sample(_action(item), item.text("type"), item.maybe_id("id"), item.text("name"), item.text("data"))
                   for item in items if "name" in item or "id" in item]
        return Plan(parts[-1].number("revision"), _counts(items), samples)

    def commit(self) -> Committed:
        """All of it, as one revision. With the error CONFLICT the organisation has changed since the plan: plan again."""
        parts = self._answer(self._write("sync-commit", encode_request(self._fields())))
        return Committed(parts[-1].number("revision"), _counts([item for part in parts for item in part.items_]))

    def abort(self) -> None:
        self._answer(self._write("sync-abort", encode_request(self._fields())))

    def close(self) -> None:
        """The end of the connection forgets what is not committed."""
        self._channel.release()

    def _fields(self, **more: Any) -> Pairs:
        return given(org=self._org, sync=self._number, **more)

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout

    def _write(self, type: str, payload: bytes) -> int:
        self._last_id += 1
        self._channel.send(encode_frame(type, self._last_id, payload), self._deadline())
        return self._last_id

    def _answer(self, id: int) -> List[_Part]:
        """All parts of the answer to a request; those of others are kept."""
        deadline = self._deadline()
        parts = self._answers.pop(id, [])
        while not (parts and parts[-1].last):
            for frame in self._channel.receive(deadline):
                part = _Part(frame)
                if not 0 < frame.id <= self._last_id:
                    raise Disconnected(part.text("message") or "an answer that nobody asked for", sent=True)
                (parts if frame.id == id else self._answers.setdefault(frame.id, [])).append(part)
        if parts[-1].error:
            raise error_of(parts[-1])
        return parts

    def _acknowledge(self) -> None:
        self.count = max(self.count, self._answer(self._unanswered.popleft())[-1].number("count"))


def _chunks(records: Iterable[Union[Dict[str, Any], str, bytes]]) -> Iterator[bytes]:
    """Whole lines, some hundred kilobytes at a time."""
    lines: List[bytes] = []
    size = 0
    for record in records:
        line = json_bytes(record).rstrip(b"\n")
        lines.append(line)
        size += len(line) + 1
        if size >= CHUNK:
            yield b"\n".join(lines) + b"\n"
            lines, size = [], 0
    if lines:
        yield b"\n".join(lines) + b"\n"


def _action(item: Answer) -> str:
    return ACTIONS.get(item.number("action"), str(item.number("action")))


def _counts(items: Iterable[Answer]) -> Counts:
    return {(_action(item), item.text("type")): item.number("count")
            for item in items if "name" not in item and "id" not in item}
