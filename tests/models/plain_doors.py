"""The plain rules for who comes by another door than a token of their own, and for what else an org holds: API keys, products
(services), connections; links, presets of invitations, settings. See plain.py."""

from plain import Org as Base
from plain import Refusal, missing
from role_model import INSIDE

OF_CONNECTIONS = {"member.view", "member.create", "member.edit", "member.suspend", "member.remove",
                  "team.view", "team.create", "team.edit", "team.delete", "team.members"}


class Key(str):
    """A member, by an API key: permits is what it is limited to, pairs of (permission, for own things only); None: nothing."""

    permits = None


class Service(str):
    """A product: permits as above, and no member at all."""


class Connection(str):
    """An identity provider's."""


def has(permits, permission, own):
    return (permission, False) in permits or (own and (permission, True) in permits)


class Org(Base):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.tokens = {}         # id of a token -> its member; None for those of connections
        self.keys = {}           # id of a key -> Key
        self.connections = set()
        self.made_by = {}        # team -> the connection that made it
        self.manage_guarded = False

    # ---- What they may ----

    def me(self, actor):
        """The member that acts, if it is one."""
        return str(actor) if actor in self.members else None

    def permits(self, actor):
        return {(permission, False) for permission in OF_CONNECTIONS} if isinstance(actor, Connection) else actor.permits

    def check(self, member, permission, scope=None, own=False, now=None):
        if isinstance(member, (Service, Connection)):
            return permission in self.model.permissions and self.scope_kind(scope) in self.model.permissions[permission][0] \
                and not self.off(permission) and has(self.permits(member), permission, own)
        allowed = super().check(member, permission, scope, own, now)
        return allowed and (getattr(member, "permits", None) is None or has(member.permits, permission, own))

    def said(self, actor, permission, kind, grants):
        """"yes", "own" or "no" of a permission that is asked for at a scope of that kind, by grants that cover it."""
        if kind not in self.model.permissions[permission][0]:
            return "no"
        if isinstance(actor, (Service, Connection)):
            permits = self.permits(actor)
            found = "no" if self.off(permission) else "yes" if has(permits, permission, False) else \
                "own" if has(permits, permission, True) else "no"
            return found
        said = {self.says(grant, permission, kind) for grant in grants}
        found = "yes" if "yes" in said else "own" if "own" in said else "no"
        limit = getattr(actor, "permits", None)
        if limit is None or found == "no":
            return found
        if not has(limit, permission, True):
            return "no"
        return found if has(limit, permission, False) else "own"

    def beyond(self, member, scope, role_scope, permits):
        grants = self.covering(self.grants(member), scope) if member in self.members else []
        found = []
        for permission, own in permits:
            for kind in INSIDE[role_scope]:
                if kind in self.model.permissions[permission][0] and \
                        self.said(member, permission, kind, grants) not in (("yes", "own") if own else ("yes",)):
                    found.append(permission)
        return found

    def manages(self, member, role, scope, verb):
        return member in self.members and super().manages(member, role, scope, verb)

    def managed(self, actor, role, verb):
        return [] if isinstance(actor, Connection) else super().managed(actor, role, verb)

    def refusals(self, actor, operation, **what):
        if isinstance(actor, Key) and not self.members.get(actor):
            return [Refusal(401)]
        if isinstance(actor, (Service, Connection)):
            found = getattr(self, "no_" + operation)(actor, **what)
            return [refusal for refusal in found if refusal.gate] or found
        return super().refusals(actor, operation, **what)

    # ---- Connections, and what they may not touch ----

    def guards(self, actor, user):
        role = self.role_of(user)
        guarded = isinstance(actor, Connection) and self.model.roles[role].get("guarded") and not self.manage_guarded
        return [Refusal(403, role)] if guarded else []

    def no_user_rename(self, actor, user, **what):
        return super().no_user_rename(actor, user=user, **what) + self.guards(actor, user)

    def no_user_active(self, actor, user, active):
        return super().no_user_active(actor, user, active) + self.guards(actor, user)

    def no_user_delete(self, actor, user):
        return super().no_user_delete(actor, user) + self.guards(actor, user)

    def not_its_own(self, actor, team):
        """The teams that hold roles, it or around it, which another than this connection made."""
        return [Refusal(403) for around in {team} | self.teams_of(team) if self.made_by.get(around) != actor
                and any(held.principal == around for held in self.held.values())]

    def no_group_members(self, actor, team, add=(), remove=()):
        if not isinstance(actor, Connection):
            return super().no_group_members(actor, team, add, remove)
        found = self.need(actor, "team.members", team)
        if set(add) - self.teams[team] or set(remove) & self.teams[team]:
            found += self.not_its_own(actor, team)
        for other in add:
            if other == team or other in self.teams_of(team):
                found.append(Refusal(400))
            elif other in self.teams:
                found += self.limit("nesting", self.height(other) + self.nesting(team))
        return found

    def no_group_delete(self, actor, team):
        if not isinstance(actor, Connection):
            return super().no_group_delete(actor, team)
        return self.need(actor, "team.delete", team) + self.not_its_own(actor, team)

    def do_group_create(self, actor, new, **what):
        if self.me(actor):
            return super().do_group_create(self.me(actor), new, **what)
        self.teams[new], self.sort[new] = set(), "team"
        if isinstance(actor, Connection):
            self.made_by[new] = actor
            self.mapped.add(new)

    def hold_as_creator(self, actor, kind, scope):
        if self.me(actor):
            super().hold_as_creator(self.me(actor), kind, scope)

    def no_connection_create(self, actor, **_):
        return self.need(actor, "settings.connections")

    no_connection_edit = no_connection_delete = no_connection_view = no_connection_create

    def do_connection_create(self, actor, new, **_):
        self.connections.add(new)

    def do_connection_delete(self, actor, new, connection):
        self.connections.discard(connection)

    # ---- Keys ----

    def rights(self, actor, everywhere):
        """permission -> "yes" or "own", at scopes of any kind: by all that is held, or by what is held for the whole org."""
        grants = self.grants(actor) if actor in self.members else []
        grants = grants if everywhere else self.covering(grants, None)
        found = {}
        for permission, (at, _, _) in self.model.permissions.items():
            said = {self.said(actor, permission, kind, grants) for kind in at}
            if said - {"no"}:
                found[permission] = "yes" if "yes" in said else "own"
        return found

    def gives(self, member):
        """All roles of the model that somebody may give, wherever."""
        return {role for grant in self.grants(member) if grant.role in self.model.roles
                for role in self.model.manages(grant.role, "give")}

    def no_key_create(self, actor, owner, patterns):
        me = self.me(actor)
        mine = owner == me
        found = self.need(actor, "token.create", own=me is not None) + self.limit("tokens", len(self.tokens) + 1)
        if not mine:
            if not self.check(actor, "token.create"):
                found.append(missing("token.create", False))
            found += [Refusal(403, role) for role in self.gives(owner) if not self.manages(actor, role, None, "give")]
        if not patterns:
            return found if mine and getattr(actor, "permits", None) is None else found + [Refusal(400)]
        permits = self.expand("org", patterns)
        if permits is None:
            return found + [Refusal(400)]
        rights = self.rights(actor, mine)
        return found + [Refusal(403, permission) for permission, own in permits
                        if rights.get(permission, "no") not in (("yes", "own") if own and mine else ("yes",))]

    def do_key_create(self, actor, new, owner, patterns):
        self.tokens[new] = owner
        self.keys[new] = Key(owner)
        self.keys[new].permits = self.expand("org", patterns) if patterns else None

    def no_key_view(self, actor, key):
        return self.need(actor, "token.view", own=self.tokens[key] == self.me(actor))

    def no_key_revoke(self, actor, key):
        return self.need(actor, "token.revoke", own=self.tokens[key] == self.me(actor))

    def do_key_revoke(self, actor, new, key):
        del self.tokens[key], self.keys[key]

    def forget(self, thing):
        super().forget(thing)
        self.made_by.pop(thing, None)
        for key in [key for key, owner in self.tokens.items() if owner is not None and owner == thing]:
            del self.tokens[key], self.keys[key]

    # ---- Invitations: links and presets ----

    def bring_in(self, actor, team):
        found = [] if self.check(actor, "team.members", team) else [missing("team.members", False)]
        found += self.moving(actor, self.default("team"), team, "give")
        for held in self.held_around(team):
            found += self.moving(actor, held.role, held.scope, "give")
        return found

    def presets(self, actor, teams, access):
        found = []
        for team in teams:
            found += self.bring_in(actor, team)
        for role, scope in access:
            if (role not in self.model.roles and role not in self.custom) or self.scope_of_role(role) != self.scope_kind(scope):
                found.append(Refusal(400))
            else:
                found += self.moving(actor, role, scope, "give")
        return found

    def no_invite(self, actor, address, role=None, assignments=(), teams=(), access=(), **_):
        return super().no_invite(actor, address, role, assignments) + self.presets(actor, teams, access)

    def do_invite(self, actor, new, address, role=None, assignments=(), teams=(), access=(), **_):
        super().do_invite(self.me(actor), new, address, role, assignments)
        self.invited[new].update(teams=list(teams), access=list(access))

    def no_link(self, actor, role=None, **_):
        rule = self.model.data.get("invitations", {}).get("link")
        found = self.need(actor, "invite.link")
        if rule is None:
            return found + [Refusal(400)]
        role = role or "org/" + rule["role"]
        if role not in self.model.refer("org", rule["roles"]):
            found.append(Refusal(400))
        return found + self.managed(actor, role, "give") + self.limit("invitations", len(self.pending()) + 1)

    def do_link(self, actor, new, role=None, **_):
        rule = self.model.data["invitations"]["link"]
        self.invited[new] = {"by": self.me(actor), "address": None, "role": role or "org/" + rule["role"], "assignments": [],
                             "teams": [], "access": [], "status": "pending"}

    def not_accepted(self, person, invitation):
        invited = self.invited[invitation]
        inviter, link = invited["by"], invited["address"] is None
        if not link and invited["address"] != person.address:
            return [Refusal(404)]
        if invited["status"] != "pending" or person in self.people:
            return [Refusal(409)]
        if link and not self.external:
            return [Refusal(409)]
        if any(thing not in self.sort for thing in [*invited["teams"], *(scope for _, scope in invited["access"])]):
            return [Refusal(409)]
        if inviter is not None:
            carried = [invited["role"], *invited["assignments"]]
            if not self.members.get(inviter) or not self.check(inviter, "invite.link" if link else "member.invite") or \
                    not all(self.manages(inviter, path, None, "give") for path in carried if path in self.model.roles) or \
                    self.presets(inviter, invited["teams"], invited["access"]):
                return [Refusal(409)]
        if any(role not in self.model.roles and role not in self.custom for role, _ in invited["access"]):
            return [Refusal(409)]
        return self.limit("members", (self.seats() if link else len(self.members)) + 1)

    def accept(self, person, invitation, member):
        invited = self.invited[invitation]
        super().accept(person, invitation, member)
        if invited["address"] is None:
            invited["status"] = "pending"  # for the next one
        for team in invited["teams"]:
            self.teams[team].add(member)
        for role, scope in invited["access"]:
            self.hold(("accepted", next(self._made)), member, role, scope)

    # ---- Origins, settings ----

    def no_withdraw(self, actor, assignment, gone, left):
        """Origins of a sort: so many there are, so many others."""
        return self.no_assignment_delete(actor, assignment) if gone else [Refusal(404, None, True)]

    def do_withdraw(self, actor, new, assignment, gone, left):
        if not left:
            del self.held[assignment]

    def no_setting(self, actor, name, value):
        permission = {"externalInvitations": "settings.invitations", "connectionsManageGuarded": "settings.connections"}
        return self.need(actor, permission.get(name, "settings.edit"))

    def do_setting(self, actor, new, name, value):
        if name == "externalInvitations":
            self.external = value
        elif name == "connectionsManageGuarded":
            self.manage_guarded = value
