// Following the daemon over connections that are cut: the view of records, and mirrors.

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { membership } from './organisation.js';
import { cutting, operate, teams, users } from './operations.js';
import { SEED, randomness } from './random.js';
import { api, client, closeApi, error, proxy, site } from './site.js';

const random = randomness();

after(closeApi);

// ---- Watch ----

test(`a records watch from the start, cut again and again, ends at what the API lists (ROSTER_SEED=${SEED})`, async (t) => {
	const way = await proxy(t), asking = client(t), following = client(t, { address: way.address, backoff: { first: 5, most: 50 } });
	const stop = cutting(t, way), records = new Map(), edges = new Set(), revisions = [];
	let until = Infinity;
	const followed = (async () => {
		for await (const { revision, items, snapshot, begin, more } of following.watch({ heartbeat: 1000 })) {
			if (begin) {
				records.clear();
				edges.clear();
				revisions.length = 0;
			}
			if (!snapshot && items.length > 0)
				revisions.push(revision);
			for (const { event, type, id, groupId, resource } of items)
				if (event === 'put') {
					records.set(id, { type, resource });
				} else if (event === 'gone') {
					records.delete(id);
					for (const key of [...edges].filter((one) => one.startsWith(id))) // a group takes its members along without a word
						edges.delete(key);
				} else if (event === 'member-added') {
					edges.add(`${groupId} ${id}`);
				} else {
					edges.delete(`${groupId} ${id}`);
				}
			if (!more && revision >= until)
				return;
		}
	})();
	await operate(150);
	until = (await asking.stats()).revision;
	await stop();
	await followed;
	for (const [at, revision] of revisions.entries())
		assert.ok(at === 0 || revision > revisions[at - 1], 'each revision once, in order');
	const of = (type) => [...records.values()].filter((one) => one.type === type).map(({ resource }) => resource).sort((a, b) => (a.id < b.id ? -1 : 1));
	const listed = async (path) => (await api('GET', path)).Resources.sort((a, b) => (a.id < b.id ? -1 : 1));
	const names = (list, name) => list.map((one) => [one.id, one[name]]);
	assert.deepEqual(names(of('User'), 'userName'), names(await listed('/Users?count=200'), 'userName'));
	assert.deepEqual(names(of('Group'), 'displayName'), names(await listed('/Groups?count=200&excludedAttributes=members'), 'displayName'));
	assert.deepEqual([...edges].sort(), teams.flatMap(({ id, held }) => held.map((member) => `${id} ${member}`)).sort());
});

test('a watch from a revision that the journal does not have', async (t) => {
	const { revision } = await client(t).stats();
	await assert.rejects(client(t).watch({ from: revision + 1000 }).next(), error('PRECONDITION_FAILED', { status: 412 }));
	await assert.rejects(client(t, { token: site.connection }).watch({ view: 'permission' }).next(), (thrown) => thrown.status >= 400 && thrown.status < 500);
});

// ---- Mirror ----

test(`a mirror over a connection that is cut says what was written, at every revision (ROSTER_SEED=${SEED})`, async (t) => {
	const way = await proxy(t), asking = client(t), mirror = client(t, { address: way.address, backoff: { first: 5, most: 50 } }).mirror();
	const stop = cutting(t, way);
	for (let round = 0; round < 25; round++) {
		await operate(3);
		await mirror.reached((await asking.stats()).revision, { timeout: 20000 });
		for (const one of [...users, ...teams].filter(() => random.chance(40)))
			for (const team of teams) {
				const named = { subjectId: one.id, ...(one.held && { subjectKind: 2 }) };
				assert.equal(mirror.isMember({ ...named, group: team.displayName.toUpperCase() }).code, membership(teams, one.id, team));
			}
		assert.ok(mirror.staleness < 20000);
	}
	await stop();
	await mirror.close();
});
