import test from 'ava';
import { calicoLines } from '../../../controller/adapters/flow-file/calico-line.ts';
import { conntrackLines } from '../../../controller/adapters/flow-file/conntrack-line.ts';
import { defaultFlowLimits } from '../../../controller/adapters/flow-file/flow-limits.ts';
import { goldmaneLines } from '../../../controller/adapters/flow-file/goldmane-line.ts';
import { hubbleLines } from '../../../controller/adapters/flow-file/hubble-line.ts';
import { inspektorGadgetLines } from '../../../controller/adapters/flow-file/inspektor-gadget-line.ts';
import type { LineOutcome, LineReader } from '../../../controller/adapters/flow-file/line-outcome.ts';
import { nanosegLines } from '../../../controller/adapters/flow-file/nanoseg-line.ts';
import { mostObservedMs } from '../../../controller/model/flow.ts';
import { hubbleLine } from './hubble-record.ts';
import { flowFaults, lossFaults } from './strict-flow.ts';

const inputs = 100_000;
const timeMs = Date.UTC(2026, 0, 1);

type Random = (below: number) => number;

/** xorshift32 of Marsaglia; the seed is printed with each failure. */
function randomFrom(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const fragments = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '=',
  ' ',
  '\t',
  '\u0000',
  '\ufffd',
  'é',
  '0',
  '-1',
  '1e999',
  '65536',
  '99999999999999999999',
  'null',
  'true',
  '{}',
  '[]',
  '""',
  '"source":{',
  '"__proto__":{',
  '"flow":{',
  '\\u0000',
  'src=10.0.0.1 ',
  'dst=::1 ',
  '[UNREPLIED]',
  '::ffff:1.2.3.4',
];

/** One to three edits of a line: a part removed, doubled, moved or replaced, a character changed, the line cut. */
function mutated(lines: readonly string[], random: Random): string {
  let line = lines[random(lines.length)] as string;
  for (let edits = 1 + random(3); edits > 0; edits--) {
    const at = random(line.length + 1);
    const length = random(4) === 0 ? random(60) : random(4);
    const part = line.slice(at, at + length);
    switch (random(7)) {
      case 0:
        line = line.slice(0, at) + line.slice(at + length);
        break;
      case 1:
        line = line.slice(0, at) + part + line.slice(at);
        break;
      case 2:
        line = line.slice(0, at) + (fragments[random(fragments.length)] as string) + line.slice(at + length);
        break;
      case 3:
        line = line.slice(0, at) + String.fromCharCode(random(127)) + line.slice(at + 1);
        break;
      case 4:
        line = line.slice(0, at);
        break;
      case 5:
        line = valueReplaced(line, at, random);
        break;
      case 6: {
        const other = lines[random(lines.length)] as string;
        line = line.slice(0, at) + other.slice(random(other.length));
        break;
      }
    }
  }
  return line;
}

