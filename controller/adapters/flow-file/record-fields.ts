import { isIPv6 } from 'node:net';
import { isObject, type JsonObject } from './json-record.ts';
import { parseRfc3339, validTime } from './rfc3339.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/** Text, or undefined when the field is absent, null or empty. Throws UnusableRecord for anything else. */
export function textField(value: unknown, field: string): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (value === undefined || value === null) return undefined;
  throw new UnusableRecord(`${field}: expected text, got ${shown(value)}`);
}

/** An object, or undefined when absent or null. Throws UnusableRecord for anything else. */
export function objectField(value: unknown, field: string): JsonObject | undefined {
  if (isObject(value)) return value;
  if (value === undefined || value === null) return undefined;
  throw new UnusableRecord(`${field}: expected an object, got ${shown(value)}`);
}

/** A port, 0 when absent or null. Throws UnusableRecord for anything but an integer from 0 to 65535. */
export function portField(value: unknown, field: string): number {
  if (typeof value === 'number') {
    if (value >= 0 && value <= 65535 && Number.isInteger(value)) return value;
  } else if (value === undefined || value === null) return 0;
  else if (typeof value === 'string' && /^\d{1,5}$/.test(value) && Number(value) <= 65535) return Number(value);
  throw new UnusableRecord(`${field}: expected a port from 0 to 65535, got ${shown(value)}`);
}

/** A count, 0 when absent or null; 64-bit integers may come as text. Throws UnusableRecord for anything else. */
export function countField(value: unknown, field: string): number {
  if (value === undefined || value === null) return 0;
  const number = typeof value === 'string' && /^\d{1,20}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0) return number;
  throw new UnusableRecord(`${field}: expected a whole number, got ${shown(value)}`);
}

/** An address in the source's own text, or undefined when absent. Throws UnusableRecord for text that is no address. */
export function ipField(value: unknown, field: string): string | undefined {
  const text = textField(value, field);
  if (text === undefined || isIp(text)) return text;
  throw new UnusableRecord(`${field}: expected an IP address, got ${shown(value)}`);
}

/** Strict dotted quads without leading zeros, or IPv6 without a zone. */
export function isIp(text: string): boolean {
  return isDottedQuad(text) || (text.includes(':') && !text.includes('%') && isIPv6(text));
}

function isDottedQuad(text: string): boolean {
  let dots = 0;
  let digits = 0;
  let octet = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (digits === 0 || ++dots > 3) return false;
      digits = 0;
      octet = 0;
    } else {
      if (code < 48 || code > 57 || (digits > 0 && octet === 0)) return false;
      octet = octet * 10 + code - 48;
      digits++;
      if (octet > 255) return false;
    }
  }
  return dots === 3 && digits > 0;
}

/** Milliseconds of an RFC 3339 text, undefined when absent. Throws UnusableRecord. */
export function timeField(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const timeMs = typeof value === 'string' ? parseRfc3339(value) : undefined;
  if (timeMs !== undefined) return timeMs;
  throw new UnusableRecord(`${field}: expected an RFC 3339 time between 1970 and 2200, got ${shown(value)}`);
}

/** Milliseconds of a count of seconds since 1970, as a number or text. Throws UnusableRecord, also when it is absent. */
export function secondsField(value: unknown, field: string): number {
  const seconds = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value;
  const timeMs = typeof seconds === 'number' ? validTime(Math.floor(seconds * 1000)) : undefined;
  if (timeMs !== undefined) return timeMs;
  throw new UnusableRecord(`${field}: expected seconds since 1970, got ${shown(value)}`);
}

/** A list of texts within the limit, undefined when absent, null or empty. Throws UnusableRecord. */
export function textsField(
  value: unknown,
  field: string,
  limit: number,
  limitName: string,
): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new UnusableRecord(`${field}: expected a list, got ${shown(value)}`);
  if (value.length > limit) {
    throw new UnusableRecord(`${field}: ${value.length} entries, more than ${limit} (limit: ${limitName})`);
  }
  for (const item of value as unknown[]) {
    if (typeof item !== 'string') throw new UnusableRecord(`${field}: expected a list of texts, got ${shown(item)}`);
  }
  return value.length === 0 ? undefined : (value as string[]);
}

/** Names without their trailing dot; the root and empty names are left out; undefined when none is left. */
export function dnsNamesField(value: unknown, field: string, limit: number): readonly string[] | undefined {
  const names = textsField(value, field, limit, 'DNS names per endpoint');
  if (names === undefined) return undefined;
  const bare = names.map((name) => (name.endsWith('.') ? name.slice(0, -1) : name)).filter((name) => name !== '');
  return bare.length === 0 ? undefined : bare;
}
