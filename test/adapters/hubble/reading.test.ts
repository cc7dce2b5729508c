import test from 'ava';
import fc from 'fast-check';
import { defaultFlowLimits } from '../../../controller/adapters/flow-file/flow-limits.ts';
import { wholeHubbleLines } from '../../../controller/adapters/flow-file/hubble-line.ts';
import type { LineOutcome } from '../../../controller/adapters/flow-file/line-outcome.ts';
import { ResponseReader } from '../../../controller/adapters/hubble/response-reader.ts';
import { encodeHubble } from '../../support/hubble-encoding.ts';
import type { HubbleRecord } from '../../support/hubble-server.ts';
import { hubbleLine } from '../flow-file/hubble-record.ts';

const readLine = wholeHubbleLines(defaultFlowLimits);

/** The message in the terms of a line of a file. */
function asLine(reader: ResponseReader, bytes: Buffer): LineOutcome {
  const message = reader.read(bytes);
  switch (message.kind) {
    case 'flow':
      return { kind: 'flow', flow: message.flow };
    case 'loss':
      return { kind: 'losses', losses: [message.loss] };
    case 'nodes': {
      const { timeMs = 0 } = message;
      if (message.connected) return { kind: 'skipped' };
      const away = message.nodes.length === 0 ? [''] : message.nodes;
      const losses = away.map((node) => {
        return { timeMs, source: 'hubble', node, events: undefined, kind: 'unavailable' } as const;
      });
      return { kind: 'losses', losses };
    }
    case 'skipped':
      return message;
    case 'rejected':
      return message;
  }
}

