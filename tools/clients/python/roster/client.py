"""The client: one connection that many threads share, opened when it is needed and again when it broke."""

import threading
import time
import uuid
from typing import (Any, Callable, Dict, FrozenSet, Generic, Iterable, Iterator, List, Optional, Tuple, Type, TypeVar,
                    Union)
from types import TracebackType

from .channel import Address, Options, tls_context
from .codec import Answer
from .connection import Backoff, Connection, Welcome
from .errors import DeadlineExceeded, Disconnected, Malformed, RosterError
from .numbers import CHECK_YES, MEMBER_YES
from .sync import Sync
from .watch import RECORDS, Watch
from .words import (Check, Decision, Decisions, Entry, GroupLike, IsMember, Membership, Owner, Pairs, Permission, Record,
                    ScopeLike, Subject, SubjectLike, Written, check_fields, encode_request, given, group_fields, json_bytes,
                    member_fields, scope_fields, subject_fields)

T = TypeVar("T")
PAGE = 2000        # items of a list that are asked for at once
RECORD_PAGE = 200  # the same of whole resources
SYNC_TIMEOUT = 300.0  # seconds for each answer of a sync: a plan of millions takes its time
OVERHEAD = 16384   # bytes of a batch beside its items, at most: what is said once for all of them


class Listing(Generic[T]):
    """A list that comes as it is read, page by page, so that its length costs no memory and a slow reader holds up nobody. Each
    page is true at `revision`, that of the last one read. When `limit` cut the list, `cursor` afterwards is where to go on."""

    def __init__(self, page: Callable[[Optional[bytes], int], List[Answer]], item: Callable[[Answer, int], T],
                 size: int, limit: Optional[int], cursor: Optional[bytes]) -> None:
        if limit is not None and limit < 1:
            raise ValueError("limit is at least 1")
        self.revision = 0
        self.cursor = cursor
        self._items = self._read(page, item, size, limit)

    def __iter__(self) -> Iterator[T]:
        return self._items

    def __next__(self) -> T:
        return next(self._items)

    def _read(self, page: Callable[[Optional[bytes], int], List[Answer]], item: Callable[[Answer, int], T],
              size: int, limit: Optional[int]) -> Iterator[T]:
        while True:
            parts = page(self.cursor, size if limit is None else min(size, limit))
            self.revision = parts[-1].number("revision")
            self.cursor = parts[-1].get("cursor")
            items = [item(one, part.number("revision")) for part in parts for one in part.items_]
            yield from items
            if limit is not None:
                limit -= len(items)
            if self.cursor is None or (limit is not None and limit <= 0):
                return


