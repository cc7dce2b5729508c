/** An IP address as a number: 32 bits for family 4, 128 for family 6. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** One CIDR block; `value` has no host bits. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly prefix: number;
}

/** An inclusive range of addresses of one family. */
export type AddressRange = readonly [from: bigint, to: bigint];

/** A set of addresses: for each family ascending, disjoint, never adjacent ranges; equal sets are structurally equal. */
export interface CidrSet {
  readonly v4: readonly AddressRange[];
  readonly v6: readonly AddressRange[];
}

export const noAddresses: CidrSet = { v4: [], v6: [] };
export const allAddresses: CidrSet = { v4: [[0n, (1n << 32n) - 1n]], v6: [[0n, (1n << 128n) - 1n]] };

const mappedPrefix = 0xffffn << 32n;

function bitsOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

const dottedQuad = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const leadingZero = /(?:^|\.)0\d/;
const hexGroup = /^[0-9a-fA-F]{1,4}$/;

/**
 * Parses one address in the strict forms of the standard (no octal, no missing parts, no zone). An IPv4-mapped IPv6
 * address (`::ffff:10.0.0.1`) is the IPv4 address that it stands for. Undefined for anything else.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (text.includes(':')) {
    const value = parseV6(text);
    if (value === undefined) return undefined;
    return value >> 32n === 0xffffn ? { family: 4, value: value - mappedPrefix } : { family: 6, value };
  }
  const value = parseV4(text);
  return value === undefined ? undefined : { family: 4, value };
}

function parseV4(text: string): bigint | undefined {
  if (!dottedQuad.test(text) || leadingZero.test(text)) return undefined;
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseV6(text: string): bigint | undefined {
  let source = text;
  if (source.includes('.')) {
    const cut = source.lastIndexOf(':') + 1;
    const low = parseV4(source.slice(cut));
    if (low === undefined) return undefined;
    source = `${source.slice(0, cut)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const halves = source.split('::');
  if (halves.length > 2) return undefined;
  const [left = [], right] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - left.length - (right?.length ?? 0);
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array<string>(missing).fill('0'), ...(right ?? [])];
  if (!groups.every((group) => hexGroup.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** Dotted quads, or the canonical IPv6 text of RFC 5952. */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 0xffn).toString()).join('.');
  const parts = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (parts[i + length] === '0') length++;
    if (length > best.length) best = { start: i, length };
  }
  if (best.start < 0) return parts.join(':');
  return `${parts.slice(0, best.start).join(':')}::${parts.slice(best.start + best.length).join(':')}`;
}

/** The canonical text of an address, or undefined when the text is none. */
export function canonicalIp(text: string): string | undefined {
  const address = parseIp(text);
  return address && formatIp(address);
}

/**
 * Parses `10.0.0.0/8` or `fd00::/8`; a bare address is a block of one. Host bits are cut off. Undefined when the text
 * is no CIDR.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const bare = slash < 0 ? text : text.slice(0, slash);
  const address = parseIp(bare);
  if (!address) return undefined;
  const bits = bitsOf(address.family);
  const mapped = address.family === 4 && bare.includes(':');
  let prefix = bits;
  if (slash >= 0) {
    const digits = text.slice(slash + 1);
    if (!/^(?:0|[1-9]\d{0,2})$/.test(digits)) return undefined;
    prefix = Number(digits) - (mapped ? 96 : 0);
    if (prefix < 0 || prefix > bits) return undefined;
  }
  const shift = BigInt(bits - prefix);
  return { family: address.family, value: (address.value >> shift) << shift, prefix };
}

export function formatCidr({ family, value, prefix }: Cidr): string {
  return `${formatIp({ family, value })}/${prefix}`;
}

/** The block that holds exactly this address: `/32` or `/128` by its family. */
export function hostCidr(address: IpAddress): Cidr {
  return { ...address, prefix: bitsOf(address.family) };
}

export function cidrRange({ family, value, prefix }: Cidr): AddressRange {
  return [value, value + (1n << BigInt(bitsOf(family) - prefix)) - 1n];
}

export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  const shift = BigInt(bitsOf(outer.family) - outer.prefix);
  return outer.value >> shift === inner.value >> shift;
}

function canonicalRanges(ranges: Iterable<AddressRange>): AddressRange[] {
  const sorted = [...ranges].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const merged: [bigint, bigint][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last && from <= last[1] + 1n) {
      if (to > last[1]) last[1] = to;
    } else merged.push([from, to]);
  }
  return merged;
}

