"""Thousands of random operations against the daemon and against a plain model, which shares no code with it.

After each batch every organisation is read back whole and compared, and again after a kill -9 and a restart.
ROSTER_SEED and ROSTER_SECONDS (default 60) or ROSTER_OPS set the run; the seed is printed.
"""

import copy
import os
import random
import time

from harness import BULK, ENTERPRISE, GROUP, NOWHERE, PATCH, USER, Daemon, SystemTest, main, sanitized

SIMPLE = ["title", "nickName", "displayName", "userType", "externalId"]
REFUSALS = {"conflict": {409}, "bad": {400}, "cycle": {400, 409}, "gone": {404, 400}}  # gone: a bad body may be seen first


class Refused(Exception):
    """The model says no. More than one reason may apply: any of them may be given."""

    def __init__(self, *kinds):
        super().__init__(*kinds)
        self.statuses = set().union(*(REFUSALS[kind] for kind in kinds))


def refuse(kinds):
    if kinds:
        raise Refused(*kinds)


class Model:
    """One org: users and groups as dictionaries. Slow and plain on purpose."""

    def __init__(self, dialect):
        self.dialect = dialect
        self.users, self.groups, self.versions = {}, {}, {}
        self.stale = {}  # versions that a group no longer may have

    # -- rules

    def check_user(self, user, own=None):
        mails = user.get("emails", [])
        pairs = [(mail.get("type"), mail.get("value")) for mail in mails]
        kinds = ["bad"] * (not user.get("userName") or sum(bool(mail.get("primary")) for mail in mails) > 1
                           or len(pairs) != len(set(pairs)))  # RFC 7643 section 2.4: a pair is there once
        kinds += ["conflict"] * any(
            identifier != own and other["userName"].lower() == user.get("userName", "").lower()
            for identifier, other in self.users.items())
        refuse(kinds)

    def check_group(self, group, own=None):
        kinds = ["bad"] * (not group.get("displayName"))
        kinds += ["conflict"] * (self.dialect == "tolerant" and any(
            identifier != own and other["displayName"].lower() == group["displayName"].lower()
            for identifier, other in self.groups.items()))
        kinds += ["bad"] * any(m not in self.users and m not in self.groups for m in group["members"])
        kinds += ["cycle"] * (own is not None and own in self.below(group["members"]))
        refuse(kinds)

    def below(self, members):
        """Members, their members and so on."""
        found, todo = set(), list(members)
        while todo:
            each = todo.pop()
            if each not in found:
                found.add(each)
                todo += self.groups.get(each, {"members": ()})["members"]
        return found

    def groups_of(self, member):
        direct = {g for g, group in self.groups.items() if member in group["members"]}
        every = {g for g in self.groups if member in self.below(self.groups[g]["members"])}
        return {g: "direct" if g in direct else "indirect" for g in every}

    def delete(self, identifier):
        table = self.users if identifier in self.users else self.groups
        if identifier not in table:
            raise Refused("gone")
        del table[identifier]
        for other, group in self.groups.items():
            if identifier in group["members"]:
                group["members"].discard(identifier)
                self.stale[other] = self.versions[other] or self.stale[other]
                self.versions[other] = None  # another one, not known yet

    # -- PATCH, one operation on a copy

    def patch_user(self, user, operation):
        verb, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
        if path is None:
            for name, item in value.items():
                self.patch_user(user, {"op": verb, "path": name, "value": item})
            return
        if path.lower() == "username":
            if verb == "remove":
                raise Refused("bad")
            user["userName"] = value
        elif path in SIMPLE or path == "active":
            if verb == "remove":
                user.pop(path, None)
            else:
                user[path] = {"true": True, "false": False}.get(value.lower(), value) \
                    if path == "active" and isinstance(value, str) else value
        elif path == "name" or path == ENTERPRISE:
            if verb == "remove":
                user.pop(path, None)
            else:
                user.setdefault(path, {}).update(value)
        elif path.startswith("name.") or path.startswith(ENTERPRISE + ":"):
            parent, leaf = (path.split(".", 1) if path.startswith("name.") else (ENTERPRISE, path.rsplit(":", 1)[1]))
            if verb == "remove":
                user.get(parent, {}).pop(leaf, None)
                if not user.get(parent):
                    user.pop(parent, None)
            else:
                user.setdefault(parent, {})[leaf] = value
        elif path == "emails":
            if verb == "remove":
                user.pop("emails", None)
            else:
                old = user.get("emails", []) if verb == "add" else []
                if sum(bool(mail.get("primary")) for mail in value) > 1:
                    raise Refused("bad")
                for mail in value:
                    if clean_mail(mail) not in [clean_mail(m) for m in old]:
                        if mail.get("primary"):
                            old = [{k: v for k, v in m.items() if k != "primary"} for m in old]
                        old = old + [dict(mail)]
                if old:
                    user["emails"] = old
                else:
                    user.pop("emails", None)
        elif path.startswith("emails["):
            kind = path.split('"')[1]
            leaf = path.partition("]")[2].lstrip(".")
            hits = [mail for mail in user.get("emails", []) if mail.get("type") == kind]
            if verb == "remove":
                if not hits and self.dialect == "strict":
                    raise Refused("bad")
                user["emails"] = [mail for mail in user.get("emails", []) if mail.get("type") != kind]
                if not user["emails"]:
                    del user["emails"]
            elif not hits:
                if self.dialect == "strict":
                    raise Refused("bad")
                user.setdefault("emails", []).append({"type": kind, leaf: value})
            else:
                for mail in hits:
                    mail[leaf] = value
        else:
            raise AssertionError(path)

    def patch_group(self, group, operation):
        verb, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
        if path is None:
            for name, item in value.items():
                self.patch_group(group, {"op": verb, "path": name, "value": item})
        elif path in ("displayName", "externalId"):
            if verb == "remove":
                if path == "displayName":
                    raise Refused("bad")
                group.pop(path, None)
            else:
                group[path] = value
        elif path == "members":
            listed = None if value is None else {item["value"] for item in value}
            if verb != "remove":
                refuse(["bad"] * any(m not in self.users and m not in self.groups for m in listed))
            if verb == "add":
                group["members"] |= listed
            elif verb == "replace":
                group["members"] = listed
            else:
                group["members"] -= group["members"] if listed is None else listed
        else:
            group["members"].discard(path.split('"')[1])


