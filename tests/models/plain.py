"""The rules of living orgs, plainly and slowly: an oracle for tests, written from docs/ROLE_MODELS.md.

An Org holds what is there: members, teams, the tree, who holds which role. refusals() says why an operation must be
refused: every reason that holds, since the order in which a daemon finds them is its own affair, but for one rule: who
lacks the permission of the operation is told so, and nothing else. apply() makes the change. Ids are whatever the caller uses.
"""

import collections
import itertools
import time

from role_model import INSIDE, RoleModel, matches

# Why not: the HTTP status, the word that the answer must name in quotes (None: any), and whether it is the gate, the
# permission of the operation itself, which is asked for before all else.
Refusal = collections.namedtuple("Refusal", "status word gate", defaults=(None, False))
Held = collections.namedtuple("Held", "principal role scope start end", defaults=(None, None))
Grant = collections.namedtuple("Grant", "role scope via")

LIMITS = {"members": 500, "teams": 10000, "workspaces": 1000, "projects": 10000, "invitations": 1000, "roles": 100,
          "tokens": 1000, "nesting": 10}
NEEDED = {"org": "member.role", "assignment": "role.assign", "team": "team.members", "workspace": "workspace.members",
          "project": "project.members"}


def missing(permission, gate=True):
    return Refusal(403, permission, gate)


