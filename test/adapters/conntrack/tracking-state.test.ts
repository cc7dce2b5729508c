import test from 'ava';
import { parseDropped } from '../../../controller/adapters/conntrack/dropped-events.ts';
import {
  bypassingPackets,
  forwardedPackets,
  judgeTracking,
  type TrackingFacts,
} from '../../../controller/adapters/conntrack/tracking-state.ts';

const fine: TrackingFacts = {
  count: 120,
  most: 262_144,
  counting: 1,
  events: 2,
  loose: 1,
  forwarded: 5_000,
  bypassingPackets: undefined,
  unseenBridges: [],
};
const traffic = { all: 50, forwarded: 20 };

function verdict(now: Partial<TrackingFacts>, seen = traffic, before: Partial<TrackingFacts> = {}) {
  const { findings, blind } = judgeTracking({ ...fine, ...now }, { ...fine, ...before }, seen);
  return { codes: findings.map(({ code }) => code), blind };
}

test('a node that tracks and counts has nothing to tell', (t) => {
  t.deepEqual(verdict({ forwarded: 9_000 }), { codes: [], blind: false });
});

test('packets that pass untracked make a node blind, a quiet node is not', (t) => {
  const nothing = { all: 0, forwarded: 0 };
  t.deepEqual(verdict({ count: 0, forwarded: 5_500 }, nothing), { codes: ['ConntrackOff'], blind: true });
  t.deepEqual(verdict({ count: undefined, forwarded: 5_500 }, nothing), { codes: ['ConntrackOff'], blind: true });
  t.deepEqual(verdict({ count: 0, forwarded: 5_010 }, nothing), { codes: [], blind: false });
  t.deepEqual(verdict({ count: 0, forwarded: 5_500 }, traffic), { codes: [], blind: false });
});

test('a kernel that tells of nothing makes a node blind whatever else it says', (t) => {
  t.deepEqual(verdict({ events: 0 }), { codes: ['ConntrackEventsOff'], blind: true });
});

test('with an eBPF datapath a node is blind when its packets go by and no connection of a pod is tracked', (t) => {
  const host = { all: 50, forwarded: 0 };
  const before = { bypassingPackets: 1_000 };
  t.deepEqual(verdict({ bypassingPackets: 9_000 }, host, before), { codes: ['ConntrackBypassed'], blind: true });
  t.deepEqual(verdict({ bypassingPackets: 9_000 }, traffic, before), { codes: [], blind: false });
  t.deepEqual(verdict({ bypassingPackets: 1_500 }, host, before), { codes: [], blind: false });
});

test('a node is surely observed only while something is tracked and nothing passes beside that', (t) => {
  const watched = (now: Partial<TrackingFacts>, seen = traffic) =>
    judgeTracking({ ...fine, ...now }, { ...fine, bypassingPackets: 1_000 }, seen).watched;
  const nothing = { all: 0, forwarded: 0 };
  t.true(watched({}));
  t.true(watched({}, nothing), 'quiet, and something stands in the table');
  t.true(watched({ count: 0 }, traffic));
  t.false(watched({ count: 0 }, nothing), 'perhaps nothing is tracked at all');
  t.false(watched({ count: undefined }, nothing));
  t.false(watched({ events: 0 }));
  t.false(watched({ bypassingPackets: 1_001 }, nothing), 'a packet that nobody saw');
  t.true(watched({ bypassingPackets: 1_001 }));
  t.true(watched({ counting: 0, loose: 0 }));
});

test('settings that hide a part are named and do not make a node blind', (t) => {
  t.deepEqual(verdict({ counting: 0, loose: 0, count: 250_000, unseenBridges: ['cni0'] }), {
    codes: ['ConntrackBytesOff', 'ConntrackLooseOff', 'ConntrackFull', 'ConntrackBridgeUnseen'],
    blind: false,
  });
});

test("the kernel's counters are read by their names", (t) => {
  const snmp = 'Ip: Forwarding DefaultTTL InReceives ForwDatagrams\nIp: 1 64 100 42\nIcmp: InMsgs\nIcmp: 1\n';
  t.is(forwardedPackets(snmp, 'Ip6InReceives  \t7\nIp6OutForwDatagrams \t8\n'), 50);
  t.is(forwardedPackets('', ''), 0);
  const heading =
    'Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs\n';
  const line = (name: string, received: number, sent: number) => `  ${name}: 1 ${received} 0 0 0 0 0 0 2 ${sent} 0\n`;
  t.is(bypassingPackets(heading + line('eth0', 5, 5)), undefined);
  t.is(bypassingPackets(heading + line('eth0', 5, 5) + line('cilium_host', 1, 2) + line('lxc12ab', 3, 4)), 10);
  t.is(bypassingPackets(heading + line('cali12ab', 3, 4)), undefined, 'Calico without eBPF is tracked');
  t.is(bypassingPackets(heading + line('cali12ab', 3, 4) + line('bpfin.cali', 9, 9)), 7);
});

test('drops are those of the socket with the port, in whatever column they stand', (t) => {
  const heading = 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n';
  const table = `${heading}ffff 12  77 00000007 0 0 0 2 31 9\nffff 0  78 00000007 0 0 0 2 99 9\n`;
  t.is(parseDropped(table, 77), 31);
  t.is(parseDropped(table, 78), undefined, 'another protocol');
  t.is(parseDropped(table.replace('Drops', 'Other'), 77), undefined);
  t.is(parseDropped('', 77), undefined);
});
