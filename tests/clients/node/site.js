// A rosterd that tests/clients/test_node_daemon.py has started, and its API over HTTPS, which is the oracle here.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { Client } from '../../../tools/clients/node/index.js';

/** A predicate of assert.rejects: a RosterError of that name, with these members. */
export const error = (name, more = {}) => (thrown) => {
	assert.deepEqual({ error: thrown.error, ...Object.fromEntries(Object.keys(more).map((key) => [key, thrown[key]])) }, { error: name, ...more });
	assert.ok(thrown.message.length > 5);
	return true;
};

export const OURS = 'urn:rosterd:scim:schemas:core:1.0:';
const SCHEMAS = { User: 'urn:ietf:params:scim:schemas:core:2.0:User', Group: 'urn:ietf:params:scim:schemas:core:2.0:Group' };

/** What the daemon's starter told: address, url, ca, org, and tokens by the kind of their owner. */
export const site = JSON.parse(process.env.ROSTER_TEST);
export const ca = readFileSync(site.ca);
const agent = new https.Agent({ keepAlive: true, maxSockets: 4, ca });

function send(method, path, body, token) {
	return new Promise((resolve, reject) => {
		const request = https.request(site.url + path, { method, agent, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } }, (response) => {
			const chunks = [];
			response.on('data', (chunk) => chunks.push(chunk));
			response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
		});
		request.on('error', reject);
		request.end(body && JSON.stringify(body));
	});
}

/** A request as the operator, in the organisation; must succeed. */
export async function api(method, path, body, base = `/orgs/${site.org}/scim/v2`) {
	const { status, text } = await send(method, base + path, body, site.operator);
	if (status >= 300)
		throw new Error(`${method} ${path}: ${status} ${text}`);
	return text ? JSON.parse(text) : undefined;
}

export const make = (type, attributes) => api('POST', `/${type}s`, { schemas: [SCHEMAS[type] ?? OURS + type], ...attributes });

export const patch = (path, ...operations) => api('PATCH', path, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: operations });

export const evaluations = async (questions) =>
	(await api('POST', '/evaluations', { evaluations: questions }, `/orgs/${site.org}/access/v1`)).evaluations;

export function client(t, { address = site.address, ...options } = {}) {
	const made = new Client(address, { token: site.service, org: site.org, timeout: 30000, tls: { ca }, ...options });
	t.after(() => made.close());
	return made;
}

/** That a list, asked for in pages of several sizes, is what it is when it is asked for whole. */
export async function inPages(ask) {
	const whole = await ask({}).all();
	for (const limit of [1, 3, 1000]) {
		const got = [];
		let cursor;
		do {
			const list = ask({ limit, cursor }), some = await list.all();
			assert.ok(some.length === limit || (some.length < limit && list.cursor === undefined), `${some.length} of ${limit}: ${ask}`);
			assert.ok(list.revision > 0);
			got.push(...some);
			({ cursor } = list);
		} while (cursor);
		assert.deepEqual(got, whole, `by ${limit}: ${ask}`);
	}
}

/** Lets the process end. */
export const closeApi = () => agent.destroy();

/** A way to the daemon that can be cut: { address, cut() }. */
export async function proxy(t) {
	const pairs = new Set(), to = new URL(site.address);
	const server = net.createServer((near) => {
		const far = net.connect(Number(to.port), to.hostname), pair = [near, far];
		pairs.add(pair);
		for (const [from, into] of [pair, [far, near]]) {
			from.on('error', () => {});
			from.on('close', () => {
				into.destroy();
				pairs.delete(pair);
			});
			from.pipe(into);
		}
	});
	const cut = () => pairs.forEach(([near]) => near.destroy());
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.after(() => {
		cut();
		server.close();
	});
	return { address: `roster://127.0.0.1:${server.address().port}`, cut, get connections() { return pairs.size; } };
}
