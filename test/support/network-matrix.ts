import type { ProbeResult } from './network-host.ts';
import type { NetworkNode } from './network-node.ts';

/** Somebody who may send and answer: a pod, the node, or an address outside. */
export interface Party {
  /** As `NetworkNode.host` knows it. */
  readonly name: string;
  readonly kind: 'pod' | 'node' | 'outside';
  /** Of a pod: `shop/web`. */
  readonly workload: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Where it listens. */
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

/** One way to try. */
export interface Attempt {
  readonly from: Party;
  readonly to: Party;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6';
  /** The Service's address and port that are tried, where `to` is one of several behind it, and `port` its own. */
  readonly service?: readonly [address: string, port: number];
}

/** Whether an attempt has to get through, and whose word that is. */
export interface Expectation {
  readonly open: boolean;
  readonly because: string;
}

export interface Discrepancy {
  readonly attempt: Attempt;
  readonly expected: Expectation;
  readonly happened: string;
}

const listed = 60;

/** Every ordered pair, port, protocol and family, but for what never passes the node. */
export function everyAttempt(parties: readonly Party[], ports: readonly number[]): readonly Attempt[] {
  return parties.flatMap((from) =>
    parties
      .filter((to) => to !== from && !(from.kind === 'outside' && to.kind === 'outside'))
      .flatMap((to) =>
        ports.flatMap((port) =>
          (['TCP', 'UDP'] as const).flatMap((protocol) =>
            (['IPv4', 'IPv6'] as const).map((family) => ({ from, to, protocol, port, family })),
          ),
        ),
      ),
  );
}

/** Tries all of them with real packets, and names each that went another way than expected. */
export async function tryAll(
  node: NetworkNode,
  attempts: readonly Attempt[],
  expectation: (attempt: Attempt) => Expectation,
): Promise<readonly Discrepancy[]> {
  const byHost = Map.groupBy(attempts, ({ from }) => node.host(from.name));
  const found = await Promise.all(
    [...byHost].map(async ([host, own]) => {
      const results = await host.probe(own.map(probeOf));
      return own.map((attempt, i) => ({ attempt, result: results[i] }));
    }),
  );
  return found.flat().flatMap(({ attempt, result }) => {
    const expected = expectation(attempt);
    const wanted = expected.open ? outcomeOf(attempt) : 'blocked';
    const happened = result === undefined ? 'nothing' : wordsOf(result);
    return happened === wanted ? [] : [{ attempt, expected, happened }];
  });
}

/** A grid of all pairs (`.` as expected, `!` open that should be closed, `x` closed that should be open), then each. */
export function tellDiscrepancies(parties: readonly Party[], discrepancies: readonly Discrepancy[]): string {
  const width = Math.max(...parties.map(({ name }) => name.length)) + 1;
  const cell = (from: Party, to: Party) => {
    const own = discrepancies.filter(({ attempt }) => attempt.from === from && attempt.to === to);
    const open = own.some(({ expected }) => !expected.open) ? '!' : '';
    const closed = own.some(({ expected }) => expected.open) ? 'x' : '';
    return `${open}${closed}` || '.';
  };
  const row = (head: string, cells: readonly string[]) => [head, ...cells].map((text) => text.padEnd(width)).join('');
  const grid = [
    row(
      'from \\ to',
      parties.map(({ name }) => name),
    ),
    ...parties.map((from) =>
      row(
        from.name,
        parties.map((to) => (from === to ? '' : cell(from, to))),
      ),
    ),
  ];
  const lines = discrepancies.slice(0, listed).map(({ attempt, expected, happened }) => {
    const { from, to, protocol, port, family, service } = attempt;
    const way = service === undefined ? family : `${family} by ${service.join(' port ')}`;
    const wanted = `${expected.open ? outcomeOf(attempt) : 'blocked'} (${expected.because})`;
    return `${from.name} > ${to.name} ${protocol}/${port} ${way}: expected ${wanted}, happened: ${happened}`;
  });
  const more = discrepancies.length > listed ? [`and ${discrepancies.length - listed} more`] : [];
  return [`${discrepancies.length} went another way than expected`, ...grid, ...lines, ...more].join('\n');
}

function probeOf({ from, to, protocol, port, family, service }: Attempt) {
  const [source, own] = family === 'IPv4' ? [from.ipv4, to.ipv4] : [from.ipv6, to.ipv6];
  const [address, tried] = service ?? [own, port];
  return { protocol, port: tried, address, ...(from.kind === 'outside' ? { from: source } : {}) };
}

function outcomeOf({ to, protocol, port }: Attempt): string {
  return (protocol === 'TCP' ? to.tcp : to.udp).includes(port) ? 'answered' : 'refused';
}

function wordsOf(result: ProbeResult): string {
  return result.outcome === 'silent' ? `silent, ${result.detail}` : result.outcome;
}
