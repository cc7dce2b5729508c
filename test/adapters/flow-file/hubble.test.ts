import test from 'ava';
import fc from 'fast-check';
import { defaultFlowLimits } from '../../../controller/adapters/flow-file/flow-limits.ts';
import { hubbleLines, wholeHubbleLines } from '../../../controller/adapters/flow-file/hubble-line.ts';
import { HubbleShortcut } from '../../../controller/adapters/flow-file/hubble-shortcut.ts';
import type { Flow } from '../../../controller/model/flow.ts';
import { hubbleLine } from './hubble-record.ts';
import { jsonLines, readText } from './read-text.ts';

async function only(line: unknown): Promise<Flow> {
  const { flows, rejected } = await readText(jsonLines(line), { format: 'hubble' });
  if (flows.length !== 1) throw new Error(`expected one flow, got ${flows.length}: ${JSON.stringify(rejected)}`);
  return flows[0] as Flow;
}

async function skippedOnly(line: unknown): Promise<boolean> {
  const { flows, rejected, skipped } = await readText(jsonLines(line), { format: 'hubble' });
  return flows.length === 0 && rejected.length === 0 && skipped === 1;
}

const established = { source_port: 40000, destination_port: 8080, flags: { ACK: true } };

test('a first packet makes its source the client and keeps the names of both sides', async (t) => {
  t.deepEqual(await only(hubbleLine()), {
    timeMs: Date.UTC(2026, 6, 31, 10, 41, 2, 202),
    endMs: Date.UTC(2026, 6, 31, 10, 41, 2, 202),
    client: {
      ip: '10.0.1.5',
      namespace: 'shop',
      pod: 'cart-5f6c9d7b8-abcde',
      podPrefix: undefined,
      workload: { kind: 'Deployment', name: 'cart' },
      labels: ['k8s:app=cart', 'k8s:io.kubernetes.pod.namespace=shop'],
      reserved: undefined,
      node: undefined,
      service: undefined,
      dnsNames: undefined,
    },
    server: {
      ip: '10.0.2.7',
      namespace: 'shop',
      pod: 'redis-0',
      podPrefix: undefined,
      workload: undefined,
      labels: ['k8s:app=redis'],
      reserved: undefined,
      node: undefined,
      service: undefined,
      dnsNames: undefined,
    },
    clientPort: 40000,
    port: 6379,
    addressed: undefined,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: undefined,
    connections: 1,
    bytes: 0,
    source: 'hubble',
    node: 'worker-1',
  });
});

test('a first packet that is handed to its pod tells the node of that pod', async (t) => {
  const reply = { is_reply: true, l4: { TCP: established } };
  const nodeOf = async (change: object) => (await only(hubbleLine({ ...change }))).serverNode;
  t.is(await nodeOf({ trace_observation_point: 'TO_ENDPOINT' }), 'worker-1');
  t.is(await nodeOf({ trace_observation_point: 101 }), 'worker-1');
  t.is(await nodeOf({ trace_observation_point: 'TO_ENDPOINT', ...reply }), undefined);
  t.is(await nodeOf({}), undefined);
});

test('a reply swaps the sides, and its source port is the server port', async (t) => {
  const flow = await only(
    hubbleLine({ is_reply: true, l4: { TCP: { source_port: 8080, destination_port: 40000, flags: { ACK: true } } } }),
  );
  t.is(flow.client.pod, 'redis-0');
  t.is(flow.server.pod, 'cart-5f6c9d7b8-abcde');
  t.deepEqual([flow.clientPort, flow.port, flow.directed, flow.answered], [40000, 8080, true, true]);
});

test('an unknown reply state is never taken for a first packet', async (t) => {
  const flow = await only(hubbleLine({ is_reply: undefined, l4: { TCP: established } }));
  t.false(flow.directed);
  t.is(flow.answered, undefined);
  t.is((await only(hubbleLine({ is_reply: undefined, reply: false, l4: { TCP: established } }))).directed, false);
  t.is(
    (await only(hubbleLine({ is_reply: null, l4: { UDP: { source_port: 1, destination_port: 53 } } }))).directed,
    false,
  );
});

test('the old reply bit says something only when it is set', async (t) => {
  const flow = await only(hubbleLine({ is_reply: undefined, reply: true, l4: { TCP: established } }));
  t.deepEqual([flow.directed, flow.port], [true, 40000]);
});

