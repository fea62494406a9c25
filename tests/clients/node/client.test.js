// Requests, answers, errors, deadlines and reconnecting, against a scripted server.

import assert from 'node:assert/strict';
import test from 'node:test';
import { RosterError } from '../../../tools/clients/node/index.js';
import * as plain from './plain.js';
import { certificate, serve, until, uuid, wait, HELLO } from './server.js';

const error = (name, more = {}) => (thrown) => {
	assert.ok(thrown instanceof RosterError, thrown.stack);
	assert.deepEqual({ error: thrown.error, ...Object.fromEntries(Object.keys(more).map((key) => [key, thrown[key]])) }, { error: name, ...more });
	assert.ok(thrown.message.length > 5);
	return true;
};

const yes = (request, peer) => peer.last(request, { revision: 300, answer: 1, code: 40 });

// ---- Requests and answers ----

test('what goes over the wire is what was asked', async (t) => {
	const server = await serve(t, { 'is-member': yes, check: (request, peer) => peer.last(request, { revision: 301, answer: 1, code: 1, own: 1, teamId: [uuid(1), uuid(2)] }) });
	const client = server.client();
	assert.deepEqual(await client.isMember({ subjectId: uuid(1), groupId: uuid(2) }), { revision: 300, answer: true, code: 'direct' });
	assert.deepEqual(await client.check({ org: 'globex', subject: 'ada', permission: 'content.edit', explain: true }),
		{ revision: 301, answer: true, code: 'granted', own: true, teamId: [uuid(1), uuid(2)] });
	const [{ seen }] = server.peers;
	assert.deepEqual(seen.map((one) => [one.type, one.flags, one.fields]), [
		['is-member', 1, { org: 'acme', subjectId: uuid(1), groupId: [uuid(2)] }],
		['check', 1, { org: 'globex', subject: 'ada', permission: 'content.edit', explain: 1 }],
	]);
	assert.deepEqual(await client.connect(), HELLO);
	assert.equal(server.peers.length, 1);
});

test('requests of one turn go out in one write; answers may come in any order', async (t) => {
	const held = [];
	const server = await serve(t, { 'is-member'(request, peer) {
		held.push(request);
		if (held.length === 100)
			for (const one of held.reverse())
				peer.last(one, { revision: Number(one.fields.subject), answer: 1, code: 40 });
	} });
	const client = server.client();
	await client.connect();
	const answers = await Promise.all(Array.from({ length: 100 }, (_, number) => client.isMember({ subject: String(number), group: 'g' })));
	assert.deepEqual(answers.map((one) => one.revision), [...Array(100).keys()]);
	assert.deepEqual(server.peers[0].reads, [1, 100]); // hello, then all of them in one read of one TLS record
});

test('parts of long answers come between other answers', async (t) => {
	const lists = [];
	const server = await serve(t, { 'is-member': yes, 'members-of'(request, peer) {
		lists.push(request);
		if (lists.length < 2)
			return;
		for (let part = 0; part < 5; part++)
			for (const one of lists)
				peer.part(one, { revision: 5 + part, item: [{ id: uuid(part), name: one.fields.group }, { id: uuid(100 + part), kind: 2 }] });
		peer.last(lists[1], { revision: 10 });
		peer.last(lists[0], { revision: 11, cursor: Buffer.from('0102', 'hex') });
	} });
	const client = server.client();
	const one = client.membersOf({ group: 'one', limit: 10 }), two = client.membersOf({ group: 'two', names: true });
	const [first, second, check] = await Promise.all([one.all(), two.all(), client.isMember({ subject: 'ada', group: 'g' })]);
	assert.equal(check.answer, true);
	for (const [name, items] of [['one', first], ['two', second]])
		assert.deepEqual(items, [0, 1, 2, 3, 4].flatMap((part) => [{ id: uuid(part), name, kind: 'user' }, { id: uuid(100 + part), kind: 'group' }]));
	assert.deepEqual([one.revision, one.cursor, two.revision, two.cursor], [11, Buffer.from([1, 2]), 10, undefined]);
});

