// The client and the daemon: what the API over HTTPS says, and what was written through it, are the oracle.

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { organisation } from './organisation.js';
import { SEED, randomness } from './random.js';
import { api, ca, client, closeApi, error, evaluations, make, patch, site } from './site.js';

const random = randomness();

after(closeApi);

const { users, teams, workspaces, permissions, membership } = await organisation(random);

// ---- Who asks ----

test('hello: who one is; a token that is wrong; another one later', async (t) => {
	const hello = await client(t).connect();
	assert.deepEqual([hello.version, hello.actor, hello.org], [1, 'service', undefined]);
	assert.ok(hello.maxPayload >= 1024 * 1024 && hello.maxItems >= 1000 && hello.maxRequests > 1 && hello.heartbeat > 0 && hello.server.length > 0);
	const own = await client(t, { token: site.connection, org: undefined }).connect();
	assert.deepEqual([own.actor, own.org], ['connection', site.org]);
	await assert.rejects(client(t, { token: 'rst_wrong' }).connect(), error('UNAUTHORIZED', { status: 401 }));
	await assert.rejects(client(t, { token: undefined }).connect(), error('UNAUTHORIZED', { status: 401 }));
	const changing = client(t, { token: site.connection });
	await assert.rejects(changing.check({ subjectId: users[0].id, permission: permissions[0] }), error('FORBIDDEN', { status: 403 }));
	await changing.setToken(site.service);
	assert.equal(typeof (await changing.check({ subjectId: users[0].id, permission: permissions[0] })).answer, 'boolean');
});

test('a certificate instead of a token: the member, in the organisation', async (t) => {
	const [settings] = (await api('GET', '/Settings')).Resources;
	await api('POST', `/Settings/${settings.id}/.ca`, {});
	const { certificate, privateKey } = await make('Certificate', { displayName: 'laptop', subject: { value: users[0].id } });
	const shown = { token: undefined, tls: { ca, cert: certificate, key: privateKey } }, asking = client(t, shown);
	assert.equal((await asking.connect()).org, site.org);
	assert.equal((await client(t, { ...shown, issuer: site.org }).connect()).org, site.org);
	await assert.rejects(client(t, { ...shown, issuer: 'another' }).connect(), error('UNAUTHORIZED'));
	assert.equal((await asking.check({ subjectId: users[0].id, permission: 'org.view' })).code, 'granted'); // own:org.check
	await assert.rejects(asking.check({ subjectId: users[1].id, permission: 'org.view' }), error('FORBIDDEN', { status: 403 }));
});

test('ping, stats', async (t) => {
	const asking = client(t);
	assert.deepEqual(await asking.ping(Buffer.from([0, 255, 1])), Buffer.from([0, 255, 1]));
	const told = await asking.stats();
	assert.deepEqual([told.users, told.activeUsers, told.groups, told.memberships],
		[users.length, users.length - 1, teams.length, teams.reduce((sum, team) => sum + team.held.length, 0)]);
	assert.ok(told.revision >= told.oldestRevision);
	await assert.rejects(asking.stats({ org: null }), error('FORBIDDEN'));
	assert.ok((await client(t, { token: site.operator }).stats({ org: null })).connections >= 1);
});

test('refusals name what is at fault', async (t) => {
	const asking = client(t), subjectId = users[0].id;
	await assert.rejects(asking.isMember({ org: 'nowhere', subjectId, groupId: teams[0].id }), error('NOT_FOUND', { status: 404 }));
	await assert.rejects(asking.isMember({ groupId: teams[0].id }), error('INVALID_VALUE', { status: 400, field: 'subject' }));
	await assert.rejects(asking.isMember({ subjectId }), error('INVALID_VALUE', { status: 400, field: 'group' }));
	await assert.rejects(asking.check({ subjectId }), error('INVALID_VALUE', { status: 400, field: 'permission' }));
	const { revision } = await asking.isMember({ subjectId, groupId: teams[0].id });
	await assert.rejects(asking.isMember({ subjectId, groupId: teams[0].id, revision: revision + 1000 }), error('PRECONDITION_FAILED', { status: 412, field: 'revision' }));
	await assert.rejects(asking.isMember({ subjectId, groupId: teams[0].id, revision: 2n ** 64n - 1n }), error('PRECONDITION_FAILED'));
	await assert.rejects(asking.checkBatch({ subjectId, items: Array(10001).fill({ permission: 'org.view' }) }), error('TOO_MANY', { status: 400 }));
});