class Client:
    """A client of one server. Every method may be called from any thread at any time; what threads ask at once travels together.

    address      roster://HOST:PORT
    token        who we are; absent: the client certificate says it
    ca           a PEM file of the authority that signed the server's certificate; absent: the system's
    certificate  PEM files of a client certificate and of its key
    issuer       the organisation that issued the certificate, when its key has changed since
    org          the organisation of requests that name none; absent: the token's
    timeout      seconds that a call may take (of a list: a page), unless the call says its own
    backoff      seconds before the second attempt to connect, and at most before any
    keepalive    seconds of silence after which the server is asked for a sign of life

    A connection that breaks is opened again by the next request. Reads that were under way are asked once more, within their
    time; of writes, Disconnected says that they may have been done.
    """

    def __init__(self, address: str, *, token: Optional[str] = None, ca: Optional[str] = None,
                 certificate: Optional[Tuple[str, str]] = None, issuer: Optional[str] = None,
                 org: Optional[str] = None, timeout: float = 10.0, backoff: Tuple[float, float] = (0.05, 10.0),
                 keepalive: float = 30.0, name: str = "roster-python/0.1.0") -> None:
        self._options = Options(Address.parse(address), tls_context(ca, certificate), token, issuer, name)
        self.org = org
        self.timeout = timeout
        self._delays = backoff
        self._keepalive = keepalive
        self._backoff = Backoff(*backoff)
        self._connecting = threading.Lock()
        self._connection: Optional[Connection] = None
        self._closed = False

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        connection = self._connection
        if connection is not None:
            connection.close()

    # -- The connection --

    def _connected(self, deadline: float) -> Connection:
        connection = self._connection
        if connection is not None and not connection.dead and not self._closed:
            return connection
        if not self._connecting.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DeadlineExceeded("no connection in time")
        try:
            if self._connection is None or self._connection.dead or self._closed:
                self._connection = self._connect(deadline)
            return self._connection
        finally:
            self._connecting.release()

    def _connect(self, deadline: float) -> Connection:
        why: RosterError = DeadlineExceeded("no connection in time")
        while not self._closed:
            now = time.monotonic()
            if max(now, self._backoff.not_before) >= deadline:
                time.sleep(max(0.0, deadline - now))
                raise why
            time.sleep(max(0.0, self._backoff.not_before - now))
            try:
                return Connection(self._options, deadline, self._keepalive, self._backoff.succeeded,
                                  self._backoff.failed)
            except (Disconnected, DeadlineExceeded) as failure:
                self._backoff.failed()
                why = failure
                if isinstance(failure, Disconnected) and failure.final:
                    raise
        raise Disconnected("the client is closed")

    def _ask(self, type: str, fields: Pairs, timeout: Optional[float], read: bool = True) -> List[Answer]:
        return self._send(type, encode_request(fields), timeout, read)

    def _send(self, type: str, payload: bytes, timeout: Optional[float], read: bool = True) -> List[Answer]:
        deadline = self._deadline(timeout)
        again = read
        while True:
            connection = self._connected(deadline)
            try:
                return connection.ask(type, payload, deadline)
            except Disconnected as why:
                if self._closed or (why.sent and not again):
                    raise
                again = again and not why.sent

    def _one(self, type: str, fields: Pairs, timeout: Optional[float], read: bool = True) -> Answer:
        answers = self._ask(type, fields, timeout, read)
        if len(answers) != 1:
            raise Malformed(f"an answer of {len(answers)} parts to {type}")
        return answers[0]

    def _deadline(self, timeout: Optional[float]) -> float:
        return time.monotonic() + (self.timeout if timeout is None else timeout)

    def _org(self, org: Optional[str]) -> Optional[str]:
        return self.org if org is None else org

    def connect(self, *, timeout: Optional[float] = None) -> Welcome:
        """Connects, when there is no connection, and tells what the server said about itself and us."""
        deadline = self._deadline(timeout)
        connection = self._connected(deadline)
        connection.flush(deadline)
        return connection.wait_for_welcome(deadline)

    def set_token(self, token: Optional[str], *, timeout: Optional[float] = None) -> None:
        """Goes on with another token, on the connection that there is."""
        options = self._options._replace(token=token)
        deadline = self._deadline(timeout)
        self._connected(deadline).greet(options, deadline)
        self._options = options

    def ping(self, data: bytes = b"", *, timeout: Optional[float] = None) -> float:
        """The seconds that an answer takes."""
        began = time.monotonic()
        if self._one("ping", given(data=data or None), timeout).get("data", b"") != data:
            raise Malformed("a ping answered with other data", "data")
        return time.monotonic() - began

    def stats(self, *, org: Optional[str] = None, timeout: Optional[float] = None) -> Dict[str, int]:
        """Numbers about the organisation; of the daemon, for operators, when there is none."""
        parts = self._ask("stats", given(org=self._org(org)), timeout)
        return {item.text("name"): item.number("count") for part in parts for item in part.items_}

    # -- Checks --

    def check(self, subject: SubjectLike, permission: str, scope: Optional[ScopeLike] = None, *,
              owner: Optional[Owner] = None, member: Optional[Owner] = None, of_scope: bool = False,
              explain: bool = False, org: Optional[str] = None, revision: Optional[int] = None,
              timeout: Optional[float] = None) -> Decision:
        """May they do that there (absent: in the organisation)? owner: whose thing it is; member: that it is a member; of_scope:
        that it is the scope itself. revision: what must be seen at least, as a write said it."""
        fields = given(org=self._org(org), revision=revision)
        fields += check_fields(Check(subject, permission, scope, owner, member, of_scope)) + given(explain=explain)
        return Decision.of(self._one("check", fields, timeout))

    def check_batch(self, questions: Iterable[Check], *, subject: Optional[SubjectLike] = None,
                    permission: Optional[str] = None, scope: Optional[ScopeLike] = None, org: Optional[str] = None,
                    revision: Optional[int] = None, timeout: Optional[float] = None) -> Decisions:
        """Many checks at once; the arguments are for the questions that lack them."""
        fields = given(org=self._org(org), revision=revision) + check_fields(Check(subject, permission, scope))
        return self._batch("check-batch", fields, (check_fields(one) for one in questions), CHECK_YES, timeout)

    def is_member(self, subject: SubjectLike, group: GroupLike, *, direct: bool = False, org: Optional[str] = None,
                  revision: Optional[int] = None, timeout: Optional[float] = None) -> Decision:
        """Is the member, person or team in the group, directly or (unless direct) through other groups?"""
        fields = given(org=self._org(org), revision=revision) + member_fields(IsMember(subject, group, direct))
        return Decision.of(self._one("is-member", fields, timeout))

    def is_member_batch(self, questions: Iterable[IsMember], *, subject: Optional[SubjectLike] = None,
                        group: Optional[GroupLike] = None, direct: bool = False, org: Optional[str] = None,
                        revision: Optional[int] = None, timeout: Optional[float] = None) -> Decisions:
        fields = given(org=self._org(org), revision=revision) + member_fields(IsMember(subject, group, direct))
        return self._batch("is-member-batch", fields, (member_fields(one) for one in questions), MEMBER_YES, timeout)

    def _batch(self, type: str, fields: Pairs, questions: Iterable[Pairs], yes: FrozenSet[int],
               timeout: Optional[float]) -> Decisions:
        limits = self.connect(timeout=timeout)
        codes, revisions = b"", []
        for items in _frames([encode_request(one) for one in questions], limits):
            parts = self._ask(type, fields + items, timeout)
            found = b"".join(part.get("answers", b"") for part in parts)
            if len(found) != len(items):
                raise Malformed(f"{len(found)} answers to {len(items)} questions", "answers")
            codes += found
            revisions += [part.number("revision") for part in parts]
        return Decisions(codes, yes, min(revisions, default=0))

    # -- Lists --

    def groups_of(self, subject: SubjectLike, *, direct: bool = False, names: bool = False, limit: Optional[int] = None,
                  cursor: Optional[bytes] = None, org: Optional[str] = None, revision: Optional[int] = None,
                  timeout: Optional[float] = None) -> Listing[Entry]:
        """The groups that they are in; direct: directly only."""
        return self._list("groups-of", subject_fields(subject) + given(direct=direct, names=names), Entry.of,
                          limit, cursor, org, revision, timeout)

    def members_of(self, group: GroupLike, *, direct: bool = False, names: bool = False, limit: Optional[int] = None,
                   cursor: Optional[bytes] = None, org: Optional[str] = None, revision: Optional[int] = None,
                   timeout: Optional[float] = None) -> Listing[Entry]:
        """All users in the group, directly or nested, each once; direct: the users and groups that it holds itself."""
        return self._list("members-of", group_fields(group) + given(direct=direct, names=names), Entry.of,
                          limit, cursor, org, revision, timeout)

    def permissions_of(self, subject: SubjectLike, scope: Optional[ScopeLike] = None, *, limit: Optional[int] = None,
                       cursor: Optional[bytes] = None, org: Optional[str] = None, revision: Optional[int] = None,
                       timeout: Optional[float] = None) -> Listing[Permission]:
        return self._list("permissions-of", subject_fields(subject) + scope_fields(scope), Permission.of,
                          limit, cursor, org, revision, timeout)

    def who_can(self, permission: str, scope: Optional[ScopeLike] = None, *, names: bool = False,
                limit: Optional[int] = None, cursor: Optional[bytes] = None, org: Optional[str] = None,
                revision: Optional[int] = None, timeout: Optional[float] = None) -> Listing[Entry]:
        return self._list("who-can", given(permission=permission) + scope_fields(scope) + given(names=names), Entry.of,
                          limit, cursor, org, revision, timeout)

    def orgs_of(self, person: Optional[Union[uuid.UUID, str]] = None, *, limit: Optional[int] = None,
                cursor: Optional[bytes] = None, timeout: Optional[float] = None) -> Listing[Membership]:
        """The organisations of a person, by id or userName; absent: one's own."""
        fields = subject_fields(Subject(name=person) if isinstance(person, str) else person)
        return self._pages("orgs-of", fields, lambda item, _: Membership.of(item), PAGE, limit, cursor,
                           timeout)

    def _list(self, type: str, fields: Pairs, item: Callable[[Answer], T], limit: Optional[int],
              cursor: Optional[bytes], org: Optional[str], revision: Optional[int],
              timeout: Optional[float]) -> Listing[T]:
        fields = given(org=self._org(org), revision=revision) + fields
        return self._pages(type, fields, lambda one, _: item(one), PAGE, limit, cursor, timeout)

    def _pages(self, type: str, fields: Pairs, item: Callable[[Answer, int], T], size: int, limit: Optional[int],
               cursor: Optional[bytes], timeout: Optional[float]) -> Listing[T]:
        def page(behind: Optional[bytes], count: int) -> List[Answer]:
            return self._ask(type, fields + given(limit=count, cursor=behind), timeout)
        return Listing(page, item, size, limit, cursor)

    # -- Records --

    def get(self, type: str, id: uuid.UUID, *, attributes: Iterable[str] = (), excluded: Iterable[str] = (),
            org: Optional[str] = None, revision: Optional[int] = None, timeout: Optional[float] = None) -> Record:
        """A User, Group, ... as over HTTPS. A group comes without its members unless attributes asks for them."""
        fields = given(org=self._org(org), revision=revision, type=type, id=id, **_chosen(attributes, excluded))
        return Record.of(self._one("get", fields, timeout))

    def find(self, type: str, filter: Optional[str] = None, *, attributes: Iterable[str] = (),
             excluded: Iterable[str] = (), sort: Optional[str] = None, descending: bool = False,
             limit: Optional[int] = None, cursor: Optional[bytes] = None, org: Optional[str] = None,
             revision: Optional[int] = None, timeout: Optional[float] = None) -> Listing[Record]:
        """The resources that a SCIM filter takes; absent: all."""
        fields = given(org=self._org(org), revision=revision, type=type, filter=filter, sort=sort,
                       descending=descending, **_chosen(attributes, excluded))
        return self._pages("find", fields, Record.of, RECORD_PAGE, limit, cursor, timeout)

    def put(self, type: str, resource: Union[Dict[str, Any], str, bytes], id: Optional[uuid.UUID] = None, *,
            if_revision: Optional[int] = None, org: Optional[str] = None, timeout: Optional[float] = None) -> Written:
        """Creates the resource, or replaces the one with that id: with if_revision, only when it is at this version."""
        fields = given(org=self._org(org), type=type, resource=json_bytes(resource), id=id, if_revision=if_revision)
        return Written.of(self._one("put", fields, timeout, read=False))

    def delete(self, type: str, id: uuid.UUID, *, if_revision: Optional[int] = None, org: Optional[str] = None,
               timeout: Optional[float] = None) -> int:
        """Returns the revision."""
        fields = given(org=self._org(org), type=type, id=id, if_revision=if_revision)
        return self._one("delete", fields, timeout, read=False).number("revision")

    # -- Sync and watch, each on a connection of its own --

    def sync(self, *, connection: Optional[str] = None, match: Optional[str] = None, filter: Optional[str] = None,
             groups: bool = False, org: Optional[str] = None, timeout: float = SYNC_TIMEOUT) -> Sync:
        """The whole desired state, or that of the users whom filter takes: see Sync."""
        fields = given(connection=connection, match=match, filter=filter, groups=groups)
        return Sync(self._options, self._org(org), fields, timeout)

    def watch(self, from_revision: Optional[int] = None, *, view: int = RECORDS, groups: Iterable[uuid.UUID] = (),
              permission: Optional[str] = None, scope: Optional[ScopeLike] = None, heartbeat: Optional[float] = None,
              org: Optional[str] = None) -> Watch:
        """Every change behind a revision; absent: first a snapshot. See Watch. heartbeat is in seconds. groups is for the
        view MEMBERSHIP, permission and scope for PERMISSION."""
        fields = given(org=self._org(org), view=view, heartbeat=None if heartbeat is None else int(heartbeat * 1000))
        fields += [("group-id", group) for group in groups] + given(permission=permission) + scope_fields(scope)
        return Watch(lambda: self._options, fields, view, from_revision, heartbeat, self.timeout, Backoff(*self._delays))


def _chosen(attributes: Iterable[str], excluded: Iterable[str]) -> Dict[str, Optional[str]]:
    return {"attributes": ",".join(attributes) or None, "excluded": ",".join(excluded) or None}


def _frames(questions: List[bytes], limits: Welcome) -> Iterator[Pairs]:
    """Items for as many frames as it takes."""
    items: Pairs = []
    size = OVERHEAD
    for question in questions:
        size += len(question) + 11
        if items and (len(items) == limits.max_items or size > limits.max_payload):
            yield items
            items, size = [], OVERHEAD + len(question) + 11
        items.append(("item", question))
    if items:
        yield items