/** Replaces the whole value after the next colon or equals sign, so that many inputs stay well-formed. */
function valueReplaced(line: string, at: number, random: Random): string {
  const values = ['null', '0', '-1', '1.5', '70000', '1e300', '""', '"x"', '[]', '{}', 'true', '"10.0.0.1"', '"*"'];
  return line.slice(0, at) + line.slice(at).replace(/([:=])("[^"]*"|[\w.-]+)/, `$1${values[random(values.length)]}`);
}

function faultsOf(outcome: LineOutcome): string[] {
  switch (outcome.kind) {
    case 'flow':
      return flowFaults(outcome.flow);
    case 'losses':
      return outcome.losses.flatMap(lossFaults);
    case 'observed': {
      const { node, fromMs, toMs } = outcome.observed;
      return node !== '' && toMs >= fromMs && toMs - fromMs <= mostObservedMs
        ? []
        : ['no time in which a node was observed'];
    }
    case 'several':
      return outcome.outcomes.flatMap(faultsOf);
    case 'rejected':
      return outcome.reason === '' ? ['no reason'] : [];
    case 'skipped':
      return [];
  }
}

const fuzz = test.macro({
  title: (_, name: string) => `${inputs} mutated lines of ${name}: no crash, no hang, nothing accepted that is wrong`,
  exec(t, _name: string, reader: LineReader, lines: readonly string[], isJson: boolean) {
    const seed = Math.floor(Math.random() * 0x7fffffff);
    const random = randomFrom(seed);
    const accepted = { flow: 0, losses: 0, observed: 0, several: 0, skipped: 0, rejected: 0 };
    for (let i = 0; i < inputs; i++) {
      const line = mutated(lines, random);
      const where = `seed ${seed}, input ${i}: ${JSON.stringify(line)}`;
      let outcome: LineOutcome;
      try {
        outcome = reader(line, undefined);
      } catch (error) {
        t.fail(`${where}: ${String(error)}`);
        return;
      }
      accepted[outcome.kind]++;
      const faults = faultsOf(outcome);
      if (isJson && (outcome.kind === 'flow' || outcome.kind === 'several') && !isJsonText(line))
        faults.push('not JSON');
      if (faults.length > 0) {
        t.fail(`${where}: ${faults.join(', ')}`);
        return;
      }
    }
    // A fuzzer whose inputs are all refused, or all taken, tests nothing.
    t.true(
      accepted.flow > inputs / 100 && accepted.rejected > inputs / 100,
      `seed ${seed}: ${JSON.stringify(accepted)}`,
    );
  },
});

function isJsonText(line: string): boolean {
  try {
    JSON.parse(line.replace(/^data:/, ''));
    return true;
  } catch {
    return false;
  }
}

const json = (...records: readonly unknown[]) => records.map((record) => JSON.stringify(record));

const time = '2026-07-31T10:41:02.202450754Z';

test(
  'Hubble',
  fuzz,
  'Hubble',
  hubbleLines(defaultFlowLimits),
  json(
    hubbleLine(),
    hubbleLine({ is_reply: true, destination_names: ['api.example.com.'], verdict: 'REDIRECTED' }),
    hubbleLine({ verdict: 'DROPPED', drop_reason_desc: 'POLICY_DENIED', is_reply: undefined }),
    hubbleLine({ l4: { ICMPv6: { type: 128 } }, source: { labels: ['reserved:host'] } }, { outer: false }),
    { lost_events: { source: 'HUBBLE_RING_BUFFER', num_events_lost: '12' }, node_name: 'c/worker1', time },
    { node_status: { state_change: 'NODE_GONE', node_names: ['a', 'b'] }, time },
  ),
  true,
);

const calico = {
  start_time: 1785523110,
  end_time: 1785523125,
  source_ip: '10.48.0.7',
  source_name: 'cart-755cdc7957-abcde',
  source_name_aggr: 'cart-755cdc7957-*',
  source_namespace: 'shop',
  source_type: 'wep',
  source_labels: { labels: ['app=cart'] },
  dest_ip: null,
  dest_name: '-',
  dest_name_aggr: 'pub',
  dest_namespace: '-',
  dest_port: 443,
  dest_type: 'net',
  dest_domains: ['api.example.com'],
  proto: 'tcp',
  action: 'allow',
  reporter: 'src',
  bytes_in: 300,
  bytes_out: 100,
  num_flows: 1,
  packets_in: 5,
  packets_out: 1,
  host: 'worker-1',
};
test(
  'Calico',
  fuzz,
  'Calico',
  calicoLines(defaultFlowLimits),
  json(calico, {
    ...calico,
    reporter: 'dst',
    action: 'deny',
    source_type: 'hep',
    dest_type: 'wep',
    dest_name: 'web-1',
  }),
  true,
);

const goldmaneKey = {
  source_name: 'cart-7c9f8d-*',
  source_namespace: 'shop',
  source_type: 'WorkloadEndpoint',
  dest_name: 'pub',
  dest_namespace: '',
  dest_type: 'Network',
  dest_port: 443,
  proto: 'tcp',
  reporter: 'Src',
  action: 'Allow',
};
const whisker = {
  ...goldmaneKey,
  start_time: '2026-07-31T18:38:30Z',
  end_time: '2026-07-31T18:38:45Z',
  source_labels: 'app=cart | tier=front',
  protocol: 'udp',
  packets_in: 1,
};
test(
  'Goldmane',
  fuzz,
  'Goldmane',
  goldmaneLines(defaultFlowLimits),
  [
    ...json(
      { id: 1, flow: { Key: goldmaneKey, start_time: 1785523110, end_time: 1785523125, packets_in: 12, bytes_in: 9 } },
      whisker,
      [whisker, { ...whisker, reporter: 'Dst' }],
    ),
    `data: ${JSON.stringify(whisker)}`,
  ],
  true,
);

test(
  'conntrack',
  fuzz,
  'conntrack',
  conntrackLines(timeMs),
  [
    '[1795433716.452590]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT src=10.244.1.10 dst=10.96.0.50 sport=47544 dport=80 [UNREPLIED] src=10.244.2.20 dst=10.244.1.10 sport=8080 dport=47544 id=938473641',
    ' [UPDATE] tcp      6 60 SYN_RECV src=10.244.1.10 dst=10.96.0.50 sport=47544 dport=80 src=10.244.2.20 dst=10.244.1.10 sport=8080 dport=47544 zone=7',
    '[1795433758.536183]\t[DESTROY] ipv6     10 tcp      6 TIME_WAIT src=fd00::10 dst=fd00::50 sport=49976 dport=80 packets=6 bytes=560 src=fd00::20 dst=fd00::10 sport=8080 dport=49976 packets=6 bytes=4169 [ASSURED] delta-time=3 id=2706061394',
    'ipv4     2 icmp     1 2 src=10.244.1.10 dst=10.244.2.20 type=8 code=0 id=20768 packets=2 bytes=168 src=10.244.2.20 dst=10.244.1.10 type=0 code=0 id=20768 packets=2 bytes=168 mark=0 use=1 id=2738911926',
    'ipv4     2 udp      17 1 src=10.244.1.10 dst=10.96.0.10 sport=58441 dport=53 src=10.244.2.20 dst=10.244.1.10 sport=5353 dport=58441 mark=0 zone=0 use=2',
  ],
  false,
);

const socket = { addr: '10.244.1.10', version: 4, port: 41464, proto: 'TCP' };
test(
  'Inspektor Gadget',
  fuzz,
  'Inspektor Gadget',
  inspektorGadgetLines(defaultFlowLimits, timeMs),
  json(
    {
      type: 'connect',
      src: { ...socket, k8s: { kind: 'pod', name: 'cart-1', namespace: 'shop', labels: 'app=cart,tier=front' } },
      dst: { ...socket, addr: '10.96.0.50', port: 80, k8s: { kind: 'svc', name: 'web', namespace: 'shop' } },
      error: '',
      k8s: {
        namespace: 'shop',
        node: 'n1',
        podName: 'cart-1',
        podLabels: 'app=cart',
        owner: { kind: 'Job', name: 'j' },
      },
      timestamp: '2026-07-31T18:38:31.977700392Z',
    },
    {
      type: 'accept',
      src: socket,
      dst: { ...socket, proto: 6 },
      k8s: { podLabels: { app: 'web' } },
      timestamp_raw: 1e18,
    },
    {
      type: 'normal',
      k8s: { node: 'n1', namespace: 'shop', podname: 'cart-1' },
      pktType: 'OUTGOING',
      proto: 'udp',
      port: 53,
      dst: { kind: 'pod', addr: '10.96.0.10', namespace: 'kube-system', name: 'dns-1', podLabels: { app: 'dns' } },
    },
  ),
  true,
);

test(
  'nanoseg',
  fuzz,
  'nanoseg',
  nanosegLines(defaultFlowLimits),
  json(
    {
      nanoseg: 'flow/v1',
      time,
      end: '2026-07-31T10:42:02Z',
      client: { ip: '10.0.0.1', namespace: 'shop', podPrefix: 'cart-', labels: ['app=cart'], reserved: 'host' },
      server: { service: { namespace: 'shop', name: 'web' }, dnsNames: ['api.example.com'] },
      protocol: 'TCP',
      port: 443,
      addressed: { ip: '10.96.0.1', port: 443 },
      directed: true,
      verdict: 'allowed',
      answered: false,
      connections: 3,
      bytes: 1000,
      source: 'conntrack',
      node: 'n1',
    },
    { nanoseg: 'loss/v1', time, kind: 'lost', events: 3, node: 'n1' },
    { nanoseg: 'alive/v1', time, end: time, source: 'conntrack', node: 'n1' },
  ),
  true,
);