test('SYN tells the direction where Hubble does not, and contradicted words are not believed', async (t) => {
  const tcp = (flags: unknown) => ({ TCP: { source_port: 40000, destination_port: 8080, flags } });
  const syn = await only(hubbleLine({ is_reply: undefined, l4: tcp({ SYN: true }) }));
  t.deepEqual([syn.directed, syn.port, syn.answered], [true, 8080, undefined]);
  const synAck = await only(hubbleLine({ is_reply: undefined, l4: tcp({ SYN: true, ACK: true }) }));
  t.deepEqual([synAck.directed, synAck.port, synAck.answered], [true, 40000, true]);
  t.false((await only(hubbleLine({ is_reply: false, l4: tcp({ SYN: true, ACK: true }) }))).directed);
  t.false((await only(hubbleLine({ is_reply: true, l4: tcp({ SYN: true }) }))).directed);
});

test('policy verdicts and policy denials are first packets unless their flags say otherwise', async (t) => {
  const udp = { UDP: { source_port: 40000, destination_port: 53 } };
  const verdict = await only(hubbleLine({ is_reply: undefined, event_type: { type: 5 }, l4: udp }));
  t.deepEqual([verdict.directed, verdict.port], [true, 53]);
  const drop = { verdict: 'DROPPED', drop_reason_desc: 'POLICY_DENIED', is_reply: undefined, event_type: { type: 1 } };
  const denied = await only(hubbleLine({ ...drop, l4: udp }));
  t.deepEqual([denied.directed, denied.verdict, denied.answered], [true, 'denied', undefined]);
  t.false((await only(hubbleLine({ ...drop, l4: { TCP: established } }))).directed);
});

for (const [reason, name] of [
  [133, 'POLICY_DENIED'],
  [181, 'POLICY_DENY'],
  [189, 'AUTH_REQUIRED'],
] as const) {
  test(`drop reason ${name} is a denial, by name or number`, async (t) => {
    const drop = { verdict: 'DROPPED', is_reply: undefined };
    t.is((await only(hubbleLine({ ...drop, drop_reason_desc: name }))).verdict, 'denied');
    t.is((await only(hubbleLine({ ...drop, drop_reason: reason }))).verdict, 'denied');
    t.is((await only(hubbleLine({ ...drop, verdict: 2, drop_reason_desc: reason }))).verdict, 'denied');
  });
}

test('drops for other reasons, errors and socket translations are no flows, but counted', async (t) => {
  for (const change of [
    { verdict: 'DROPPED', drop_reason: 151, drop_reason_desc: 'STALE_OR_UNROUTABLE_IP' },
    { verdict: 'DROPPED', drop_reason_desc: 'SOMETHING_NEW' },
    { verdict: 'ERROR' },
    { verdict: 'TRACED' },
    { verdict: 'TRANSLATED' },
    { verdict: 7 },
    { verdict: 'VERDICT_UNKNOWN' },
    { verdict: undefined },
    { l4: { VRRP: {} } },
    { l4: undefined },
  ]) {
    t.true(await skippedOnly(hubbleLine(change)), JSON.stringify(change));
  }
});

test('audit mode is told apart from allowed', async (t) => {
  t.is((await only(hubbleLine({ verdict: 'AUDIT' }))).verdict, 'audited');
  t.is((await only(hubbleLine({ verdict: 4 }))).verdict, 'audited');
  t.is((await only(hubbleLine({ verdict: 'REDIRECTED' }))).verdict, 'allowed');
  t.is((await only(hubbleLine({ verdict: 5 }))).verdict, 'allowed');
});

test('ICMP has no ports, and neighbour discovery is noise', async (t) => {
  const echo = await only(hubbleLine({ l4: { ICMPv4: { type: 8 } } }));
  t.deepEqual([echo.protocol, echo.port, echo.clientPort], [1, 0, 0]);
  for (const type of [133, 134, 135, 136, 137]) t.true(await skippedOnly(hubbleLine({ l4: { ICMPv6: { type } } })));
  t.is((await only(hubbleLine({ l4: { ICMPv6: { type: 128 } } }))).protocol, 58);
  t.is((await only(hubbleLine({ l4: { SCTP: { source_port: 1000, destination_port: 3868 } } }))).protocol, 132);
});

test('an answer needs more than a repeated SYN or a reset', async (t) => {
  const tcp = (flags: unknown) => ({ TCP: { source_port: 40000, destination_port: 8080, flags } });
  t.is((await only(hubbleLine({ trace_reason: 'ESTABLISHED', l4: tcp({ SYN: true }) }))).answered, undefined);
  t.is((await only(hubbleLine({ l4: tcp({ ACK: true, PSH: true }) }))).answered, true);
  t.is((await only(hubbleLine({ is_reply: true, l4: tcp({ ACK: true, RST: true }) }))).answered, undefined);
  t.is(
    (await only(hubbleLine({ is_reply: true, l4: { UDP: { source_port: 53, destination_port: 9 } } }))).answered,
    true,
  );
});