test('a batch in several parts is one answer', async (t) => {
	const server = await serve(t, { 'check-batch'(request, peer) {
		peer.part(request, { revision: 8, answers: Buffer.from([1, 2]) });
		peer.part(request, { revision: 7, answers: Buffer.from([63]) });
		peer.last(request, { revision: 9, answers: Buffer.from([41, 200]) });
	} });
	const client = server.client();
	const items = [{ permission: 'a' }, { permission: 'b', subjectId: uuid(1) }, {}, {}, {}];
	assert.deepEqual(await client.checkBatch({ subject: 'ada', items }), {
		revision: 7, answers: [true, false, false, true, false], codes: ['granted', 'missing', 'malformed', 'nested', '200'] });
	assert.deepEqual(server.peers[0].seen[0].fields, { org: 'acme', subject: 'ada', item: items });
	await assert.rejects(client.checkBatch({ subject: 'ada' }), error('INVALID_VALUE', { field: 'item' }));
});

test('every verb asks its own type, and gives what its answer says', async (t) => {
	const item = (...items) => (request, peer) => peer.last(request, { revision: 5, item: items });
	const server = await serve(t, {
		'groups-of': item({ id: uuid(1), kind: 2, direct: 1 }, { id: uuid(2), kind: 2 }),
		'permissions-of': item({ permission: 'a.b', own: 1 }, { permission: 'c.d' }),
		'who-can': item({ id: uuid(3) }), 'orgs-of': item({ org: 'acme', id: uuid(4), name: 'Acme' }),
		find: item({ resource: '{"userName":"ada"}', id: uuid(5), version: 4 }),
		get: (request, peer) => peer.last(request, { resource: '{"a":[1]}', id: uuid(6), revision: 7, version: 6 }),
		put: (request, peer) => peer.last(request, { id: uuid(7), revision: 8, version: 8, created: 1 }),
		delete: (request, peer) => peer.last(request, { revision: 2n ** 60n }),
		stats: item({ name: 'revision', count: 5 }, { name: 'active-users', count: 3 }, { name: 'groups' }),
	});
	const client = server.client();
	assert.deepEqual(await client.groupsOf({ subject: 'ada' }).all(), [{ id: uuid(1), kind: 'group', direct: true }, { id: uuid(2), kind: 'group', direct: false }]);
	assert.deepEqual(await client.permissionsOf({ subject: 'ada' }).all(), [{ permission: 'a.b', own: true }, { permission: 'c.d', own: false }]);
	assert.deepEqual(await client.whoCan({ permission: 'a.b' }).all(), [{ id: uuid(3) }]);
	assert.deepEqual(await client.orgsOf().all(), [{ org: 'acme', id: uuid(4), name: 'Acme' }]);
	assert.deepEqual(await client.find({ type: 'User', filter: 'userName eq "ada"' }).all(), [{ resource: { userName: 'ada' }, id: uuid(5), version: 4 }]);
	assert.deepEqual(await client.get({ type: 'User', id: uuid(6) }), { resource: { a: [1] }, id: uuid(6), revision: 7, version: 6 });
	assert.deepEqual(await client.put({ type: 'User', resource: { userName: 'bob' } }), { id: uuid(7), revision: 8, version: 8, created: true });
	assert.deepEqual(await client.delete({ type: 'User', id: uuid(7), ifRevision: 2n ** 60n }), { revision: 2n ** 60n });
	assert.deepEqual(await client.stats(), { revision: 5, activeUsers: 3, groups: 0 });
	await client.stats({ org: null });
	assert.deepEqual(await client.ping(Buffer.from('hello')), Buffer.from('hello'));
	assert.deepEqual(server.peers[0].seen.map((one) => [one.type, one.fields]), [
		['groups-of', { org: 'acme', subject: 'ada' }], ['permissions-of', { org: 'acme', subject: 'ada' }],
		['who-can', { org: 'acme', permission: 'a.b' }], ['orgs-of', {}],
		['find', { org: 'acme', type: 'User', filter: 'userName eq "ada"' }], ['get', { org: 'acme', type: 'User', id: uuid(6) }],
		['put', { org: 'acme', type: 'User', resource: '{"userName":"bob"}' }],
		['delete', { org: 'acme', type: 'User', id: uuid(7), ifRevision: 2n ** 60n }], ['stats', { org: 'acme' }], ['stats', {}],
	]);
});

