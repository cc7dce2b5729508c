import test from 'ava';
import type { Flow } from '../../../controller/model/flow.ts';
import { readText } from './read-text.ts';

const original = 'src=10.244.1.10 dst=10.96.0.50 sport=47544 dport=80';
const reply = 'src=10.244.2.20 dst=10.244.1.10 sport=8080 dport=47544';
const head = 'ipv4     2 tcp      6';
/** The same connection without a Service before the server. */
const direct = 'src=10.244.1.10 dst=10.244.2.20 sport=47544 dport=8080';

const life = [
  `[1795433716.452590]\t    [NEW] ${head} 120 SYN_SENT ${original} [UNREPLIED] ${reply} id=938473641`,
  `[1795433716.452612]\t [UPDATE] ${head} 60 SYN_RECV ${original} ${reply} id=938473641`,
  `[1795433716.452617]\t [UPDATE] ${head} 432000 ESTABLISHED ${original} ${reply} [ASSURED] id=938473641`,
  `[1795433720.460258]\t [UPDATE] ${head} 120 FIN_WAIT ${original} ${reply} [ASSURED] id=938473641`,
  `[1795433758.536224]\t[DESTROY] ${head} TIME_WAIT ${original} packets=6 bytes=434 ${reply} packets=6 bytes=4049 [ASSURED] delta-time=3 id=938473641`,
];

function facts({ timeMs, endMs, clientPort, port, directed, answered, connections, bytes }: Flow) {
  return { timeMs, endMs, clientPort, port, directed, answered, connections, bytes };
}

test('all events of one connection are one connection, with its answer and its bytes', async (t) => {
  const { flows, skipped, records, rejected } = await readText(life.join('\n'));
  t.deepEqual([records, skipped, rejected], [5, 2, []]);
  const first = { timeMs: 1795433716452, clientPort: 47544, port: 8080, directed: true };
  t.deepEqual(flows.map(facts), [
    { ...first, endMs: 1795433716452, answered: undefined, connections: 1, bytes: 0 },
    { ...first, endMs: 1795433716452, answered: true, connections: 0, bytes: 0 },
    { ...first, endMs: 1795433720460, answered: true, connections: 0, bytes: 4483 },
  ]);
  const [flow] = flows as [Flow];
  t.deepEqual(
    [flow.client.ip, flow.server.ip, flow.addressed],
    ['10.244.1.10', '10.244.2.20', { ip: '10.96.0.50', port: 80 }],
  );
  t.deepEqual([flow.verdict, flow.source, flow.protocol], ['allowed', 'conntrack', 6]);
});

test('the same without -o, with zones and with human times in it', async (t) => {
  const plain = life.map((line) =>
    line
      .replace(/^\[[\d.]+\]\t/, '')
      .replace('ipv4     2 ', '')
      .replace(/ id=\d+$/, ''),
  );
  const fromPlain = await readText(plain.join('\n'), { timeMs: 1795433716452 });
  t.deepEqual(
    fromPlain.flows.map((flow) => [flow.connections, flow.answered, flow.bytes]),
    [
      [1, undefined, 0],
      [0, true, 0],
      [0, true, 4483],
    ],
  );
  const zones = life.map((line) => line.replace('dport=80', 'dport=80 zone-orig=9').replace(' id=', ' zone=7 id='));
  t.is((await readText(zones.join('\n'))).flows.length, 3);
  const human = life.map((line) =>
    line.replace(' id=', ' [start=Mon Nov 23 11:30:29 2026] [stop=Mon Nov 23 11:30:32 2026] id='),
  );
  t.is((await readText(human.join('\n'))).flows.length, 3);
});

test('a connection that was refused or never answered is reported so at its end', async (t) => {
  const { flows } = await readText(
    [
      `[1795433430.737967]\t    [NEW] ${head} 120 SYN_SENT ${original} [UNREPLIED] ${reply} id=1`,
      `[1795433430.737982]\t[DESTROY] ${head} 5 CLOSE ${original} packets=1 bytes=60 [UNREPLIED] ${reply} packets=1 bytes=40 id=1`,
    ].join('\n'),
  );
  t.deepEqual(
    flows.map(({ answered, connections, bytes }) => [answered, connections, bytes]),
    [
      [undefined, 1, 0],
      [false, 0, 100],
    ],
  );
});

