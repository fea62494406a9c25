// Watches and mirrors that are cut again and again, and syncs, against a scripted server.

import assert from 'node:assert/strict';
import test from 'node:test';
import { ResyncError, RosterError } from '../../../tools/clients/node/index.js';
import * as plain from './plain.js';
import { SEED, randomness } from './random.js';
import { HELLO, serve, until, uuid, wait } from './server.js';

const random = randomness();
const error = (name) => (thrown) => thrown instanceof RosterError && thrown.error === name;
const user = (number) => ({ event: 1, type: 'User', id: uuid(number), resource: JSON.stringify({ userName: `User${number}` }) });
const group = (number, name = `Group${number}`) => ({ event: 1, type: 'Group', id: uuid(number), resource: JSON.stringify({ displayName: name }) });
const gone = (type, number) => ({ event: 2, type, id: uuid(number) });
const edge = (event, groupNumber, number, kind) => ({ event, groupId: uuid(groupNumber), id: uuid(number), ...(kind && { kind }) });

/** Cuts a list into random pieces, one at least. */
function pieces(list, most) {
	const found = [];
	for (let at = 0; at < list.length;) {
		const length = 1 + random.below(most);
		found.push(list.slice(at, at += length));
	}
	return found.length > 0 ? found : [[]];
}

/** The parts of one revision, as a watch tells them. */
function partsOf(revision, items) {
	const parts = pieces(items, 3).map((some) => ({ revision, time: 1764500000000 + revision, item: some, more: 1 }));
	delete parts.at(-1).more;
	return parts;
}

// ---- Resumption ----

test(`a watch tells every revision whole and once, however often it is cut (ROSTER_SEED=${SEED})`, async (t) => {
	const journal = Array.from({ length: 300 }, (_, at) => ({ revision: 11 + at, items: Array.from({ length: 1 + random.below(6) }, (_, number) => user(at * 10 + number)) }));
	const from = [];
	const server = await serve(t, { async watch(request, peer) {
		from.push(request.fields.from);
		assert.deepEqual(request.fields, { org: 'acme', from: request.fields.from });
		const frames = [];
		for (const { revision, items } of journal.filter((one) => one.revision > request.fields.from)) {
			if (random.chance(20))
				frames.push({ revision: revision - 1, time: 1 });
			frames.push(...partsOf(revision, items));
		}
		let bytes = Buffer.concat(frames.map((fields) => plain.encode('watch', request.id, 0, fields, plain.ANSWER)));
		if (random.chance(80))
			bytes = bytes.subarray(0, random.below(4000)); // cut within a frame, or between parts of a revision
		else if (from.length < 20)
			bytes = bytes.subarray(0, 4000);
		peer.write(bytes);
		if (bytes.length <= 4000)
			peer.end();
	} });
	const got = [];
	for await (const { revision, time, items, snapshot } of server.client().watch({ from: 10 })) {
		assert.equal(snapshot, false);
		if (items.length === 0)
			continue;
		assert.equal(time, 1764500000000 + revision);
		got.push({ revision, items: items.map((item) => ({ ...item, event: 1, resource: JSON.stringify(item.resource) })) });
		if (revision === 310)
			break;
	}
	assert.deepEqual(got, journal);
	assert.ok(from.length > 10, `${from.length} connections`);
	await until(() => server.peers.every((peer) => peer.socket.destroyed)); // the watch's own
});

test('a heartbeat moves the place to go on from; numbers above 2^53 are BigInts', async (t) => {
	const head = 2n ** 60n, from = [];
	const server = await serve(t, { watch(request, peer) {
		from.push(request.fields);
		peer.part(request, { revision: head + BigInt(from.length), time: 5 });
		setTimeout(() => peer.cut(), 10);
	} });
	const seen = [];
	for await (const change of server.client().watch({ from: head, view: 'permission', permission: 'a.b', scope: 'Works', heartbeat: 500 })) {
		seen.push(change);
		if (seen.length === 3)
			break;
	}
	assert.deepEqual(seen[0], { revision: head + 1n, time: 5, items: [], snapshot: false, more: false });
	const rest = { org: 'acme', view: 2, permission: 'a.b', scope: 'Works', heartbeat: 500 };
	assert.deepEqual(from, [head, head + 1n, head + 2n].map((one) => ({ ...rest, from: one })));
});

