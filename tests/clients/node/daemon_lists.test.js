// Lists of the daemon: what the API over HTTPS says, and what was written through it, are the oracle.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { promisify } from 'node:util';
import { organisation } from './organisation.js';
import { SEED, randomness } from './random.js';
import { OURS, api, client, closeApi, error, inPages, make, site } from './site.js';

const random = randomness();

after(closeApi);

const { users, teams, workspaces, permissions, membership } = await organisation(random);
const ids = (items) => items.map(({ id }) => id).sort();
const isTeam = (one) => teams.includes(one);
const nameOf = (one) => one.userName ?? one.displayName;

// ---- Lists ----

test(`groups-of and members-of are what was written (ROSTER_SEED=${SEED})`, async (t) => {
	const asking = client(t);
	for (const one of [...users, ...teams]) {
		const named = { subjectId: one.id, ...(isTeam(one) && { subjectKind: 2 }) };
		const groups = await asking.groupsOf({ ...named, names: true }).all();
		const expected = teams.filter((team) => membership(one.id, team) !== 'not_member');
		assert.deepEqual(ids(groups), ids(expected));
		for (const { id, kind, direct, name } of groups) {
			const team = teams.find((candidate) => candidate.id === id);
			assert.deepEqual({ kind, direct, name }, { kind: 'group', direct: membership(one.id, team) === 'direct', name: team.displayName });
		}
		const firstNested = groups.findIndex(({ direct }) => !direct);
		assert.ok(firstNested < 0 || groups.slice(firstNested).every(({ direct }) => !direct)); // direct ones first
		assert.deepEqual(ids(await asking.groupsOf({ ...named, direct: true }).all()), ids(expected.filter((team) => membership(one.id, team) === 'direct')));
	}
	for (const team of teams) {
		const direct = await asking.membersOf({ groupId: team.id, direct: true, names: true }).all();
		const by = (a, b) => (a.id < b.id ? -1 : 1);
		assert.deepEqual(direct.sort(by), [...users, ...teams].filter(({ id }) => team.held.includes(id))
			.map((one) => ({ id: one.id, kind: isTeam(one) ? 'group' : 'user', name: nameOf(one) })).sort(by));
		const all = await asking.membersOf({ group: team.displayName }).all();
		assert.deepEqual(all.map(({ id }) => id), users.filter((user) => membership(user.id, team) !== 'not_member').map(({ id }) => id)); // as they were made
	}
});

test(`a list that limit cuts goes on with its cursor, and tells each once (ROSTER_SEED=${SEED})`, async (t) => {
	const asking = client(t), largest = teams.map((team) => [users.filter((user) => membership(user.id, team) !== 'not_member').length, team]).sort((a, b) => b[0] - a[0])[0][1];
	const lists = {
		members: (more) => asking.membersOf({ groupId: largest.id, ...more }), direct: (more) => asking.membersOf({ groupId: largest.id, direct: true, ...more }),
		groups: (more) => asking.groupsOf({ subjectId: users[0].id, ...more }), permissions: (more) => asking.permissionsOf({ subjectId: users[0].id, ...more }),
		who: (more) => asking.whoCan({ permission: 'org.view', ...more }),
	};
	for (const ask of Object.values(lists))
		await inPages(ask);
	await assert.rejects(lists.members({ cursor: Buffer.from('nonsense, and long') }).all(), error('INVALID_CURSOR'));
});

test(`permissions-of and who-can say what check says (ROSTER_SEED=${SEED})`, async (t) => {
	const asking = client(t);
	for (const scope of [{}, ...workspaces.map(({ id }) => ({ scopeId: id }))]) {
		const table = new Map();
		for (const user of users) {
			const { codes } = await asking.checkBatch({ subjectId: user.id, ...scope, ofScope: true, items: permissions.map((permission) => ({ permission })) });
			table.set(user.id, codes);
			const told = await asking.permissionsOf({ subjectId: user.id, ...scope }).all();
			const granted = new Set(told.filter(({ own }) => !own).map(({ permission }) => permission));
			assert.deepEqual(permissions.filter((permission) => granted.has(permission)), permissions.filter((_, at) => codes[at] === 'granted'), nameOf(user));
		}
		for (const permission of permissions) {
			const who = await asking.whoCan({ permission, ...scope, names: true }).all();
			const able = users.filter((user) => table.get(user.id)[permissions.indexOf(permission)] === 'granted');
			assert.deepEqual(who.filter(({ id }) => table.has(id)), able.map((user) => ({ id: user.id, name: user.userName })), permission);
		}
	}
});

test('orgs-of: none that the token may not enter', async (t) => {
	const asking = client(t), person = await api('POST', '/People', { schemas: ['urn:rosterd:scim:schemas:core:1.0:Person'], userName: `p${Date.now()}@people.test` }, '/scim/v2');
	assert.deepEqual(await asking.orgsOf({ subjectId: person.id }).all(), []);
	await assert.rejects(asking.orgsOf({ subjectId: person.id }, { timeout: 5000, signal: AbortSignal.abort() }).all(), error('CANCELLED'));
});

// ---- The manual ----

test('the quick start of the README does what it says', async (t) => {
	const ada = await make('User', { userName: 'ada@example.com' });
	await make('Group', { displayName: 'Crew', members: [{ value: ada.id }] });
	const works = await make('Workspace', { displayName: 'Works' }), assignment = { schemas: [`${OURS}Assignment`], principal: { value: ada.id } };
	await api('POST', '/Assignments', { ...assignment, role: 'workspace/editor', scope: { value: works.id } });
	const client = new URL('../../../tools/clients/node/', import.meta.url), folder = await mkdtemp(join(tmpdir(), 'roster-node-'));
	t.after(() => rm(folder, { recursive: true }));
	const [, example] = (await readFile(new URL('README.md', client), 'utf8')).match(/```js\n([^]*?)```/);
	const here = [["'roster-client'", `'${client}index.js'`], ['roster://127.0.0.1:8444', site.address], ["'acme'", `'${site.org}'`], ['ca.pem', site.ca]];
	for (const [was] of here)
		assert.ok(example.includes(was), was);
	await writeFile(join(folder, 'example.mjs'), here.reduce((text, [was, is]) => text.replace(was, is), example));
	const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'example.mjs')], { env: { ...process.env, TOKEN: site.service }, timeout: 20000 });
	assert.equal(stdout, `true granted true\n${ada.id} ada@example.com\n`);
});
