import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { ConntrackListener } from '../../support/conntrack-listener.ts';
import type { Probe } from '../../support/network-host.ts';
import { NetworkNode, type NodePlan } from '../../support/network-node.ts';
import { networkTest } from '../../support/network-test.ts';
import { eventually } from '../../support/recording-sink.ts';

const exec = promisify(execFile);

const client = { name: 'client', ipv4: '10.244.1.10', ipv6: 'fd00:10:244:1::10' };
const server = { name: 'server', ipv4: '10.244.1.20', ipv6: 'fd00:10:244:1::20' };
const far = { name: 'far', ipv4: '203.0.113.10', ipv6: '2001:db8:113::10' };
const service = '10.96.0.50';
const plan: NodePlan = {
  node: { name: 'node', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' },
  pods: [client, server],
  outside: [far],
  services: [{ address: service, protocol: 'TCP', port: 80, backends: [server.ipv4], targetPort: 8080 }],
};

async function nodeOf(t: ExecutionContext): Promise<NetworkNode> {
  const node = await NetworkNode.within(t, plan);
  await node.host('server').listen([8080], [5353]);
  await node.host('far').listen([443], []);
  await node.host('node').listen([10250], []);
  return node;
}

type Try = Pick<Probe, 'protocol' | 'address' | 'port'>;

async function outcomes(node: NetworkNode, host: string, ...probes: readonly Try[]): Promise<readonly string[]> {
  return (await node.host(host).probe(probes)).map(({ outcome }) => outcome);
}

const sender = fileURLToPath(new URL('../../support/send-packets.ts', import.meta.url));

/** One datagram from each of so many sockets. */
async function sendFromMany(namespace: string, address: string, port: number, sockets: number): Promise<void> {
  const args = [sender, 'udp', address, String(port), String(sockets)];
  await exec('ip', ['netns', 'exec', namespace, process.execPath, ...args]);
}

function namespaceOf(node: NetworkNode, host: string): string {
  return node.namespace.slice(0, -plan.node.name.length) + host;
}

networkTest('TCP, UDP and IPv6, a Service, masquerading and refusals are seen as they are', async (t) => {
  const node = await nodeOf(t);
  const listener = await ConntrackListener.start(t, node.namespace);
  const tried = await outcomes(
    node,
    'client',
    { protocol: 'TCP', address: server.ipv4, port: 8080 },
    { protocol: 'TCP', address: server.ipv6, port: 8080 },
    { protocol: 'UDP', address: server.ipv4, port: 5353 },
    { protocol: 'UDP', address: server.ipv6, port: 5353 },
    { protocol: 'TCP', address: service, port: 80 },
    { protocol: 'TCP', address: far.ipv4, port: 443 },
    { protocol: 'TCP', address: server.ipv4, port: 9999 },
  );
  t.deepEqual(tried, [...Array<string>(6).fill('answered'), 'refused']);
  await eventually(() => listener.between(client.ipv4, server.ipv4, 9999).length >= 2, 'the refusal is seen');
  await listener.stop();

  const facts = (from: string, to: string, port: number, protocol: number) => {
    const flows = listener.between(from, to, port).filter((flow) => flow.protocol === protocol);
    return {
      connections: flows.reduce((sum, { connections }) => sum + connections, 0),
      directed: flows.every(({ directed }) => directed),
      answered: flows.some(({ answered }) => answered === true),
      refused: flows.some(({ answered }) => answered === false),
      addressed: flows.map(({ addressed }) => addressed).filter((each) => each !== undefined),
      seenAs: [...new Set(flows.map(({ translatedClient }) => translatedClient))],
    };
  };
  const seen = { connections: 1, directed: true, answered: true, refused: false, addressed: [], seenAs: [undefined] };
  t.deepEqual(facts(client.ipv6, server.ipv6, 8080, 6), seen);
  t.deepEqual(facts(client.ipv4, server.ipv4, 5353, 17), seen);
  t.deepEqual(facts(client.ipv6, server.ipv6, 5353, 17), seen);
  const { addressed, ...both } = facts(client.ipv4, server.ipv4, 8080, 6);
  t.deepEqual(both, { connections: 2, directed: true, answered: true, refused: false, seenAs: [undefined] });
  t.deepEqual([...new Set(addressed.map(({ ip, port }) => `${ip}:${port}`))], [`${service}:80`]);
  t.deepEqual(facts(client.ipv4, far.ipv4, 443, 6), { ...seen, seenAs: [plan.node.ipv4] });
  t.deepEqual(facts(client.ipv4, server.ipv4, 9999, 6), { ...seen, answered: false, refused: true });
  t.deepEqual(listener.losses, []);
  t.deepEqual(listener.rejected, []);
  t.true(listener.flows.every((flow) => flow.node === 'node-1' && flow.source === 'conntrack'));
});

networkTest('a connection that is older than the agent is found in the table, and its end is seen', async (t) => {
  const node = await nodeOf(t);
  await node.host('client').hold('direct', server.ipv4, 8080);
  await node.host('client').hold('service', service, 80);
  const listener = await ConntrackListener.start(t, node.namespace, { tableMs: 500 });
  t.is(await node.host('client').say('direct'), 'alive');
  t.is(await node.host('client').say('service'), 'alive');
  const flows = () => listener.between(client.ipv4, server.ipv4, 8080);
  await eventually(() => flows().length >= 2, 'both are seen');
  await eventually(() => (listener.counters?.tables ?? 0) > 2, 'the table was read again');
  const counted = flows().filter(({ connections }) => connections > 0);
  // the translation of the Service proves who opened it, and so does what the kernel kept of the first packet
  t.deepEqual(counted.map(({ directed, addressed, answered }) => `${directed} ${addressed?.ip} ${answered}`).sort(), [
    `true ${service} true`,
    'true undefined true',
  ]);
});

networkTest('a connection that tracking picks up in the middle has no direction', async (t) => {
  const node = await nodeOf(t);
  await node.nft('flush ruleset');
  await node.host('client').hold('old', server.ipv4, 8080);
  await node.nft('table inet later { chain forward { type filter hook forward priority 0; ct state new counter; }; }');
  const listener = await ConntrackListener.start(t, node.namespace);
  t.is(await node.host('client').say('old'), 'alive');
  await eventually(() => listener.flows.length > 0, 'it is seen');
  t.deepEqual(await outcomes(node, 'client', { protocol: 'TCP', address: server.ipv4, port: 8080 }), ['answered']);
  const directed = () => listener.flows.filter((flow) => flow.directed);
  await eventually(() => directed().length > 0, 'the new one is seen');
  t.deepEqual(
    listener.flows.filter(({ connections }) => connections > 0).map((flow) => flow.directed),
    [false, true],
  );
});

networkTest('connections in zones are seen, each once', async (t) => {
  const node = await nodeOf(t);
  await node.nft(`table inet zones {
  chain raw {
    type filter hook prerouting priority -300; policy accept;
    ip saddr ${client.ipv4} ct original zone set 9
    ip6 saddr ${client.ipv6} ct zone set 7
    ip6 saddr ${server.ipv6} ct zone set 7
  }
}`);
  const listener = await ConntrackListener.start(t, node.namespace);
  const probes = [server.ipv4, server.ipv6].map((address) => ({ protocol: 'UDP' as const, address, port: 5353 }));
  t.deepEqual(await outcomes(node, 'client', ...probes), ['answered', 'answered']);
  const seen = () => listener.flows.filter(({ port }) => port === 5353);
  await eventually(() => seen().filter(({ answered }) => answered === true).length >= 2, 'both are answered');
  for (const ip of [client.ipv4, client.ipv6]) {
    const flows = seen().filter((flow) => flow.client.ip === ip);
    t.deepEqual(
      flows.map(({ connections, answered }) => [connections, answered]),
      [
        [1, undefined],
        [0, true],
      ],
      ip,
    );
  }
});

networkTest('bytes come with the end of a connection where the kernel counts them', async (t) => {
  const node = await nodeOf(t);
  const setting = (name: string, value: number) =>
    exec('ip', ['netns', 'exec', node.namespace, 'sysctl', '-q', `net.netfilter.${name}=${value}`]);
  await setting('nf_conntrack_acct', 1);
  await setting('nf_conntrack_udp_timeout', 1);
  // reading the table is also what makes the kernel forget at once what has expired
  const listener = await ConntrackListener.start(t, node.namespace, { tableMs: 500 });
  t.deepEqual(await outcomes(node, 'client', { protocol: 'UDP', address: server.ipv4, port: 5353 }), ['answered']);
  const flows = () => listener.between(client.ipv4, server.ipv4, 5353);
  await eventually(() => flows().some(({ bytes }) => bytes > 0), 'its end is seen with bytes');
  t.is(
    flows().reduce((sum, { connections }) => sum + connections, 0),
    1,
  );
});

networkTest('a connection that lasts is told of as long as it is used, with its bytes', async (t) => {
  const node = await nodeOf(t);
  await exec('ip', ['netns', 'exec', node.namespace, 'sysctl', '-q', 'net.netfilter.nf_conntrack_acct=1']);
  const listener = await ConntrackListener.start(t, node.namespace, { tableMs: 300 });
  await node.host('client').hold('long', server.ipv4, 8080);
  const flows = () => listener.between(client.ipv4, server.ipv4, 8080);
  await eventually(() => flows().some(({ answered }) => answered === true), 'it is seen');
  const before = flows().length;
  const tables = listener.counters?.tables ?? 0;
  await eventually(() => (listener.counters?.tables ?? 0) > tables + 3, 'tables are read');
  t.is(flows().length, before, 'idle, it is not told of');
  await eventually(async () => {
    await node.host('client').say('long');
    return flows().length > before;
  }, 'used, it is');
  const last = flows().at(-1);
  t.true((last?.bytes ?? 0) > 0);
  t.deepEqual([last?.connections, last?.directed, last?.timeMs], [0, true, flows()[0]?.timeMs]);
  t.true((last?.endMs ?? 0) > (flows()[0]?.endMs ?? 0));
});

networkTest(
  'what the kernel drops is counted as it counts it, and what still stands is found in the table',
  async (t) => {
    const node = await nodeOf(t);
    const listener = await ConntrackListener.start(t, node.namespace, { bufferBytes: 16_384, tableMs: 3_600_000 });
    listener.pause();
    await sendFromMany(namespaceOf(node, 'client'), server.ipv4, 54, 1);
    await eventually(() => listener.flows.length === 1, 'the first is read, and no more');
    const burst = 2_000;
    await sendFromMany(namespaceOf(node, 'client'), server.ipv4, 53, burst);
    listener.resume();
    const count = () => listener.flows.reduce((sum, { connections }) => sum + connections, 0);
    await eventually(() => count() >= burst + 1, 'all are known in the end');
    await listener.stop();
    const lost = listener.losses.reduce((sum, { events }) => sum + (events ?? Number.NaN), 0);
    // the first packet of a UDP connection is told by an event only: what was found in a table has no direction
    const missed = listener.flows.filter(({ directed }) => !directed).length;
    t.true(lost > burst / 2, `${lost} of ${burst} were lost`);
    t.is(count(), burst + 1);
    t.is(lost, missed);
    t.true(listener.losses.every(({ kind, node: at }) => kind === 'lost' && at === 'node-1'));
  },
);

networkTest('packets that pass where nothing is tracked make the node one that is not observed', async (t) => {
  const node = await nodeOf(t);
  await node.nft('flush ruleset');
  const listener = await ConntrackListener.start(t, node.namespace, { lookMs: 300 });
  t.deepEqual(listener.losses, []);
  await sendFromMany(namespaceOf(node, 'client'), server.ipv4, 53, 300);
  await eventually(() => listener.losses.length > 0, 'it is noticed');
  t.deepEqual(
    listener.losses.map(({ kind, node: at }) => [kind, at]),
    [['unavailable', 'node-1']],
  );
  t.deepEqual(listener.findings[0]?.code, 'ConntrackOff');
});

networkTest('a node on which nothing happens is observed, for as long as something is tracked there', async (t) => {
  const node = await nodeOf(t);
  const listener = await ConntrackListener.start(t, node.namespace, { lookMs: 100, aliveMs: 200 });
  await delay(1_000);
  t.deepEqual(listener.observed, [], 'nobody knows whether anything would be tracked');
  await sendFromMany(namespaceOf(node, 'client'), server.ipv4, 53, 1);
  await eventually(() => listener.observed.length >= 3, 'it is told');
  const told = [...listener.observed];
  t.true(told.every(({ source, node: at }) => source === 'conntrack' && at === 'node-1'));
  for (const [i, { fromMs, toMs }] of told.entries()) {
    t.true(toMs - fromMs >= 200);
    if (i > 0) t.true(fromMs >= (told[i - 1]?.toMs ?? 0));
  }
  t.is(listener.flows.length, 1);
});

networkTest('without the right to listen it says so, and what is needed', async (t) => {
  const node = await nodeOf(t);
  const without = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'];
  const listener = await ConntrackListener.start(t, node.namespace, {}, without);
  t.regex(listener.ended ?? '', /does not let this process read connection tracking/);
});

networkTest('of SCTP the handshake is what tells who opened it', async (t) => {
  const node = await nodeOf(t);
  const listener = await ConntrackListener.start(t, node.namespace);
  const send = (host: string, ...what: readonly string[]) =>
    exec('ip', ['netns', 'exec', namespaceOf(node, host), process.execPath, sender, ...what]);
  await send('client', 'sctp', server.ipv4, '3868');
  await send('server', 'sctp-ack', client.ipv4, '3868');
  const flows = () => listener.flows.filter(({ protocol }) => protocol === 132);
  await eventually(() => flows().length > 0, 'it is seen');
  t.deepEqual(
    flows().map((flow) => [flow.client.ip, flow.server.ip, flow.port, flow.directed]),
    [[client.ipv4, server.ipv4, 3868, true]],
  );
});

networkTest('what the node says to itself and through tunnels is no flow, what it says to pods is', async (t) => {
  const node = await nodeOf(t);
  const listener = await ConntrackListener.start(t, node.namespace);
  const own = plan.node.ipv4;
  await node.host('node').probe([
    { protocol: 'TCP', address: own, port: 10250 },
    { protocol: 'TCP', address: '127.0.0.1', port: 10250 },
  ]);
  await sendFromMany(node.namespace, far.ipv4, 8472, 3);
  await sendFromMany(namespaceOf(node, 'client'), server.ipv4, 8472, 1);
  t.deepEqual(await outcomes(node, 'node', { protocol: 'TCP', address: server.ipv4, port: 8080 }), ['answered']);
  await eventually(() => listener.between(own, server.ipv4, 8080).length > 0, 'the probe of a pod is seen');
  await listener.stop();
  const sides = new Set(listener.flows.map((flow) => `${flow.client.ip} ${flow.server.ip} ${flow.port}`));
  t.deepEqual([...sides].sort(), [`${client.ipv4} ${server.ipv4} 8472`, `${own} ${server.ipv4} 8080`].sort());
  t.true((listener.counters?.noise ?? 0) >= 4);
});
