// Keeps a connection, and makes a new one when it is needed and the last has ended: with exponential back-off and
// jitter, so that a thousand clients do not come back at the same moment.

import { Connection } from './connection.js';
import { Deadline } from './deadline.js';
import { RosterError } from './error.js';

const PASSING = new Set(['DISCONNECTED', 'UNAVAILABLE', 'RATE_LIMITED', 'TIMEOUT']);
const SHORT_LIFE = 1000; // milliseconds: a connection that ended sooner counts as a failure

/** Whether the same request may go better a little later. */
export const passes = (error) => error instanceof RosterError && PASSING.has(error.error);

export class Link {
	#settings;
	#connection;
	#connecting;
	#waiters = 0;
	#failures = -1; // none, and never connected
	#last; // why the last attempt failed
	#closed = new AbortController();

	constructor(settings) {
		this.#settings = settings;
	}

	/** The answer to hello of the connection as it is now, or undefined. */
	get server() {
		return this.#connection?.alive ? this.#connection.server : undefined;
	}

	/** A connection that is alive, within the deadline. */
	async ready(deadline) {
		if (this.#connection?.alive)
			return this.#connection;
		if (this.#closed.signal.aborted)
			throw this.#closed.signal.reason;
		this.#waiters++;
		try {
			return await deadline.race(this.#connecting ??= this.#connect().finally(() => { this.#connecting = undefined; }));
		} catch (error) {
			if (error.error === 'TIMEOUT' && this.#last)
				throw new RosterError({ ...error, message: `${error.message}: ${this.#last.message}`, cause: this.#last });
			throw error;
		} finally {
			this.#waiters--;
		}
	}

	async #connect() {
		for (;;) {
			try {
				await this.#pause();
				return this.#take(await Connection.open(this.#settings, this.#deadline(this.#settings.connectTimeout)));
			} catch (error) {
				this.#last = error;
				this.#failures = Math.max(this.#failures, 0) + 1;
				if (this.#closed.signal.aborted)
					throw this.#closed.signal.reason;
				if (!passes(error) || this.#waiters === 0)
					throw error;
			}
		}
	}

	#deadline(timeout) {
		return new Deadline({ timeout, signal: this.#closed.signal });
	}

	/** Full jitter: somewhere between nothing and the back-off. */
	#backoff(attempt) {
		const { first, most } = this.#settings.backoff;
		return Math.random() * Math.min(most, first * 2 ** attempt);
	}

	/** Before an attempt to connect; not before the very first one. */
	async #pause() {
		if (this.#failures >= 0)
			await this.#deadline(0).sleep((this.#last?.retryAfter ?? 0) + this.#backoff(this.#failures));
	}

	#take(connection) {
		this.#connection = connection;
		this.#last = undefined;
		connection.ended.then((error) => {
			this.#last = error;
			const shortLived = performance.now() - connection.bornAt < SHORT_LIFE;
			this.#failures = shortLived ? Math.max(this.#failures, 0) + 1 : 0;
		});
		return connection;
	}

	/**
	 * After `error` of a request that may be asked again, for the `attempt`th time (from 0): waits, at least as long as
	 * the server wished, and says whether the deadline leaves time for it.
	 */
	async mayRetry(error, deadline, attempt) {
		if (!passes(error) || error.error === 'TIMEOUT' || this.#closed.signal.aborted)
			return false;
		// ready() waits by itself before it connects again
		const wait = error.error === 'DISCONNECTED' ? 0 : (error.retryAfter ?? 0) + this.#backoff(attempt);
		if (wait >= deadline.left)
			return false;
		if (wait > 0)
			await deadline.sleep(wait);
		return true;
	}

	/** Says hello again with the settings as they are now, where there is a connection. */
	async hello(deadline) {
		if (this.#connection?.alive)
			await this.#connection.hello(this.#settings, deadline);
	}

	close() {
		const error = new RosterError({ error: 'CLOSED', message: 'this client was closed' });
		this.#closed.abort(error);
		this.#connection?.destroy(error, true);
	}
}