test('a snapshot comes part by part, and begins anew when it is cut', async (t) => {
	const server = await serve(t, { watch(request, peer) {
		if (request.fields.from !== undefined)
			return;
		peer.part(request, { revision: 7, snapshot: 1, more: 1, item: [user(1)] });
		if (peer.number === 0)
			return setTimeout(() => peer.cut(), 20);
		peer.part(request, { revision: 7, snapshot: 1, more: 1, item: [user(2), edge(3, 5, 2), edge(3, 6, 5, 2)] });
		peer.part(request, { revision: 7, snapshot: 1, settled: 9 });
		setTimeout(() => peer.cut(), 20);
	} });
	const seen = [], watch = server.client().watch();
	while (seen.length < 4)
		seen.push((await watch.next()).value);
	const rest = { revision: 7, time: undefined, snapshot: true };
	const told = (number) => ({ event: 'put', type: 'User', id: uuid(number), resource: { userName: `User${number}` } });
	assert.deepEqual(seen, [
		{ ...rest, items: [told(1)], more: true, begin: true }, { ...rest, items: [told(1)], more: true, begin: true },
		{ ...rest, items: [told(2), { event: 'member-added', groupId: uuid(5), id: uuid(2), kind: 'user' }, { event: 'member-added', groupId: uuid(6), id: uuid(5), kind: 'group' }], more: true, begin: false },
		{ ...rest, items: [], more: false, begin: false, settled: 9 }]);
	watch.next().catch(() => {});
	await until(() => server.peers.length === 3 && server.peers[2].seen.length === 1);
	assert.deepEqual(server.peers.map((peer) => peer.seen[0].fields.from), [undefined, undefined, 7]);
});

test('RESYNC is an error of its own, with the oldest revision; others end a watch, too', async (t) => {
	const server = await serve(t, { watch(request, peer) {
		if (request.fields.from === 5)
			peer.refuse(request, 410, 'RESYNC', { revision: 40 });
		else if (request.fields.from === 6)
			peer.refuse(request, 403, 'FORBIDDEN');
		else
			peer.last(request, {});
	} });
	const client = server.client();
	await assert.rejects(client.watch({ from: 5 }).next(), (thrown) => thrown instanceof ResyncError && thrown.revision === 40 && thrown.status === 410);
	await assert.rejects(client.watch({ from: 6 }).next(), (thrown) => error('FORBIDDEN')(thrown) && !(thrown instanceof ResyncError));
	await assert.rejects(client.watch({ from: 7 }).next(), error('MALFORMED'));
});

test('a watch that is aborted ends, and cancels', async (t) => {
	const server = await serve(t, { watch() {} });
	const client = server.client(), stop = new AbortController();
	const next = client.watch({}, { signal: stop.signal }).next();
	await until(() => server.peers[0]?.seen.length === 1);
	stop.abort();
	await assert.rejects(next, error('CANCELLED'));
	await until(() => server.peers[0].socket.destroyed);
});

test('back-pressure: a watch that is read slowly holds up its own connection only', async (t) => {
	const frameOf = (id, number) => plain.encode('watch', id, 0, { revision: number, item: [{ ...user(1), resource: JSON.stringify({ userName: 'x'.repeat(30000) }) }] }, plain.ANSWER);
	let sent = 0;
	const server = await serve(t, { check: (request, peer) => peer.last(request, { answer: 1, code: 1 }), async watch(request, peer) {
		for (const frame = frameOf(request.id, 2); sent < 2000 && !peer.socket.destroyed; sent++)
			if (!peer.write(frame))
				await new Promise((resolve) => peer.socket.once('drain', resolve));
	} });
	const client = server.client(), watch = client.watch({ from: 1 });
	await watch.next();
	for (let before; before !== sent; await wait(100))
		before = sent;
	assert.ok(sent < 1000, `${sent} parts of 30 KB were sent`);
	assert.equal((await client.check({ permission: 'a' })).answer, true);
	for (let count = 1; count < 2000; count++)
		assert.equal((await watch.next()).value.items[0].resource.userName.length, 30000);
	await watch.return();
});

// ---- Mirrors ----

