"""One TLS connection that carries frames.

Bytes go through memory BIOs and a non-blocking socket, so that one thread may read while others write: the TLS object is only
ever held for a moment, never while waiting for the network. Every wait ends at a deadline (time.monotonic).
"""

import collections
import errno
import select
import socket
import ssl
import threading
import time
import urllib.parse
from typing import Deque, List, NamedTuple, Optional, Tuple

from .codec import Frame, Value, decode_frame, encode_fields
from .errors import DeadlineExceeded, Disconnected, Malformed
from .numbers import REQUEST

ALPN = "roster/1"
VERSION = 1
READ_SIZE = 1 << 16


class Address(NamedTuple):
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        parts = urllib.parse.urlsplit(text)
        if parts.scheme != "roster" or not parts.hostname or not parts.port or parts.path.strip("/"):
            raise ValueError(f"{text!r} is not roster://HOST:PORT")
        return cls(parts.hostname, parts.port)


class Options(NamedTuple):
    """What it takes to open a connection."""

    address: Address
    context: ssl.SSLContext
    token: Optional[str]
    issuer: Optional[str]
    name: str


def tls_context(ca: Optional[str], certificate: Optional[Tuple[str, str]]) -> ssl.SSLContext:
    """ca: a PEM file (absent: the system's); certificate: PEM files of a client certificate and of its key."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def hello(options: Options) -> bytes:
    """The payload that says who we are. Without a token, the client certificate does."""
    fields: List[Tuple[str, Value]] = [("version", VERSION)]
    if options.token is not None:
        fields.append(("token", options.token))
    elif options.issuer is not None:
        fields.append(("org", options.issuer))
    fields.append(("client", options.name))
    return encode_fields(fields, REQUEST)


def left(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else deadline - time.monotonic()


class Channel:
    """Opened by its constructor, which raises Disconnected or DeadlineExceeded."""

    def __init__(self, options: Options, deadline: float) -> None:
        self._tls_lock = threading.Lock()   # held for calls of the TLS object, which never wait
        self._send_lock = threading.Lock()  # held while bytes go out, so that they go in order
        self._queue: Deque[bytes] = collections.deque()  # frames that nobody has begun to send
        self._cipher = b""                  # encrypted, and not yet taken by the network
        self._input = bytearray()
        self._ended: Optional[Disconnected] = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.closed = False
        self._socket = _connect(options.address, deadline)
        try:
            self._tls = options.context.wrap_bio(self._incoming, self._outgoing,
                                                 server_hostname=options.address.host)
            self._handshake(deadline)
        except BaseException:
            self._socket.close()
            raise

    def _handshake(self, deadline: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError as why:
                raise Disconnected(f"the TLS handshake failed: {why}", final=True) from why
            self._cipher += self._outgoing.read()
            self._flush(deadline)
            if done:
                break
            self._take(deadline)
        if self._tls.selected_alpn_protocol() != ALPN:
            raise Disconnected(f"the server does not speak {ALPN}", final=True)

    # -- Out --

    def queue(self, data: bytes) -> None:
        """Leaves with what is sent next."""
        self._queue.append(data)

    def send(self, data: bytes, deadline: Optional[float]) -> None:
        """Frames of several threads leave together. Bytes that did not leave by the deadline stay first in line, so that the
        stream is whole whatever happens to the request."""
        self._queue.append(data)
        wait = left(deadline)
        if not self._send_lock.acquire(timeout=-1 if wait is None else max(0.0, wait)):
            raise DeadlineExceeded("the server does not read")
        try:
            if self.closed:
                raise Disconnected("the connection is closed", sent=not any(it is data for it in self._queue))
            self._encrypt()
            self._flush(deadline)
        finally:
            self._send_lock.release()

    def _encrypt(self) -> None:
        batch = []
        while self._queue:  # it may be empty: another thread has sent ours
            batch.append(self._queue.popleft())
        plain = memoryview(b"".join(batch))
        try:
            with self._tls_lock:
                while plain:
                    plain = plain[self._tls.write(plain):]
                self._cipher += self._outgoing.read()
        except ssl.SSLError as why:
            raise Disconnected(str(why), sent=True) from why

    def _flush(self, deadline: Optional[float]) -> None:
        while self._cipher:
            try:
                self._cipher = self._cipher[self._socket.send(self._cipher):]
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline, "the server does not read")
            except OSError as why:
                raise Disconnected(str(why), sent=True) from why

    # -- In --

    def receive(self, deadline: Optional[float]) -> List[Frame]:
        """At least one whole frame. Raises Disconnected when the stream ended or lost its framing."""
        while True:
            frames, at = [], 0
            try:
                while True:
                    found = decode_frame(self._input, at)
                    if found is None:
                        break
                    frame, at = found
                    frames.append(frame)
            except Malformed as why:
                raise Disconnected(why.message, sent=True) from why
            del self._input[:at]
            if frames:
                return frames
            if self._ended:  # only now: what came before the end counts
                raise self._ended
            self._take(deadline)
            self._decrypt()

    def _take(self, deadline: Optional[float]) -> None:
        """Waits for encrypted bytes and hands them to TLS."""
        while True:
            try:
                data = self._socket.recv(READ_SIZE)
                break
            except BlockingIOError:
                self._wait(select.POLLIN, deadline, "the server does not answer")
            except OSError as why:
                raise Disconnected(str(why), sent=True) from why
        if not data:
            raise Disconnected("the server closed the connection", sent=True)
        with self._tls_lock:
            self._incoming.write(data)

    def _decrypt(self) -> None:
        # What TLS has to say itself (an answered key update) stays in _outgoing and leaves with the next frame.
        with self._tls_lock:
            try:
                while True:
                    data = self._tls.read(READ_SIZE)
                    if not data:
                        self._ended = Disconnected("the server closed the connection", sent=True)
                        return
                    self._input += data
            except ssl.SSLWantReadError:
                return
            except ssl.SSLError as why:
                self._ended = Disconnected(str(why), sent=True)

    def _wait(self, event: int, deadline: Optional[float], message: str) -> None:
        if self.closed:
            raise Disconnected("the connection is closed", sent=True)
        wait = left(deadline)
        poll = select.poll()
        poll.register(self._socket, event)
        if (wait is not None and wait <= 0) or not poll.poll(None if wait is None else wait * 1000):
            raise DeadlineExceeded(message)

    def close(self) -> None:
        """From any thread: whoever waits in the channel is told. release() gives the socket back."""
        self.closed = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError as why:
            if why.errno not in (errno.ENOTCONN, errno.EBADF):
                raise

    def release(self) -> None:
        """By the thread that reads, when it is done: nobody waits in poll with a descriptor that another may have got."""
        self.close()
        with self._send_lock:
            self._socket.close()


def _connect(address: Address, deadline: float) -> socket.socket:
    try:
        plain = socket.create_connection(address, timeout=max(0.001, deadline - time.monotonic()))
    except socket.timeout as why:
        raise DeadlineExceeded(f"no connection to {address.host}:{address.port} in time") from why
    except OSError as why:
        raise Disconnected(f"{address.host}:{address.port}: {why}") from why
    plain.setblocking(False)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain
