// The derived views of the daemon's watch, over connections that are cut.

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { cutting, effective, kept, operate, teams, users } from './operations.js';
import { SEED } from './random.js';
import { OURS, api, client, closeApi, make, proxy } from './site.js';

after(closeApi);

/** Follows a view while connections are cut and others write; gives what it came to, as keys. */
async function follow(t, fields, keyOf, write) {
	const way = await proxy(t), stop = cutting(t, way), inside = new Set();
	const following = client(t, { address: way.address, backoff: { first: 5, most: 50 } });
	let until = Infinity, exactFrom = Infinity;
	const followed = (async () => {
		for await (const { revision, items, snapshot, begin, more, settled } of following.watch({ ...fields, heartbeat: 1000 })) {
			if (begin) {
				inside.clear();
				exactFrom = Infinity;
			}
			for (const item of items) {
				const key = keyOf(item);
				if (revision > exactFrom) // nothing is gained or lost twice
					assert.equal(inside.has(key), item.event === 'lost', `${item.event} ${key}`);
				item.event === 'gained' ? inside.add(key) : inside.delete(key);
			}
			if (snapshot && !more)
				exactFrom = settled ?? revision;
			if (!more && revision >= until && revision >= exactFrom)
				return;
		}
	})();
	followed.catch(() => {}); // told below
	await write();
	until = (await client(t).stats()).revision;
	await stop();
	await followed;
	return [...inside].sort();
}

test(`the membership view tells who gained and lost, with nesting (ROSTER_SEED=${SEED})`, async (t) => {
	await operate(10);
	assert.deepEqual(await follow(t, { view: 'membership' }, ({ groupId, id }) => `${groupId} ${id}`, () => operate(80)), effective());
});

test(`of some groups alone (ROSTER_SEED=${SEED})`, async (t) => {
	teams.slice(0, 2).forEach((team) => kept.add(team));
	const some = [...kept].map(({ id }) => id);
	const got = await follow(t, { view: 'membership', groupId: some }, ({ groupId, id }) => `${groupId} ${id}`, () => operate(30));
	assert.deepEqual(got, effective().filter((key) => some.includes(key.split(' ')[0])));
});

test(`the permission view ends at what who-can lists (ROSTER_SEED=${SEED})`, async (t) => {
	const works = await make('Workspace', { displayName: 'Works' }), scope = { permission: 'content.edit', scopeId: works.id };
	const grant = (principal) => api('POST', '/Assignments', { schemas: [`${OURS}Assignment`], principal: { value: principal.id }, role: 'workspace/editor', scope: { value: works.id } });
	const got = await follow(t, { view: 'permission', ...scope }, ({ id }) => id, async () => {
		await grant(teams[0]);
		await grant(users[0]);
		await operate(20);
		await grant(teams.at(-1));
		await operate(20);
	});
	const who = await client(t).whoCan(scope).all();
	assert.ok(who.length > 0);
	assert.deepEqual(got, who.map(({ id }) => id).sort());
});
