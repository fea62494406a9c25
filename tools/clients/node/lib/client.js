import { Deadline } from './deadline.js';
import { RosterError, invalid } from './error.js';
import { Link } from './link.js';
import { List } from './list.js';
import { Mirror } from './mirror.js';
import { Sync } from './sync.js';
import { watch } from './watch.js';
import * as shape from './shape.js';

const DEFAULTS = {
	name: 'roster-client (Node.js)',
	timeout: 10_000,
	connectTimeout: 10_000,
	keepAlive: 15_000,
	backoff: { first: 50, most: 5_000 },
	tls: {},
};
const OPTIONS = new Set([...Object.keys(DEFAULTS), 'token', 'org', 'issuer']);

function settingsOf(address, options) {
	for (const name in options)
		if (!OPTIONS.has(name))
			throw invalid(name, `there is no option ${name}`);
	const url = new URL(address);
	if (url.protocol !== 'roster:' || !url.hostname || !url.port || !['', '/'].includes(url.pathname))
		throw invalid('address', `${address} is not roster://HOST:PORT`);
	const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
	return { ...DEFAULTS, ...options, backoff: { ...DEFAULTS.backoff, ...options.backoff }, host, port: Number(url.port) };
}

export class Client {
	#settings;
	#link;
	#watches = new Set(); // links of watches and mirrors
	#syncs = new Set(); // of syncs, which a new hello would end
	#closed = false;

	constructor(address, options = {}) {
		this.#settings = settingsOf(address, options);
		this.#link = new Link(this.#settings);
	}

	// ---- The connection ----

	/** Connects now, and not with the first request. Gives the server's answer to hello. */
	async connect(options) {
		return (await this.#link.ready(this.#deadline(options))).server;
	}

	/** Changes to another token, on connections that are there as well as on later ones. */
	async setToken(token, options) {
		this.#settings.token = token;
		const deadline = this.#deadline(options);
		await Promise.all([this.#link, ...this.#watches].map((link) => link.hello(deadline)));
	}

	/** Ends all connections; what is under way fails with CLOSED. */
	close() {
		this.#closed = true;
		for (const link of [this.#link, ...this.#watches, ...this.#syncs])
			this.#give(link);
	}

	#deadline(options) {
		return new Deadline({ timeout: this.#settings.timeout, ...options });
	}

	/** Fields of a request, in the organisation of this client unless they name one. */
	#about(fields) {
		return fields?.org === undefined && this.#settings.org !== undefined ? { org: this.#settings.org, ...fields } : fields ?? {};
	}

	/** Asks, and asks again as long as the deadline allows when the connection ends before the answer. */
	async #read(type, fields, options, { long = false } = {}) {
		const deadline = this.#deadline(options);
		for (let attempt = 0; ; attempt++) {
			try {
				const connection = await this.#link.ready(deadline);
				return await connection.request(type, fields, deadline, { long });
			} catch (error) {
				if (!await this.#link.mayRetry(error, deadline, attempt))
					throw error;
			}
		}
	}

	/** Asks once: whether a write whose answer is lost was done is for the caller to find out. */
	async #write(type, fields, options) {
		const deadline = this.#deadline(options), connection = await this.#link.ready(deadline);
		return connection.request(type, this.#about(fields), deadline, { long: true });
	}

	#list(type, fields, options) {
		return new List(this.#link, type, fields, { timeout: this.#settings.timeout, ...options });
	}

	#ownLink(links = this.#watches) {
		if (this.#closed)
			throw new RosterError({ error: 'CLOSED', message: 'this client was closed' });
		const link = new Link(this.#settings);
		links.add(link);
		return link;
	}

	#give(link) {
		link.close();
		this.#watches.delete(link);
		this.#syncs.delete(link);
	}

	// ---- Questions ----

	async check(fields, options) {
		return shape.decision(await this.#read('check', this.#about(fields), options));
	}

	async isMember(fields, options) {
		return shape.decision(await this.#read('is-member', this.#about(fields), options));
	}

	async checkBatch({ items, ...shared }, options) {
		return this.#batch('check-batch', items, shared, options);
	}

	async isMemberBatch({ items, ...shared }, options) {
		return this.#batch('is-member-batch', items, shared, options);
	}

	async #batch(type, items, shared, options) {
		if (!Array.isArray(items))
			throw invalid('item', 'items must be an array');
		return shape.batch(await this.#read(type, { ...this.#about(shared), item: items }, options, { long: true }));
	}

	groupsOf(fields, options) {
		return this.#list('groups-of', this.#about(fields), options);
	}

	membersOf(fields, options) {
		return this.#list('members-of', this.#about(fields), options);
	}

	permissionsOf(fields, options) {
		return this.#list('permissions-of', this.#about(fields), options);
	}

	whoCan(fields, options) {
		return this.#list('who-can', this.#about(fields), options);
	}

	/** The organisations of a person; without fields, one's own. */
	orgsOf(fields = {}, options) {
		return this.#list('orgs-of', fields, options);
	}

	// ---- Records ----

	async get(fields, options) {
		return shape.resource(shape.joined(await this.#read('get', this.#about(fields), options)));
	}

	find(fields, options) {
		return this.#list('find', this.#about(fields), options);
	}

	async put({ resource, ...fields }, options) {
		const text = typeof resource === 'string' ? resource : JSON.stringify(resource);
		return shape.written(await this.#write('put', { ...fields, resource: text }, options));
	}

	async delete(fields, options) {
		return shape.joined(await this.#write('delete', fields, options));
	}

	/** Begins a sync, on a connection of its own: one that is busy with records is not read from; see Sync. */
	async sync(fields, options) {
		const deadline = this.#deadline(options), link = this.#ownLink(this.#syncs);
		try {
			const connection = await link.ready(deadline);
			const about = this.#about(fields), [{ sync }] = await connection.request('sync-begin', about, deadline, { long: true });
			return new Sync(connection, { org: about.org, sync }, { timeout: this.#settings.timeout }, () => this.#give(link));
		} catch (error) {
			this.#give(link);
			throw error;
		}
	}

	// ---- Following ----

	async *watch(fields = {}, options) {
		const link = this.#ownLink();
		try {
			yield* watch(link, this.#about(fields), options);
		} finally {
			this.#give(link);
		}
	}

	/** A copy of who is in what, kept by a watch; see Mirror. */
	mirror({ org = this.#settings.org } = {}) {
		const link = this.#ownLink(), mirror = new Mirror(link, org);
		mirror.once('stop', () => this.#give(link));
		return mirror;
	}

	// ---- The rest ----

	/** Numbers about the organisation. Operators: those of the daemon, with `org: null`. */
	async stats(fields, options) {
		return shape.stats(await this.#read('stats', this.#about(fields), options));
	}

	/** Gives `data` back, from the server. */
	async ping(data, options) {
		const [answer] = await this.#read('ping', { data }, options);
		return Buffer.from(answer.data ?? []);
	}
}
