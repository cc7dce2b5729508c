/** One inclusive interval of ports, `1 <= from <= to <= 65535`. */
export type PortInterval = readonly [from: number, to: number];

/** A set of ports: ascending, disjoint, never adjacent intervals; so equal sets are structurally equal. */
export type PortSet = readonly PortInterval[];

export const lowestPort = 1;
export const highestPort = 65_535;
export const noPorts: PortSet = [];
export const allPorts: PortSet = [[lowestPort, highestPort]];

export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= lowestPort && value <= highestPort;
}

/** The canonical set of any intervals, in any order, overlapping or not. Throws RangeError on a port outside 1–65535. */
export function portSet(intervals: Iterable<PortInterval>): PortSet {
  const sorted = [...intervals].sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    if (!isPort(from) || !isPort(to) || from > to) throw new RangeError(`not a port interval: ${from}-${to}`);
    const last = merged.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

export function portSetOf(...ports: readonly number[]): PortSet {
  return portSet(ports.map((port) => [port, port] as const));
}

export function unionPorts(a: PortSet, b: PortSet): PortSet {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  return portSet([...a, ...b]);
}

export function intersectPorts(a: PortSet, b: PortSet): PortSet {
  const shared: PortInterval[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as PortInterval;
    const y = b[j] as PortInterval;
    const from = Math.max(x[0], y[0]);
    const to = Math.min(x[1], y[1]);
    if (from <= to) shared.push([from, to]);
    if (x[1] < y[1]) i++;
    else j++;
  }
  return shared;
}

export function complementPorts(a: PortSet): PortSet {
  const gaps: PortInterval[] = [];
  let next = lowestPort;
  for (const [from, to] of a) {
    if (from > next) gaps.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= highestPort) gaps.push([next, highestPort]);
  return gaps;
}

export function subtractPorts(a: PortSet, b: PortSet): PortSet {
  return intersectPorts(a, complementPorts(b));
}

export function hasPort(set: PortSet, port: number): boolean {
  let low = 0;
  let high = set.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [from, to] = set[middle] as PortInterval;
    if (port < from) high = middle - 1;
    else if (port > to) low = middle + 1;
    else return true;
  }
  return false;
}

export function containsPorts(outer: PortSet, inner: PortSet): boolean {
  return subtractPorts(inner, outer).length === 0;
}

export function equalPorts(a: PortSet, b: PortSet): boolean {
  return a.length === b.length && a.every(([from, to], i) => from === b[i]?.[0] && to === b[i]?.[1]);
}

export function countPorts(set: PortSet): number {
  return set.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

/** `80, 8000-8010`; `all` for every port. */
export function formatPorts(set: PortSet): string {
  if (equalPorts(set, allPorts)) return 'all';
  return set.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