test('a connection picked up in the middle has no known direction, in none of its events', async (t) => {
  const { flows } = await readText(
    [
      `[1795433847.979556]\t    [NEW] ${head} 300 ESTABLISHED ${direct} [UNREPLIED] ${reply} id=1`,
      `[1795433847.979600]\t [UPDATE] ${head} 300 ${direct} ${reply} id=1`,
      `[1795433847.989600]\t[DESTROY] ${head} ${direct} bytes=1 ${reply} bytes=1 id=1`,
      `[1795433848.979600]\t [UPDATE] ${head} 300 ESTABLISHED ${direct} ${reply} id=2`,
      `[1795433849.979600]\t[DESTROY] ${head} TIME_WAIT ${direct} ${reply} id=3`,
    ].join('\n'),
  );
  t.is(flows.length, 5);
  t.true(flows.every(({ directed }) => !directed));
});

test('UDP is directed by its first packet, SCTP by its handshake', async (t) => {
  const { flows } = await readText(
    [
      `[1795433855.998934]\t    [NEW] ipv4     2 udp      17 30 ${direct} [UNREPLIED] ${reply} id=1`,
      `[1795433855.998934]\t    [NEW] ipv4     2 sctp     132 3 COOKIE_WAIT ${direct} [UNREPLIED] ${reply} id=2`,
      `[1795433855.998934]\t    [NEW] ipv4     2 sctp     132 3 ESTABLISHED ${direct} [UNREPLIED] ${reply} id=3`,
      `[1795433855.998934]\t [UPDATE] ipv4     2 udp      17 30 ${direct} ${reply} id=4`,
    ].join('\n'),
  );
  t.deepEqual(
    flows.map(({ protocol, directed }) => [protocol, directed]),
    [
      [17, true],
      [132, true],
      [132, false],
      [17, false],
    ],
  );
});

test('masquerading does not change who the client is', async (t) => {
  const { flows } = await readText(
    `[1795433716.868585]\t    [NEW] ${head} 120 SYN_SENT src=10.244.1.10 dst=10.244.2.20 sport=54254 dport=8082 [UNREPLIED] src=10.244.2.20 dst=10.244.2.1 sport=8082 dport=61000 id=2`,
  );
  t.deepEqual(
    flows.map(({ client, server, addressed, clientPort }) => [client.ip, server.ip, addressed, clientPort]),
    [['10.244.1.10', '10.244.2.20', undefined, 54254]],
  );
});

test('a table tells no direction but of handshakes, and takes its time from the file or the option', async (t) => {
  const lines = [
    `${head} 431999 ESTABLISHED ${direct} packets=6 bytes=434 ${reply} packets=6 bytes=4049 [ASSURED] mark=0 use=1 id=3390794862`,
    `${head} 100 SYN_SENT ${original} packets=1 bytes=60 [UNREPLIED] ${reply} packets=0 bytes=0 mark=0 zone=0 use=2`,
    `ipv6     10 udp      17 1 src=fd00::10 dst=fd00::20 sport=5000 dport=53 src=fd00::20 dst=fd00::10 sport=53 dport=5000 mark=0 zone=0 use=2`,
  ].join('\n');
  const { flows } = await readText(lines, { timeMs: 1_800_000_000_000 });
  t.deepEqual(
    flows.map(({ timeMs, directed, answered, connections }) => [timeMs, directed, answered, connections]),
    [
      [1_800_000_000_000, false, true, 1],
      [1_800_000_000_000, true, false, 1],
      [1_800_000_000_000, false, true, 1],
    ],
  );
  const before = Date.now() - 60_000;
  const [recent] = (await readText(lines)).flows;
  t.true(recent !== undefined && recent.timeMs > before && recent.timeMs <= Date.now());
});

