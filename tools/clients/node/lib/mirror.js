import { once, EventEmitter } from 'node:events';
import { Deadline } from './deadline.js';
import { ResyncError, RosterError, invalid } from './error.js';
import { watch } from './watch.js';

/** Names are compared without case. */
const fold = (name) => name.normalize('NFC').toLowerCase();

function add(map, key, value) {
	const set = map.get(key);
	if (set)
		set.add(value);
	else
		map.set(key, new Set([value]));
}

function remove(map, key, value) {
	const set = map.get(key);
	if (set?.delete(value) && set.size === 0)
		map.delete(key);
}

/** Users, groups and who is in what, as far as isMember needs it. */
class State {
	revision = 0;
	settled = 0;
	#names = { User: new Map(), Group: new Map() }; // id to folded name
	#ids = { User: new Map(), Group: new Map() }; // folded name to ids
	#groupsOf = new Map(); // id of a member to those of groups that hold it
	#membersOf = new Map();

	apply(item) {
		const { event, type, id, groupId } = item;
		if (event === 'member-added') {
			add(this.#groupsOf, id, groupId);
			add(this.#membersOf, groupId, id);
		} else if (event === 'member-removed') {
			remove(this.#groupsOf, id, groupId);
			remove(this.#membersOf, groupId, id);
		} else if (type in this.#names && (event === 'put' || event === 'gone')) {
			if (event === 'gone')
				this.#forget(type, id);
			else
				this.#rename(type, id, item.resource);
		}
	}

	/** A resource that is too long to be told is known by its id alone. */
	#rename(type, id, resource) {
		const names = this.#names[type], name = type === 'User' ? resource?.userName : resource?.displayName;
		remove(this.#ids[type], names.get(id), id);
		names.set(id, name && fold(name));
		if (name)
			add(this.#ids[type], fold(name), id);
	}

	/** What a group held is not told when the group goes. */
	#forget(type, id) {
		remove(this.#ids[type], this.#names[type].get(id), id);
		this.#names[type].delete(id);
		for (const group of this.#groupsOf.get(id) ?? [])
			remove(this.#membersOf, group, id);
		for (const member of this.#membersOf.get(id) ?? [])
			remove(this.#groupsOf, member, id);
		this.#groupsOf.delete(id);
		this.#membersOf.delete(id);
	}

	/** The id of somebody, or the code that says why not. */
	find(type, id, name, byEither) {
		if (id !== undefined)
			return this.#names[type].has(id = id.toLowerCase()) ? { id } : { code: 'unknown' };
		if (byEither && this.#names[type].has(name.toLowerCase()))
			return { id: name.toLowerCase() };
		const ids = this.#ids[type].get(fold(name));
		if (ids === undefined)
			return { code: 'unknown' };
		return ids.size > 1 ? { code: 'ambiguous' } : { id: ids.values().next().value };
	}

	membership(member, group, direct) {
		const above = this.#groupsOf.get(member);
		if (above === undefined)
			return 'not_member';
		if (above.has(group))
			return 'direct';
		if (direct)
			return 'not_member';
		const seen = new Set(above);
		for (const one of seen) // a Set goes on with what is added meanwhile
			for (const next of this.#groupsOf.get(one) ?? []) {
				if (next === group)
					return 'nested';
				seen.add(next);
			}
		return 'not_member';
	}
}

/**
 * A copy of who is in what, kept up to date by a watch, that answers isMember in this process. Emits 'change' with
 * the revision, and 'stop' with the error that ended it. While the server cannot be reached it goes on answering what
 * it knows, and `staleness` grows.
 */
export class Mirror extends EventEmitter {
	/** Why it stopped: a RosterError that does not pass by itself, or CLOSED. */
	error;
	#state; // exact at its revision
	#next; // a snapshot that is not exact yet
	#heardAt;
	#stop = new AbortController();
	#running;

	constructor(link, org) {
		super();
		this.setMaxListeners(0);
		this.#running = this.#run(link, org);
	}

	/** The revision that answers are true at; undefined as long as there are none. */
	get revision() {
		return this.#state?.revision;
	}

	/** Milliseconds since the server last said that there is nothing newer. */
	get staleness() {
		return this.#state ? performance.now() - this.#heardAt : Infinity;
	}

	/** Settles when the mirror can answer, at `revision` or a later one: what a write said can be seen then. */
	async reached(revision = 0, { timeout, signal } = {}) {
		const deadline = new Deadline({ timeout, signal });
		while (!this.#state || this.#state.revision < revision) {
			if (this.error)
				throw this.error;
			const stop = new AbortController();
			await deadline.race(once(this, 'change', { signal: stop.signal })).catch((error) => {
				stop.abort();
				throw this.error ?? error;
			});
		}
	}

	/**
	 * As Client.isMember, of a member by `subjectId` or `subjectName` (with `subjectKind: 2` a team), and a group by
	 * `groupId` or `group` (id or displayName), with `direct` if wished. Throws when the mirror has stopped or not begun.
	 */
	isMember({ subjectId, subjectName, subjectKind = 0, groupId, group, direct = false, ...rest }) {
		if (this.error)
			throw this.error;
		if (!this.#state)
			throw new RosterError({ status: 503, error: 'UNAVAILABLE', message: 'the mirror has not begun: await reached()' });
		for (const name in rest)
			throw invalid(name, `a mirror does not know ${name}`);
		const type = { 0: 'User', 2: 'Group' }[subjectKind];
		if (!type)
			throw invalid('subject-kind', 'a mirror knows members (0) and teams (2)');
		required('subject-id', subjectId ?? subjectName);
		required('group', groupId ?? group);
		return this.#answer(this.#state.find(type, subjectId, subjectName, false), this.#state.find('Group', groupId, group, true), direct);
	}

	#answer(subject, group, direct) {
		const code = subject.code ? `${subject.code}_subject`
			: group.code ? `${group.code}_group` : this.#state.membership(subject.id, group.id, Boolean(direct));
		return { answer: code === 'direct' || code === 'nested', code, revision: this.#state.revision, staleness: this.staleness };
	}

	async #run(link, org) {
		try {
			for (let from; ; from = undefined)
				await this.#follow(watch(link, { org, from }, { signal: this.#stop.signal }));
		} catch (error) {
			this.error ??= error;
		}
		this.emit('stop', this.error);
		this.emit('change', this.revision); // wakes reached()
	}

	/** Until the server has no longer, or not any more (a backup was put back), what comes next. */
	async #follow(changes) {
		try {
			for await (const change of changes)
				this.#take(change);
		} catch (error) {
			if (!(error instanceof ResyncError) && error.error !== 'PRECONDITION_FAILED')
				throw error;
		}
	}

	#take({ revision, items, snapshot, begin, more, settled }) {
		if (begin)
			this.#next = new State();
		const state = this.#next ?? this.#state;
		for (const item of items)
			state.apply(item);
		if (more)
			return;
		state.revision = revision;
		if (snapshot)
			state.settled = settled ?? revision;
		if (state.revision < state.settled)
			return;
		this.#state = state;
		this.#next = undefined;
		this.#heardAt = performance.now();
		this.emit('change', revision);
	}

	/** Ends it. */
	async close() {
		this.error ??= new RosterError({ error: 'CLOSED', message: 'this mirror was closed' });
		this.#stop.abort();
		await this.#running;
	}
}

function required(field, value) {
	if (typeof value !== 'string')
		throw invalid(field, `${field} is required, as a string`);
}