// ---- Questions ----

test(`is-member is what was written, one by one and in a batch (ROSTER_SEED=${SEED})`, async (t) => {
	const asking = client(t), items = [], expected = [];
	for (const subject of [...users, ...teams])
		for (const target of teams) {
			const isTeam = teams.includes(subject);
			const named = random.chance(50) ? { subjectId: subject.id } : { subjectName: (subject.userName ?? subject.displayName).toUpperCase() };
			items.push({ ...named, ...(isTeam && { subjectKind: 2 }), ...(random.chance(50) ? { groupId: target.id } : { group: random.chance(50) ? target.displayName : target.id }) });
			expected.push(membership(subject.id, target));
		}
	const single = await Promise.all(items.map((item) => asking.isMember(item)));
	assert.deepEqual(single.map((one) => one.code), expected);
	assert.deepEqual(single.map((one) => one.answer), expected.map((code) => code !== 'not_member'));
	const batch = await asking.isMemberBatch({ items });
	assert.deepEqual(batch.codes, expected);
	const direct = await asking.isMemberBatch({ direct: true, items });
	assert.deepEqual(direct.codes, expected.map((code) => (code === 'direct' ? code : 'not_member')));
	assert.ok(expected.includes('direct') && expected.includes('nested') && expected.includes('not_member'));
	const large = await asking.isMemberBatch({ items: Array.from({ length: 10000 }, (_, at) => items[at % items.length]) });
	assert.deepEqual(large.codes, Array.from({ length: 10000 }, (_, at) => expected[at % items.length]));
});

test(`check decides as AuthZEN does, one by one and in a batch (ROSTER_SEED=${SEED})`, async (t) => {
	const asking = client(t), items = [], questions = [];
	for (let round = 0; round < 300; round++) {
		const user = random.pick(users), permission = random.pick(permissions), works = random.chance(60) ? random.pick(workspaces) : undefined;
		items.push({ subjectId: user.id, permission, ofScope: true, ...(works && (random.chance(50) ? { scopeId: works.id } : { scope: works.displayName })) });
		questions.push({ subject: { type: 'user', id: user.id }, action: { name: permission },
			resource: works ? { type: 'workspace', id: works.id } : { type: 'org', id: site.org } });
	}
	const expected = await evaluations(questions);
	const single = await Promise.all(items.map((item) => asking.check({ ...item, explain: true })));
	assert.deepEqual(single.map((one) => [one.answer, one.code]), expected.map((one) => [one.decision, one.decision ? 'granted' : one.context.code]));
	assert.deepEqual((await asking.checkBatch({ items })).codes, single.map((one) => one.code));
	assert.ok(single.some((one) => one.answer) && single.some((one) => !one.answer));
	for (const one of single)
		assert.ok(one.answer ? one.role.length > 0 : one.code !== 'missing' || one.missing.length > 0, JSON.stringify(one));
});

test('who asks with the revision of a write sees it', async (t) => {
	const asking = client(t), team = teams[0], user = await make('User', { userName: 'late@example.com' });
	for (let round = 0; round < 10; round++) {
		const op = round % 2 ? 'remove' : 'add';
		await patch(`/Groups/${team.id}`, op === 'add' ? { op, path: 'members', value: [{ value: user.id }] } : { op, path: `members[value eq "${user.id}"]` });
		const { revision } = await asking.stats();
		const told = await asking.isMember({ subjectId: user.id, groupId: team.id, revision });
		assert.equal(told.code, op === 'add' ? 'direct' : 'not_member');
		assert.ok(told.revision >= revision);
	}
	await api('DELETE', `/Users/${user.id}`);
	assert.equal((await asking.isMember({ subjectId: user.id, groupId: team.id })).code, 'unknown_subject');
});
