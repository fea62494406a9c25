import { Deadline } from './deadline.js';
import { malformed } from './error.js';
import { VIEWS } from './numbers.js';
import { passes } from './link.js';
import { event } from './shape.js';

/**
 * The changes of an organisation, each revision whole and once, however often the connection breaks. `link` is for
 * this watch alone, so that a slow reader holds up nobody else. See index.d.ts, Client.watch, for what is yielded.
 */
export async function* watch(link, fields, { signal } = {}) {
	const deadline = new Deadline({ signal });
	const asked = { ...fields, view: viewNumber(fields.view) };
	for (let attempt = 0; ; attempt++) {
		let stream;
		try {
			stream = (await link.ready(deadline)).stream('watch', asked);
			for await (const change of revisions(stream, deadline)) {
				if (!change.more)
					asked.from = change.revision;
				attempt = -1;
				yield change;
			}
			throw malformed('a watch ended by itself');
		} catch (error) {
			if (!passes(error) || !await link.mayRetry(error, deadline, attempt))
				throw error;
		} finally {
			stream?.cancel();
		}
	}
}

const viewNumber = (view) => (typeof view === 'string' ? VIEWS[view] ?? view : view);

/**
 * Parts of one revision put together. Those of a snapshot are too many for that: they are given as they come, the
 * first one with `begin`.
 */
async function* revisions(stream, deadline) {
	let items = [], begin = true;
	for (let part; (part = await stream.next(deadline)) !== undefined;) {
		const more = part.more === 1, snapshot = part.snapshot === 1;
		for (const item of part.item ?? [])
			items.push(event(item));
		if (more && !snapshot)
			continue;
		if (part.revision === undefined)
			throw malformed('a part of a watch without a revision');
		const change = { revision: part.revision, time: part.time, items, snapshot, more };
		if (snapshot) {
			change.begin = begin;
			begin = more === false;
			if (part.settled !== undefined)
				change.settled = part.settled;
		}
		items = [];
		yield change;
	}
}