test('reserved labels name nodes, the API server and the world; the more telling label wins', async (t) => {
  const reserved = async (labels: readonly string[] | undefined, identity = 0) => {
    const { client } = await only(hubbleLine({ source: { identity, labels } }));
    return [client.reserved, client.node];
  };
  t.deepEqual(await reserved(['reserved:host']), ['host', 'worker-1']);
  t.deepEqual(await reserved(['reserved:host', 'reserved:remote-node']), ['remote-node', undefined]);
  t.deepEqual(await reserved(['reserved:kube-apiserver', 'reserved:world']), ['kube-apiserver', undefined]);
  t.deepEqual(await reserved(['cidr:192.0.2.0/24', 'reserved:world-ipv4']), ['world', undefined]);
  t.deepEqual(await reserved(['reserved:init']), [undefined, undefined]);
  t.deepEqual(await reserved(undefined, 7), ['kube-apiserver', undefined]);
  t.deepEqual(await reserved(undefined, 16_777_217), [undefined, undefined]);
});

test('the namespace is known by its label where no pod is', async (t) => {
  const labels = ['k8s:app=cart', 'k8s:io.kubernetes.pod.namespace=shop'];
  const { client } = await only(hubbleLine({ source: { identity: 3418, labels } }));
  t.like(client, { namespace: 'shop', pod: undefined, labels });
  t.is((await only(hubbleLine({ source: { labels: ['k8s:app=cart'] } }))).client.namespace, undefined);
});

test('names that the other side had looked up are kept without the trailing dot', async (t) => {
  const flow = await only(hubbleLine({ destination_names: ['api.example.com', 'cdn.example.com.'] }));
  t.deepEqual(flow.server.dnsNames, ['api.example.com', 'cdn.example.com']);
});

test('a Service frontend as destination is a Service and no backend', async (t) => {
  const flow = await only(hubbleLine({ destination: {}, destination_service: { name: 'redis', namespace: 'shop' } }));
  t.deepEqual(flow.server.service, { namespace: 'shop', name: 'redis' });
  t.deepEqual([flow.server.ip, flow.port], [undefined, 6379]);
  t.deepEqual(flow.addressed, { ip: '10.0.2.7', port: 6379 });
});

test("a Service's own address is never outside of the cluster or a node, whatever its identity says", async (t) => {
  for (const label of ['reserved:world', 'reserved:host', 'reserved:kube-apiserver']) {
    const { server } = await only(
      hubbleLine({ destination: { labels: [label] }, destination_service: { name: 'redis', namespace: 'shop' } }),
    );
    t.deepEqual([server.service?.name, server.reserved, server.node], ['redis', undefined, undefined]);
  }
});

test('old agents, bare flows, camel case and numbers for enums read the same', async (t) => {
  const usual = await only(hubbleLine());
  t.deepEqual(await only(hubbleLine({}, { outer: false })), usual);
  t.deepEqual(await only(hubbleLine().flow), usual);
  t.deepEqual(await only(hubbleLine({ verdict: 1 })), usual);
  const camelCased = JSON.parse(
    JSON.stringify(hubbleLine()).replaceAll(/"([a-z]+(?:_[a-z]+)+)":/g, (_, key: string) => {
      return `"${key.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())}":`;
    }),
  ) as unknown;
  t.deepEqual(await only(camelCased), usual);
});

test('an export with a field mask still gives a flow', async (t) => {
  const flow = await only({
    flow: {
      verdict: 'DROPPED',
      IP: { source: '10.244.1.60', destination: '10.244.1.5', ipVersion: 'IPv4' },
      l4: { TCP: { source_port: 44916, destination_port: 80, flags: { SYN: true } } },
      source: { namespace: 'default', pod_name: 'client' },
      destination: {},
      drop_reason_desc: 'POLICY_DENIED',
    },
    time: '2023-08-21T12:12:18.510175415Z',
  });
  t.deepEqual(
    [flow.client.pod, flow.server.pod, flow.server.ip, flow.verdict, flow.directed, flow.node],
    ['client', undefined, '10.244.1.5', 'denied', true, ''],
  );
});

