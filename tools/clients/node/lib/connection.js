// One TLS connection and what is under way on it. It lives once: reconnecting is link.js.
//
// Requests of one turn of the event loop go out in one TLS write. The server's answers are taken as long as somebody
// waits for one; when nobody does, and more than HIGH bytes of streams lie here unread, the socket is not read until
// the caller has taken some: that holds the server back, too.

import tls from 'node:tls';
import { ERROR, FrameReader, LAST, REQUEST, TYPES, decodeFields, encodeFrame } from './codec.js';
import { RosterError, disconnected, errorOf, malformed } from './error.js';

const ALPN = 'roster/1';
const HIGH = 1024 * 1024;
const LOW = HIGH / 2;
const MAX_ID = 0xffffffff;

/** A request whose answer is wanted whole: its parts, decoded. */
class Call {
	hungry = true;
	#parts = [];
	#resolve;
	#reject;

	constructor(resolve, reject) {
		this.#resolve = resolve;
		this.#reject = reject;
	}

	part(payload, last) {
		try {
			this.#parts.push(decodeFields(payload));
		} catch (error) {
			return this.fail(error);
		}
		if (last) {
			this.release?.();
			this.#resolve(this.#parts);
		}
	}

	fail(error) {
		this.release?.();
		this.#reject(error);
	}
}

/** A request whose answer is taken part by part. Parts wait here as they came, and are decoded when they are taken. */
export class Stream {
	hungry = false;
	bytes = 0;
	#connection;
	#parts = [];
	#first = 0;
	#done = false;
	#error;
	#wake;

	constructor(connection) {
		this.#connection = connection;
	}

	part(payload, last) {
		this.#parts.push(payload);
		this.bytes += payload.length;
		this.#done = Boolean(last);
		this.#wake?.();
	}

	fail(error) {
		this.#error = error;
		this.#done = true;
		this.#wake?.();
	}

	#wait(deadline) {
		this.hungry = true;
		this.#connection.balance();
		return deadline.race(new Promise((resolve) => { this.#wake = resolve; })).finally(() => {
			this.hungry = false;
			this.#wake = undefined;
		});
	}

