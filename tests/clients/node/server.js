// A server that does what a test tells it to, byte for byte, in the plain codec. TLS as the real one: 1.3, ALPN.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { Client } from '../../../tools/clients/node/index.js';
import * as plain from './plain.js';

export const LAST = 1, ERROR = 2;
export const HELLO = { version: 1, server: 'scripted', maxPayload: 4194304, maxRequests: 256, maxItems: 10000, heartbeat: 1000, actor: 'service' };

let identity;

/** A self-signed certificate of 127.0.0.1, made once. */
export function certificate() {
	if (!identity) {
		const folder = mkdtempSync(join(tmpdir(), 'roster-node-'));
		const file = (name) => join(folder, name);
		execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
			'-keyout', file('key.pem'), '-out', file('cert.pem'), '-subj', '/CN=localhost',
			'-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], { stdio: 'pipe' });
		identity = { cert: readFileSync(file('cert.pem')), key: readFileSync(file('key.pem')) };
		rmSync(folder, { recursive: true });
	}
	return identity;
}

/** One client, as the server sees it. */
class Peer {
	reads = []; // how many requests came with each read
	seen = []; // all requests but hello, cancel and ping
	cancelled = [];
	underWay = new Set();
	hellos = 0;

	constructor(socket, number) {
		this.socket = socket;
		this.number = number;
	}

	write(bytes) {
		return !this.socket.writable || this.socket.write(bytes);
	}

	part({ type, id }, fields = {}) {
		return this.write(plain.encode(type, id, 0, fields, plain.ANSWER));
	}

	last({ type, id }, fields = {}) {
		this.underWay.delete(id);
		return this.write(plain.encode(type, id, LAST, fields, plain.ANSWER));
	}

	refuse({ type, id }, status, error, rest = {}) {
		this.underWay.delete(id);
		return this.write(plain.encode(type, id, LAST | ERROR, { status, error, message: `it is ${error}`, ...rest }, plain.ANSWER));
	}

	/** Ends the connection behind what was written. */
	end() {
		this.socket.destroySoon();
	}

	/** Ends the connection without a word; bytes that were written may be lost. */
	cut() {
		this.socket.destroy();
	}
}

const USUAL = {
	hello: (request, peer) => peer.last(request, HELLO),
	ping: (request, peer) => peer.last(request, request.fields),
	cancel(request, peer) {
		const target = request.fields.target, found = peer.underWay.has(target);
		if (found)
			peer.refuse({ type: peer.typeOf.get(target), id: target }, 499, 'CANCELLED');
		peer.last(request, { answer: found ? 1 : 0 });
	},
};

/**
 * `script`: what is done about a request, by its type: (request, peer) => ..; hello, ping and cancel are answered as
 * usual unless it says otherwise. Gives { address, peers, client(options), stop() }; all of it ends with the test.
 */
export async function serve(t, script, { port = 0, options = {} } = {}) {
	const peers = [], clients = [];
	const handler = { ...USUAL, ...script };
	const server = tls.createServer({ ...certificate(), ALPNProtocols: ['roster/1'], minVersion: 'TLSv1.3', ...options }, (socket) => {
		const peer = new Peer(socket, peers.length);
		let bytes = Buffer.alloc(0);
		peer.typeOf = new Map();
		peers.push(peer);
		socket.on('error', () => {});
		socket.on('data', (chunk) => {
			let requests;
			[requests, bytes] = plain.requests(Buffer.concat([bytes, chunk]));
			peer.reads.push(requests.length);
			for (const request of requests)
				take(peer, request);
		});
	});
	function take(peer, request) {
		if (request.type === 'cancel')
			peer.cancelled.push(request.fields.target);
		else if (request.type === 'hello')
			peer.hellos++;
		else if (request.type !== 'ping')
			peer.seen.push(request);
		if (!(request.type in USUAL)) {
			peer.underWay.add(request.id);
			peer.typeOf.set(request.id, request.type);
		}
		peer.most = Math.max(peer.most ?? 0, peer.underWay.size);
		if (peer.socket.writable)
			handler[request.type](request, peer);
	}
	await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
	const stop = () => new Promise((resolve) => {
		for (const { socket } of peers)
			socket.destroy();
		server.close(resolve);
	});
	t.after(async () => {
		for (const client of clients)
			client.close();
		await stop();
	});
	const address = `roster://127.0.0.1:${server.address().port}`;
	return {
		address, peers, stop, port: server.address().port,
		client(more = {}) {
			const client = new Client(address, { token: 'rst_test', org: 'acme', timeout: 5000, tls: { ca: certificate().cert },
				backoff: { first: 5, most: 100 }, ...more });
			clients.push(client);
			return client;
		},
	};
}

export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until `condition()` holds. */
export async function until(condition, limit = 5000) {
	for (const end = performance.now() + limit; !condition(); await wait(2))
		if (performance.now() > end)
			throw new Error(`not within ${limit} ms: ${condition}`);
}

export const uuid = (number) => `01890a5d-ac97-7000-8000-${number.toString(16).padStart(12, '0')}`;
