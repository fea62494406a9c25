"""A connection that many threads ask through at once, and how long to wait before the next one."""

import copy
import queue
import random
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Union

from .channel import Channel, Options, hello
from .codec import MAX_ID, Answer, Frame, decode_answer, encode_fields, encode_frame, error_of
from .errors import DeadlineExceeded, Disconnected, Malformed, RosterError
from .numbers import REQUEST, TYPES

HELLO = 1  # the request id of the first hello
# Of these and no others the server limits how many may be under way.
SHORT = frozenset(TYPES[name] for name in ("hello", "ping", "cancel", "stats", "check", "is-member", "get"))


class Welcome(NamedTuple):
    """What the server said to our hello: the limits of the connection, and who we are."""

    version: int
    server: str
    actor: str
    org: Optional[str]
    max_payload: int
    max_requests: int
    max_items: int
    heartbeat: float  # seconds

    @classmethod
    def of(cls, answer: Answer) -> "Welcome":
        return cls(answer.number("version"), answer.text("server"), answer.text("actor"), answer.maybe_text("org"),
                   answer.number("max-payload"), answer.number("max-requests"), answer.number("max-items"),
                   answer.number("heartbeat") / 1000)


class Backoff:
    """When to connect again: at once the first time, then after a delay that doubles with every failure, less up to half of it
    by chance, so that clients that lost the same server do not come back together."""

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most = first, most
        self._failures = 0
        self.not_before = 0.0

    def failed(self) -> None:
        delay = min(self._most, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        self.not_before = time.monotonic() + delay * random.uniform(0.5, 1)

    def succeeded(self) -> None:
        self._failures = 0


class Call:
    """A request under way. Its parts are put here by the thread that reads."""

    __slots__ = ("id", "type", "long", "abandoned", "parts")

    def __init__(self, id: int, type: int) -> None:
        self.id, self.type = id, type
        self.long = type not in SHORT
        self.abandoned = False
        self.parts: "queue.SimpleQueue[Union[Frame, RosterError]]" = queue.SimpleQueue()


class Connection:
    """Opened by its constructor; the hello leaves with the first request and is not waited for. greeted() is called
    when it was answered, ended() when the connection is over."""

    def __init__(self, options: Options, deadline: float, keepalive: float,
                 greeted: Callable[[], None], ended: Callable[[], None]) -> None:
        self.dead: Optional[RosterError] = None
        self.welcome: Optional[Welcome] = None
        self._keepalive = keepalive
        self._greeted, self._ended = greeted, ended
        self._change = threading.Condition()  # guards all below
        self._calls: Dict[int, Call] = {}
        self._expect(HELLO, "hello")
        self._next_id = HELLO
        self._long = 0
        self._channel = Channel(options, deadline)
        self._channel.queue(encode_frame("hello", HELLO, hello(options)))
        threading.Thread(target=self._read, name="roster", daemon=True).start()

    # -- Asking --

    def ask(self, type: str, payload: bytes, deadline: float) -> List[Answer]:
        """All parts of the answer."""
        call = self._start(TYPES[type], payload, deadline)
        answers: List[Answer] = []
        while True:
            frame = self._next(call, deadline)
            answer = decode_answer(frame.payload)
            if frame.error:
                raise error_of(answer)
            answers.append(answer)
            if frame.last:
                return answers

    def greet(self, options: Options, deadline: float) -> None:
        """Says hello again, with another token."""
        answer, = self.ask("hello", hello(options), deadline)
        self.welcome = Welcome.of(answer)

    def wait_for_welcome(self, deadline: float) -> Welcome:
        with self._change:
            while self.welcome is None:
                if self.dead:
                    raise copy.copy(self.dead)
                if not self._change.wait(max(0.0, deadline - time.monotonic())):
                    raise DeadlineExceeded("the server did not answer the hello in time")
            return self.welcome

    def flush(self, deadline: float) -> None:
        """Sends what is queued: the hello."""
        self._channel.send(b"", deadline)

    def _start(self, type: int, payload: bytes, deadline: float) -> Call:
        with self._change:
            call = Call(0, type)
            # One place is left free, since a server that is full would not read a cancel either.
            while call.long and self._long >= self._most() and not self.dead:
                if not self._change.wait(max(0.0, deadline - time.monotonic())):
                    raise DeadlineExceeded("too many long requests are under way on this connection")
            if self.dead:
                raise Disconnected(self.dead.message)
            call.id = self._new_id()
            self._calls[call.id] = call
            self._long += call.long
        try:
            self._channel.send(encode_frame(type, call.id, payload), deadline)
        except Disconnected as why:
            self._fail(why)
            raise
        except DeadlineExceeded:
            self._abandon(call)
            raise
        return call

    def _most(self) -> int:
        return max(1, (self.welcome.max_requests if self.welcome else 256) - 1)

    def _new_id(self) -> int:
        while True:
            self._next_id = self._next_id % MAX_ID + 1
            if self._next_id not in self._calls:
                return self._next_id

    def _next(self, call: Call, deadline: float) -> Frame:
        try:
            part = call.parts.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            self._abandon(call)
            raise DeadlineExceeded("the answer did not come in time") from None
        if isinstance(part, RosterError):
            raise part
        return part

    def _abandon(self, call: Call) -> None:
        """Nobody waits for it any more: the server is told, and what still comes of it is dropped."""
        with self._change:
            if call.id not in self._calls or self.dead:
                return
            call.abandoned = True
            id = self._expect(self._new_id(), "cancel")
        self._send_soon(encode_frame("cancel", id, encode_fields([("target", call.id)], REQUEST)))

    def _expect(self, id: int, type: str) -> int:
        """An answer will come that nobody waits for."""
        call = self._calls[id] = Call(id, TYPES[type])
        call.abandoned = True
        return id

    def _send_soon(self, frame: bytes) -> None:
        """Without waiting: what does not leave now leaves with the next frame."""
        try:
            self._channel.send(frame, time.monotonic())
        except DeadlineExceeded:
            pass
        except Disconnected as why:
            self._fail(why)

    # -- Reading --

    def _read(self) -> None:
        pinged = False
        try:
            while True:
                try:
                    frames = self._channel.receive(time.monotonic() + self._keepalive)
                    pinged = False
                except DeadlineExceeded:
                    if pinged:
                        raise Disconnected("no sign of life from the server", sent=True) from None
                    pinged = True
                    self._ping()
                    continue
                for frame in frames:
                    self._deliver(frame)
        except RosterError as why:
            self._fail(why)
        finally:
            self._channel.release()

    def _ping(self) -> None:
        with self._change:
            id = self._expect(self._new_id(), "ping")
        self._send_soon(encode_frame("ping", id, b""))

    def _deliver(self, frame: Frame) -> None:
        call = self._calls.get(frame.id)
        if call is None or call.type != frame.type:
            raise Disconnected(_stray(frame), sent=True)
        if frame.id == HELLO and self.welcome is None:
            self._greeting(frame)
        if frame.last:
            with self._change:
                self._calls.pop(frame.id, None)
                self._long -= call.long
                self._change.notify_all()
        if not call.abandoned:
            call.parts.put(frame)

    def _greeting(self, frame: Frame) -> None:
        answer = decode_answer(frame.payload)
        if frame.error:
            raise error_of(answer)
        with self._change:
            self.welcome = Welcome.of(answer)
            self._change.notify_all()
        self._greeted()

    def _fail(self, why: RosterError) -> None:
        """The end of the connection: whoever waits is told, and asks anew or not."""
        with self._change:
            if self.dead:
                return
            self.dead = why
            calls, self._calls = self._calls, {}
            self._ended()  # before anybody is told, and connects anew
            self._change.notify_all()
        self._channel.close()
        for call in calls.values():
            call.parts.put(_reason(why))

    def close(self) -> None:
        self._fail(Disconnected("the client was closed", sent=True))


def _stray(frame: Frame) -> str:
    """What the server's last words were, or that it made none of sense."""
    if frame.error and frame.id == 0:
        try:
            return error_of(decode_answer(frame.payload)).message
        except Malformed:
            pass
    return f"an answer ({frame.name}, id {frame.id}) that nobody asked for"


def _reason(why: RosterError) -> RosterError:
    """Errors of the connection as each request under way sees them."""
    if isinstance(why, (Malformed, DeadlineExceeded)):
        return Disconnected(why.message, sent=True)
    again = copy.copy(why)
    if isinstance(again, Disconnected):
        again.sent = True
    return again