export function cidrSet(blocks: Iterable<Cidr>): CidrSet {
  const v4: AddressRange[] = [];
  const v6: AddressRange[] = [];
  for (const block of blocks) (block.family === 4 ? v4 : v6).push(cidrRange(block));
  return { v4: canonicalRanges(v4), v6: canonicalRanges(v6) };
}

/** The set of these CIDR texts. Throws RangeError on a text that is none: parse untrusted input with parseCidr first. */
export function cidrSetOf(...texts: readonly string[]): CidrSet {
  return cidrSet(
    texts.map((text) => {
      const block = parseCidr(text);
      if (!block) throw new RangeError(`not a CIDR: ${text}`);
      return block;
    }),
  );
}

export function unionAddresses(a: CidrSet, b: CidrSet): CidrSet {
  return { v4: canonicalRanges([...a.v4, ...b.v4]), v6: canonicalRanges([...a.v6, ...b.v6]) };
}

function intersectRanges(a: readonly AddressRange[], b: readonly AddressRange[]): AddressRange[] {
  const shared: AddressRange[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as AddressRange;
    const y = b[j] as AddressRange;
    const from = x[0] > y[0] ? x[0] : y[0];
    const to = x[1] < y[1] ? x[1] : y[1];
    if (from <= to) shared.push([from, to]);
    if (x[1] < y[1]) i++;
    else j++;
  }
  return shared;
}

function complementRanges(ranges: readonly AddressRange[], highest: bigint): AddressRange[] {
  const gaps: AddressRange[] = [];
  let next = 0n;
  for (const [from, to] of ranges) {
    if (from > next) gaps.push([next, from - 1n]);
    next = to + 1n;
  }
  if (next <= highest) gaps.push([next, highest]);
  return gaps;
}

export function intersectAddresses(a: CidrSet, b: CidrSet): CidrSet {
  return { v4: intersectRanges(a.v4, b.v4), v6: intersectRanges(a.v6, b.v6) };
}

export function complementAddresses(a: CidrSet): CidrSet {
  return { v4: complementRanges(a.v4, (1n << 32n) - 1n), v6: complementRanges(a.v6, (1n << 128n) - 1n) };
}

export function subtractAddresses(a: CidrSet, b: CidrSet): CidrSet {
  return intersectAddresses(a, complementAddresses(b));
}

export function hasAddress(set: CidrSet, { family, value }: IpAddress): boolean {
  const ranges = family === 4 ? set.v4 : set.v6;
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [from, to] = ranges[middle] as AddressRange;
    if (value < from) high = middle - 1;
    else if (value > to) low = middle + 1;
    else return true;
  }
  return false;
}

export function containsAddresses(outer: CidrSet, inner: CidrSet): boolean {
  return isEmptyAddresses(subtractAddresses(inner, outer));
}

export function isEmptyAddresses({ v4, v6 }: CidrSet): boolean {
  return v4.length === 0 && v6.length === 0;
}

export function equalAddresses(a: CidrSet, b: CidrSet): boolean {
  const same = (x: readonly AddressRange[], y: readonly AddressRange[]) =>
    x.length === y.length && x.every(([from, to], i) => from === y[i]?.[0] && to === y[i]?.[1]);
  return same(a.v4, b.v4) && same(a.v6, b.v6);
}

export function countAddresses({ v4, v6 }: CidrSet): bigint {
  return [...v4, ...v6].reduce((sum, [from, to]) => sum + to - from + 1n, 0n);
}

/** The fewest CIDR blocks that make up the set, IPv4 first, ascending. */
export function toCidrs(set: CidrSet): Cidr[] {
  return [...rangesToCidrs(set.v4, 4), ...rangesToCidrs(set.v6, 6)];
}

function rangesToCidrs(ranges: readonly AddressRange[], family: 4 | 6): Cidr[] {
  const bits = bitsOf(family);
  const blocks: Cidr[] = [];
  for (const [from, to] of ranges) {
    let next = from;
    while (next <= to) {
      let size = 0;
      while (
        size < bits &&
        (next & ((1n << BigInt(size + 1)) - 1n)) === 0n &&
        next + (1n << BigInt(size + 1)) - 1n <= to
      ) {
        size++;
      }
      blocks.push({ family, value: next, prefix: bits - size });
      next += 1n << BigInt(size);
    }
  }
  return blocks;
}

export function formatAddresses(set: CidrSet): string[] {
  return toCidrs(set).map(formatCidr);
}