test('a refusal is an error with all that was told, and the connection goes on', async (t) => {
	const server = await serve(t, { 'is-member': yes, delete: (request, peer) => peer.refuse(request, 412, 'PRECONDITION_FAILED', { field: 'if-revision' }),
		check: (request, peer) => peer.refuse(request, 429, 'RATE_LIMITED', { retryAfter: 60000 }),
		'who-can'(request, peer) {
			peer.part(request, { item: [{ id: uuid(1) }] });
			peer.refuse(request, 500, 'INTERNAL');
		} });
	const client = server.client();
	await assert.rejects(client.delete({ type: 'User', id: uuid(1) }), error('PRECONDITION_FAILED', { status: 412, field: 'if-revision', message: 'if-revision: it is PRECONDITION_FAILED' }));
	await assert.rejects(client.check({ subject: 'a', permission: 'b' }), error('RATE_LIMITED', { status: 429, retryAfter: 60000 }));
	await assert.rejects(client.whoCan({ permission: 'b' }).all(), error('INTERNAL'));
	assert.equal((await client.isMember({ subject: 'a', group: 'b' })).answer, true);
	assert.equal(server.peers.length, 1);
});

test('what cannot be sent fails by itself, with the field', async (t) => {
	const server = await serve(t, { 'is-member': yes, hello: (request, peer) => peer.last(request, { ...HELLO, maxPayload: 1000 }) });
	const client = server.client();
	await assert.rejects(client.isMember({ subjectId: 'ada', group: 'b' }), error('INVALID_VALUE', { field: 'subject-id' }));
	await assert.rejects(client.isMember({ user: 'ada', group: 'b' }), error('INVALID_VALUE', { field: 'user' }));
	await assert.rejects(client.whoCan({ permission: 5 }).all(), error('INVALID_VALUE', { field: 'permission' }));
	await assert.rejects(client.isMember({ subject: 'x'.repeat(1000), group: 'b' }), error('TOO_LARGE', { status: 413 }));
	assert.equal((await client.isMember({ subject: 'a', group: 'b' })).answer, true);
	assert.equal(server.peers[0].seen.length, 1);
	assert.throws(() => server.client({ colour: 'red' }), error('INVALID_VALUE', { field: 'colour' }));
});

// ---- Deadlines and cancelling ----

test('a deadline sends cancel; the late answer disturbs nobody', async (t) => {
	let late;
	const server = await serve(t, { check(request) { late = request; }, 'is-member': yes,
		cancel(request, peer) {
			peer.last(late, { revision: 1, answer: 1, code: 1 });
			peer.last(request, {});
		} });
	const client = server.client();
	await client.connect();
	const began = performance.now();
	await assert.rejects(client.check({ subject: 'a', permission: 'b' }, { timeout: 50 }), error('TIMEOUT', { status: 408 }));
	assert.ok(performance.now() - began >= 50 && performance.now() - began < 2000);
	await until(() => server.peers[0].cancelled.length === 1);
	assert.deepEqual(server.peers[0].cancelled, [late.id]);
	assert.equal((await client.isMember({ subject: 'a', group: 'b' })).answer, true);
	assert.equal(server.peers.length, 1);
});

test('an AbortSignal cancels: before, while the request is written, and later', async (t) => {
	const server = await serve(t, { check() {}, put() {} });
	const client = server.client();
	await client.connect();
	const reason = new Error('changed my mind');
	await assert.rejects(client.check({ permission: 'b' }, { signal: AbortSignal.abort(reason) }), error('CANCELLED', { status: 499, cause: reason }));
	const soon = new AbortController(), later = new AbortController();
	const first = assert.rejects(client.check({ permission: 'b' }, { signal: soon.signal }), error('CANCELLED'));
	const second = assert.rejects(client.put({ type: 'User', resource: {} }, { signal: later.signal }), error('CANCELLED', { cause: reason }));
	await Promise.resolve().then(() => soon.abort());
	await first;
	await until(() => server.peers[0].seen.length > 0);
	later.abort(reason);
	await second;
	await until(() => server.peers[0].cancelled.length === 1);
	assert.deepEqual(server.peers[0].seen.map((one) => one.type), ['put']); // what had not gone out was taken back
	assert.deepEqual(server.peers[0].cancelled, [server.peers[0].seen[0].id]);
});

test('an answer leaves no timer and no listener behind', async (t) => {
	const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
	const server = await serve(t, { 'is-member': yes });
	const client = server.client({ timeout: 60000 }), { signal } = new AbortController();
	let listeners = 0;
	signal.addEventListener = () => { listeners++; };
	signal.removeEventListener = () => { listeners--; };
	await client.connect();
	const before = timers();
	const asked = Array.from({ length: 10 }, () => client.isMember({ subject: 'a', group: 'b' }, { signal }));
	await Promise.resolve();
	assert.equal(listeners, 10);
	await Promise.all(asked);
	assert.equal(listeners, 0);
	assert.ok(timers() <= before, `${timers()} timers, ${before} before`);
});