class Org:
    def __init__(self, model, kind="company"):
        self.model = model if isinstance(model, RoleModel) else RoleModel.named(model)
        self.kind = kind
        self.members = {}      # id -> active
        self.people = {}       # person -> member
        self.names = {}        # id -> display name
        self.teams = {}        # id -> ids of what is directly in it
        self.parent = {}       # id of a workspace or project -> id of the workspace it lies in, None for the org
        self.sort = {}         # id -> member, team, workspace, project
        self.held = {}         # id of an assignment -> Held
        self.custom = {}       # path -> frozenset of (permission, for own things only)
        self.role_ids = {}     # path of a custom role -> id
        self.invited = {}      # id -> what an invitation says
        self.mapped = set()    # teams made by a connection
        self.known = None
        self._answers, self._manages = {}, {}
        data = self.model.data
        self.limits = {**LIMITS, **data.get("limits", {}), **data["kinds"][kind].get("limits", {})}
        self.external = data.get("invitations", {}).get("external", True)
        self.domains = set()

    # ---- What is held ----

    def default(self, scope):
        found = [path for path, role in self.model.roles.items() if path.startswith(scope + "/") and role.get("default")]
        return found[0] if found else None

    def creation(self, scope):
        found = [path for path, role in self.model.roles.items()
                 if path.startswith(scope + "/") and scope != "org" and role.get("creator")]
        return found[0] if found else None

    @property
    def first_role(self):
        return "org/" + self.model.data["kinds"][self.kind]["creator"]

    def in_force(self, held, now=None):
        now = time.time() if now is None else now
        return (held.start is None or held.start <= now) and (held.end is None or now < held.end)

    def role_of(self, member, now=None):
        for held in self.held.values():
            if held.principal == member and held.role in self.model.roles and held.role.startswith("org/") \
                    and self.in_force(held, now):
                return held.role
        return self.default("org")

    def holders(self, role, but=None):
        return [member for member, active in self.members.items()
                if active and member != but and self.role_of(member) == role]

    def somebody(self, member):
        """Whether a person is this member."""
        return member in self.people.values()

    def left(self, role, without):
        """Who is left with a role; a record that no person is does not stand in for somebody."""
        return [member for member in self.holders(role, without)
                if self.somebody(member) or not self.somebody(without)]

    def teams_of(self, principal):
        """The teams that hold it, directly or through other teams."""
        found, fresh = set(), {principal}
        while fresh:
            fresh = {team for team, inside in self.teams.items() if inside & fresh} - found
            found |= fresh
        return found

    def grants(self, member, now=None):
        """All that somebody holds. known: what was found, while nothing changes (None: it may)."""
        if self.known is None or now is not None:
            return self.gather(member, now)
        if member not in self.known:
            self.known[member] = self.gather(member)
        return self.known[member]

    def gather(self, member, now=None):
        role = self.role_of(member, now)
        found = [Grant(role, None, None)]
        teams = self.teams_of(member)
        for principal in [member, *teams]:
            via = None if principal == member else principal
            for held in self.held.values():
                if held.principal != principal or not self.in_force(held, now):
                    continue
                if held.role.startswith("org/") and held.role in self.model.roles and via is None:
                    continue  # the role in the org, counted above
                if held.role.startswith("assignment/") and role not in self.model.fits(held.role):
                    continue
                found.append(Grant(held.role, held.scope, via))
        within = self.default("team")
        for team in teams:
            if within and not any(grant.scope == team and grant.via is None for grant in found):
                found.append(Grant(within, team, team))
        return found

    # ---- Scopes ----

    def scope_kind(self, scope):
        return "org" if scope is None else self.sort[scope]

    def around(self, scope):
        """The scope, the scopes around it, and the org."""
        chain = [scope]
        while scope is not None:
            scope = self.parent.get(scope)
            chain.append(scope)
        return chain

    def covering(self, grants, scope):
        chain = self.around(scope)
        return [grant for grant in grants if grant.scope in chain]

    def has_role_in(self, member, scope):
        return any(grant.scope is not None for grant in self.covering(self.grants(member), scope))

    def depth(self, scope):
        return len(self.around(scope)) - 1

    # ---- Checks ----

    def off(self, permission):
        rules = self.model.data["kinds"][self.kind]
        patterns = rules.get("off", []) + ([] if rules.get("deletable", True) else ["org.delete"])
        return any(matches(pattern, permission) for pattern in patterns)

    def says(self, grant, permission, kind):
        """"yes", "own" or "no" of one grant, at a scope of a kind that it covers."""
        if grant.role in self.model.roles:
            question = (grant.role, permission, kind)
            if question not in self._answers:
                self._answers[question] = self.model.answer(grant.role, permission, kind, self.kind) or "no"
            return self._answers[question]
        if kind not in self.model.permissions[permission][0] or self.off(permission):
            return "no"
        permits = self.custom.get(grant.role, frozenset())
        return "yes" if (permission, False) in permits else "own" if (permission, True) in permits else "no"

    def check(self, member, permission, scope=None, own=False, now=None):
        """Whether the member may do it there."""
        if not self.members.get(member) or permission not in self.model.permissions:
            return False
        kind = self.scope_kind(scope)
        said = {self.says(grant, permission, kind) for grant in self.covering(self.grants(member, now), scope)}
        return "yes" in said or (own and "own" in said)

    def manages(self, member, role, scope, verb):
        for grant in self.covering(self.grants(member), scope):
            if grant.role in self.model.roles:
                if (grant.role, verb) not in self._manages:
                    self._manages[grant.role, verb] = self.model.manages(grant.role, verb)
                if role in self._manages[grant.role, verb]:
                    return True
        return False

    def beyond(self, member, scope, role_scope, permits):
        """Those permissions of a role of the org's own that the member has not, at that scope or inside it."""
        grants = self.covering(self.grants(member), scope)
        found = []
        for permission, own in permits:
            for kind in INSIDE[role_scope]:
                if kind in self.model.permissions[permission][0]:
                    said = {self.says(grant, permission, kind) for grant in grants}
                    if "yes" not in said and not (own and "own" in said):
                        found.append(permission)
        return found

    def scope_of_role(self, role):
        return role.split("/")[0].replace("assignment", "org")

    def needed(self, role):
        """The permission that giving and taking it needs."""
        group = role.split("/")[0]
        if group == "org" and role not in self.model.roles:
            group = "assignment"
        return NEEDED[group]

    def moving(self, actor, role, scope, verb, gate=False):
        """Refusals of giving or taking a role at a scope."""
        permission = self.needed(role)
        if not self.check(actor, permission, scope):
            return [missing(permission, gate)]
        if role in self.model.roles:
            return [] if self.manages(actor, role, scope, verb) else [Refusal(403, role)]
        if verb == "take":
            return []
        beyond = self.beyond(actor, scope, self.scope_of_role(role), self.custom[role])
        return [Refusal(403, permission) for permission in beyond]

    def counts(self, role, number):
        """Whether a number of active holders is right for a role of the org."""
        rule = self.model.roles.get(role, {}).get("holders", {})
        bad = number < rule.get("min", 0) or number > rule.get("max", number)
        return [Refusal(409, role)] if bad else []

    def limit(self, name, number):
        return [Refusal(409, name)] if number > self.limits[name] else []

    # ---- Operations: refusals ----

    def refusals(self, actor, operation, **what):
        """Why not; [] when it is allowed. A missing permission outweighs all else."""
        if not self.members.get(actor):
            return [Refusal(404)]
        found = getattr(self, "no_" + operation)(actor, **what)
        return [refusal for refusal in found if refusal.gate] or found

    def need(self, actor, permission, scope=None, own=False):
        return [] if self.check(actor, permission, scope, own) else [missing(permission)]

    def no_user_view(self, actor, user):
        return self.need(actor, "member.view", own=user == actor)

    def no_user_create(self, actor, **_):
        found = self.need(actor, "member.create")
        if self.kind == "personal":
            found.append(Refusal(409))
        return found + self.limit("members", self.seats() + 1)

    def no_user_rename(self, actor, user, **_):
        return self.need(actor, "member.edit", own=user == actor)

    def losing(self, user):
        """What stands against somebody's role having one active holder less."""
        if self.kind == "personal":
            return [Refusal(409)]
        role = self.role_of(user)
        return self.counts(role, len(self.left(role, user))) if self.members[user] else []

    def managed(self, actor, role, verb):
        return [] if self.manages(actor, role, None, verb) else [Refusal(403, role)]

    def no_user_active(self, actor, user, active):
        if self.members[user] == active:
            return self.need(actor, "member.suspend")
        found = self.need(actor, "member.suspend") + self.managed(actor, self.role_of(user), "take")
        if not active:
            return found + self.losing(user)
        role = self.role_of(user)
        return found + self.managed(actor, role, "give") + self.counts(role, len(self.holders(role)) + 1)

    def no_user_delete(self, actor, user):
        found = self.need(actor, "member.remove", own=user == actor)
        if user != actor:
            found += self.managed(actor, self.role_of(user), "take")
        return found + self.losing(user)

    def no_group_view(self, actor, team):
        return self.need(actor, "team.view", team, self.has_role_in(actor, team))

    def no_group_create(self, actor, **_):
        return self.need(actor, "team.create") + self.limit("teams", len(self.teams) + 1)

    def no_group_rename(self, actor, team, **_):
        return self.need(actor, "team.edit", team)

    def held_around(self, team):
        around = {team} | self.teams_of(team)
        return [held for held in self.held.values() if held.principal in around]

    def no_group_members(self, actor, team, add=(), remove=()):
        found = self.need(actor, "team.members", team)
        if set(add) - self.teams[team]:
            found += self.moving(actor, self.default("team"), team, "give")
            for held in self.held_around(team):
                found += self.moving(actor, held.role, held.scope, "give")
        if set(remove) & self.teams[team]:
            found += self.moving(actor, self.default("team"), team, "take")
            for held in self.held_around(team):
                found += self.moving(actor, held.role, held.scope, "take")
        for other in add:
            if other == team or other in self.teams_of(team):
                found.append(Refusal(400))
            elif other in self.teams:
                found += self.limit("nesting", self.height(other) + self.nesting(team))
        return found

    def height(self, team):
        return 1 + max((self.height(other) for other in self.teams[team] if other in self.teams), default=0)

    def nesting(self, team):
        return 1 + max((self.nesting(other) for other, inside in self.teams.items() if team in inside), default=0)

    def no_group_delete(self, actor, team):
        found = self.need(actor, "team.delete", team)
        for held in self.held_around(team):
            found += self.moving(actor, held.role, held.scope, "take")
        return found

    def no_scope_view(self, actor, scope):
        return self.need(actor, f"{self.sort[scope]}.view", scope, self.has_role_in(actor, scope))

    def fits_tree(self, sort, parent):
        if self.scope_kind(parent) in self.model.data.get("tree", {}).get(sort, []):
            return []
        return [Refusal(400)]

    def no_scope_create(self, actor, sort, parent, **_):
        if parent is not None and self.sort[parent] != "workspace":
            return [Refusal(400)]
        found = self.need(actor, f"{sort}.create", parent) + self.fits_tree(sort, parent)
        if sort == "workspace":
            found += self.limit("nesting", self.depth(parent) + 1)
        return found + self.limit(sort + "s", list(self.sort.values()).count(sort) + 1)

    def no_scope_rename(self, actor, scope, **_):
        return self.need(actor, f"{self.sort[scope]}.edit", scope)

    def no_scope_move(self, actor, scope, parent):
        sort = self.sort[scope]
        permission = "workspace.move" if sort == "workspace" else "project.assign"
        if parent == self.parent[scope]:
            return self.need(actor, f"{sort}.edit", scope)
        if parent is not None and self.sort[parent] != "workspace":
            return [Refusal(400)]
        found = self.need(actor, permission, self.parent[scope]) + self.need(actor, permission, parent)
        if scope in self.around(parent):
            found.append(Refusal(400))
        return found + self.fits_tree(sort, parent)

    def below(self, scope):
        return [other for other in self.parent if other != scope and scope in self.around(other)]

    def no_scope_delete(self, actor, scope, confirm=None):
        found = self.need(actor, f"{self.sort[scope]}.delete", scope)
        below = len(self.below(scope))
        return found + ([Refusal(409)] if below and confirm != below else [])

    def expand(self, scope, patterns):
        """Patterns of a role of the org's own, as what they mean today; None when one of them means nothing."""
        permits = set()
        for pattern in patterns:
            own = pattern.startswith("own:")
            meant = {(name, own) for name, (at, ownable, _) in self.model.permissions.items()
                     if matches(pattern.removeprefix("own:"), name) and set(at) & INSIDE[scope]
                     and (ownable or not own)}
            if not meant:
                return None
            permits |= meant
        return frozenset(permits)

    def no_role_create(self, actor, path, patterns):
        found = self.need(actor, "role.create") + self.limit("roles", len(self.custom) + 1)
        scope = path.split("/")[0]
        if scope not in self.model.data.get("customRoles", []):
            return found + [Refusal(400)]
        if path in self.model.roles or path in self.custom:
            return found + [Refusal(409)]
        permits = self.expand(scope, patterns)
        if permits is None:
            return found + [Refusal(400)]
        return found + [Refusal(403, permission) for permission in self.beyond(actor, None, scope, permits)]

    def no_role_edit(self, actor, path, patterns):
        found = self.need(actor, "role.edit")
        permits = self.expand(path.split("/")[0], patterns)
        if permits is None:
            return found + [Refusal(400)]
        return found + [Refusal(403, permission)
                        for permission in self.beyond(actor, None, path.split("/")[0], permits)]

    def no_role_delete(self, actor, path):
        found = self.need(actor, "role.delete")
        if any(held.role == path for held in self.held.values()):
            found.append(Refusal(409))
        return found

    def no_role_view(self, actor):
        return self.need(actor, "role.view")

    def no_assignment_view(self, actor, assignment):
        held = self.held[assignment]
        kind = self.scope_of_role(held.role)
        permission = "member.view" if kind == "org" else f"{kind}.view"
        own = held.principal == actor or held.principal in self.teams_of(actor) or \
            (held.scope is not None and self.has_role_in(actor, held.scope))
        return self.need(actor, permission, held.scope, own)

    def bad_assignment(self, principal, role, scope, start, end):
        """What can't be said at all, whoever says it."""
        known = role in self.model.roles
        if not known and role not in self.custom or self.scope_kind(scope) != self.scope_of_role(role):
            return [Refusal(400)]
        found = []
        data = self.model.roles.get(role, {})
        if start is not None and end is not None and start >= end:
            found.append(Refusal(400))
        if (start is not None or end is not None) and data.get("holders"):
            found.append(Refusal(400))
        if self.sort[principal] == "team":
            if scope is not None and self.sort[scope] == "team":
                found.append(Refusal(400))
            if known and not data.get("teams", not role.startswith("org/")):
                found.append(Refusal(400))
        elif scope is not None and self.sort[scope] == "team" and principal not in self.teams[scope]:
            found.append(Refusal(400))
        elif role.startswith("assignment/") and self.role_of(principal) not in self.model.fits(role):
            found.append(Refusal(400))
        return found

    def is_org_role(self, role):
        return role.startswith("org/") and role in self.model.roles

    def no_assignment_create(self, actor, principal, role, scope=None, start=None, end=None):
        bad = self.bad_assignment(principal, role, scope, start, end)
        if self.scope_kind(scope) != self.scope_of_role(role) or (role not in self.model.roles and role not in self.custom):
            permission = self.needed(role)
            return bad if self.check(actor, permission, scope) else [*bad, missing(permission)]
        found = bad + self.moving(actor, role, scope, "give", True)
        if principal in self.mapped and not self.check(actor, "role.map"):
            found.append(missing("role.map", False))
        if self.is_org_role(role) and self.sort[principal] == "member":
            found += self.change_of_role(actor, principal, role)
        return found

    def change_of_role(self, actor, principal, role):
        had = self.role_of(principal)
        if had == role:
            recorded = any(held.principal == principal and self.is_org_role(held.role) for held in self.held.values())
            return [] if recorded else [Refusal(409)]  # nothing would change
        found = self.moving(actor, had, None, "take")
        if self.members[principal]:
            found += self.counts(had, len(self.left(had, principal)))
        return found + self.counts(role, len(self.holders(role, principal)) + 1)

    def no_assignment_delete(self, actor, assignment):
        held = self.held[assignment]
        found = self.moving(actor, held.role, held.scope, "take", True)
        if not self.is_org_role(held.role) or self.sort[held.principal] != "member":
            return found
        if held.role != self.default("org"):
            found += self.moving(actor, self.default("org"), None, "give")
            if self.members[held.principal]:
                found += self.counts(held.role, len(self.left(held.role, held.principal)))
        return found

    def no_assignment_edit(self, actor, assignment, start=None, end=None):
        held = self.held[assignment]
        found = self.moving(actor, held.role, held.scope, "take", True) + \
            self.moving(actor, held.role, held.scope, "give", True)
        if start is not None and end is not None and start >= end:
            found.append(Refusal(400))
        if (start is not None or end is not None) and self.model.roles.get(held.role, {}).get("holders"):
            found.append(Refusal(400))
        return found

    def no_transfer(self, actor, to):
        rule = self.model.data.get("transfer")
        found = self.need(actor, "org.transfer")
        if rule is None:
            return found + [Refusal(400)]
        role = "org/" + rule["role"]
        if self.role_of(actor) != role:
            found.append(Refusal(403, role))
        if to not in self.members:
            return found + [Refusal(400)]
        if self.role_of(to) == role:
            found.append(Refusal(409))
        if not self.members[to] or (self.somebody(actor) and not self.somebody(to)):
            found.append(Refusal(409))
        return found

    # ---- Invitations ----

    def pending(self):
        return [name for name, invitation in self.invited.items() if invitation["status"] == "pending"]

    def seats(self):
        """Members, and those who are invited by address."""
        return len(self.members) + sum(1 for name in self.pending() if self.invited[name]["address"] is not None)

    def no_invite(self, actor, address, role=None, assignments=(), **_):
        rule = self.model.data.get("invitations", {}).get("email")
        found = self.need(actor, "member.invite")
        if rule is None:
            return found + [Refusal(400)]
        role = role or "org/" + rule["role"]
        can = self.model.refer("org", rule["roles"])
        if role not in can or not set(assignments) <= set(self.model.refer("assignment", rule.get("assignments", []))):
            found.append(Refusal(400))
        found += [Refusal(400) for path in assignments
                  if path in self.model.roles and role not in self.model.fits(path)]
        found += self.managed(actor, role, "give") + [
            refusal for path in assignments if path in self.model.roles for refusal in self.managed(actor, path, "give")]
        if not self.external and address.rpartition("@")[2] not in self.domains:
            found.append(Refusal(409))
        if any(person.address == address for person in self.people) or \
                any(self.invited[name]["address"] == address for name in self.pending()):
            found.append(Refusal(409))
        return found + self.limit("invitations", len(self.pending()) + 1) + \
            self.limit("members", self.seats() + 1)

    def no_revoke(self, actor, invitation):
        found = self.need(actor, "invite.revoke", own=self.invited[invitation]["by"] == actor)
        return found + ([Refusal(409)] if self.invited[invitation]["status"] == "accepted" else [])

    def not_accepted(self, person, invitation):
        """Why a person can't accept; they are no member yet, so this is no operation of one."""
        invited = self.invited[invitation]
        inviter = invited["by"]
        if invited["address"] != person.address:
            return [Refusal(404)]
        if invited["status"] != "pending" or person in self.people or not self.members.get(inviter):
            return [Refusal(409)]
        carried = [invited["role"], *invited["assignments"]]
        if not self.check(inviter, "member.invite") or \
                not all(self.manages(inviter, path, None, "give") for path in carried):
            return [Refusal(409)]
        return self.limit("members", len(self.members) + 1)

    def accept(self, person, invitation, member):
        invited = self.invited[invitation]
        invited["status"] = "accepted"
        self.add_member(member, person, invited["role"], ("accepted", next(self._made)))
        for path in invited["assignments"]:
            if self.model.roles.get(path, {}).get("required"):
                continue  # held without being said
            self.hold(("accepted", next(self._made)), member, path, None)

    def no_invitation_view(self, actor, invitation):
        return self.need(actor, "invite.view", own=self.invited[invitation]["by"] == actor)

    # ---- Operations: what they do ----

    def add_member(self, member, person=None, role=None, assignment=None, active=True):
        self.members[member], self.sort[member] = active, "member"
        if person:
            self.people[person] = member
        if role and (role != self.default("org") or isinstance(assignment, str)):
            self.held[assignment or object()] = Held(member, role, None)

    def forget(self, thing):
        """A principal or scope goes, with all that hangs on it."""
        for name in [name for name, held in self.held.items() if thing in (held.principal, held.scope)]:
            del self.held[name]
        for inside in self.teams.values():
            inside.discard(thing)
        for table in (self.members, self.teams, self.parent, self.sort, self.names):
            table.pop(thing, None)
        self.people = {person: member for person, member in self.people.items() if member != thing}

    def do_user_create(self, actor, new, **_):
        self.add_member(new)

    def do_user_rename(self, actor, new, user, name):
        self.names[user] = name

    def do_user_active(self, actor, new, user, active):
        self.members[user] = active

    def do_user_delete(self, actor, new, user):
        self.forget(user)

    def hold(self, name, principal, role, scope, start=None, end=None):
        for old, held in self.held.items():
            if (held.principal, held.role, held.scope) == (principal, role, scope) or \
                    (self.is_org_role(role) and self.is_org_role(held.role) and held.principal == principal):
                name = old
        self.held[name] = Held(principal, role, scope, start, end)

    _made = itertools.count()

    def hold_as_creator(self, actor, kind, scope):
        if self.creation(kind):
            self.hold(("creator", next(self._made)), actor, self.creation(kind), scope)

    def do_group_create(self, actor, new, **_):
        self.teams[new], self.sort[new] = set(), "team"
        if self.creation("team"):
            self.teams[new].add(actor)
            self.hold_as_creator(actor, "team", new)

    def do_group_rename(self, actor, new, team, name):
        self.names[team] = name

    def do_group_members(self, actor, new, team, add=(), remove=()):
        for gone in set(remove) & self.teams[team]:
            for name in [name for name, held in self.held.items() if (held.principal, held.scope) == (gone, team)]:
                del self.held[name]
        self.teams[team] = self.teams[team] - set(remove) | set(add)

    def do_group_delete(self, actor, new, team):
        self.forget(team)

    def do_scope_create(self, actor, new, sort, parent, **_):
        self.parent[new], self.sort[new] = parent, sort
        self.hold_as_creator(actor, sort, new)

    def do_scope_rename(self, actor, new, scope, name):
        self.names[scope] = name

    def do_scope_move(self, actor, new, scope, parent):
        self.parent[scope] = parent

    def do_scope_delete(self, actor, new, scope, confirm=None):
        for gone in [*self.below(scope), scope]:
            self.forget(gone)

    def do_role_create(self, actor, new, path, patterns):
        self.custom[path] = self.expand(path.split("/")[0], patterns)
        self.role_ids[path] = new

    def do_role_edit(self, actor, new, path, patterns):
        self.custom[path] = self.expand(path.split("/")[0], patterns)

    def do_role_delete(self, actor, new, path):
        del self.custom[path]
        del self.role_ids[path]

    def do_assignment_create(self, actor, new, principal, role, scope=None, start=None, end=None):
        self.hold(new, principal, role, scope, start, end)

    def do_assignment_delete(self, actor, new, assignment):
        del self.held[assignment]

    def do_assignment_edit(self, actor, new, assignment, start=None, end=None):
        self.held[assignment] = self.held[assignment]._replace(start=start, end=end)

    def do_transfer(self, actor, new, to):
        rule = self.model.data["transfer"]
        self.hold(("transfer", next(self._made)), actor, "org/" + rule["previous"], None)
        self.hold(("transfer", next(self._made)), to, "org/" + rule["role"], None)

    def do_invite(self, actor, new, address, role=None, assignments=(), **_):
        rule = self.model.data["invitations"]["email"]
        self.invited[new] = {"by": actor, "address": address, "role": role or "org/" + rule["role"],
                             "assignments": list(assignments), "status": "pending"}

    def do_revoke(self, actor, new, invitation):
        self.invited[invitation]["status"] = "revoked"

    def apply(self, actor, operation, new=None, **what):
        change = getattr(self, "do_" + operation, None)
        if change is not None:
            change(actor, new, **what)

    # ---- The whole state, to be compared ----

    def picture(self):
        """What is there, without the ids of assignments."""
        return {
            "members": {member: (active, self.role_of(member)) for member, active in self.members.items()},
            "teams": {team: sorted(inside) for team, inside in self.teams.items()},
            "tree": {scope: (self.sort[scope], parent) for scope, parent in self.parent.items()},
            "held": sorted((held.principal, held.role, held.scope or "") for held in self.held.values()
                           if not self.is_org_role(held.role) or self.sort[held.principal] != "member"),
            "roles": {path: sorted(permission if not own else "own:" + permission for permission, own in permits
                                   if not own or (permission, False) not in permits)
                      for path, permits in self.custom.items()},
        }
