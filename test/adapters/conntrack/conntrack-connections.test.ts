import test from 'ava';
import { ConntrackConnections } from '../../../controller/adapters/conntrack/conntrack-connections.ts';
import type { ConntrackEntry } from '../../../controller/adapters/conntrack/conntrack-entry.ts';

interface Facts {
  readonly state?: string | undefined;
  readonly protocol?: number;
  readonly unreplied?: boolean;
  readonly bytes?: number;
  readonly key?: string;
}

function entry(
  event: ConntrackEntry['event'],
  { state, protocol = 6, unreplied = false, bytes = -1, key = 'one' }: Facts = {},
): ConntrackEntry {
  const [client, server] = ['10.244.1.10', '10.244.2.20'];
  return {
    event,
    timeMs: undefined,
    protocol,
    state,
    original: { source: client, destination: server, sourcePort: 40_000, destinationPort: 8080, bytes },
    reply: { source: server, destination: client, sourcePort: 8080, destinationPort: 40_000, bytes },
    unreplied,
    key,
  };
}

const syn = entry('new', { state: 'SYN_SENT', unreplied: true });
const established = entry('snapshot', { state: 'ESTABLISHED' });

test('an entry of the table that an event told of before is no second connection', (t) => {
  const connections = new ConntrackConnections();
  t.is(connections.flow(syn, 1_000)?.connections, 1);
  connections.beginTable();
  t.is(connections.flow(established, 1_100), undefined);
  connections.endTable();
  t.is(connections.flow(entry('update', { state: 'ESTABLISHED' }), 1_200)?.connections, 0);
});

test('an event that comes after its entry of the table adds who opened it, and no connection where that was known', (t) => {
  const connections = new ConntrackConnections();
  connections.beginTable();
  const standing = connections.flow(established, 1_000);
  t.deepEqual([standing?.connections, standing?.directed], [1, false]);
  const first = connections.flow(syn, 1_001);
  t.deepEqual([first?.connections, first?.directed], [1, true]);
  const udp = { protocol: 17, key: 'two' };
  connections.flow(entry('snapshot', udp), 1_000);
  t.is(connections.flow(entry('update', udp), 1_001), undefined);
});

test('what ended while the table was read is not begun anew by its entry in it', (t) => {
  const connections = new ConntrackConnections();
  connections.flow(syn, 1_000);
  connections.beginTable();
  connections.flow(entry('destroy', { state: 'CLOSE' }), 1_100);
  t.is(connections.flow(established, 1_100), undefined);
  connections.endTable();
  t.is(connections.size, 0);
});

test('what is in no table any more is forgotten, although its end was not told', (t) => {
  const connections = new ConntrackConnections();
  connections.flow(syn, 1_000);
  connections.flow(entry('new', { state: 'SYN_SENT', key: 'two' }), 1_000);
  for (let table = 0; table < 3; table++) {
    connections.beginTable();
    connections.flow(established, 1_000);
    connections.endTable();
  }
  t.is(connections.size, 1);
});

test('a connection that is open and idle is not told of again, however often the table is read', (t) => {
  const connections = new ConntrackConnections();
  connections.beginTable();
  connections.flow(established, 1_000);
  connections.endTable();
  connections.beginTable();
  t.is(connections.flow(established, 1_900), undefined, 'the same second');
  t.is(connections.flow(entry('snapshot', { state: 'TIME_WAIT' }), 60_000), undefined, 'it is over');
  const used = connections.flow(established, 60_000);
  t.deepEqual([used?.timeMs, used?.endMs, used?.connections], [1_000, 60_000, 0]);
});

test('bytes are told once, however often they are read', (t) => {
  const connections = new ConntrackConnections();
  connections.flow(syn, 1_000);
  connections.beginTable();
  const used = entry('snapshot', { state: 'ESTABLISHED', bytes: 500 });
  t.is(connections.flow(used, 10_000)?.bytes, 1_000);
  t.is(connections.flow(entry('destroy', { state: 'TIME_WAIT', bytes: 800 }), 20_000)?.bytes, 600);
});

test('SCTP is told of when its handshake shows who opened it, or when it ends without', (t) => {
  const connections = new ConntrackConnections();
  const sctp = (event: ConntrackEntry['event'], state: string, unreplied: boolean, key: string) =>
    entry(event, { protocol: 132, state, unreplied, key });
  t.is(connections.flow(sctp('new', 'CLOSED', true, 'a'), 1_000), undefined);
  const answered = connections.flow(sctp('update', 'COOKIE_WAIT', false, 'a'), 1_100);
  t.deepEqual([answered?.directed, answered?.answered, answered?.connections], [true, true, 1]);
  t.is(connections.flow(sctp('new', 'CLOSED', true, 'b'), 1_000), undefined);
  const ended = connections.flow(sctp('destroy', 'CLOSED', true, 'b'), 9_000);
  t.deepEqual([ended?.directed, ended?.answered, ended?.connections, ended?.timeMs], [false, false, 1, 1_000]);
});

test('memory is bounded: the connection that was seen first is forgotten', (t) => {
  const connections = new ConntrackConnections({ remembered: 100 });
  for (let i = 0; i < 1_000; i++) connections.flow(entry('new', { state: 'SYN_SENT', key: `${i}` }), i);
  t.is(connections.size, 100);
  t.is(connections.flow(entry('update', { state: 'ESTABLISHED', key: '999' }), 2_000), undefined);
  t.is(connections.flow(entry('update', { state: 'ESTABLISHED', key: '1' }), 2_000)?.connections, 1);
});
