// index.d.ts names what the classes have: no more, no less.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import * as client from '../../../tools/clients/node/index.js';

const TEXT = readFileSync(new URL('../../../tools/clients/node/index.d.ts', import.meta.url), 'utf8').replace(/\/\*\*[^]*?\*\//g, '');
const bodies = new Map([...TEXT.matchAll(/export class (\w+)[^{]*\{\n([^]*?)\n\}/g)].map(([, name, body]) => [name, body]));

test('the classes are the same', () => {
	assert.deepEqual([...bodies.keys()].sort(), Object.keys(client).sort());
});

for (const name of ['Client', 'List', 'Mirror', 'Sync'])
	test(`the methods of ${name} are the same`, () => {
		const declared = [...bodies.get(name).matchAll(/^\t(\w+)\??\(/gm)].map((match) => match[1]).filter((key) => key !== 'constructor');
		const own = Object.getOwnPropertyDescriptors(client[name].prototype);
		const methods = Object.keys(own).filter((key) => typeof own[key].value === 'function' && key !== 'constructor');
		assert.ok(methods.length > 0);
		assert.deepEqual([...new Set(declared)].sort(), methods.sort());
	});