test('ICMP entries have three identifiers in a line and no ports', async (t) => {
  const { flows } = await readText(
    [
      '[1795433430.742820]\t    [NEW] ipv4     2 icmp     1 30 src=10.244.1.10 dst=10.244.2.20 type=8 code=0 id=20768 [UNREPLIED] src=10.244.2.20 dst=10.244.1.10 type=0 code=0 id=20768 id=2738911926',
      '[1795433430.742839]\t [UPDATE] ipv4     2 icmp     1 30 src=10.244.1.10 dst=10.244.2.20 type=8 code=0 id=20768 src=10.244.2.20 dst=10.244.1.10 type=0 code=0 id=20768 id=2738911926',
    ].join('\n'),
  );
  t.deepEqual(
    flows.map(({ port, protocol, directed, answered, connections }) => [
      port,
      protocol,
      directed,
      answered,
      connections,
    ]),
    [
      [0, 1, true, undefined, 1],
      [0, 1, true, true, 0],
    ],
  );
});

test("traffic of a host with itself is skipped, and conntrack's own words are understood", async (t) => {
  const { flows, skipped, losses, rejected } = await readText(
    [
      life[0],
      `[1795433716.452590]\t    [NEW] ${head} 120 SYN_SENT src=127.0.0.1 dst=127.0.0.1 sport=1 dport=2 [UNREPLIED] src=127.0.0.1 dst=127.0.0.1 sport=2 dport=1 id=9`,
      'WARNING: We have hit ENOBUFS! We are losing events.',
      'conntrack v1.4.7 (conntrack-tools): 2 flow events have been shown.',
    ].join('\n'),
  );
  t.deepEqual([flows.length, skipped, rejected], [1, 2, []]);
  t.deepEqual(
    losses.map(({ kind, events, source }) => [kind, events, source]),
    [['lost', undefined, 'conntrack']],
  );
});

test('a damaged line says what is wrong with it', async (t) => {
  const good = life[0] as string;
  const cases: readonly (readonly [string, string])[] = [
    [good.slice(0, 80), 'expected two tuples of src= and dst='],
    [good.replace('sport=47544', 'sport=475440'), 'sport: expected a port from 0 to 65535, got "475440"'],
    [good.replace('10.96.0.50', '10.96.0.500'), 'dst: expected an IP address, got "10.96.0.500"'],
    [good.replace('tcp      6', 'tcp      17'), 'protocol tcp is not number 17'],
    [good.replace('tcp      6', ''), 'expected a protocol and its number, got "120 SYN_SENT"'],
    [good.replace('sport=8080 ', ''), 'no sport= or dport='],
    [good.replace('dst=10.96.0.50', 'dst=fd00::1'), 'src= and dst= of two families'],
    [
      good.replace('1795433716', '99999999999'),
      'time: expected seconds between 1970 and 2200, got "[99999999999.452590]"',
    ],
    ['conntrack: something else', 'expected a protocol and its number, got "conntrack: something"'],
  ];
  for (const [line, reason] of cases) {
    t.deepEqual((await readText(`${good}\n${line}\n`)).rejected, [{ where: '2', reason }]);
  }
});

test('a table entry after events has the time of the event before it, not of the file', async (t) => {
  const entry = `ipv4 2 tcp 6 300 ESTABLISHED src=10.244.1.11 dst=10.244.2.21 sport=50000 dport=81 src=10.244.2.21 dst=10.244.1.11 sport=81 dport=50000 [ASSURED] mark=0 use=1`;
  const { flows } = await readText([life[0], entry].join('\n'));
  t.deepEqual(
    flows.map(({ timeMs }) => timeMs),
    [1795433716452, 1795433716452],
  );
});

test('a translated destination proves who opened the connection, even in a table', async (t) => {
  const { flows } = await readText(`${head} 431999 ESTABLISHED ${original} ${reply} [ASSURED] mark=0 use=1 id=1`);
  t.deepEqual(
    flows.map(({ directed, client, port, addressed }) => [directed, client.ip, port, addressed?.port]),
    [[true, '10.244.1.10', 8080, 80]],
  );
});