test('a list that is read no further is cancelled', async (t) => {
	const server = await serve(t, { 'members-of': (request, peer) => peer.part(request, { item: [{ id: uuid(1) }, { id: uuid(2) }] }) });
	const client = server.client();
	for await (const member of client.membersOf({ group: 'g' })) {
		assert.equal(member.id, uuid(1));
		break;
	}
	await until(() => server.peers[0].cancelled.length === 1);
	const list = client.membersOf({ group: 'g' }, { timeout: 50 });
	await assert.rejects(list.all(), error('TIMEOUT'));
	await assert.rejects(list.all(), TypeError);
	await until(() => server.peers[0].cancelled.length === 2);
});

// ---- Connections that end ----

test('a read is asked again when the connection ends; a write is not', async (t) => {
	let checks = 0;
	const server = await serve(t, { put: (request, peer) => peer.cut(), check(request, peer) {
		if (++checks < 4)
			peer.cut();
		else
			peer.last(request, { revision: 4, answer: 1, code: 1 });
	} });
	const client = server.client();
	assert.equal((await client.check({ permission: 'b' })).revision, 4);
	assert.equal(server.peers.length, 4);
	await assert.rejects(client.put({ type: 'User', resource: {} }), error('DISCONNECTED', { status: 0 }));
	await wait(50);
	assert.equal(server.peers.flatMap((peer) => peer.seen).filter((one) => one.type === 'put').length, 1);
});

test('a read is asked again when the server says later', async (t) => {
	let checks = 0;
	const server = await serve(t, { check(request, peer) {
		if (++checks < 3)
			peer.refuse(request, 503, 'UNAVAILABLE', { retryAfter: 20 });
		else
			peer.last(request, { revision: 4 });
	} });
	const began = performance.now();
	assert.equal((await server.client().check({ permission: 'b' })).answer, false);
	assert.ok(performance.now() - began >= 40);
});

test('a list is begun again before its first part, and broken behind it', async (t) => {
	let lists = 0;
	const server = await serve(t, { 'members-of'(request, peer) {
		if (++lists === 1)
			return peer.cut();
		peer.part(request, { revision: 5, item: [{ id: uuid(1) }] });
		if (lists === 2)
			return peer.last(request, { revision: 5 });
		setTimeout(() => peer.cut(), 20);
	} });
	const client = server.client(), got = [];
	assert.deepEqual(await client.membersOf({ group: 'g' }).all(), [{ id: uuid(1), kind: 'user' }]);
	await assert.rejects(async () => {
		for await (const member of client.membersOf({ group: 'g' }))
			got.push(member);
	}, error('DISCONNECTED'));
	assert.deepEqual([got.length, lists], [1, 3]);
});

test('who comes too early waits for the server, within the deadline', async (t) => {
	const gone = await serve(t, {});
	await gone.stop();
	const client = gone.client({ timeout: 150 });
	await assert.rejects(client.check({ permission: 'b' }), (thrown) => error('TIMEOUT')(thrown) && /ECONNREFUSED/.test(thrown.message));
	const asked = client.isMember({ subject: 'a', group: 'b' }, { timeout: 5000 });
	await wait(100);
	await serve(t, { 'is-member': yes }, { port: gone.port });
	assert.equal((await asked).answer, true);
});

test('back-off: a server that cuts at once is not run over', async (t) => {
	const server = await serve(t, { hello: (request, peer) => peer.cut() });
	const client = server.client({ backoff: { first: 40, most: 80 } });
	await assert.rejects(client.check({ permission: 'b' }, { timeout: 1000 }), error('TIMEOUT'));
	const tries = server.peers.length;
	assert.ok(tries >= 5 && tries <= 60, `${tries} attempts`); // 80 ms at most, 40 on average, between them
	await wait(200);
	assert.ok(server.peers.length <= tries + 1); // nobody waits any more
});