const name = fc.constantFrom('', 'web', 'cart-5f6c9d7b8-abcde', 'größe-1');
const label = fc.constantFrom(
  'k8s:app=web',
  'k8s:io.kubernetes.pod.namespace=shop',
  'reserved:world',
  'reserved:host',
  'reserved:kube-apiserver',
  'cidr:10.0.0.0/8',
);
const endpoint = fc.record(
  {
    ID: fc.nat(70_000),
    identity: fc.constantFrom(0, 1, 2, 7, 24_753, 2 ** 25 + 1),
    namespace: name,
    labels: fc.array(label, { maxLength: 3 }),
    pod_name: name,
    workloads: fc.array(fc.record({ name, kind: fc.constantFrom('', 'Deployment') }), { maxLength: 2 }),
    cluster_name: name,
  },
  { requiredKeys: [] },
);
const ports = { source_port: fc.nat(66_000), destination_port: fc.nat(66_000) };
const flags = fc.record(
  Object.fromEntries(['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'NS'].map((flag) => [flag, fc.constant(true)])),
  { requiredKeys: [] },
);
const l4 = fc.oneof(
  fc.record({ TCP: fc.record({ ...ports, flags }, { requiredKeys: [] }) }),
  fc.record({ UDP: fc.record(ports) }),
  fc.record({ SCTP: fc.record(ports) }),
  fc.record({ ICMPv4: fc.record({ type: fc.nat(20), code: fc.nat(20) }) }),
  fc.record({ ICMPv6: fc.record({ type: fc.integer({ min: 125, max: 140 }) }) }),
  fc.record({ VRRP: fc.record({ type: fc.nat(20) }) }),
);
const ip = fc.constantFrom('10.0.1.5', '10.0.2.7', 'fd00::1', '192.0.2.9', '10.0.1', '');
const time = fc.constantFrom('2026-07-31T10:41:02.202450754Z', '2026-07-31T10:41:02Z', '1970-01-01T00:00:00Z');
const service = fc.record({ name, namespace: name });
const flow = fc.record(
  {
    time,
    uuid: fc.uuid(),
    verdict: fc.constantFrom('FORWARDED', 'DROPPED', 'AUDIT', 'REDIRECTED', 'ERROR', 'TRACED', 'TRANSLATED'),
    drop_reason: fc.constantFrom(133, 150, 181),
    drop_reason_desc: fc.constantFrom('POLICY_DENIED', 'AUTH_REQUIRED', 'STALE_OR_UNROUTABLE_IP'),
    IP: fc.record({ source: ip, destination: ip, ipVersion: fc.constantFrom('IPv4', 'IPv6') }, { requiredKeys: [] }),
    l4,
    source: endpoint,
    destination: endpoint,
    Type: fc.constantFrom('L3_L4', 'L7'),
    node_name: fc.constantFrom('default/worker-1', 'worker-2'),
    source_names: fc.array(fc.constantFrom('a.example', 'b.example.', '.'), { maxLength: 2 }),
    destination_names: fc.array(fc.constantFrom('a.example', 'b.example.'), { maxLength: 2 }),
    reply: fc.constant(true),
    event_type: fc.record({ type: fc.constantFrom(1, 4, 5, 129), sub_type: fc.nat(5) }),
    source_service: service,
    destination_service: service,
    traffic_direction: fc.constantFrom('INGRESS', 'EGRESS'),
    trace_observation_point: fc.constantFrom('TO_ENDPOINT', 'TO_STACK'),
    is_reply: fc.boolean(),
    interface: fc.record({ index: fc.nat(), name: fc.string() }),
    trace_reason: fc.constantFrom('NEW', 'REPLY'),
    ingress_denied_by: fc.constant([{ name: 'deny', namespace: 'shop', revision: '6' }]),
    Summary: fc.string(),
    extensions: fc.constant({ '@type': 'type.googleapis.com/google.protobuf.Struct' }),
  },
  { requiredKeys: ['l4', 'verdict'] },
);
const outer = fc.record({ node_name: fc.constantFrom('default/worker-1', 'worker-3'), time }, { requiredKeys: [] });
const response = fc
  .tuple(flow, outer)
  .map(([inner, around]): HubbleRecord => ({ flow: withoutEmpty(inner), ...around }));

/** The JSON of protobuf leaves out what is empty. */
function withoutEmpty(value: HubbleRecord): HubbleRecord {
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([, item]) => item !== undefined && item !== '' && item !== 0 && !(Array.isArray(item) && item.length === 0),
      )
      .map(([key, item]) => [
        key,
        Array.isArray(item)
          ? item.map((part: unknown) => (typeof part === 'object' ? withoutEmpty(part as HubbleRecord) : part))
          : typeof item === 'object'
            ? withoutEmpty(item as HubbleRecord)
            : item,
      ]),
  );
}

test('a stream and a file of the same events give equal flows', (t) => {
  const reader = new ResponseReader(defaultFlowLimits);
  const kinds = new Map<string, number>();
  fc.assert(
    fc.property(response, (record) => {
      const fromFile = readLine(JSON.stringify(record), undefined);
      const fromStream = asLine(reader, encodeHubble('GetFlowsResponse', record));
      kinds.set(fromFile.kind, (kinds.get(fromFile.kind) ?? 0) + 1);
      t.deepEqual(fromStream.kind, fromFile.kind, JSON.stringify([record, fromFile, fromStream]));
      if (fromFile.kind === 'rejected') return;
      t.deepEqual(fromStream, fromFile);
    }),
    { numRuns: 3000 },
  );
  t.true((kinds.get('flow') ?? 0) > 100 && (kinds.get('rejected') ?? 0) > 10 && (kinds.get('skipped') ?? 0) > 10);
});

test('lost events and nodes that come and go read the same', (t) => {
  const reader = new ResponseReader(defaultFlowLimits);
  const around = { node_name: 'default/worker-1', time: '2026-07-31T10:41:02.202450754Z' };
  const events: HubbleRecord[] = [
    { lost_events: { source: 'HUBBLE_RING_BUFFER', num_events_lost: '12', cpu: 0 }, ...around },
    { lost_events: { source: 'OBSERVER_EVENTS_QUEUE' }, ...around },
    { node_status: { state_change: 'NODE_UNAVAILABLE', node_names: ['default/worker-2', 'worker-3'] }, ...around },
    { node_status: { state_change: 'NODE_CONNECTED', node_names: ['worker-3'] }, ...around },
    { node_status: { state_change: 'NODE_GONE' }, ...around },
  ];
  for (const event of events) {
    t.deepEqual(asLine(reader, encodeHubble('GetFlowsResponse', event)), readLine(JSON.stringify(event), undefined));
  }
});

