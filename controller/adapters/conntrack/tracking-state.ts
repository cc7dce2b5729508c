import { readdir, readFile } from 'node:fs/promises';
import { type Problem, problem } from '../../model/problem.ts';
import { readSetting } from './settings.ts';

/** What the kernel says about tracking in this network namespace; undefined where it has no such value. */
export interface TrackingFacts {
  /** Entries in the table. */
  readonly count: number | undefined;
  readonly most: number | undefined;
  readonly counting: number | undefined;
  readonly events: number | undefined;
  readonly loose: number | undefined;
  /** Packets that were passed on, of both families. */
  readonly forwarded: number;
  /** Packets on interfaces of pods with an eBPF datapath; undefined: there is none. */
  readonly bypassingPackets: number | undefined;
  /** Bridges with two members or more, whose packets the kernel does not show to connection tracking. */
  readonly unseenBridges: readonly string[];
}

export async function readTrackingFacts(): Promise<TrackingFacts> {
  const [count, most, counting, events, loose, interfaces, snmp, snmp6] = await Promise.all([
    readSetting('nf_conntrack_count'),
    readSetting('nf_conntrack_max'),
    readSetting('nf_conntrack_acct'),
    readSetting('nf_conntrack_events'),
    readSetting('nf_conntrack_tcp_loose'),
    text('/proc/net/dev'),
    text('/proc/net/snmp'),
    text('/proc/net/snmp6'),
  ]);
  return {
    count,
    most,
    counting,
    events,
    loose,
    forwarded: forwardedPackets(snmp, snmp6),
    bypassingPackets: bypassingPackets(interfaces),
    unseenBridges: await unseenBridges(interfaceLines(interfaces).map(({ name }) => name)),
  };
}

/** What was seen since the last look. */
export interface SeenEntries {
  readonly all: number;
  /** Of those, the ones whose two sides are not this node. */
  readonly forwarded: number;
}

/** Passed on without any being tracked: fewer may be the last of a connection that has just been forgotten. */
const untrackedPackets = 100;
/** Enough for connections of pods to be among them, and not only the kubelet's probes. */
const bypassedPackets = 1_000;
const nearlyFull = 0.9;

export interface TrackingVerdict {
  /** What a person should know. */
  readonly findings: readonly Problem[];
  /** The node is not observed. */
  readonly blind: boolean;
  /** What happens is surely seen: that nothing was seen means that nothing happened. Not the opposite of blind. */
  readonly watched: boolean;
}

/** Judges what the kernel says now, what it said `before` (a while ago), and what was `seen` in between. */
export function judgeTracking(now: TrackingFacts, before: TrackingFacts, seen: SeenEntries): TrackingVerdict {
  const blinding = blindingFinding(now, before, seen);
  const others: Problem[] = [];
  if (now.counting === 0) {
    others.push(finding('ConntrackBytesOff', 'bytes are not counted', 'nf_conntrack_acct'));
  }
  if (now.loose === 0) {
    others.push(
      finding('ConntrackLooseOff', 'connections older than the tracking are not tracked', 'nf_conntrack_tcp_loose'),
    );
  }
  const { count, most } = now;
  if (count !== undefined && most !== undefined && most > 0 && count >= most * nearlyFull) {
    others.push(
      finding('ConntrackFull', `${count} of at most ${most} connections are in the table`, 'nf_conntrack_max'),
    );
  }
  for (const bridge of now.unseenBridges) {
    const message = `pods on the bridge ${bridge} reach each other unseen: bridged packets are not shown to connection tracking`;
    others.push(problem('ConntrackBridgeUnseen', message, 'net.bridge.bridge-nf-call-iptables'));
  }
  const blind = blinding !== undefined;
  return {
    findings: blind ? [blinding, ...others] : others,
    blind,
    watched: !blind && isWatched(now, before, seen),
  };
}

/** Something is tracked, and nothing passes beside that, however little it is. */
function isWatched(now: TrackingFacts, before: TrackingFacts, seen: SeenEntries): boolean {
  const isTracking = seen.all > 0 || (now.count ?? 0) > 0;
  const isBypassed = (now.bypassingPackets ?? 0) > (before.bypassingPackets ?? 0) && seen.forwarded === 0;
  return isTracking && !isBypassed;
}

function blindingFinding(now: TrackingFacts, before: TrackingFacts, seen: SeenEntries): Problem | undefined {
  if (now.events === 0)
    return finding('ConntrackEventsOff', 'the kernel tells of no connections', 'nf_conntrack_events');
  const passed = now.forwarded - before.forwarded;
  if (now.count === undefined && passed >= untrackedPackets) {
    return finding(
      'ConntrackOff',
      `${passed} packets passed, and the kernel has no connection tracking`,
      'nf_conntrack_count',
    );
  }
  if (now.count === 0 && seen.all === 0 && passed >= untrackedPackets) {
    return finding('ConntrackOff', `${passed} packets passed, and none of them is tracked`, 'nf_conntrack_count');
  }
  const beside = (now.bypassingPackets ?? 0) - (before.bypassingPackets ?? 0);
  if (beside >= bypassedPackets && seen.forwarded === 0) {
    const message = `${beside} packets passed an eBPF datapath of the network plugin, and no connection of a pod is tracked`;
    return problem('ConntrackBypassed', message);
  }
  return undefined;
}

function finding(code: Problem['code'], message: string, setting: string): Problem {
  return problem(code, message, `net.netfilter.${setting}`);
}

async function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** `Ip: Forwarding … ForwDatagrams …` above its numbers, and `Ip6OutForwDatagrams  12`. */
export function forwardedPackets(snmp: string, snmp6: string): number {
  const [names = '', values = ''] = snmp.split('\n').filter((line) => line.startsWith('Ip: '));
  const v4 = Number(values.split(' ')[names.split(' ').indexOf('ForwDatagrams')] ?? 0);
  const v6 = Number(/^Ip6OutForwDatagrams\s+(\d+)/m.exec(snmp6)?.[1] ?? 0);
  return (v4 || 0) + v6;
}

/** Both directions of the interfaces of pods, where Cilium makes them, or Calico with its eBPF datapath. */
export function bypassingPackets(interfaces: string): number | undefined {
  const all = interfaceLines(interfaces);
  const isCalico = all.some(({ name }) => /^bpf(?:in|out)\.cali$/.test(name));
  const own = all.filter(({ name }) => (isCalico ? /^cali/ : /^(?:cilium_|lxc)/).test(name));
  return own.length === 0 ? undefined : own.reduce((sum, { packets }) => sum + packets, 0);
}

/** `  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets …` */
function interfaceLines(interfaces: string): { readonly name: string; readonly packets: number }[] {
  return [...interfaces.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)].map(([, name = '', numbers = '']) => {
    const cells = numbers.trim().split(/\s+/);
    return { name, packets: Number(cells[1] ?? 0) + Number(cells[9] ?? 0) };
  });
}

async function unseenBridges(interfaces: readonly string[]): Promise<readonly string[]> {
  const shown = (await text('/proc/sys/net/bridge/bridge-nf-call-iptables')).trim() === '1';
  if (shown) return [];
  const members = (name: string) => readdir(`/sys/class/net/${name}/brif`).catch(() => []);
  const found = await Promise.all(interfaces.map(async (name) => ({ name, members: (await members(name)).length })));
  return found.filter((bridge) => bridge.members > 1).map(({ name }) => name);
}
