"""One who plays an org: makes up operation after operation, by members, keys, products and connections, and compares each
decision with the plain model's."""

import collections

from living import GROUP, OURS, PATCH, USER, Person, replaced
from harness import find_member
from plain import Refusal
from plain_doors import Connection, Key, Service

TIMES = {"2001-01-01T00:00:00Z": 978307200, "2002-02-02T00:00:00Z": 1012608000, "2040-01-01T00:00:00Z": 2208988800,
         "2041-01-01T00:00:00Z": 2240611200}
MOST = {"member": 22, "team": 8, "workspace": 8, "project": 10, "role": 8, "assignment": 40, "key": 12, "connection": 5}
TRIES = 8       # so many things are made up, until one is allowed ...
STUBBORN = 0.1  # ... or is tried all the same


class Door:
    """Who comes with something else than a token of their own."""

    def __init__(self, token, me, label):
        self.token, self.me, self.label = token, me, label

    def __repr__(self):
        return self.label


class Player:
    """Makes up one operation after the other for an org, and compares."""

    def __init__(self, test, org, rng):
        self.test, self.org, self.plain, self.rng = test, org, org.plain, rng
        self.allowed = self.refused = 0
        self.tried = collections.Counter()  # name -> how often it was allowed
        self.doors = {}                     # id of a key -> Door, for each that there ever was
        self.others = []                    # doors of products and connections
        self.links = {}                     # id of an invitation -> where it is accepted

    def open_doors(self):
        """A product with some rights, and an identity provider; the tokens that are there."""
        patterns = [pattern for _ in range(5) for pattern in self.some_patterns()
                    if pattern != "*" and self.plain.expand("org", [pattern])] or ["org.view"]
        made = self.test.daemon.ctl("token", "create", "--service", "--orgs", self.org.key, "--permissions", ",".join(patterns))
        service, idp = Service("product"), Connection("idp")
        service.permits = self.plain.expand("org", patterns)
        self.others = [Door(find_member(made, ("token", "secret")), service, f"a product with {patterns}"),
                       Door(self.test.daemon.connect(self.org.key, "idp"), idp, "a connection")]
        self.plain.tokens = {item["id"]: None for item in self.org.listed("/Tokens")}
        self.settings = self.org.listed("/Settings")[0]["id"]

    def compare(self, what):
        """The whole state."""
        plain = self.plain
        self.test.assertEqual(self.org.found(), plain.picture(), what)
        self.test.assertEqual({item["id"] for item in self.org.listed("/Tokens")}, set(plain.tokens), what)
        self.test.assertLessEqual(plain.connections, {item["id"] for item in self.org.listed("/Connections")}, what)
        self.test.assertEqual({item["id"]: item["status"] for item in self.org.listed("/Invitations")},
                              {name: invited["status"] for name, invited in plain.invited.items()}, what)

    def some(self, sort):
        things = sorted(thing for thing, kind in self.plain.sort.items() if kind == sort)
        return self.rng.choice(things) if things else None

    def some_scope(self, kind):
        return None if kind == "org" else self.some(kind)

    def full(self, sort):
        if sort in ("key", "connection"):
            return len(self.plain.keys if sort == "key" else self.plain.connections) >= MOST[sort]
        count = len(self.plain.held) if sort == "assignment" else len(self.plain.custom) if sort == "role" else \
            list(self.plain.sort.values()).count(sort)
        return count >= MOST[sort]

    # ---- One operation ----

    def who(self, actor):
        """What the plain model knows them as; None for who is not in the org."""
        return self.plain.people.get(actor) if isinstance(actor, Person) else actor.me

    def somebody(self, people):
        """A member most of the time, of those rather who may much; else somebody from outside, a key, a product, a connection."""
        draw = self.rng.random()
        if draw < 0.12 and self.doors:
            alive = [id for id in sorted(self.doors) if id in self.plain.keys]
            return self.doors[self.rng.choice(alive if alive and draw < 0.11 else sorted(self.doors))]
        if draw < 0.22:
            return self.rng.choice(self.others)
        inside = sorted(self.plain.people, key=lambda person: person.name)
        strong = [person for person in inside if self.plain.role_of(self.plain.people[person]) == self.plain.first_role]
        if strong and draw < 0.55:
            return self.rng.choice(strong)
        return self.rng.choice(inside if inside and draw < 0.95 else people)

    def refusals(self, actor, operation, what):
        me = self.who(actor)
        if me is None:
            return [Refusal(404)]
        if isinstance(me, Key) and not any(me is key for key in self.plain.keys.values()):
            return [Refusal(401)]
        return self.plain.refusals(me, operation, **what)

    def think(self, actor):
        """What to try: (operation, method, path, body, what, refusals), rather something that is allowed."""
        found, self.plain.known = None, {}  # nothing changes meanwhile
        for _ in range(TRIES):
            name = self.rng.choices(list(WEIGHTS), WEIGHTS.values())[0]
            made = getattr(self, "try_" + name)()
            if made is None:
                continue
            method, path, body, what = made
            operation = what.pop("as_", name)
            refusals = self.refusals(actor, operation, what)
            found = operation, method, path, body, what, refusals
            if not refusals or self.rng.random() < STUBBORN:
                break
        self.plain.known = None
        return found

    def play(self, actor):
        """What was tried, in words; None when there was nothing to try it on."""
        thought = self.think(actor)
        if thought is None:
            return None
        operation, method, path, body, what, refusals = thought
        me = self.who(actor)
        reply = self.org.send(actor.token, method, path, body)
        label = f"{operation} {what} by {actor} ({me}, {self.plain.role_of(me) if me in self.plain.members else 'no member'}) " \
                f"in {self.org.key}: {method} {path} {body}"
        if not self.test.judged(reply, refusals, label):
            self.refused += 1
            return label
        self.allowed += 1
        self.tried[operation] += 1
        new = reply.json.get("id") if reply.status != 204 and reply.raw else None
        self.plain.apply(me, operation, new, **what)
        self.learn(operation, me, new, what)
        if operation == "key_create":
            self.doors[new] = Door(reply.json["token"], self.plain.keys[new], f"key {new}")
        if operation == "link":
            self.links[new] = reply.json["link"].removeprefix(self.test.daemon.url) + "/accept"
        return label

    def learn(self, operation, me, new, what):
        """The ids of assignments that came along."""
        if operation in ("group_create", "scope_create", "transfer", "accept") and me in self.plain.members:
            principals = [str(me)] if operation != "transfer" else [me, what["to"]]
            for principal in principals:
                reply = self.org.send(self.test.operator, "GET",
                                      f"/Assignments?filter=principal.value%20eq%20%22{principal}%22&count=200")
                if operation in ("transfer", "accept"):
                    self.forget_record(principal)
                for item in reply.json.get("Resources", []):
                    self.rename(item)

    def forget_record(self, principal):
        """Which record, if any, says what role somebody has in the org is the daemon's affair; what the role is, is not."""
        records = {name for name, held in self.plain.held.items()
                   if held.principal == principal and self.plain.is_org_role(held.role)}
        role = self.plain.role_of(principal)
        for name in records:
            del self.plain.held[name]
        if role != self.plain.default("org"):
            self.plain.hold(("role of", principal), principal, role, None)

    def rename(self, item):
        wanted = (item["principal"]["value"], item["role"], item.get("scope", {}).get("value"))
        if wanted not in [tuple(held[:3]) for held in self.plain.held.values()] and item["role"] == self.plain.default("org"):
            self.plain.hold(item["id"], *wanted)  # the default role is held with a record or without
        for name, held in list(self.plain.held.items()):
            if not isinstance(name, str) and (held.principal, held.role, held.scope) == wanted:
                self.plain.held[item["id"]] = self.plain.held.pop(name)

    # ---- What there is to try ----

    def try_user_create(self):
        if self.full("member"):
            return self.try_user_delete()
        return "POST", "/Users", {"schemas": [USER], "userName": self.test.name("u")}, {}

    def try_user_view(self):
        user = self.some("member")
        return user and ("GET", f"/Users/{user}", None, {"user": user})

    def try_user_rename(self):
        user, name = self.some("member"), self.test.name("n")
        return user and ("PATCH", f"/Users/{user}", replaced("displayName", name), {"user": user, "name": name})

    def try_user_active(self):
        user = self.some("member")
        if user is None:
            return None
        active = not self.plain.members[user]
        return "PATCH", f"/Users/{user}", replaced("active", active), {"user": user, "active": active}

    def try_user_delete(self):
        user = self.some("member")
        return user and ("DELETE", f"/Users/{user}", None, {"user": user, "as_": "user_delete"})

    def try_group_create(self):
        if self.full("team"):
            return self.try_group_delete()
        return "POST", "/Groups", {"schemas": [GROUP], "displayName": self.test.name("t")}, {}

    def try_group_view(self):
        team = self.some("team")
        return team and ("GET", f"/Groups/{team}", None, {"team": team})

    def try_group_rename(self):
        team, name = self.some("team"), self.test.name("t")
        return team and ("PATCH", f"/Groups/{team}", replaced("displayName", name), {"team": team, "name": name})

    def try_group_members(self):
        team = self.some("team")
        if team is None:
            return None
        inside = sorted(self.plain.teams[team])
        if inside and self.rng.random() < 0.4:
            gone = self.rng.choice(inside)
            return "PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
                {"op": "remove", "path": f'members[value eq "{gone}"]'}]}, {"team": team, "remove": [gone]}
        new = self.some("team" if self.rng.random() < 0.25 else "member")
        if new is None or new in inside:
            return None
        return "PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "members", "value": [{"value": new}]}]}, {"team": team, "add": [new]}

    def try_group_delete(self):
        team = self.some("team")
        return team and ("DELETE", f"/Groups/{team}", None, {"team": team, "as_": "group_delete"})

    def some_place(self):
        return self.some("workspace") if self.rng.random() < 0.7 else None

    def try_scope_create(self):
        sort = self.rng.choice(("workspace", "project"))
        if self.full(sort):
            return self.try_scope_delete()
        parent = self.some_place()
        body = {"schemas": [OURS + sort.capitalize()], "displayName": self.test.name(sort)}
        if parent:
            body["parent"] = {"value": parent}
        return "POST", f"/{sort.capitalize()}s", body, {"sort": sort, "parent": parent}

    def some_tree(self):
        return self.some(self.rng.choice(("workspace", "project")))

    def path(self, scope):
        return f"/{self.plain.sort[scope].capitalize()}s/{scope}"

    def try_scope_view(self):
        scope = self.some_tree()
        return scope and ("GET", self.path(scope), None, {"scope": scope})

    def try_scope_rename(self):
        scope, name = self.some_tree(), self.test.name("s")
        return scope and ("PATCH", self.path(scope), replaced("displayName", name), {"scope": scope, "name": name})

    def try_scope_move(self):
        scope, parent = self.some_tree(), self.some_place()
        if scope is None or parent == self.plain.parent[scope]:
            return None
        body = replaced("parent", {"value": parent}) if parent else \
            {"schemas": [PATCH], "Operations": [{"op": "remove", "path": "parent"}]}
        return "PATCH", self.path(scope), body, {"scope": scope, "parent": parent}

    def try_scope_delete(self):
        scope = self.some_tree()
        if scope is None:
            return None
        below = len(self.plain.below(scope))
        confirm = self.rng.choice((None, below, below, below + 1)) if below else None
        return "DELETE", self.path(scope) + (f"?confirm={confirm}" if confirm is not None else ""), None, \
            {"scope": scope, "confirm": confirm, "as_": "scope_delete"}

    def some_patterns(self):
        names = sorted(self.plain.model.permissions)
        patterns = []
        for _ in range(self.rng.randrange(1, 4)):
            name = self.rng.choice(names)
            form = self.rng.random()
            patterns.append("*" if form < 0.05 else name.rsplit(".", 1)[0] + ".*" if form < 0.25 else
                            "own:" + name if form < 0.4 else name)
        return patterns

    def some_role_of_own(self):
        return self.rng.choice(sorted(self.plain.custom)) if self.plain.custom else None

    def try_role_create(self):
        if self.full("role"):
            return self.try_role_delete()
        path = self.rng.choice(("org", "org", "team", "workspace", "project")) + "/" + self.test.name("r")
        patterns = self.some_patterns()
        return "POST", "/Roles", {"schemas": [OURS + "Role"], "name": path, "permissions": patterns}, \
            {"path": path, "patterns": patterns}

    def try_role_edit(self):
        path, patterns = self.some_role_of_own(), self.some_patterns()
        return path and ("PATCH", f"/Roles/{self.plain.role_ids[path]}", replaced("permissions", patterns),
                         {"path": path, "patterns": patterns})

    def try_role_view(self):
        path = self.some_role_of_own()
        return path and ("GET", f"/Roles/{self.plain.role_ids[path]}", None, {})

    def try_role_delete(self):
        path = self.some_role_of_own()
        return path and ("DELETE", f"/Roles/{self.plain.role_ids[path]}", None, {"path": path, "as_": "role_delete"})

    def try_assignment_create(self):
        if self.full("assignment"):
            return self.try_assignment_delete()
        role = self.rng.choice([*sorted(self.plain.model.roles), *sorted(self.plain.custom) * 2])
        kind = self.plain.scope_of_role(role)
        if self.rng.random() < 0.05:
            kind = self.rng.choice(("org", "team", "workspace", "project"))
        principal = self.some("team" if self.rng.random() < 0.25 else "member")
        scope = self.some_scope(kind)
        if kind == "team" and scope and self.plain.teams[scope] and self.rng.random() < 0.8:
            principal = self.rng.choice(sorted(self.plain.teams[scope]))
        if principal is None or (kind != "org" and scope is None):
            return None
        what = {"principal": principal, "role": role, "scope": scope}
        body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "role": role}
        if scope:
            body["scope"] = {"value": scope}
        if self.rng.random() < 0.2:
            for end in self.rng.sample(("start", "end"), self.rng.choice((1, 2))):
                body[end] = self.rng.choice(list(TIMES))
                what[end] = TIMES[body[end]]
        return "POST", "/Assignments", body, what

    def some_assignment(self):
        names = sorted(name for name in self.plain.held if isinstance(name, str))
        return self.rng.choice(names) if names else None

    def try_assignment_view(self):
        name = self.some_assignment()
        return name and ("GET", f"/Assignments/{name}", None, {"assignment": name})

    def try_assignment_edit(self):
        name = self.some_assignment()
        if name is None:
            return None
        end = self.rng.choice(list(TIMES))
        return "PATCH", f"/Assignments/{name}", replaced("end", end), {
            "assignment": name, "start": self.plain.held[name].start, "end": TIMES[end]}

    def try_withdraw(self):
        name = self.some_assignment()
        if name is None:
            return None
        there = [origin["type"] for origin in self.org.operate("GET", f"/Assignments/{name}").get("origins", [])]
        kind = self.rng.choice([*there, *there, "mapping"])
        return "POST", f"/Assignments/{name}/.withdraw", {"type": kind}, {
            "assignment": name, "gone": there.count(kind), "left": len(there) - there.count(kind)}

    def try_assignment_delete(self):
        name = self.some_assignment()
        return name and ("DELETE", f"/Assignments/{name}", None, {"assignment": name, "as_": "assignment_delete"})

    # ---- Invitations ----

    def some_invitation(self):
        return self.rng.choice(sorted(self.plain.invited)) if self.plain.invited else None

    def outside(self):
        return [person for person in self.test.people if person not in self.plain.people]

    def try_invite(self):
        address = self.rng.choice([person.address for person in self.outside() or self.test.people] +
                                  [self.test.name("g") + "@guests.test"] * 2)
        names = [role for role in self.plain.model.roles if role.startswith("org/")]
        body = {"schemas": [OURS + "Invitation"], "kind": "email", "address": address}
        what = {"address": address}
        if self.rng.random() < 0.7:
            body["role"] = what["role"] = self.rng.choice(names)
        beside = [role for role in self.plain.model.roles if role.startswith("assignment/")]
        if beside and self.rng.random() < 0.3:
            body["assignments"] = what["assignments"] = self.rng.sample(beside, 1)
        team, scope = self.some("team"), self.some_tree()
        if team and self.rng.random() < 0.2:
            body["teams"], what["teams"] = [{"value": team}], [team]
        inside = [role for role in [*self.plain.model.roles, *sorted(self.plain.custom)]
                  if scope and role.startswith(self.plain.sort[scope] + "/")]
        if inside and self.rng.random() < 0.25:
            role = self.rng.choice(inside)
            body["access"], what["access"] = [{"role": role, "value": scope}], [(role, scope)]
        return "POST", "/Invitations", body, what

    def try_link(self):
        names = [role for role in self.plain.model.roles if role.startswith("org/")]
        body, what = {"schemas": [OURS + "Invitation"], "kind": "link"}, {}
        if self.rng.random() < 0.5:
            body["role"] = what["role"] = self.rng.choice(names)
        return "POST", "/Invitations", body, what

    def try_invitation_view(self):
        name = self.some_invitation()
        return name and ("GET", f"/Invitations/{name}", None, {"invitation": name})

    def try_revoke(self):
        name = self.some_invitation()
        return name and ("POST", f"/Invitations/{name}/.revoke", {}, {"invitation": name})

    def follow(self, person):
        """A person follows a link to the org."""
        known = sorted(name for name in self.links if name in self.plain.invited)
        if not known:
            return
        name = self.rng.choice(known)
        what = f"{person} by the link {name} of {self.org.key}: {self.plain.invited[name]}"
        reply = self.test.send(person, "POST", self.links[name], {})
        if self.test.judged(reply, self.plain.not_accepted(person, name), what):
            [member] = {item["id"] for item in self.org.listed("/Users")} - set(self.plain.members)
            self.plain.accept(person, name, member)
            self.learn("accept", member, None, {})
            self.tried["follow"] += 1

    def invited(self):
        """People for whom an invitation of the org waits."""
        addresses = {self.plain.invited[name]["address"] for name in self.plain.pending()}
        return [person for person in self.test.people if person.address in addresses]

    def answer(self, person):
        """A person looks at the invitations that wait for them, and answers one of this org."""
        waiting = [item for item in self.test.send(person, "GET", "/scim/v2/Invitations?count=200").json.get("Resources", [])
                   if item["organization"]["key"] == self.org.key]
        mine = [name for name, invited in self.plain.invited.items() if invited["address"] == person.address]
        self.test.assertEqual(len([item for item in waiting if item["status"] == "pending"]),
                              len([name for name in mine if self.plain.invited[name]["status"] == "pending"]),
                              f"waiting for {person} from {self.org.key}")
        pending = [name for name in mine if self.plain.invited[name]["status"] == "pending"]
        if not pending:
            return
        [name], [item] = pending, [item for item in waiting if item["status"] == "pending"]
        if self.rng.random() < 0.15:
            self.test.allowed(self.test.send(person, "POST", f"/scim/v2/Invitations/{item['id']}/.decline", {}))
            self.plain.invited[name]["status"] = "declined"
            return
        reply = self.test.send(person, "POST", f"/scim/v2/Invitations/{item['id']}/.accept", {})
        what = f"{person} accepts {name} of {self.org.key}: {self.plain.invited[name]}"
        if self.test.judged(reply, self.plain.not_accepted(person, name), what):
            member = self.org.operate("GET", f"/Invitations/{name}")["member"]["value"]
            self.plain.accept(person, name, member)
            self.learn("accept", member, None, {})
            self.tried["accept"] += 1

    # ---- Keys, connections, settings ----

    def try_key_create(self):
        if self.full("key"):
            return self.try_key_revoke()
        owner, patterns = self.some("member"), self.some_patterns() if self.rng.random() < 0.8 else []
        inside = sorted(self.plain.people.values())
        owner = self.rng.choice(inside) if inside and self.rng.random() < 0.7 else owner
        body = {"schemas": [OURS + "Token"], "kind": "key", "owner": {"value": owner}}
        if patterns:
            body["permissions"] = patterns
        return owner and ("POST", "/Tokens", body, {"owner": owner, "patterns": patterns})

    def some_key(self):
        return self.rng.choice(sorted(self.plain.keys)) if self.plain.keys else None

    def try_key_view(self):
        key = self.some_key()
        return key and ("GET", f"/Tokens/{key}", None, {"key": key})

    def try_key_revoke(self):
        key = self.some_key()
        return key and ("DELETE", f"/Tokens/{key}", None, {"key": key, "as_": "key_revoke"})

    def try_connection_create(self):
        if self.full("connection"):
            return self.try_connection_delete()
        return "POST", "/Connections", {"schemas": [OURS + "Connection"], "name": self.test.name("c")}, {}

    def some_connection(self):
        return self.rng.choice(sorted(self.plain.connections)) if self.plain.connections else None

    def try_connection_view(self):
        name = self.some_connection()
        return name and ("GET", f"/Connections/{name}", None, {})

    def try_connection_edit(self):
        name = self.some_connection()
        return name and ("PATCH", f"/Connections/{name}", replaced("name", self.test.name("c")), {})

    def try_connection_delete(self):
        name = self.some_connection()
        return name and ("DELETE", f"/Connections/{name}", None, {"connection": name, "as_": "connection_delete"})

    def try_setting(self):
        name = self.rng.choice(("displayName", "externalInvitations", "connectionsManageGuarded"))
        value = {"displayName": self.test.name("Org "), "externalInvitations": not self.plain.external,
                 "connectionsManageGuarded": not self.plain.manage_guarded}[name]
        return "PATCH", f"/Settings/{self.settings}", replaced(name, value), {"name": name, "value": value}

    # ---- Transfer, on the platform ----

    def transfer(self, actor):
        me, to = self.plain.people.get(actor), self.some("member")
        if not self.plain.members.get(me):
            refusals = [Refusal(403), Refusal(404)]
        else:
            refusals = self.plain.refusals(me, "transfer", to=to)
        reply = self.test.send(actor, "POST", f"/scim/v2/Organizations/{self.org.id}/.transfer", {"to": to})
        if self.test.judged(reply, refusals, f"transfer by {actor} ({me}) to {to} in {self.org.key}"):
            self.plain.apply(me, "transfer", to=to)
            self.tried["transfer"] += 1
            self.learn("transfer", me, None, {"to": to})

    def asked(self, actor):
        """A check of a product about the actor says what the plain model says."""
        me, plain = self.plain.people.get(actor), self.plain
        permission = self.rng.choice(sorted(plain.model.permissions))
        scope = self.some_scope(self.rng.choice(("org", "org", "team", "workspace", "project")))
        own = self.rng.random() < 0.5
        resource = {"type": "thing", "id": "x", "properties": {"owner": me if own else "somebody"}}
        if scope:
            resource["properties"][plain.sort[scope]] = scope
        reply = self.test.send(actor, "POST", f"/orgs/{self.org.key}/access/v1/evaluation", {
            "subject": {"type": "user", "id": me or "nobody"}, "action": {"name": permission}, "resource": resource},
            headers={"Content-Type": "application/json", "Accept": "application/json"})
        what = f"{permission} by {actor} ({me}) at {scope} ({plain.scope_kind(scope)}), own: {own}, in {self.org.key}"
        if not plain.members.get(me):
            return self.test.assertEqual(reply.status, 404, f"{what}: {reply}")
        self.test.assertEqual(reply.status, 200, f"{what}: {reply}")
        self.test.assertIs(reply.json["decision"], plain.check(me, permission, scope, own), f"{what}: {reply}")

    def seen(self, actor, endpoint):
        """A list shows exactly what may be seen."""
        me = self.plain.people.get(actor)
        reply = self.org.send(actor, "GET", endpoint + "?count=500")
        what = f"GET {endpoint} by {actor} ({me}) in {self.org.key}"
        if not self.plain.members.get(me):
            return self.test.assertEqual(reply.status, 404, f"{what}: {reply}")
        plain = self.plain
        things, view = {
            "/Users": (plain.members, lambda x: plain.refusals(me, "user_view", user=x)),
            "/Groups": (plain.teams, lambda x: plain.refusals(me, "group_view", team=x)),
            "/Workspaces": ([x for x, sort in plain.sort.items() if sort == "workspace"],
                            lambda x: plain.refusals(me, "scope_view", scope=x)),
            "/Projects": ([x for x, sort in plain.sort.items() if sort == "project"],
                          lambda x: plain.refusals(me, "scope_view", scope=x)),
            "/Assignments": ([x for x in plain.held if isinstance(x, str)],
                             lambda x: plain.refusals(me, "assignment_view", assignment=x)),
        }[endpoint]
        visible = {thing for thing in things if not view(thing)}
        if reply.status == 403:
            self.test.assertEqual(visible, set(), f"{what}: {reply}")
        else:
            self.test.assertEqual(reply.status, 200, f"{what}: {reply}")
            self.test.assertEqual(set(reply.ids), visible, what)
            self.test.assertEqual(reply.json["totalResults"], len(visible), what)


WEIGHTS = {
    "user_create": 4, "user_view": 2, "user_rename": 2, "user_active": 3, "user_delete": 2,
    "group_create": 3, "group_view": 2, "group_rename": 1, "group_members": 8, "group_delete": 1,
    "scope_create": 5, "scope_view": 3, "scope_rename": 2, "scope_move": 3, "scope_delete": 2,
    "role_create": 5, "role_view": 1, "role_edit": 3, "role_delete": 2,
    "invite": 6, "invitation_view": 2, "revoke": 1,
    "link": 5, "key_create": 5, "key_view": 2, "key_revoke": 1,
    "connection_create": 2, "connection_view": 1, "connection_edit": 1, "connection_delete": 1, "setting": 2,
    "assignment_create": 14, "assignment_view": 3, "assignment_edit": 3, "assignment_delete": 3, "withdraw": 4,
}
