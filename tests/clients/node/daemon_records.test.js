// Records of the daemon: what the API over HTTPS says is the oracle.

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { organisation } from './organisation.js';
import { randomness } from './random.js';
import { api, client, closeApi, error, inPages, site } from './site.js';

after(closeApi);

const { users, teams } = await organisation(randomness());

test('get and find give what GET gives', async (t) => {
	const asking = client(t);
	for (const user of users) {
		const got = await asking.get({ type: 'User', id: user.id });
		assert.deepEqual(got.resource, await api('GET', `/Users/${user.id}`));
		assert.ok(got.id === user.id && got.version > 0 && got.revision >= got.version);
	}
	for (const team of teams) {
		const { members, ...rest } = await api('GET', `/Groups/${team.id}`);
		assert.deepEqual((await asking.get({ type: 'Group', id: team.id })).resource, rest);
		const { resource } = await asking.get({ type: 'Group', id: team.id, attributes: 'members' });
		assert.deepEqual(resource.members?.map(({ value }) => value).sort(), members?.map(({ value }) => value).sort());
	}
	for (const filter of ['userName eq "USER3@example.com"', 'active eq false', 'userName sw "user1"', undefined]) {
		const found = await asking.find({ type: 'User', filter, attributes: 'userName,active' }).all();
		const query = new URLSearchParams({ count: '200', attributes: 'userName,active', ...(filter && { filter }) });
		const { Resources = [] } = await api('GET', `/Users?${query}`);
		const by = (a, b) => (a.id < b.id ? -1 : 1);
		assert.deepEqual(found.map(({ resource }) => resource).sort(by), Resources.sort(by));
	}
	await assert.rejects(asking.find({ type: 'User', filter: 'userName eq' }).all(), error('INVALID_FILTER', { status: 400 }));
	await assert.rejects(asking.get({ type: 'User', id: teams[0].id }), error('NOT_FOUND', { status: 404 }));
	await assert.rejects(asking.get({ type: 'Nothing', id: teams[0].id }), (thrown) => thrown.status >= 400 && thrown.status < 500);
});

test('find in pages, in the order of an attribute, too', async (t) => {
	const asking = client(t), fields = { type: 'User', attributes: 'userName' };
	await inPages((more) => asking.find({ ...fields, ...more }));
	await inPages((more) => asking.find({ ...fields, sort: 'userName', descending: true, ...more }));
	const names = (await asking.find({ ...fields, sort: 'userName', descending: true }).all()).map(({ resource }) => resource.userName);
	assert.deepEqual(names, users.map(({ userName }) => userName).sort().reverse());
});

test('put and delete: on disk, seen by HTTPS, and only at the version that was named', async (t) => {
	const writing = client(t, { token: site.operator }), schemas = ['urn:ietf:params:scim:schemas:core:2.0:User'];
	const made = await writing.put({ type: 'User', resource: { schemas, userName: 'put@example.com' } });
	assert.equal(made.created, true);
	assert.equal((await api('GET', `/Users/${made.id}`)).userName, 'put@example.com');
	await assert.rejects(writing.put({ type: 'User', resource: { schemas, userName: 'PUT@example.com' } }), (thrown) => error('UNIQUENESS', { status: 409 })(thrown) && thrown.field === 'userName' && thrown.message.startsWith('userName: "PUT@example.com" is taken'));
	const changed = await writing.put({ type: 'User', id: made.id, resource: { schemas, userName: 'put2@example.com' }, ifRevision: made.version });
	assert.equal(changed.created, false);
	assert.ok(changed.revision > made.revision && changed.version > made.version);
	assert.equal((await writing.get({ type: 'User', id: made.id, revision: changed.revision })).resource.userName, 'put2@example.com');
	await assert.rejects(writing.put({ type: 'User', id: made.id, resource: { schemas, userName: 'put3@example.com' }, ifRevision: made.version }), error('PRECONDITION_FAILED', { status: 412 }));
	await assert.rejects(writing.delete({ type: 'User', id: made.id, ifRevision: made.version }), error('PRECONDITION_FAILED', { status: 412 }));
	await assert.rejects(writing.put({ type: 'User', resource: '{"userName":' }), error('INVALID_SYNTAX', { status: 400 }));
	const { revision } = await writing.delete({ type: 'User', id: made.id, ifRevision: changed.version });
	assert.ok(revision > changed.revision);
	await assert.rejects(writing.get({ type: 'User', id: made.id, revision }), error('NOT_FOUND'));
	const many = await Promise.all(Array.from({ length: 50 }, (_, number) => writing.put({ type: 'User', resource: { schemas, userName: `many${number}@example.com` } })));
	assert.equal(new Set(many.map(({ id }) => id)).size, 50);
	await Promise.all(many.map(({ id }) => writing.delete({ type: 'User', id })));
	await assert.rejects(client(t).put({ type: 'Workspace', resource: { displayName: 'x' } }), error('FORBIDDEN', { status: 403 }));
});
