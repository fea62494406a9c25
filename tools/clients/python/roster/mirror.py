"""A copy of an organisation's users, groups and memberships in this process, kept by a watch."""

import threading
import time
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set, Tuple, Type

from .errors import DeadlineExceeded, Resync, RosterError, Stale
from .watch import GONE, MEMBER_ADDED, MEMBER_REMOVED, PUT, Change, Event

if TYPE_CHECKING:
    from .client import Client


class _Copy:
    """Applying changes is idempotent: those behind a snapshot may tell what it already has."""

    def __init__(self) -> None:
        self.resources: Dict[Tuple[str, uuid.UUID], Dict[str, Any]] = {}
        self.groups: Dict[uuid.UUID, Set[uuid.UUID]] = {}   # of a user or group: those that hold it
        self.members: Dict[uuid.UUID, Set[uuid.UUID]] = {}  # of a group: what it holds
        self.settled = 0

    def apply(self, event: Event) -> None:
        if event.event == PUT and event.type is not None:
            self.resources[event.type, event.id] = event.resource or {}
        elif event.event == GONE and event.type is not None:
            self.resources.pop((event.type, event.id), None)
            for group in self.groups.pop(event.id, ()):
                self.members[group].discard(event.id)
            for member in self.members.pop(event.id, ()):
                self.groups[member].discard(event.id)
        elif event.event == MEMBER_ADDED and event.group_id is not None:
            self.groups.setdefault(event.id, set()).add(event.group_id)
            self.members.setdefault(event.group_id, set()).add(event.id)
        elif event.event == MEMBER_REMOVED and event.group_id is not None:
            self.groups.get(event.id, set()).discard(event.group_id)
            self.members.get(event.group_id, set()).discard(event.id)

    def holds(self, group: uuid.UUID, subject: uuid.UUID, direct: bool) -> bool:
        around = self.groups.get(subject)
        if not around:
            return False
        if direct or group in around:
            return group in around
        seen, waiting = set(around), list(around)
        while waiting:
            for outer in self.groups.get(waiting.pop(), ()):
                if outer == group:
                    return True
                if outer not in seen:
                    seen.add(outer)
                    waiting.append(outer)
        return False


class Mirror:
    """Answers is_member in this process. It follows the server from its making to close(), in a thread of its own.

    What it answers was true at `revision`. When it cannot follow, it goes on trying, and answering until it has heard nothing for
    max_age seconds (None: for ever); then, and before it has a first whole copy, is_member raises Stale. `error` is what the
    server has against it at present, such as a permission that was withdrawn.
    """

    def __init__(self, client: "Client", *, org: Optional[str] = None, max_age: Optional[float] = 60.0,
                 heartbeat: Optional[float] = None) -> None:
        self.revision = 0
        self.error: Optional[RosterError] = None
        self._max_age = max_age
        self._heard = 0.0
        self._copy: Optional[_Copy] = None  # what is answered from
        self._next: Optional[_Copy] = None  # a snapshot that is not exact yet
        self._closed = False
        self._change = threading.Condition()
        self._watch = client.watch(org=org, heartbeat=heartbeat)
        self._thread = threading.Thread(target=self._follow, name="roster-mirror", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._watch.close()
        self._thread.join()

    # -- Asking --

    @property
    def age(self) -> float:
        """Seconds since the server last said that this copy is as it should be; infinite without a copy."""
        return time.monotonic() - self._heard if self._copy is not None else float("inf")

    def is_member(self, subject: uuid.UUID, group: uuid.UUID, *, direct: bool = False) -> bool:
        """Is the user or group in the group, directly or (unless direct) through other groups?"""
        with self._change:
            return self._fresh().holds(group, subject, direct)

    def members_of(self, group: uuid.UUID) -> Set[uuid.UUID]:
        """The users and groups that the group holds itself."""
        with self._change:
            return set(self._fresh().members.get(group, ()))

    def resource(self, type: str, id: uuid.UUID) -> Optional[Dict[str, Any]]:
        """A User or Group of the copy, without its groups or members; {} when it is too long for a watch. Not to be changed."""
        with self._change:
            return self._fresh().resources.get((type, id))

    def resources(self, type: str) -> List[Dict[str, Any]]:
        with self._change:
            return [value for (kind, _), value in self._fresh().resources.items() if kind == type]

    def wait(self, revision: int = 1, timeout: Optional[float] = None) -> int:
        """Until the copy is whole, and at the revision at least; returns where it is."""
        with self._change:
            if not self._change.wait_for(lambda: self.error or (self._copy and self.revision >= revision), timeout):
                raise DeadlineExceeded(f"the mirror is not at revision {revision} in time")
            if self.error and not (self._copy and self.revision >= revision):
                raise self.error
            return self.revision

    def _fresh(self) -> _Copy:
        if self._copy is None:
            raise Stale("the mirror has no whole copy yet")
        if self._max_age is not None and self.age > self._max_age:
            raise Stale(f"the mirror has not heard of the server for {self.age:.1f} s")
        return self._copy

    # -- Following --

    def _follow(self) -> None:
        while not self._closed:
            try:
                for change in self._watch:
                    with self._change:
                        self.error = None
                        self._apply(change)
                        self._change.notify_all()
            except Resync:
                continue
            except RosterError as why:
                if why.error == "PRECONDITION_FAILED":  # a server that was set back
                    self._watch.restart()
                with self._change:
                    self.error = why
                    self._change.notify_all()

    def _apply(self, change: Change) -> None:
        if change.snapshot:
            if change.first:
                self._next = _Copy()
            assert self._next is not None
            self._next.settled = change.settled
        target = self._next or self._copy
        assert target is not None  # a watch without `from` begins with a snapshot
        for event in change.events:
            target.apply(event)
        if target is self._next and change.last and change.revision >= target.settled:
            self._copy, self._next = target, None
        if target is self._copy:
            self.revision, self._heard = change.revision, time.monotonic()
