"""Everything that goes wrong is a RosterError.

What the server said is a RosterError itself (or Resync); what it had no chance to say is one of the others.
"""

from typing import Optional


class RosterError(Exception):
    """status and error are those of docs/PROTOCOL.md, "Errors"; field is the field at fault, or an attribute of a
    resource; retry_after is in seconds."""

    def __init__(self, status: int, error: str, message: str, field: Optional[str] = None,
                 retry_after: Optional[float] = None) -> None:
        super().__init__(status, error, message, field, retry_after)
        self.status = status
        self.error = error
        self.message = message
        self.field = field
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.field + ': ' if self.field else ''}{self.message} ({self.status} {self.error})"


class Malformed(RosterError, ValueError):
    """Bytes that are no frame or no fields of roster/1, or values that cannot be sent."""

    def __init__(self, message: str, field: Optional[str] = None) -> None:
        super().__init__(400, "MALFORMED", message, field)
        self.args = (message, field)


class DeadlineExceeded(RosterError, TimeoutError):
    """The answer did not come in time. What a write asked for may have been done, or may still be."""

    def __init__(self, message: str) -> None:
        super().__init__(408, "TIMEOUT", message)
        self.args = (message,)


class Disconnected(RosterError, ConnectionError):
    """There is no connection, or it ended before the answer came. When sent is true the request had been handed over:
    what a write asked for may have been done. final: trying again will not help (the certificate is not trusted, or the
    server speaks something else)."""

    def __init__(self, message: str, sent: bool = False, final: bool = False) -> None:
        super().__init__(503, "UNAVAILABLE", message)
        self.sent = sent
        self.final = final
        self.args = (message, sent, final)


class Stale(RosterError):
    """A mirror that has not heard of the server for too long, or has no copy yet."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "STALE", message)
        self.args = (message,)


class Resync(RosterError):
    """The journal no longer goes back to where a watch stood; revision is the oldest that can be named."""

    def __init__(self, message: str, revision: int) -> None:
        super().__init__(410, "RESYNC", message)
        self.revision = revision
        self.args = (message, revision)
