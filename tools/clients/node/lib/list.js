import { Deadline } from './deadline.js';
import { listItem } from './shape.js';

/**
 * A list that is read as it comes: `for await (const item of list)`, or by parts, or all() of it. It is asked for when
 * the reading begins, and cancelled when the reading ends early. It can be read once.
 *
 * Behind the end, `revision` is what the last part was true at, and `cursor` where to go on, when `limit` cut it.
 * The timeout counts for each part that is waited for. A connection that ends before the first part is made up for;
 * later it is an error, since parts are not the whole.
 */
export class List {
	revision;
	cursor;
	#link;
	#type;
	#fields;
	#options;
	#read = false;

	constructor(link, type, fields, options) {
		this.#link = link;
		this.#type = type;
		this.#fields = fields;
		this.#options = options;
	}

	/** Arrays of items, as they come. */
	async *parts() {
		if (this.#read)
			throw new TypeError('a list can be read once');
		this.#read = true;
		const stream = await this.#open();
		try {
			for (let part = stream.first; part !== undefined; part = await stream.next(new Deadline(this.#options))) {
				this.revision = part.revision ?? this.revision;
				this.cursor = part.cursor && Buffer.from(part.cursor);
				if (part.item)
					yield part.item.map(listItem[this.#type]);
			}
		} finally {
			stream.cancel();
		}
	}

	async #open() {
		const deadline = new Deadline(this.#options);
		for (let attempt = 0; ; attempt++) {
			let stream;
			try {
				stream = (await this.#link.ready(deadline)).stream(this.#type, this.#fields);
				stream.first = await stream.next(deadline);
				return stream;
			} catch (error) {
				stream?.cancel();
				if (!await this.#link.mayRetry(error, deadline, attempt))
					throw error;
			}
		}
	}

	async *[Symbol.asyncIterator]() {
		for await (const items of this.parts())
			yield* items;
	}

	/** All items in an array. */
	async all() {
		const items = [];
		for await (const part of this.parts())
			for (const item of part)
				items.push(item);
		return items;
	}
}
