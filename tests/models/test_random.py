"""Random operations by random actors in orgs of every role model, and in personal ones: each decision, and at the end the whole
state, as the plain model has them.

ROSTER_SEED repeats a run; ROSTER_OPERATIONS says how many operations. All of them have to be done: a machine that is so slow that
they are not after ROSTER_SECONDS fails the test."""

import collections
import os
import random
import time

from living import LivingTest, model_of, replaced
from harness import main
from player import WEIGHTS, Player

MODELS = ("standard", "lab", "sandbox", "network", "metal", "studio", "school")
SEED = int(os.environ.get("ROSTER_SEED", random.SystemRandom().randrange(1 << 32)))
OPERATIONS = int(os.environ.get("ROSTER_OPERATIONS", 10000))
SECONDS = float(os.environ.get("ROSTER_SECONDS", 300))
PEOPLE = 12
LISTS = ("/Users", "/Groups", "/Workspaces", "/Projects", "/Assignments")
PERSONAL = tuple(name for name in MODELS if "personal" in model_of(name).data["kinds"])


class Random(LivingTest):
    config = {**LivingTest.config, "guard.enabled": False, "rate.address": 0}

    def test_random(self):
        """In rounds of two models and a personal org: every model has its turn."""
        rng = random.Random(SEED)
        print(f"ROSTER_SEED={SEED}", flush=True)
        models = rng.sample(MODELS, len(MODELS))
        models.append(models[0])
        rounds = [models[n:n + 2] for n in range(0, len(models), 2)]
        self.began, self.done, self.tried = time.monotonic(), 0, collections.Counter()
        allowed = 0
        for number, pair in enumerate(rounds, 1):
            until = OPERATIONS * number // len(rounds)
            allowed += self.round(rng, pair, rng.choice(PERSONAL), until)
        print(f"{self.done} operations in {time.monotonic() - self.began:.0f} s, {allowed} of them allowed: "
              f"{dict(sorted(self.tried.items()))}", flush=True)
        self.assertEqual(self.done, OPERATIONS)
        if OPERATIONS >= 10000:
            self.assertGreater(allowed, OPERATIONS * 2 // 5, "much was refused: what is tried is of little use")
            self.assertEqual({name for name in [*WEIGHTS, "accept", "follow", "transfer"] if not self.tried[name]}, set(),
                             "never allowed to anyone")
        self.assertEqual(self.daemon.verify(), "")

    def round(self, rng, models, personal, until):
        """Plays until so many operations are done. Returns how many of this round were allowed."""
        people = [self.person() for _ in range(PEOPLE)]
        orgs = [self.living(model) for model in models]
        people += [org.owner for org in orgs]
        self.people = people
        for org in orgs:
            self.fill(org, people, rng)
            self.bound(org)
        orgs.append(self.living(personal, "personal", people[0]))
        players = [Player(self, org, rng) for org in orgs]
        log = []
        try:
            for player in players:
                player.open_doors()
            while self.done < until:
                self.assertLess(time.monotonic() - self.began, SECONDS, f"{self.done} of {OPERATIONS} operations are done")
                log += self.turn(rng, rng.choices(players, (8, 8, 1))[0], people)
                if self.done % 25 == 0:
                    self.refill(orgs[:2], people, rng)
        except AssertionError:
            print(f"ROSTER_SEED={SEED}, {models} and {personal}, after {self.done} operations; the last:\n" + "\n".join(log[-12:]))
            raise
        for player in players:
            player.compare(f"ROSTER_SEED={SEED}, {models} and {personal}")
            self.tried += player.tried
        return sum(player.allowed for player in players)

    def turn(self, rng, player, people):
        actor = player.somebody(people)
        insider = rng.choice(sorted(player.plain.people, key=lambda person: person.name) or people)
        if rng.random() < 0.04:
            player.seen(insider, rng.choice(LISTS))
        if rng.random() < 0.1:
            player.asked(insider)
        if rng.random() < 0.08:
            player.answer(rng.choice(player.invited() or people))
        if rng.random() < 0.1:
            player.follow(rng.choice(player.outside() or people))
        if rng.random() < 0.02:
            player.transfer(insider)
        label = player.play(actor)
        self.done += label is not None
        return [label] if label else []

    def fill(self, org, people, rng):
        for person in people:
            if person is not org.owner and rng.random() < 0.7:
                self.come(org, person, rng)

    def bound(self, org):
        """Limits that are met."""
        limits = {"members": len(org.plain.members) + 9, "workspaces": 7, "projects": 9, "teams": 7, "roles": 7,
                  "invitations": 6}
        self.operate("PATCH", f"/Organizations/{org.id}", replaced(
            "limits", [{"value": name, "max": most} for name, most in limits.items()]))
        org.plain.limits.update(limits)

    def come(self, org, person, rng):
        roles = [role for role, data in org.plain.model.roles.items()
                 if role.startswith("org/") and "max" not in data.get("holders", {})]
        org.join(person, roles[0] if rng.random() < 0.4 else rng.choice(roles))

    def refill(self, orgs, people, rng):
        """Who was removed or deactivated comes back, so that somebody is left to act."""
        for org in orgs:
            for member in org.plain.people.values():
                if not org.plain.members[member]:
                    org.operate("PATCH", f"/Users/{member}", replaced("active", True))
                    org.plain.members[member] = True
            away = [person for person in people if person not in org.plain.people]
            if len(away) > PEOPLE // 2 and \
                    len(org.plain.members) + len(org.plain.pending()) < org.plain.limits["members"]:
                self.come(org, rng.choice(away), rng)


if __name__ == "__main__":
    main()