/** An organisation, the plainest way: sets, and a journal of what was done to them. */
class Model {
	revision = 1;
	journal = [];
	users = new Set();
	groups = new Set();
	edges = new Set(); // "group member"

	do(...items) {
		this.revision++;
		for (const item of items)
			this.#apply(item);
		this.journal.push({ revision: this.revision, items });
	}

	#apply({ event, type, id, groupId }) {
		const all = type === 'User' ? this.users : this.groups, key = `${groupId} ${id}`;
		if (event === 1)
			all.add(id);
		else if (event === 2)
			all.delete(id);
		else if (event === 3)
			this.edges.add(key);
		else
			this.edges.delete(key);
	}

	/** "direct", "nested" or "not_member", by going round until nothing is new. */
	membership(member, target) {
		const pairs = [...this.edges].map((key) => key.split(' '));
		const above = new Set([member]);
		for (let size = 0; size !== above.size;) {
			size = above.size;
			for (const [holder, held] of pairs)
				if (above.has(held))
					above.add(holder);
		}
		if (pairs.some(([holder, held]) => holder === target && held === member))
			return 'direct';
		return member !== target && above.has(target) ? 'nested' : 'not_member';
	}

	snapshot() {
		const number = (id) => parseInt(id.slice(-12), 16);
		return [...[...this.edges].map((key) => key.split(' ')).map(([holder, held]) => ({ event: 3, groupId: holder, id: held, ...(this.groups.has(held) && { kind: 2 }) })),
			...[...this.users].map((id) => user(number(id))), ...[...this.groups].map((id) => group(number(id)))];
	}
}

const USERS = 12, GROUPS = 8, FIRST_GROUP = 100;

function randomStep(model) {
	const member = random.chance(60) ? random.below(USERS) : FIRST_GROUP + random.below(GROUPS);
	const holder = FIRST_GROUP + random.below(GROUPS), kind = member >= FIRST_GROUP ? 2 : 0;
	const has = (number) => (number >= FIRST_GROUP ? model.groups : model.users).has(uuid(number));
	const make = (number) => (number >= FIRST_GROUP ? group(number) : user(number));
	if (random.chance(10) && has(member))
		return model.do(...[...model.edges].filter((key) => key.includes(uuid(member))).map((key) => key.split(' ')).map(([a, b]) => ({ event: 4, groupId: a, id: b })),
			gone(kind ? 'Group' : 'User', member));
	const items = [member, holder].filter((number, at, all) => !has(number) && all.indexOf(number) === at).map(make);
	const circle = member === holder || model.membership(uuid(holder), uuid(member)) !== 'not_member'; // refused by the server
	if (model.edges.has(`${uuid(holder)} ${uuid(member)}`))
		items.push(edge(4, holder, member, kind));
	else if (!circle)
		items.push(edge(3, holder, member, kind));
	return model.do(...items);
}

function compare(mirror, model) {
	for (let round = 0; round < 30; round++) {
		const team = random.chance(30), member = team ? FIRST_GROUP + random.below(GROUPS) : random.below(USERS), target = FIRST_GROUP + random.below(GROUPS);
		const byName = random.chance(30), subject = byName ? { subjectName: team ? `GROUP${member}` : `uSER${member}` } : { subjectId: uuid(member) };
		const answer = mirror.isMember({ ...subject, subjectKind: team ? 2 : 0, ...(random.chance(30) ? { group: `group${target}` } : { groupId: uuid(target) }) });
		const code = !(team ? model.groups : model.users).has(uuid(member)) ? 'unknown_subject'
			: !model.groups.has(uuid(target)) ? 'unknown_group' : model.membership(uuid(member), uuid(target));
		assert.deepEqual({ answer: answer.answer, code: answer.code, revision: answer.revision },
			{ answer: code === 'direct' || code === 'nested', code, revision: model.revision });
	}
}

