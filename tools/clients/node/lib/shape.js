// Answers as they are given to callers: names for numbers, true and false, JSON read. Pure.

import { ACTIONS, CODES, EVENTS, camel, naming } from './numbers.js';
import { malformed } from './error.js';

const codeName = naming(CODES);
const eventName = naming(EVENTS);
const actionName = naming(ACTIONS);
const MEMBER_KINDS = naming({ user: 0, group: 2 });
const YES = new Set([CODES.granted, CODES.direct, CODES.nested]);

export function json(text, what) {
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw Object.assign(malformed(`${what} is not JSON`), { cause });
	}
}

/** A row of parts as one: lists one behind the other, of the rest what was said last. */
export function joined(parts) {
	const whole = Object.assign({}, ...parts);
	if (parts.length > 1)
		whole.item = parts.flatMap((part) => part.item ?? []);
	return whole;
}

export function decision(parts) {
	const answer = joined(parts);
	const result = { ...answer, answer: answer.answer === 1, code: codeName(answer.code ?? 0) };
	if (answer.own !== undefined)
		result.own = answer.own === 1;
	return result;
}

/** The revision is the lowest of the parts: all of the answers are true at it or later. */
export function batch(parts) {
	const revisions = parts.map((part) => part.revision);
	const answers = [], codes = [];
	for (const part of parts)
		for (const code of part.answers ?? []) {
			answers.push(YES.has(code));
			codes.push(codeName(code));
		}
	return { revision: revisions.reduce((low, one) => (one < low ? one : low)), answers, codes };
}

export function resource(answer) {
	return { ...answer, resource: json(answer.resource ?? '', 'resource') };
}

export function written([answer]) {
	return { ...answer, created: answer.created === 1 };
}

export function stats(parts) {
	const { revision, item = [] } = joined(parts), result = { revision };
	for (const { name, count = 0 } of item)
		result[camel(name ?? '')] = count;
	return result;
}

export const listItem = {
	'groups-of': (item) => ({ ...item, kind: MEMBER_KINDS(item.kind ?? 0), direct: item.direct === 1 }),
	'members-of': (item) => ({ ...item, kind: MEMBER_KINDS(item.kind ?? 0) }),
	'permissions-of': (item) => ({ permission: item.permission, own: item.own === 1 }),
	'who-can': (item) => item,
	'orgs-of': (item) => item,
	find: resource,
};

const action = (item) => ({ ...item, action: actionName(item.action ?? 0) });

export const committed = (parts) => {
	const { revision, item = [] } = joined(parts);
	return { revision, counts: item.map((one) => ({ ...action(one), count: one.count ?? 0 })) };
};

/** Counts say how many, samples say who: they alone have a `name`. */
export function plan(parts) {
	const { revision, item = [] } = joined(parts);
	const isSample = (one) => one.name !== undefined;
	return {
		revision,
		counts: item.filter((one) => !isSample(one)).map((one) => ({ ...action(one), count: one.count ?? 0 })),
		samples: item.filter(isSample).map((one) => ({ ...action(one), ...(one.data && { data: readData(one.data) }) })),
	};
}

const readData = (bytes) => Buffer.from(bytes).toString('utf8');

export function event(item) {
	const result = { ...item, event: eventName(item.event ?? 0) };
	if (item.resource !== undefined)
		result.resource = json(item.resource, 'resource');
	if (item.event === EVENTS['member-added'] || item.event === EVENTS['member-removed'])
		result.kind = MEMBER_KINDS(item.kind ?? 0);
	return result;
}