	/** The next part, or undefined behind the last. Throws how the answer ended, and when the deadline comes first. */
	async next(deadline) {
		while (this.#first === this.#parts.length) {
			if (this.#error)
				throw this.#error;
			if (this.#done)
				return undefined;
			await this.#wait(deadline);
		}
		const payload = this.#parts[this.#first];
		this.#parts[this.#first++] = undefined;
		if (this.#first === this.#parts.length) {
			this.#parts = [];
			this.#first = 0;
		}
		this.bytes -= payload.length;
		this.#connection.taken(payload.length);
		return decodeFields(payload);
	}

	/** The rest is not wanted. */
	cancel() {
		if (this.bytes > 0)
			this.#connection.taken(this.bytes);
		this.bytes = 0;
		this.#parts = [];
		this.#first = 0;
		if (!this.#done)
			this.#connection.abandon(this);
		this.#done = true;
	}
}

/** In the place of a call that was abandoned, until its last frame has come: its id is in use until then. */
const GONE = { hungry: true, part() {}, fail() {} };

export class Connection {
	/** The answer to hello. */
	server;
	/** Settles (never rejects) with the reason when the connection has ended. */
	ended;
	bornAt = performance.now();

	#socket;
	#reader = new FrameReader();
	#calls = new Map(); // id to { call, type, long }
	#waiting = []; // long calls that would be too many for the server
	#long = 0;
	#nextId = 1;
	#out = []; // of this turn, or of a socket that takes no more
	#scheduled = false;
	#error; // set once: it has ended
	#end;
	#buffered = 0;
	#paused = false;
	#heard = true;
	#pinging = false;
	#timer;

	constructor(socket, keepAlive) {
		this.#socket = socket;
		this.ended = new Promise((resolve) => { this.#end = resolve; });
		socket.on('data', (bytes) => this.#data(bytes));
		socket.on('drain', () => this.#schedule());
		socket.on('error', (error) => this.destroy(disconnected(`the connection ended: ${error.message}`, error)));
		socket.on('close', () => this.destroy(disconnected('the server ended the connection')));
		if (keepAlive > 0)
			this.#timer = setInterval(() => this.#tick(), keepAlive).unref();
	}

	/**
	 * Connects and says hello. `settings`: host, port, tls (options of tls.connect), token (or a function that gives
	 * it), issuer, name, keepAlive. Rejects with DISCONNECTED when another attempt may go better, otherwise with what is wrong.
	 */
	static async open(settings, deadline) {
		const socket = await handshake(settings, deadline);
		const connection = new Connection(socket, settings.keepAlive);
		try {
			await connection.hello(settings, deadline);
		} catch (error) {
			connection.destroy(error);
			throw error;
		}
		return connection;
	}

	get #mostLong() {
		return Math.max(1, (this.server?.maxRequests ?? 0) - 1);
	}

	get alive() {
		return this.#error === undefined;
	}

	/** Says who we are; again later, to change to a new token. */
	async hello({ token, name, issuer }, deadline) {
		const fields = { version: 1, token: typeof token === 'function' ? await token() : token, org: issuer, client: name };
		const [answer] = await this.request('hello', fields, deadline);
		if (answer.version !== 1)
			throw new RosterError({ error: 'UNREACHABLE', message: `the server speaks version ${answer.version ?? 0} of ${ALPN}` });
		this.server = answer;
	}

	/** The parts of the answer, decoded. `long`: it counts against the server's max-requests. */
	request(type, fields, deadline, { long = false } = {}) {
		return new Promise((resolve, reject) => {
			const call = new Call(resolve, reject);
			this.#begin(call, type, fields, long);
			call.release = deadline?.guard((error) => this.#leave(call, error));
		});
	}

	/** A Stream of the parts of the answer. */
	stream(type, fields) {
		const stream = new Stream(this);
		this.#begin(stream, type, fields, true);
		return stream;
	}

	/** Ends the connection; what is under way fails with `error`. `politely`: what was written still goes out. */
	destroy(error, politely = false) {
		if (this.#error)
			return;
		this.#error = error;
		clearInterval(this.#timer);
		if (politely)
			this.#socket.destroySoon();
		else
			this.#socket.destroy();
		const calls = [...this.#calls.values(), ...this.#waiting];
		this.#calls.clear();
		this.#waiting = [];
		this.#out = [];
		for (const { call } of calls)
			call.fail(error);
		this.#end(error);
	}

	// ---- Out ----

	#begin(call, type, fields, long) {
		if (this.#error)
			throw this.#error;
		const entry = { call, type: TYPES[type], long, fields };
		// the server stops to read at max-requests, and would not see a cancel then: we stay below
		if (long && this.#long >= this.#mostLong)
			this.#waiting.push(entry);
		else
			this.#send(entry);
	}

	#send(entry) {
		const id = this.#freeId();
		const frame = encodeFrame(entry.type, id, LAST, entry.fields, REQUEST);
		const most = this.server?.maxPayload;
		if (most && frame.length - 12 > most)
			throw new RosterError({ status: 413, error: 'TOO_LARGE', message: `a request of ${frame.length - 12} bytes; the server takes ${most}` });
		entry.fields = undefined;
		entry.call.id = id;
		entry.frame = frame;
		this.#calls.set(id, entry);
		if (entry.long)
			this.#long++;
		this.#out.push(entry);
		this.#schedule();
		this.balance();
	}

	#freeId() {
		let id = this.#nextId;
		while (this.#calls.has(id))
			id = id === MAX_ID ? 1 : id + 1;
		this.#nextId = id === MAX_ID ? 1 : id + 1;
		return id;
	}

	#schedule() {
		if (!this.#scheduled && this.#out.length > 0) {
			this.#scheduled = true;
			setImmediate(() => this.#flush());
		}
	}

	#flush() {
		this.#scheduled = false;
		if (this.#error || this.#socket.writableNeedDrain)
			return; // 'drain' comes back here
		const frames = [];
		for (const entry of this.#out) {
			if (entry.frame)
				frames.push(entry.frame);
			entry.frame = undefined;
		}
		this.#out = [];
		if (frames.length > 0)
			this.#socket.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
	}

	#leave(call, error) {
		this.abandon(call);
		call.fail(error);
	}

	/** The answer is wanted no longer: takes the request back when it has not gone out, otherwise cancels it. */
	abandon(call) {
		const at = this.#waiting.findIndex((entry) => entry.call === call);
		if (at >= 0)
			return void this.#waiting.splice(at, 1);
		const entry = this.#calls.get(call.id);
		if (entry?.call !== call)
			return;
		if (entry.frame) {
			entry.frame = undefined;
			this.#finish(call.id, entry);
		} else {
			entry.call = GONE;
			this.#begin(new Call(() => {}, () => {}), 'cancel', { target: call.id }, false);
		}
	}

	#finish(id, entry) {
		this.#calls.delete(id);
		if (!entry.long)
			return;
		this.#long--;
		while (this.#waiting.length > 0 && this.#long < this.#mostLong) {
			const next = this.#waiting.shift();
			try {
				this.#send(next);
			} catch (error) {
				next.call.fail(error);
			}
		}
	}

	// ---- In ----

	#data(bytes) {
		this.#heard = true;
		try {
			this.#reader.push(bytes);
			for (let frame; !this.#error && (frame = this.#reader.next()) !== undefined;)
				this.#frame(frame);
		} catch (error) {
			this.destroy(error);
		}
		this.balance();
	}

	#frame({ type, flags, id, payload }) {
		const entry = this.#calls.get(id);
		if (entry === undefined) {
			if (id === 0 && type === 0 && flags === (ERROR | LAST))
				throw errorOf(decodeFields(payload));
			throw malformed(`an answer with the id ${id}, which no request has`);
		}
		if (entry.type !== type)
			throw malformed(`an answer of type ${type} to a request of type ${entry.type}`);
		if (flags === ERROR)
			throw malformed('an error that is not the last of its answer');
		if (flags & LAST)
			this.#finish(id, entry);
		if (flags & ERROR)
			return this.#refuse(entry.call, payload);
		if (entry.call instanceof Stream)
			this.#buffered += payload.length;
		entry.call.part(payload, flags & LAST);
	}

	#refuse(call, payload) {
		let error;
		try {
			error = errorOf(decodeFields(payload));
		} catch (unreadable) {
			error = unreadable;
		}
		call.fail(error);
	}

	/** Bytes of a stream that its caller has taken. */
	taken(bytes) {
		this.#buffered -= bytes;
		this.balance();
	}

	/** Reads the socket, or not: see above. */
	balance() {
		const pause = this.#buffered > (this.#paused ? LOW : HIGH) && !this.#anyHungry();
		if (this.#error || pause === this.#paused)
			return;
		this.#paused = pause;
		this.#heard = true; // so far nobody listened
		if (pause)
			this.#socket.pause();
		else
			this.#socket.resume();
	}

	#anyHungry() {
		for (const { call } of this.#calls.values())
			if (call.hungry)
				return true;
		return false;
	}

	/** A server that says nothing is pinged; one that does not even answer that is gone. */
	#tick() {
		if (this.#paused || this.#heard) {
			this.#heard = false;
			return;
		}
		if (this.#pinging)
			return this.destroy(disconnected('the server says nothing any more'));
		this.#pinging = true;
		this.request('ping', {}).catch(() => {}).finally(() => { this.#pinging = false; });
	}
}

function handshake({ host, port, tls: options }, deadline) {
	return new Promise((resolve, reject) => {
		const socket = tls.connect({ ...options, host, port, ALPNProtocols: [ALPN], minVersion: 'TLSv1.3' });
		const failed = (error) => {
			release();
			socket.destroy();
			reject(error);
		};
		const release = deadline.guard(failed);
		socket.setNoDelay(true);
		socket.once('error', (error) => failed(connectError(error)));
		socket.once('secureConnect', () => {
			if (socket.alpnProtocol !== ALPN)
				return failed(new RosterError({ error: 'UNREACHABLE', message: `the server does not speak ${ALPN}` }));
			release();
			socket.removeAllListeners('error');
			resolve(socket);
		});
	});
}

/** What the system says may pass (refused, reset, no route); what TLS says (a certificate, ALPN) stays. */
function connectError(error) {
	if (error.syscall || error.code === 'ECONNRESET')
		return disconnected(`cannot connect: ${error.message}`, error);
	return new RosterError({ error: 'UNREACHABLE', message: `cannot connect: ${error.message}`, cause: error });
}