test('an agent that is not Cilium’s says false of replies too: only the flags are believed', (t) => {
  const reader = new ResponseReader(defaultFlowLimits);
  const extensions = { '@type': 'type.googleapis.com/google.protobuf.Struct' };
  const directed = (tcpFlags: object) => {
    const tcp = { source_port: 8080, destination_port: 40_000, flags: tcpFlags };
    const record = hubbleLine({ l4: { TCP: tcp }, is_reply: false, extensions }) as unknown as HubbleRecord;
    const outcome = asLine(reader, encodeHubble('GetFlowsResponse', record));
    t.deepEqual(outcome, readLine(JSON.stringify(record), undefined));
    return outcome.kind === 'flow' ? [outcome.flow.directed, outcome.flow.port] : outcome;
  };
  t.deepEqual(directed({ ACK: true }), [false, 40_000]);
  t.deepEqual(directed({ SYN: true, ACK: true }), [true, 8080]);
  t.deepEqual(directed({ SYN: true }), [true, 40_000]);
});

test('bytes that were damaged are rejected or read as something; nothing else happens', (t) => {
  const reader = new ResponseReader(defaultFlowLimits);
  const good = encodeHubble('GetFlowsResponse', hubbleLine() as unknown as HubbleRecord);
  let rejected = 0;
  const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255), cut: fc.nat(good.length) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.boolean(), (changes, isCut) => {
      const bytes = Buffer.from(good);
      for (const { at, byte } of changes) bytes[at] = byte;
      const message = reader.read(isCut ? bytes.subarray(0, changes[0]?.cut) : bytes);
      if (message.kind === 'rejected') {
        rejected++;
        t.true(message.reason.length > 0);
      }
      if (message.kind === 'flow') t.true(message.flow.port >= 0 && message.flow.port <= 65_535);
    }),
    { numRuns: 5000 },
  );
  t.true(rejected > 100);
  const whole = reader.read(good);
  t.is(whole.kind, 'flow', 'and the next good one is read as ever');
});

test('fields nobody knows are passed over, whatever they hold, and one of another type is one of them', (t) => {
  const reader = new ResponseReader(defaultFlowLimits);
  const good = encodeHubble('GetFlowsResponse', hubbleLine() as unknown as HubbleRecord);
  // a varint, four bytes, eight bytes, a text and a group of field 2047, and node_name as a number
  const unknown = Buffer.from(
    `f87fffffffffffffffffff01 fd7f01020304 f97f0102030405060708 fa7f020909 fb7f0801fc7f c03e05`.replaceAll(' ', ''),
    'hex',
  );
  const message = reader.read(Buffer.concat([unknown, good, unknown]));
  const wanted = reader.read(good);
  t.deepEqual(message, wanted);
});

test('an endpoint with more labels than the limit, and a message that is too large, are rejected by name', (t) => {
  const reader = new ResponseReader({ ...defaultFlowLimits, labelsPerEndpoint: 2, lineBytes: 2000 });
  const labelled = (count: number) =>
    asLine(
      reader,
      encodeHubble(
        'GetFlowsResponse',
        hubbleLine({
          source: { labels: Array.from({ length: count }, (_, i) => `k8s:l${i}=x`) },
        }) as unknown as HubbleRecord,
      ),
    );
  t.is(labelled(2).kind, 'flow');
  t.deepEqual(labelled(3), {
    kind: 'rejected',
    reason: 'source.labels: 3 entries, more than 2 (limit: labels per endpoint)',
  });
  t.regex((labelled(300) as { reason: string }).reason, /bytes, more than 2000 \(limit: lineBytes\)/);
});