test(`a mirror equals the server, whatever is cut (ROSTER_SEED=${SEED})`, async (t) => {
	const model = new Model();
	let oldest = 1, snapshots = 0, resyncs = 0;
	const watchers = new Set();
	const tell = (watcher) => {
		for (const { revision, items } of model.journal.filter((one) => one.revision > watcher.at))
			for (const part of partsOf(revision, items))
				watcher.peer.part(watcher.request, part);
		watcher.at = model.revision;
		watcher.peer.part(watcher.request, { revision: model.revision, time: 1 });
	};
	const server = await serve(t, { async watch(request, peer) {
		const watcher = { request, peer, at: request.fields.from };
		if (watcher.at < oldest) {
			resyncs++;
			return peer.refuse(request, 410, 'RESYNC', { revision: oldest });
		}
		if (watcher.at === undefined) {
			snapshots++;
			watcher.at = model.revision;
			const parts = pieces(model.snapshot(), 5).map((some) => ({ revision: watcher.at, snapshot: 1, more: 1, item: some }));
			for (const part of parts) { // others write meanwhile: the rest of it is of no single moment
				peer.part(request, part);
				if (random.chance(5))
					await wait(1);
			}
			peer.part(request, { revision: watcher.at, snapshot: 1, settled: model.revision });
		}
		watchers.add(watcher);
		peer.socket.once('close', () => watchers.delete(watcher));
		tell(watcher);
	} });
	const mirror = server.client().mirror();
	assert.equal(mirror.staleness, Infinity);
	assert.throws(() => mirror.isMember({ subjectId: uuid(1), groupId: uuid(2) }), error('UNAVAILABLE'));
	for (let round = 0; round < 300; round++) {
		randomStep(model);
		if (random.chance(10))
			for (const { peer } of watchers)
				peer.cut();
		if (random.chance(5)) {
			for (const { peer } of watchers)
				peer.cut();
			oldest = model.revision + 1;
			randomStep(model);
		}
		watchers.forEach(tell);
		if (random.chance(50)) {
			await mirror.reached(model.revision, { timeout: 5000 });
			compare(mirror, model);
			assert.ok(mirror.staleness < 5000 && mirror.staleness >= 0);
		}
	}
	assert.ok(snapshots > 1 && resyncs > 0 && server.peers.length > 10, `${snapshots} ${resyncs} ${server.peers.length}`);
	await mirror.close();
	assert.throws(() => mirror.isMember({ subjectId: uuid(1), groupId: uuid(2) }), error('CLOSED'));
});

test('a snapshot that is not settled does not answer; the old state does, and says how old it is', async (t) => {
	let told;
	const server = await serve(t, { watch(request, peer) {
		if (request.fields.from === 5 && peer.number === 1)
			return peer.refuse(request, 410, 'RESYNC', { revision: 7 });
		told = (fields) => peer.part(request, fields);
		if (peer.seen.length === 1)
			told({ revision: 5, snapshot: 1, item: [user(1), group(101), edge(3, 101, 1)] });
	} });
	const mirror = server.client().mirror(), ask = () => mirror.isMember({ subjectId: uuid(1), groupId: uuid(101) });
	await mirror.reached();
	assert.deepEqual([ask().code, ask().revision], ['direct', 5]);
	server.peers[0].cut();
	await until(() => server.peers[1]?.seen.length === 2); // refused, then a snapshot was asked for
	await wait(20);
	assert.ok(ask().staleness >= 20);
	told({ revision: 8, snapshot: 1, more: 1, item: [user(1), group(101), edge(3, 101, 1)] });
	told({ revision: 8, snapshot: 1, settled: 10 });
	told({ revision: 9, item: [edge(4, 101, 1)] });
	await wait(50);
	assert.deepEqual([ask().code, ask().revision], ['direct', 5]);
	const reached = mirror.reached(10);
	told({ revision: 10 });
	await reached;
	assert.deepEqual([ask().code, ask().revision], ['not_member', 10]);
	await assert.rejects(mirror.reached(11, { timeout: 30 }), error('TIMEOUT'));
});

test('of a snapshot that was cut nothing stays', async (t) => {
	const server = await serve(t, { watch(request, peer) {
		peer.part(request, { revision: 5 + peer.number, snapshot: 1, more: 1, item: [user(1), group(101), ...(peer.number ? [] : [user(2), edge(3, 101, 1)])] });
		if (peer.number === 0)
			return setTimeout(() => peer.cut(), 20);
		peer.part(request, { revision: 6, snapshot: 1 });
	} });
	const mirror = server.client().mirror();
	await mirror.reached();
	assert.equal(mirror.isMember({ subjectId: uuid(1), groupId: uuid(101) }).code, 'not_member');
	assert.equal(mirror.isMember({ subjectId: uuid(2), groupId: uuid(101) }).code, 'unknown_subject');
});

