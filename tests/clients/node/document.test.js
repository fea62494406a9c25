// The client and docs/PROTOCOL.md say the same: examples byte for byte, tables of numbers.

import assert from 'node:assert/strict';
import test from 'node:test';
import * as codec from '../../../tools/clients/node/lib/codec.js';
import * as document from './document.js';

const tableOf = (isRequest) => (isRequest ? codec.REQUEST : codec.ANSWER);

function decode(bytes, table) {
	const reader = new codec.FrameReader();
	reader.push(bytes);
	const frame = reader.next();
	assert.equal(reader.next(), undefined);
	return { ...frame, fields: codec.decodeFields(frame.payload, table) };
}

test('there are examples, of requests, answers and errors', () => {
	const examples = document.examples();
	assert.ok(examples.length >= 18, `${examples.length} examples`);
	assert.ok(examples.some((one) => one.isRequest) && examples.some((one) => one.flags === 3));
});

for (const one of document.examples()) {
	test(`example: ${one.title}`, () => {
		const frame = decode(one.bytes, tableOf(one.isRequest));
		assert.equal(frame.type, codec.TYPES[one.type]);
		assert.equal(frame.id, one.id);
		assert.equal(frame.flags, one.flags);
		assert.deepEqual(frame.fields, one.fields);
		assert.deepEqual(Object.keys(frame.fields), Object.keys(one.fields));
		const again = codec.encodeFrame(codec.TYPES[one.type], one.id, one.flags, one.fields, tableOf(one.isRequest));
		assert.equal(again.toString('hex'), one.bytes.toString('hex'));
	});
}

test('types and codes are those of the document', () => {
	const told = (rows) => Object.fromEntries(rows.map(([number, name]) => [name, number]));
	assert.deepEqual({ ...codec.TYPES }, told(document.types()));
	assert.deepEqual({ ...codec.CODES }, told(document.codes()));
});

for (const [name, table, rows] of [['requests', codec.REQUEST, document.requestFields()], ['answers', codec.ANSWER, document.answerFields()]])
	test(`fields of ${name} are those of the document`, () => {
		const kind = (field) => ({ number: 'n', id: 'i' }[field.value] ?? 'b') + (field.list ? '*' : '');
		const ours = [...table.byName.values()].map((field) => [field.number, field.wire, kind(field)]);
		const byNumber = (a, b) => a[0] - b[0];
		assert.ok(rows.length > 40);
		assert.deepEqual(ours.sort(byNumber), rows.sort(byNumber));
	});
