import { Deadline } from './deadline.js';
import { invalid } from './error.js';
import { committed, plan } from './shape.js';

const CHUNK = 256 * 1024;
const WINDOW = 4; // frames of records that the server has not answered yet
const NEWLINE = 10;

/**
 * The whole desired state of an organisation, sent by records(), looked at with plan(), made true by commit() or
 * forgotten by abort(). It lives on a connection of its own, until then: when that ends, so does the sync (DISCONNECTED), and nothing has
 * changed, unless that was the answer to commit().
 */
export class Sync {
	#connection;
	#named; // in every request
	#options;
	#done;

	/** `named`: the organisation and the sync's number. `done` is called when the connection is not needed any more. */
	constructor(connection, named, options, done) {
		this.#connection = connection;
		this.#named = named;
		this.#options = options;
		this.#done = done;
	}

	#ask(type, fields, options) {
		const deadline = new Deadline({ ...this.#options, ...options });
		return this.#connection.request(type, { ...this.#named, ...fields }, deadline, { long: true });
	}

	#over() {
		this.#done?.();
		this.#done = undefined;
	}

	/**
	 * Sends records: an iterable or async iterable of SCIM Users and Groups, as objects, or as strings or bytes of whole
	 * lines of JSON. Gives the number of records that the server has by now. The timeout counts for each frame.
	 */
	async records(source, options) {
		const most = Math.min(CHUNK, (this.#connection.server.maxPayload ?? CHUNK) - 64);
		const under = [];
		let count = 0;
		const land = async () => { [{ count = 0 }] = await under.shift(); };
		for await (const data of chunks(source, most)) {
			if (under.length === WINDOW)
				await land();
			const answer = this.#ask('sync-records', { data }, options);
			answer.catch(() => {}); // it is told when it is awaited
			under.push(answer);
		}
		while (under.length > 0)
			await land();
		return count;
	}

	/** What a commit would do: `counts` by action and type, and `limit` samples of each. */
	async plan({ limit } = {}, options) {
		return plan(await this.#ask('sync-plan', { limit }, options));
	}

	async commit(options) {
		const result = committed(await this.#ask('sync-commit', {}, options));
		this.#over();
		return result;
	}

	/** Forgets it; nothing when it is over. */
	async abort(options) {
		if (this.#done)
			await this.#ask('sync-abort', {}, options);
		this.#over();
	}
}

function* lines(record) {
	if (record !== null && typeof record === 'object' && !(record instanceof Uint8Array))
		record = JSON.stringify(record);
	if (typeof record !== 'string' && !(record instanceof Uint8Array))
		throw invalid('data', 'a record is an object, or a string or bytes of whole lines of JSON');
	const bytes = Buffer.from(record);
	for (let begin = 0, end; begin < bytes.length; begin = end) {
		end = bytes.indexOf(NEWLINE, begin) + 1 || bytes.length;
		yield bytes.subarray(begin, end);
	}
}

/** Whole lines, as many as go into `most` bytes; one that is longer stands alone. */
async function* chunks(source, most) {
	let held = [], size = 0;
	const parts = typeof source === 'string' || source instanceof Uint8Array ? [source] : source;
	for await (const record of parts)
		for (const line of lines(record)) {
			const whole = line[line.length - 1] === NEWLINE ? line : Buffer.concat([line, Buffer.from('\n')]);
			if (size > 0 && size + whole.length > most) {
				yield Buffer.concat(held);
				held = [];
				size = 0;
			}
			held.push(whole);
			size += whole.length;
		}
	if (size > 0)
		yield Buffer.concat(held);
}
