/// <reference types="node" />
// Frames and fields of roster/1 as bytes, and back; for tools. Fields are named in camelCase.

export type Value = number | bigint | boolean | string | Uint8Array | null | undefined;
export interface Fields { [name: string]: Value | Fields | (Value | Fields)[] }
export interface Field { wire: string; name: string; number: number; value: 'number' | 'text' | 'raw' | 'fields' | 'id'; list: boolean; tag: number }
export interface Table { byName: Map<string, Field>; byTag: (Field | undefined)[]; kindOf: (number | undefined)[]; strictBelow: number }
export interface Frame { type: number; flags: number; id: number; payload: Buffer }

export const REQUEST: Table;
export const ANSWER: Table;
export const TYPES: Record<string, number>;
export const CODES: Record<string, number>;
export const VIEWS: Record<string, number>;
export const EVENTS: Record<string, number>;
export const ACTIONS: Record<string, number>;
export const SUBJECT_KINDS: Record<string, number>;
export const HEAD: 12;
export const LAST: 1;
export const ERROR: 2;
export const MAX_ANSWER: number;

/** One frame; fields are written in the order of the object. Throws INVALID_VALUE with the field. */
export function encodeFrame(type: number, id: number, flags: number, fields: Fields, table?: Table): Buffer;
/** Lists are arrays, bytes views into the payload. Throws MALFORMED. */
export function decodeFields(payload: Uint8Array, table?: Table): Record<string, any>;
export function camel(name: string): string;

/** Cuts a stream of bytes into frames; throws MALFORMED when the framing is lost. */
export class FrameReader {
	constructor(limit?: number);
	push(bytes: Buffer): void;
	next(): Frame | undefined;
}