test('a refused hello fails all that wait, at once; the next request tries again', async (t) => {
	let allowed = false;
	const server = await serve(t, { 'is-member': yes, hello: (request, peer) => (allowed ? peer.last(request, HELLO) : peer.refuse(request, 401, 'UNAUTHORIZED')) });
	const client = server.client({ timeout: 0 });
	const both = await Promise.allSettled([client.isMember({ subject: 'a', group: 'b' }), client.whoCan({ permission: 'a' }).all()]);
	for (const one of both)
		error('UNAUTHORIZED', { status: 401 })(one.reason);
	assert.equal(server.peers.length, 1);
	allowed = true;
	assert.equal((await client.isMember({ subject: 'a', group: 'b' })).answer, true);
});

test('the token: in the hello, from a function, and another one later', async (t) => {
	const tokens = [];
	const server = await serve(t, { 'is-member': yes, hello(request, peer) {
		tokens.push(request.fields);
		peer.last(request, HELLO);
	} });
	let number = 0;
	const client = server.client({ token: async () => `rst_${++number}`, name: 'shop/2' });
	await client.connect();
	server.peers[0].cut();
	await client.isMember({ subject: 'a', group: 'b' });
	await client.setToken('rst_new');
	assert.deepEqual(tokens, [{ version: 1, token: 'rst_1', client: 'shop/2' }, { version: 1, token: 'rst_2', client: 'shop/2' }, { version: 1, token: 'rst_new', client: 'shop/2' }]);
	assert.equal(server.peers[1].hellos, 2);
});

test('servers that cannot be trusted: certificate, ALPN, TLS 1.2', async (t) => {
	const good = await serve(t, {}), old = await serve(t, {}, { options: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } });
	const other = await serve(t, {}, { options: { ALPNProtocols: ['http/1.1'] } }), none = await serve(t, {}, { options: { ALPNProtocols: undefined } });
	for (const [server, options] of [[good, { tls: {} }], [old, {}], [other, {}], [none, {}]]) {
		const began = performance.now();
		await assert.rejects(server.client(options).check({ permission: 'b' }), error('UNREACHABLE'));
		assert.ok(performance.now() - began < 2000);
		assert.equal(server.peers.every((peer) => peer.hellos === 0), true);
	}
});

test('a client certificate is shown', async (t) => {
	const { cert, key } = certificate();
	const server = await serve(t, { 'is-member': yes }, { options: { requestCert: true, ca: cert } });
	await server.client({ token: undefined, tls: { ca: cert, cert, key } }).isMember({ subject: 'a', group: 'b' });
	assert.equal(server.peers[0].socket.getPeerCertificate().subject.CN, 'localhost');
	await assert.rejects(server.client({ timeout: 300 }).check({ permission: 'b' }), error('TIMEOUT'));
});

test('a server that says nothing any more is left for a new connection', async (t) => {
	const server = await serve(t, { ping(request, peer) { if (peer.number > 0) peer.last(request, request.fields); },
		check(request, peer) { if (peer.number > 0) peer.last(request, { revision: 3, answer: 1, code: 1 }); } });
	const client = server.client({ keepAlive: 50 });
	assert.equal((await client.check({ permission: 'b' })).answer, true);
	await wait(250); // here pings are answered
	assert.equal(server.peers.length, 2);
});

test('close ends what is under way, and everything later', async (t) => {
	const server = await serve(t, { check() {}, watch() {} });
	const client = server.client();
	const asked = assert.rejects(client.check({ permission: 'b' }), error('CLOSED'));
	const watched = assert.rejects(client.watch().next(), error('CLOSED'));
	await until(() => server.peers.length === 2 && server.peers.every((peer) => peer.seen.length === 1));
	client.close();
	await asked;
	await watched;
	await assert.rejects(client.check({ permission: 'b' }), error('CLOSED'));
	await assert.rejects(client.watch().next(), error('CLOSED'));
	await until(() => server.peers.every((peer) => peer.socket.destroyed));
});

// ---- Servers that err ----

