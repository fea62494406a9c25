// Syncs with the daemon.

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { api, client, closeApi, error, make, site } from './site.js';

const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User'];

after(closeApi);

test('sync: plan and commit, abort, a plan that was overtaken', async (t) => {
	const asking = client(t, { token: site.operator, timeout: 60000 });
	const wanted = Array.from({ length: 500 }, (_, number) => ({ schemas, userName: `sync${number}@sync.test`, displayName: `S ${number}` }));
	const fields = { match: 'userName', filter: 'userName ew "@sync.test"' };
	const present = async () => {
		const names = [];
		for (let total = 1; names.length < total;) {
			const page = await api('GET', `/Users?${new URLSearchParams({ filter: fields.filter, startIndex: names.length + 1, count: 200 })}`);
			total = page.totalResults;
			names.push(...(page.Resources ?? []).map(({ userName }) => userName));
		}
		return names.sort();
	};
	const counted = (counts) => Object.fromEntries(counts.filter(({ type, count: many }) => type === 'User' && many > 0).map(({ action, count: many }) => [action, many]));

	const first = await asking.sync(fields);
	assert.equal(await first.records(wanted), 500);
	const plan = await first.plan({ limit: 3 });
	assert.deepEqual(counted(plan.counts), { create: 500 });
	assert.equal(plan.samples.filter(({ action }) => action === 'create').length, 3);
	assert.deepEqual(await present(), []);
	const done = await first.commit();
	assert.ok(done.revision > plan.revision);
	assert.deepEqual(counted(done.counts), { create: 500 });
	assert.deepEqual(await present(), wanted.map(({ userName }) => userName).sort());

	const again = await asking.sync(fields);
	await again.records(wanted.map((one, number) => (number < 10 ? { ...one, displayName: 'changed' } : one)).slice(0, 495));
	assert.deepEqual(counted((await again.plan()).counts), { change: 10, unchanged: 485, remove: 5 });
	await again.abort();
	await assert.rejects(again.commit(), error('CLOSED'));
	assert.equal((await present()).length, 500);

	const late = await asking.sync(fields);
	await late.records(wanted.slice(0, 499));
	await late.plan();
	await make('User', { userName: `meanwhile@example.com` });
	await assert.rejects(late.commit(), error('CONFLICT', { status: 409 }));
	await late.plan();
	await late.commit();
	assert.equal((await present()).length, 499);
});

test('sync: groups with their members; a line that is wrong spoils it', async (t) => {
	const asking = client(t, { token: site.operator, timeout: 60000 });
	const people = Array.from({ length: 30 }, (_, number) => ({ schemas, userName: `g${number}@groups.test` }));
	const team = (name, from, to) => ({ schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName: name, members: people.slice(from, to).map(({ userName }) => ({ value: userName })) });
	const fields = { match: 'userName', filter: 'userName ew "@groups.test"', groups: true };
	const sync = await asking.sync(fields);
	await sync.records([...people, team('Low', 0, 20), team('High', 10, 30)]);
	const { counts } = await sync.plan();
	assert.equal(counts.find(({ action }) => action === 'membership-added')?.count, 40);
	const { revision } = await sync.commit();
	for (const [group, first, last] of [['Low', 0, 20], ['High', 10, 30]]) {
		const members = await asking.membersOf({ group, names: true, revision }).all();
		assert.deepEqual(members.map(({ name }) => name).sort(), people.slice(first, last).map(({ userName }) => userName).sort());
	}
	const wrong = await asking.sync(fields);
	await assert.rejects(wrong.records([{ schemas, userName: 7 }]), (thrown) => thrown.status === 400);
	await assert.rejects(wrong.plan(), (thrown) => thrown.status === 400);
	await assert.rejects(wrong.commit(), (thrown) => thrown.status >= 400 && thrown.status < 500);
	await wrong.abort();
	assert.equal((await asking.membersOf({ group: 'Low' }).all()).length, 20);
});
