import { RosterError } from './error.js';

/** How long a caller waits: a number of milliseconds from now on (0: without end), and an AbortSignal. */
export class Deadline {
	#timeout;
	#signal;
	#at;

	constructor({ timeout = 0, signal } = {}) {
		this.#timeout = timeout;
		this.#signal = signal;
		this.#at = timeout > 0 ? performance.now() + timeout : Infinity;
	}

	get left() {
		return this.#at - performance.now();
	}

	/** Why the caller waits no longer, or undefined. */
	get error() {
		if (this.#signal?.aborted)
			return new RosterError({ status: 499, error: 'CANCELLED', message: 'cancelled by the caller', cause: this.#signal.reason });
		if (this.left <= 0)
			return new RosterError({ status: 408, error: 'TIMEOUT', message: `no answer within ${this.#timeout} ms` });
		return undefined;
	}

	/** Calls `ended(error)` once, at the end of the time. What it returns stops that. */
	guard(ended) {
		const late = this.error;
		if (late) {
			ended(late);
			return () => {};
		}
		// timers count whole milliseconds of another clock: one that comes a bit early waits again
		const fire = () => (this.error ? ended(this.error) : (timer = setTimeout(fire, 1)));
		let timer = this.#at === Infinity ? undefined : setTimeout(fire, this.left);
		const abort = () => ended(this.error);
		this.#signal?.addEventListener('abort', abort, { once: true });
		return () => {
			clearTimeout(timer);
			this.#signal?.removeEventListener('abort', abort);
		};
	}

	/** What `promise` gives, or this deadline's error when that comes first. */
	race(promise) {
		return new Promise((resolve, reject) => {
			const release = this.guard(reject);
			promise.then(resolve, reject).finally(release);
		});
	}

	sleep(milliseconds) {
		let timer;
		return this.race(new Promise((resolve) => { timer = setTimeout(resolve, milliseconds); }))
			.finally(() => clearTimeout(timer));
	}
}