test('lost events and missing nodes are losses of their node', async (t) => {
  const time = '2025-09-28T08:25:44.749505064Z';
  const { losses, skipped, flows } = await readText(
    jsonLines(
      { lost_events: { source: 'HUBBLE_RING_BUFFER', num_events_lost: '12' }, node_name: 'kubernetes/worker1', time },
      { lostEvents: { source: 1 }, nodeName: 'worker2', time },
      { node_status: { state_change: 'NODE_UNAVAILABLE', node_names: ['c/worker3', 'worker4'] }, time },
      { node_status: { state_change: 'NODE_CONNECTED', node_names: ['worker3'] }, time },
      { agent_event: { type: 'POLICY_UPDATED' }, time },
    ),
  );
  t.is(flows.length, 0);
  t.is(skipped, 2);
  t.deepEqual(
    losses.map(({ node, events, kind }) => [node, events, kind]),
    [
      ['worker1', 12, 'lost'],
      ['worker2', undefined, 'lost'],
      ['worker3', undefined, 'unavailable'],
      ['worker4', undefined, 'unavailable'],
    ],
  );
});

test('a wrong type, port, address or time rejects the line with the field and the value', async (t) => {
  const cases = [
    [{ source: { namespace: 5 } }, 'source.namespace: expected text, got 5'],
    [{ source: { labels: ['a=b', 1] } }, 'source.labels: expected a list of texts, got 1'],
    [{ source: 'cart' }, 'source: expected an object, got "cart"'],
    [{ IP: { source: '10.0.0.256' } }, 'IP.source: expected an IP address, got "10.0.0.256"'],
    [{ IP: { source: '010.0.0.1' } }, 'IP.source: expected an IP address, got "010.0.0.1"'],
    [{ l4: { TCP: { source_port: 70000 } } }, 'source_port: expected a port from 0 to 65535, got 70000'],
    [{ is_reply: 'no' }, 'is_reply: expected true or false, got "no"'],
    [
      { time: '2026-13-01T00:00:00Z' },
      'time: expected an RFC 3339 time between 1970 and 2200, got "2026-13-01T00:00:00Z"',
    ],
  ] as const;
  for (const [change, reason] of cases) {
    const good = hubbleLine();
    const { rejected, flows } = await readText(jsonLines(good, hubbleLine(change)));
    t.deepEqual(rejected, [{ where: '2', reason }]);
    t.is(flows.length, 1);
  }
});

test('the shortcut takes the usual line, and never a line that JSON.parse refuses', (t) => {
  const usual = JSON.stringify(hubbleLine());
  t.not(new HubbleShortcut(defaultFlowLimits).outcome(usual), undefined);
  const positions = fc.array(
    fc.tuple(
      fc.nat(usual.length),
      fc.nat(3),
      fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', '0', 'a', ' ', '\u0000'),
    ),
    {
      minLength: 1,
      maxLength: 3,
    },
  );
  const shortcut = new HubbleShortcut(defaultFlowLimits);
  const both = [hubbleLines(defaultFlowLimits), wholeHubbleLines(defaultFlowLimits)] as const;
  fc.assert(
    fc.property(positions, (changes) => {
      let line = usual;
      for (const [at, removed, added] of changes) line = line.slice(0, at) + added + line.slice(at + removed);
      t.deepEqual(both[0](line, undefined), both[1](line, undefined));
      if (shortcut.outcome(line) !== undefined) t.notThrows(() => JSON.parse(line));
    }),
    { numRuns: 3000 },
  );
});

test('the shortcut means what JSON means where keys occur twice or values hold what looks like keys', (t) => {
  const usual = JSON.stringify(hubbleLine());
  const lines = [
    usual.replace('"Type":', '"source":{"pod_name":"other"},"Type":'),
    usual.replace('"Type":', '"verdict":"DROPPED","Type":'),
    usual.replace('"Type":', '"IP":{"source":"10.9.9.9"},"Type":'),
    usual.replace(',"node_name":"default/worker-1","time"', ',"flow":{"verdict":"FORWARDED"},"time"'),
    usual.replace('"Type":', '"\\u0073ource":{"pod_name":"other"},"Type":'),
    usual.replace('"pod_name":"redis-0"', '"pod_name":"},\\"Type\\":{"'),
    usual.replace('"destination":{', '"destination":{"x":{"a":1},"y":2,'),
    usual.replace('"source":{"identity"', '"source":{"destination":{},"identity"'),
    usual.replace('"source_port":40000', '"source_port":040000'),
    usual.replace('"source_port":40000', '"source_port":99999'),
    `${usual} `,
    `${usual}}`,
  ];
  const shortcut = hubbleLines(defaultFlowLimits);
  const whole = wholeHubbleLines(defaultFlowLimits);
  for (const line of lines) t.deepEqual(shortcut(line, undefined), whole(line, undefined), line);
});