test('a mirror tells ambiguous names, renames, direct only; and what it does not know', async (t) => {
	let told;
	const server = await serve(t, { watch(request, peer) {
		told = (fields) => peer.part(request, fields);
		told({ revision: 5, snapshot: 1, item: [user(1), group(101, 'Crew'), group(102, 'crew'), group(103, 'Staff'), edge(3, 101, 1), edge(3, 103, 101, 2),
			{ event: 1, type: 'Role', id: uuid(9), resource: '{}' }] });
	} });
	const mirror = server.client().mirror(), ask = (fields) => mirror.isMember({ subjectName: 'USER1', ...fields }).code;
	await mirror.reached();
	assert.equal(ask({ group: 'CREW' }), 'ambiguous_group');
	assert.equal(ask({ group: uuid(101).toUpperCase() }), 'direct');
	assert.equal(ask({ group: 'staff' }), 'nested');
	assert.equal(ask({ group: 'staff', direct: true }), 'not_member');
	assert.equal(ask({ subjectName: 'crew', subjectKind: 2, group: 'staff' }), 'ambiguous_subject');
	told({ revision: 6, item: [group(102, 'Others')] });
	await mirror.reached(6);
	assert.equal(ask({ group: 'CREW' }), 'direct');
	assert.equal(ask({ subjectName: 'crew', subjectKind: 2, group: 'staff' }), 'direct');
	told({ revision: 7, item: [gone('Group', 101)] });
	await mirror.reached(7);
	told({ revision: 8, item: [{ event: 1, type: 'User', id: uuid(1) }, edge(3, 103, 1)] }); // too long to be told: known by its id
	await mirror.reached(8);
	assert.equal(ask({ group: 'staff' }), 'unknown_subject');
	assert.equal(ask({ subjectName: undefined, subjectId: uuid(1), group: 'staff' }), 'direct');
	told({ revision: 9, item: [edge(4, 103, 1), user(1)] });
	await mirror.reached(9);
	assert.deepEqual([ask({ group: 'crew' }), ask({ group: 'staff' })], ['unknown_group', 'not_member']);
	assert.throws(() => ask({ group: 'crew', subjectKind: 1 }), error('INVALID_VALUE'));
	assert.throws(() => ask({ group: 'crew', subject: 'ada' }), error('INVALID_VALUE'));
	assert.throws(() => mirror.isMember({ subjectId: uuid(1) }), error('INVALID_VALUE'));
});

test('a mirror of a server that has gone back begins anew', async (t) => {
	const server = await serve(t, { watch(request, peer) {
		if (request.fields.from === 9)
			return peer.refuse(request, 412, 'PRECONDITION_FAILED', { field: 'from' });
		peer.part(request, { revision: peer.number === 0 ? 9 : 4, snapshot: 1, item: [user(1), group(101), ...(peer.number === 0 ? [edge(3, 101, 1)] : [])] });
	} });
	const mirror = server.client().mirror(), ask = () => mirror.isMember({ subjectId: uuid(1), groupId: uuid(101) });
	await mirror.reached();
	assert.deepEqual([ask().code, ask().revision], ['direct', 9]);
	server.peers[0].cut();
	await until(() => mirror.revision === 4);
	assert.equal(ask().code, 'not_member');
});

test('a mirror that may not watch stops, and says why', async (t) => {
	const server = await serve(t, { watch: (request, peer) => peer.refuse(request, 403, 'FORBIDDEN') });
	const mirror = server.client().mirror();
	const stopped = new Promise((resolve) => mirror.once('stop', resolve));
	await assert.rejects(mirror.reached(5, { timeout: 5000 }), error('FORBIDDEN'));
	assert.ok(error('FORBIDDEN')(await stopped));
	assert.throws(() => mirror.isMember({ subjectId: uuid(1), groupId: uuid(2) }), error('FORBIDDEN'));
});

// ---- Sync ----