def clean_mail(mail):
    return {k: v for k, v in mail.items() if not (k == "primary" and not v)}


def clean(user):
    """What is compared: no empty values, no false primaries."""
    out = {}
    for name, value in user.items():
        if name == "emails":
            value = [clean_mail(mail) for mail in value]
        if value not in (None, [], {}):
            out[name] = value
    return out


class Player:
    """Draws operations for one org, plays them on the model and on the daemon, and compares the answers."""

    def __init__(self, test, org, dialect, dice):
        self.test, self.org, self.dice = test, org, dice
        self.model = Model(dialect)
        self.dead = [NOWHERE]
        self.demoted = set()
        self.count = 0
        self.number = 0

    # -- drawing

    def any_user(self):
        return self.pick(self.model.users)

    def any_group(self):
        return self.pick(self.model.groups)

    def pick(self, table):
        if not table or self.dice.random() < 0.03:
            return self.dice.choice(self.dead)
        return self.dice.choice(list(table))

    def fresh(self):
        self.number += 1
        return self.number

    def name(self):
        if self.model.users and self.dice.random() < 0.08:  # somebody's, in other letters
            return self.dice.choice(list(self.model.users.values()))["userName"].swapcase()
        return f"{self.dice.choice(['ada', 'Bob', 'Zoë', 'x'])}{self.fresh()}"

    def group_name(self):
        if self.model.groups and self.dice.random() < 0.08:
            return self.dice.choice(list(self.model.groups.values()))["displayName"].swapcase()
        return f"{self.dice.choice(['Team', 'Ärzte', 'g'])} {self.fresh()}"

    def word(self):
        return self.dice.choice(["a", "b", "C", "ü", "long " * 8, "x\"y\\z"])

    def mail(self):
        mail = {"value": f"m{self.fresh()}@{self.dice.choice(['work', 'home'])}.example"}
        if self.dice.random() < 0.8:
            mail["type"] = self.dice.choice(["work", "home", "other"])
        if self.dice.random() < 0.2:
            mail["primary"] = True
        if self.dice.random() < 0.2:
            mail["display"] = self.word()
        return mail

    def user_body(self):
        body = {"userName": self.name()}
        for name in SIMPLE:
            if self.dice.random() < 0.4:
                body[name] = self.word()
        if self.dice.random() < 0.6:
            body["active"] = self.dice.random() < 0.8
        if self.dice.random() < 0.5:
            body["name"] = {k: self.word() for k in ("givenName", "familyName") if self.dice.random() < 0.8}
        if self.dice.random() < 0.5:
            body["emails"] = [self.mail() for _ in range(self.dice.randrange(4))]
        if self.dice.random() < 0.4:
            body[ENTERPRISE] = {k: self.word() for k in ("department", "costCenter") if self.dice.random() < 0.8}
        if self.dice.random() < 0.03:
            del body["userName"]
        return body

    def some_members(self, most=6):
        everyone = list(self.model.users) + list(self.model.groups)
        chosen = self.dice.sample(everyone, min(len(everyone), self.dice.randrange(most)))
        if self.dice.random() < 0.03:
            chosen.append(self.dice.choice(self.dead))
        return chosen

    def user_operation(self):
        dice = self.dice
        path = dice.choice([*SIMPLE, *SIMPLE, "active", "userName", "name", "name.givenName", "name.familyName", ENTERPRISE,
                            ENTERPRISE + ":department", "emails", "emails", 'emails[type eq "work"]',
                            'emails[type eq "home"].value', 'emails[type eq "work"].display', None])
        verb = dice.choice(["add", "replace", "replace", "remove"])
        operation = {"op": verb.title() if dice.random() < 0.2 and self.model.dialect == "tolerant" else verb}
        if path is None:
            operation["op"] = dice.choice(["add", "replace"])
            operation["value"] = {k: v for k, v in self.user_body().items() if k != "userName" and v}
            return operation
        if path == 'emails[type eq "work"]':
            verb = operation["op"] = "remove"
        elif path.startswith("emails["):
            verb = operation["op"] = dice.choice(["add", "replace"])
        operation["path"] = path
        if verb == "remove":
            return operation
        operation["value"] = {
            "active": lambda: dice.choice([True, False, "True", "false"] if self.model.dialect == "tolerant" else [True, False]),
            "userName": self.name,
            "name": lambda: {"givenName": self.word()},
            ENTERPRISE: lambda: {"costCenter": self.word()},
            "emails": lambda: [self.mail() for _ in range(dice.choice([1, 1, 2]))],
            'emails[type eq "home"].value': lambda: f"h{self.fresh()}@home.example",
        }.get(path, self.word)()
        return operation

    def group_operation(self):
        dice = self.dice
        roll = dice.random()
        if roll < 0.4:
            return {"op": dice.choice(["add", "Add"]) if self.model.dialect == "tolerant" else "add", "path": "members",
                    "value": [{"value": m} for m in self.some_members() or self.some_members(3)] or
                             [{"value": dice.choice(self.dead)}]}
        if roll < 0.5:
            return {"op": "replace", "path": "members", "value": [{"value": m} for m in self.some_members()]}
        if roll < 0.7:
            return {"op": "remove", "path": f'members[value eq "{self.pick({**self.model.users, **self.model.groups})}"]'}
        if roll < 0.75:
            return {"op": "remove", "path": "members"}
        if roll < 0.82 and self.model.dialect == "tolerant":
            return {"op": "Remove", "path": "members",
                    "value": [{"value": m} for m in self.some_members()] or [{"value": self.dead[0]}]}
        if roll < 0.9:
            return {"op": "replace", "path": "displayName", "value": self.group_name()}
        if roll < 0.95:
            return {"op": "replace", "value": {"externalId": self.word()}}
        return {"op": "remove", "path": "externalId"}

    # -- one request: (method, path, body, what it does to the model)

    def draw(self):
        kind = self.dice.choices(
            ["create user", "create group", "put user", "put group", "patch user", "patch group", "delete user",
             "delete group"], [18, 6, 10, 6, 25, 25, 5, 2])[0]
        return getattr(self, kind.replace(" ", "_"))()

    def create_user(self):
        body = self.user_body()
        schemas = [USER] + [ENTERPRISE] * (ENTERPRISE in body)

        def run(model):
            user = clean(copy.deepcopy(body))
            model.check_user(user)
            return user, model.users
        return "POST", "/Users", {"schemas": schemas, **body}, None, run

    def create_group(self):
        members, name = self.some_members(), self.group_name()

        def run(model):
            group = {"displayName": name, "members": set(members)}
            model.check_group(group)
            return group, model.groups
        return "POST", "/Groups", {"schemas": [GROUP], "displayName": name,
                                   "members": [{"value": m} for m in members]}, None, run

    def put_user(self):
        target, body = self.any_user(), self.user_body()
        if self.dice.random() < 0.15 and target in self.model.users:
            body = copy.deepcopy(self.model.users[target])  # what was read is put back

        def run(model):
            if target not in model.users:
                raise Refused("gone")
            user = clean(copy.deepcopy(body))
            model.check_user(user, target)
            return user, model.users
        return "PUT", "/Users/" + target, {"schemas": [USER] + [ENTERPRISE] * (ENTERPRISE in body), **body}, target, run

    def put_group(self):
        target, members, name = self.any_group(), self.some_members(), self.group_name()
        if self.dice.random() < 0.5 and target in self.model.groups:
            name = self.model.groups[target]["displayName"]

        def run(model):
            if target not in model.groups:
                raise Refused("gone")
            group = {"displayName": name, "members": set(members)}
            model.check_group(group, target)
            return group, model.groups
        return "PUT", "/Groups/" + target, {"schemas": [GROUP], "displayName": name,
                                            "members": [{"value": m} for m in members]}, target, run

    def patch(self, kind, target, operations):
        def run(model):
            table = model.users if kind == "/Users/" else model.groups
            if target not in table:
                raise Refused("gone")
            new = copy.deepcopy(table[target])
            for operation in operations:
                (model.patch_user if kind == "/Users/" else model.patch_group)(new, operation)
            if kind == "/Users/":
                new = clean(new)
                model.check_user(new, target)
            else:
                model.check_group(new, target)
            return new, table
        return "PATCH", kind + target, {"schemas": [PATCH], "Operations": operations}, target, run

    def patch_user(self):
        operations, seen = [self.user_operation() for _ in range(self.dice.choice([1, 1, 1, 2, 3]))], False
        for operation in operations:
            # Two operations of a request that each make a value primary are refused (docs/SCIM.md), unless the first value is gone
            # by then: not asked for. Two in one operation stay in.
            value = operation.get("value")
            mails = value.get("emails", []) if isinstance(value, dict) else value if isinstance(value, list) else []
            for mail in mails if seen else ():
                mail.pop("primary", None)
            seen = seen or any(mail.get("primary") for mail in mails)
        return self.patch("/Users/", self.any_user(), operations)

    def patch_group(self):
        target, operations = self.any_group(), [self.group_operation() for _ in range(self.dice.choice([1, 1, 1, 2]))]
        if target in self.model.groups and len(operations) > 1:
            # A cycle that only stands between two operations may be refused or not: not asked for.
            step = copy.deepcopy(self.model.groups[target])
            try:
                self.model.patch_group(step, operations[0])
            except Refused:
                pass
            if target in self.model.below(step["members"]):
                del operations[1:]
        return self.patch("/Groups/", target, operations)

    def delete_user(self):
        return "DELETE", "/Users/" + (target := self.any_user()), None, target, None

    def delete_group(self):
        return "DELETE", "/Groups/" + (target := self.any_group()), None, target, None

    # -- playing

    def expect(self, request, status, answer, identifier, version, context):
        """Plays a request on the model and compares what the daemon said of it."""
        method, path, body, target, run = request
        model = self.model
        try:
            if run is None:
                if path.split("/")[1] == "Users" and target not in model.users or \
                        path.split("/")[1] == "Groups" and target not in model.groups:
                    raise Refused("gone")
                model.delete(target)
                self.dead.append(target)
                wanted = {204}
                del model.versions[target]
            else:
                new, table = run(model)
                if method == "POST":
                    wanted = (201,)
                    self.test.assertIn(status, wanted, context)
                    target = identifier
                    self.test.assertNotIn(target, model.versions, context)
                    changed = True
                else:
                    wanted = (200,)
                    changed = table[target] != new
                table[target] = new
                self.test.assertIn(status, wanted, context)
                if changed:
                    self.test.assertNotEqual(version, model.versions.get(target), "the version stayed: " + context)
                elif model.versions[target] is not None and not (method == "PUT" and target in self.demoted):
                    self.test.assertEqual(version, model.versions[target], "nothing changed but the version: " + context)
                model.versions[target] = version
                # A value that is primary no more says so with "primary": false; a PUT that leaves it out changes that.
                if method == "PUT":
                    self.demoted.discard(target)
                elif "primary" in str(body):
                    self.demoted.add(target)
        except Refused as refused:
            wanted = refused.statuses
        self.test.assertIn(status, wanted, context)

    def step(self):
        self.count += 1
        if self.dice.random() < 0.08:
            self.bulk()
            return
        request = self.draw()
        method, path, body, target, run = request
        headers, stale = {}, False
        if self.model.versions.get(target) and self.dice.random() < 0.2:
            stale = self.dice.random() < 0.3
            headers["If-Match"] = 'W/"stale"' if stale else self.model.versions[target]
        reply = self.org.request(method, path, body, headers=headers)
        context = f"seed {self.test.seed}, step {self.count}: {method} {path} {body}\n-> {reply}"
        if stale:
            self.test.assertIn(reply.status, (412, 400), context)  # a bad body may be seen first
            return
        answer = reply.json if reply.raw else {}
        self.expect(request, reply.status, answer, answer.get("id"), answer.get("meta", {}).get("version"), context)

    def bulk(self):
        requests = [self.draw() for _ in range(self.dice.randrange(1, 9))]
        limit = self.dice.choice([0, 0, 1, 2])
        operations = []
        for number, (method, path, body, _, _) in enumerate(requests):
            operation = {"method": method, "path": path}
            if method == "POST":
                operation["bulkId"] = f"b{number}"
            if body is not None:
                operation["data"] = body
            operations.append(operation)
        message = {"schemas": [BULK], "Operations": operations}
        if limit:
            message["failOnErrors"] = limit
        reply = self.org.post("/Bulk", message)
        context = f"seed {self.test.seed}, step {self.count}: bulk {message}\n-> {reply.status} {reply.raw.decode()}"
        self.test.assertEqual(reply.status, 200, context)
        results, errors = reply["Operations"], 0
        for number, request in enumerate(requests):
            if limit and errors >= limit:
                self.test.assertEqual(len(results), number, context)
                return
            result = results[number]
            location = result.get("location", "/")
            self.expect(request, int(result["status"]), result, location.rsplit("/", 1)[1], result.get("version"), context)
            errors += result["status"][0] != "2"
        self.test.assertEqual(len(results), len(requests), context)

    # -- comparing everything

    def compare(self, when):
        test, model, org = self.test, self.model, self.org
        note = f"{when}, seed {test.seed}, after step {self.count}"
        users = {u["id"]: u for u in org.everything("/Users")}
        groups = {g["id"]: g for g in org.everything("/Groups")}
        test.assertEqual(set(users), set(model.users), note)
        test.assertEqual(set(groups), set(model.groups), note)
        for identifier, shown in users.items():
            wanted = model.users[identifier]
            test.assertEqual(shown.pop("meta")["version"], model.versions[identifier], note)
            test.assertEqual(sorted(shown.pop("schemas")), sorted([USER] + [ENTERPRISE] * (ENTERPRISE in wanted)), note)
            test.assertEqual({g["value"]: g["type"] for g in shown.pop("groups", [])}, model.groups_of(identifier), note)
            del shown["id"]
            if "active" not in wanted and shown.get("active") is True:
                del shown["active"]  # a default of the server's
            test.assertEqual(clean(shown), wanted, note)
        for identifier, shown in groups.items():
            wanted = model.groups[identifier]
            listed = [m["value"] for m in shown.get("members", [])]
            test.assertEqual(len(listed), len(set(listed)), note)
            test.assertEqual(set(listed), wanted["members"], note)
            for member in shown.get("members", []):
                test.assertEqual(member["type"], "User" if member["value"] in model.users else "Group", note)
            test.assertEqual(shown["displayName"], wanted["displayName"], note)
            test.assertEqual(shown.get("externalId"), wanted.get("externalId"), note)
            if model.versions[identifier] is None:
                model.versions[identifier] = shown["meta"]["version"]
                test.assertNotEqual(shown["meta"]["version"], model.stale[identifier], "a member went: " + note)
            test.assertEqual(shown["meta"]["version"], model.versions[identifier], note)
        self.questions(note)

    def questions(self, note):
        """Some filters, so that the indexes are asked as well."""
        test, model, org = self.test, self.model, self.org
        for _ in range(6):
            if model.users:
                name = self.dice.choice(list(model.users.values()))["userName"]
                test.assertEqual(org.find("/Users", f'userName eq "{name.upper()}"').ids,
                                 [i for i, u in model.users.items() if u["userName"].lower() == name.lower()], note)
            word = self.dice.choice(["a", "b", "c", "ü"])
            for attribute in ("displayName", "title"):
                test.assertEqual(set(org.find("/Users", f'{attribute} eq "{word}"', count=500).ids),
                                 {i for i, u in model.users.items() if u.get(attribute, "").lower() == word}, note)
            test.assertEqual(set(org.find("/Users", 'emails.type eq "work" and active eq false', count=500).ids),
                             {i for i, u in model.users.items() if u.get("active") is False
                              and any(m.get("type") == "work" for m in u.get("emails", []))}, note)
            member = self.pick({**model.users, **model.groups})
            test.assertEqual(set(org.find("/Groups", f'members.value eq "{member}"', count=500).ids),
                             {i for i, g in model.groups.items() if member in g["members"]}, note)
            test.assertEqual(org.find("/Users", f'id eq "{member}"')["totalResults"], int(member in model.users), note)


