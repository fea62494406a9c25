"""A client of rosterd's binary protocol (docs/PROTOCOL.md).

>>> with roster.Client("roster://roster.example.com:8444", token=token, org="acme") as client:
...     if client.check("ada@example.com", "content.edit", "Works"):
...         ...
"""

from .client import Client, Listing
from .connection import Welcome
from .errors import DeadlineExceeded, Disconnected, Malformed, Resync, RosterError, Stale
from .mirror import Mirror
from .sync import Committed, Plan, Sample, Sync
from .watch import (GAINED, GONE, LOST, MEMBER_ADDED, MEMBER_REMOVED, MEMBERSHIP, PERMISSION, PUT, RECORDS, Change, Event,
                    Watch)
from .words import (GROUP, MEMBER, PERSON, TEAM, USER, Check, Decision, Decisions, Entry, IsMember, Membership, Permission,
                    Record, Scope, Subject, Written)

__all__ = [
    "Client", "Listing", "Welcome",
    "RosterError", "DeadlineExceeded", "Disconnected", "Malformed", "Resync", "Stale",
    "Mirror",
    "Sync", "Plan", "Sample", "Committed",
    "Watch", "Change", "Event", "RECORDS", "MEMBERSHIP", "PERMISSION",
    "PUT", "GONE", "MEMBER_ADDED", "MEMBER_REMOVED", "GAINED", "LOST",
    "Subject", "MEMBER", "PERSON", "TEAM", "Scope", "Check", "IsMember",
    "Decision", "Decisions", "Entry", "USER", "GROUP", "Permission", "Membership", "Record", "Written",
]
