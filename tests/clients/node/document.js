// docs/PROTOCOL.md as data: its tables of numbers and its examples. Knows nothing of the client.

import { readFileSync } from 'node:fs';

const TEXT = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8');

/** All table rows between two texts, as arrays of cells. */
function cells(from, to) {
	const begin = TEXT.indexOf(from), end = TEXT.indexOf(to, begin);
	if (begin < 0 || end < 0)
		throw new Error(`PROTOCOL.md has no "${from}" with "${to}" behind it`);
	return TEXT.slice(begin, end).split('\n').filter((line) => line.startsWith('|'))
		.map((line) => line.slice(1).split('|').map((cell) => cell.trim()));
}

/** Of rows of `width` cells side by side (number, `name`, ..): [number, name, ..]. */
function entries(rows, width) {
	return rows.flatMap((row) => {
		const found = [];
		for (let at = 0; at + 1 < row.length; at += width)
			if (/^\d+$/.test(row[at]))
				found.push([Number(row[at]), row[at + 1].replaceAll('`', ''), row[at + 2]]);
		return found;
	});
}

export const types = () => entries(cells('<!-- numbers:', 'Fields of requests'), 2);
export const requestFields = () => entries(cells('Fields of requests', 'Fields of answers'), 3);
export const answerFields = () => entries(cells('Fields of answers', '\nCodes'), 3);
export const codes = () => entries(cells('\nCodes', '## Examples'), 2);

function value(text) {
	if (text.startsWith('"'))
		return JSON.parse(text);
	if (text.startsWith('0x'))
		return Buffer.from(text.slice(2), 'hex');
	if (/^\d+$/.test(text))
		return BigInt(text) > BigInt(Number.MAX_SAFE_INTEGER) ? BigInt(text) : Number(text);
	return text; // an id
}

const LISTS = new Set(['item', 'team-id']); // and group-id, of requests

function set(fields, name, one, isRequest) {
	const key = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
	if (LISTS.has(name) || (name === 'group-id' && isRequest))
		(fields[key] ??= []).push(one);
	else
		fields[key] = one;
}

function example(block) {
	const lines = block.trim().split('\n').map((line) => line.trim());
	const [direction, type, id, flags] = lines[0].split(' ');
	const isRequest = direction === '>', stack = [{}];
	let hex = '';
	for (const line of lines.slice(1)) {
		if (line.startsWith('= '))
			hex += line.slice(2).replaceAll(' ', '');
		else if (line === 'item {')
			stack.push({});
		else if (line === '}')
			set(stack.at(-2), 'item', stack.pop(), isRequest);
		else
			set(stack.at(-1), line.slice(0, line.indexOf(' ')), value(line.slice(line.indexOf(' ') + 1)), isRequest);
	}
	const flagNumber = flags.split(',').reduce((sum, one) => sum + { '-': 0, last: 1, error: 2 }[one], 0);
	return { title: lines[0], isRequest, type, id: Number(id), flags: flagNumber, fields: stack[0], bytes: Buffer.from(hex, 'hex') };
}

export const examples = () => [...TEXT.matchAll(/```roster\n([^`]*)```/g)].map((match) => example(match[1]));