class RandomOperations(SystemTest):
    config = {"guard.enabled": False, "access_log": False}

    def test_daemon_and_model_agree(self):
        self.seed = os.environ.get("ROSTER_SEED") or str(random.randrange(10 ** 9))
        print(f"seed {self.seed}", flush=True)
        dice = random.Random(self.seed)
        most = int(os.environ.get("ROSTER_OPS", "0"))
        seconds = float(os.environ.get("ROSTER_SECONDS", "60"))
        players = [Player(self, self.org(dialect), dialect, dice) for dialect in ("tolerant", "strict", "tolerant")]
        began, done, batches = time.monotonic(), 0, 0
        while done < most if most else time.monotonic() - began < seconds:
            for _ in range(300):
                dice.choice(players).step()
            done += 300
            batches += 1
            for player in players:
                player.compare("after a batch")
            self.assertEqual(self.daemon.verify(), "")
            if batches % 3 == 0:
                self.daemon.kill()
                for player in players:
                    player.org.close()
                self.daemon.start()
                for player in players:
                    player.compare("after a kill")
        print(f"{done} operations, {batches} batches, {sum(len(p.model.users) for p in players)} users, "
              f"{sum(len(p.model.groups) for p in players)} groups", flush=True)
        self.assertGreater(done, 300)


if __name__ == "__main__":
    main()