test('an answer that is not of the protocol is told, not waited for', async (t) => {
	const wrong = {
		'another id': (request) => plain.frame('check', request.id + 1, 1, Buffer.alloc(0)),
		'another type': (request) => plain.frame('get', request.id, 1, Buffer.alloc(0)),
		'reserved bits': (request) => plain.frame('check', request.id, 5, Buffer.alloc(0)),
		'an error that is not the last': (request) => plain.frame('check', request.id, 2, Buffer.alloc(0)),
		'a payload that is cut': (request) => plain.frame('check', request.id, 1, Buffer.from('4405', 'hex')),
		'an error that is cut': (request) => plain.frame('check', request.id, 3, Buffer.from('4405', 'hex')),
	};
	for (const [name, make] of Object.entries(wrong)) {
		const server = await serve(t, { check: (request, peer) => peer.write(make(request)) });
		await assert.rejects(server.client().check({ permission: 'b' }), error('MALFORMED'), name);
	}
	const server = await serve(t, { check: (request, peer) => peer.refuse({ type: 0, id: 0 }, 400, 'BAD_REQUEST'),
		'members-of': (request, peer) => peer.write(plain.frame('members-of', request.id, 0, Buffer.from('4405', 'hex'))) });
	await assert.rejects(server.client().check({ permission: 'b' }), error('BAD_REQUEST', { status: 400 }));
	await assert.rejects(server.client().membersOf({ group: 'b' }).all(), error('MALFORMED'));
});

// ---- Much at once ----

test('not more long answers than the server wants to have under way', async (t) => {
	const server = await serve(t, { hello: (request, peer) => peer.last(request, { ...HELLO, maxRequests: 4 }),
		'members-of': (request, peer) => setTimeout(() => peer.last(request, { item: [{ id: uuid(1) }] }), 5) });
	const client = server.client();
	const lists = await Promise.all(Array.from({ length: 30 }, () => client.membersOf({ group: 'g' }).all()));
	assert.equal(lists.flat().length, 30);
	assert.equal(server.peers[0].most, 3);
});

test('back-pressure: who does not read is not sent more, and holds up no other answer for ever', async (t) => {
	const items = Array.from({ length: 800 }, (_, number) => ({ id: uuid(number) })); // 16 KiB
	const part = plain.payload({ revision: 1, item: items }, plain.ANSWER);
	let sent = 0;
	const server = await serve(t, { 'is-member': yes, async 'members-of'(request, peer) {
		for (; sent < 2000 && !peer.socket.destroyed; sent++)
			if (!peer.write(plain.frame('members-of', request.id, 0, part)))
				await new Promise((resolve) => peer.socket.once('drain', resolve));
		peer.last(request, { revision: 2 });
	} });
	const client = server.client(), iterator = client.membersOf({ group: 'g' }).parts();
	await iterator.next();
	let before;
	do {
		before = sent;
		await wait(150);
	} while (sent !== before);
	assert.ok(sent < 1200, `${sent} parts of 16 KiB were sent`); // 1 MiB here, the rest in the system's buffers
	assert.equal((await client.isMember({ subject: 'a', group: 'b' })).answer, true);
	let count = 1;
	for (let next; !(next = await iterator.next()).done;)
		count += next.value.length / 800;
	assert.equal(count, 2000);
});

test('back-pressure: what a server does not read waits here, and can still be taken back', async (t) => {
	const server = await serve(t, { put(request, peer) {
		if (peer.seen.length === 1)
			peer.socket.pause();
		peer.last(request, { revision: peer.seen.length });
	} });
	const client = server.client({ timeout: 30000 }), text = JSON.stringify({ userName: 'x'.repeat(1000000) });
	const put = (id, options) => client.put({ type: 'User', id: uuid(id), resource: text }, options);
	await put(0);
	const sent = Array.from({ length: 30 }, (_, id) => put(1 + id)); // one write, more than the system's buffers take
	await wait(50);
	const stop = new AbortController(), late = put(100, { signal: stop.signal }), last = put(101);
	await wait(50);
	stop.abort();
	await assert.rejects(late, error('CANCELLED'));
	server.peers[0].socket.resume();
	await Promise.all([...sent, last]);
	assert.deepEqual(server.peers[0].seen.map((one) => one.fields.id), [...Array(31).keys(), 101].map(uuid));
	assert.deepEqual(server.peers[0].cancelled, []);
});

test('5,000 questions at once, over connections that are cut now and then', async (t) => {
	let asked = 0;
	const server = await serve(t, { 'is-member'(request, peer) {
		if (++asked % 1700 === 0)
			return peer.end();
		peer.last(request, { revision: Number(request.fields.subject), answer: 1, code: 41 });
	} });
	const client = server.client();
	const answers = await Promise.all(Array.from({ length: 5000 }, (_, number) => client.isMember({ subject: String(number + 1), group: 'g' }, { timeout: 30000 })));
	assert.ok(answers.every((one, number) => one.revision === number + 1 && one.code === 'nested'));
	assert.ok(server.peers.length > 2);
});