test('a sync: whole lines in frames of a limited size, a plan, a commit', async (t) => {
	const lines = [];
	let most = 0;
	const server = await serve(t, {
		hello: (request, peer) => peer.last(request, { ...HELLO, maxPayload: 2000 }),
		'sync-begin': (request, peer) => peer.last(request, { sync: 77 }),
		'sync-records'(request, peer) {
			const text = request.fields.data.toString();
			assert.ok(text.endsWith('\n') && text.length < 2000);
			lines.push(...text.slice(0, -1).split('\n'));
			most = Math.max(most, peer.underWay.size);
			setTimeout(() => peer.last(request, { count: lines.length }), 2);
		},
		'sync-plan'(request, peer) {
			peer.part(request, { item: [{ action: 1, type: 'User', count: 500 }, { action: 4, type: 'User' }] });
			peer.last(request, { revision: 9, item: [{ action: 1, type: 'User', name: 'ada' }, { action: 2, type: 'User', id: uuid(3), name: 'bob', data: Buffer.from('title') }] });
		},
		'sync-commit': (request, peer) => peer.last(request, { revision: 10, item: [{ action: 1, type: 'User', count: 500 }] }),
		'sync-abort': (request, peer) => peer.last(request, {}),
	});
	const client = server.client(), sync = await client.sync({ connection: 'hr', match: 'userName', groups: true });
	const records = Array.from({ length: 500 }, (_, number) => ({ userName: `user${number}`, displayName: 'x'.repeat(random.below(300)) }));
	async function* source() {
		yield* records.slice(0, 400);
		yield records.slice(400, 450).map((one) => JSON.stringify(one)).join('\n');
		yield Buffer.from(records.slice(450).map((one) => JSON.stringify(one) + '\n').join(''));
	}
	assert.equal(await sync.records(source()), 500);
	assert.deepEqual(lines.map((line) => JSON.parse(line)), records);
	assert.ok(most > 1 && most <= 4, `${most} frames under way`);
	assert.deepEqual(await sync.plan({ limit: 1 }), { revision: 9,
		counts: [{ action: 'create', type: 'User', count: 500 }, { action: 'unchanged', type: 'User', count: 0 }],
		samples: [{ action: 'create', type: 'User', name: 'ada' }, { action: 'change', type: 'User', id: uuid(3), name: 'bob', data: 'title' }] });
	assert.deepEqual(await sync.commit(), { revision: 10, counts: [{ action: 'create', type: 'User', count: 500 }] });
	await sync.abort(); // of what is over, nothing
	await assert.rejects(sync.plan(), error('CLOSED'));
	const other = await client.sync({ match: 'id' });
	await assert.rejects(other.records([5]), error('INVALID_VALUE'));
	await assert.rejects(other.records(['x'.repeat(3000)]), error('TOO_LARGE'));
	await other.abort();
	await until(() => server.peers.every((peer) => peer.socket.destroyed));
	assert.deepEqual(server.peers[1].seen.map((one) => one.type), ['sync-begin', 'sync-abort']);
	const [begin, ...rest] = server.peers[0].seen;
	assert.deepEqual(begin.fields, { org: 'acme', connection: 'hr', match: 'userName', groups: 1 });
	assert.ok(rest.every((one) => one.fields.sync === 77 && one.fields.org === 'acme'));
	assert.deepEqual(rest.slice(-2).map((one) => [one.type, one.fields]), [['sync-plan', { org: 'acme', sync: 77, limit: 1 }], ['sync-commit', { org: 'acme', sync: 77 }]]);
});

test('a sync ends with its connection; a commit is not sent twice', async (t) => {
	const server = await serve(t, { check: (request, peer) => peer.last(request, {}), 'sync-begin': (request, peer) => peer.last(request, { sync: 1 }),
		'sync-records': (request, peer) => peer.refuse(request, 400, 'INVALID_SYNTAX'), 'sync-commit': (request, peer) => peer.cut() });
	const client = server.client(), sync = await client.sync({ match: 'id' });
	await assert.rejects(sync.records([{ userName: 'a' }]), error('INVALID_SYNTAX'));
	await assert.rejects(sync.commit(), error('DISCONNECTED'));
	await client.check({ permission: 'a' });
	await assert.rejects(sync.commit(), error('DISCONNECTED'));
	assert.equal(server.peers.flatMap((peer) => peer.seen).filter((one) => one.type === 'sync-commit').length, 1);
});
