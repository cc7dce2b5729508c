import test from 'ava';
import { parseIp } from '../../../controller/model/cidr.ts';
import type { Cluster, Pod } from '../../../controller/model/cluster.ts';
import { formatConnections } from '../../../controller/model/connection-set.ts';
import type {
  IngressRule,
  NetworkPolicy,
  NetworkPolicySpec,
  PolicyPort,
} from '../../../controller/model/network-policy.ts';
import type { CniName } from '../../../controller/model/profile.ts';
import type { PolicyProtocol } from '../../../controller/model/protocol.ts';
import { cniProfile } from '../../../controller/policy/cni-profiles.ts';
import { indexCluster } from '../../../controller/policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../../../controller/policy/evaluate/compile-policies.ts';
import { type Evaluator, evaluator } from '../../../controller/policy/evaluate/evaluator.ts';
import type { Party } from '../../../controller/policy/evaluate/views.ts';
import { buildCluster, keyOf, type WorkloadSpec } from '../../support/build-cluster.ts';

const http = (port: number, protocol: PolicyProtocol = 'TCP') => ({ name: 'http', port, protocol });

const specs: readonly WorkloadSpec[] = [
  { name: 'web', labels: { app: 'web' }, containerPorts: [http(8080)] },
  { name: 'cart', labels: { app: 'cart' }, containerPorts: [http(9090), http(9053, 'UDP')] },
  { name: 'plain', labels: { app: 'plain' } },
  { namespace: 'ops', name: 'probe', labels: { app: 'cart' } },
];

function netpol(spec: Partial<NetworkPolicySpec>, name = 'p', namespace = 'shop'): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name },
    spec: { podSelector: { matchLabels: { app: 'web' } }, ...spec },
  };
}

interface World {
  readonly specs?: readonly WorkloadSpec[];
  readonly parts?: Partial<Cluster>;
  readonly cni?: CniName;
}

function judge(
  policies: readonly NetworkPolicy[],
  { specs: own = specs, parts = {}, cni = 'calico' }: World = {},
): Evaluator {
  const index = indexCluster(buildCluster(own, parts));
  return evaluator(index, compilePolicies(index, policies), cniProfile(cni));
}

function party(text: string): Party {
  const ip = parseIp(text);
  if (ip) return { kind: 'address', ip };
  return text.startsWith('node ') ? { kind: 'node', name: text.slice(5) } : { kind: 'workload', workload: keyOf(text) };
}

/** `allowed` in words, with `? unknown` behind it where there is any. */
function flow(answers: Evaluator, source: string, destination: string): string {
  const { allowed, unknown } = answers.between(party(source), party(destination));
  const doubt = formatConnections(unknown);
  return formatConnections(allowed) + (doubt === 'nothing' ? '' : ` ? ${doubt}`);
}

const ingress = (...rules: readonly IngressRule[]) => judge([netpol({ policyTypes: ['Ingress'], ingress: rules })]);
const outside = '203.0.113.9';

test('without a policy that selects a pod everything is allowed', (t) => {
  const answers = judge([netpol({ podSelector: { matchLabels: { app: 'nobody' } } })]);
  t.is(flow(answers, 'shop/cart', 'shop/web'), 'everything');
  t.is(flow(answers, outside, 'shop/web'), 'everything');
});

test('an isolated direction without rules, and with no list of rules, denies everything', (t) => {
  for (const spec of [{ ingress: [] }, {}]) {
    t.is(flow(judge([netpol({ policyTypes: ['Ingress'], ...spec })]), 'shop/cart', 'shop/web'), 'nothing');
  }
});

test('a rule without from, or with an empty one, lets everybody in', (t) => {
  for (const rule of [{}, { from: [] }, { from: [], ports: [] }]) {
    const answers = ingress(rule);
    t.is(flow(answers, 'ops/probe', 'shop/web'), 'everything');
    t.is(flow(answers, outside, 'shop/web'), 'everything');
  }
});

test('an empty list of ports is every port of every protocol', (t) => {
  t.is(flow(ingress({ from: [{ podSelector: {} }], ports: [] }), 'shop/cart', 'shop/web'), 'everything');
});

test('a port entry without a port is every port of its protocol, TCP by default', (t) => {
  t.is(flow(ingress({ ports: [{}] }), 'shop/cart', 'shop/web'), 'TCP all');
  t.is(flow(ingress({ ports: [{ protocol: 'SCTP' }] }), 'shop/cart', 'shop/web'), 'SCTP all');
});

test('absent policyTypes isolate ingress, and egress only when there is an egress rule', (t) => {
  const silent = judge([netpol({ egress: [] })]);
  t.is(flow(silent, 'shop/web', 'shop/cart'), 'everything');
  t.is(flow(silent, 'shop/cart', 'shop/web'), 'nothing');
  const speaking = judge([netpol({ egress: [{ ports: [{ port: 53 }] }] })]);
  t.is(flow(speaking, 'shop/web', 'shop/cart'), 'TCP 53');
  t.is(flow(speaking, 'shop/cart', 'shop/web'), 'nothing');
});

test('policyTypes Egress alone leaves ingress open, whatever ingress rules stand there', (t) => {
  const answers = judge([netpol({ policyTypes: ['Egress'], ingress: [{ from: [{ podSelector: {} }] }] })]);
  t.is(flow(answers, outside, 'shop/web'), 'everything');
  t.is(flow(answers, 'shop/web', outside), 'nothing');
});

test('podSelector alone means the own namespace, with namespaceSelector both, and two peers are alternatives', (t) => {
  const cart = { matchLabels: { app: 'cart' } };
  const ops = { matchLabels: { 'kubernetes.io/metadata.name': 'ops' } };
  const own = ingress({ from: [{ podSelector: cart }] });
  t.deepEqual([flow(own, 'shop/cart', 'shop/web'), flow(own, 'ops/probe', 'shop/web')], ['everything', 'nothing']);
  const both = ingress({ from: [{ podSelector: cart, namespaceSelector: ops }] });
  t.deepEqual([flow(both, 'shop/cart', 'shop/web'), flow(both, 'ops/probe', 'shop/web')], ['nothing', 'everything']);
  const either = ingress({ from: [{ podSelector: cart }, { namespaceSelector: ops }] });
  t.deepEqual(
    [flow(either, 'shop/cart', 'shop/web'), flow(either, 'ops/probe', 'shop/web')],
    ['everything', 'everything'],
  );
});

test('an empty namespaceSelector is every namespace and never an external address; absent it is the own namespace', (t) => {
  const all = ingress({ from: [{ namespaceSelector: {} }] });
  t.is(flow(all, 'ops/probe', 'shop/web'), 'everything');
  t.is(flow(all, outside, 'shop/web'), 'nothing');
  const own = ingress({ from: [{ podSelector: {} }] });
  t.is(flow(own, 'ops/probe', 'shop/web'), 'nothing');
  t.is(flow(own, 'shop/plain', 'shop/web'), 'everything');
});

test('NotIn and DoesNotExist match a pod without the label', (t) => {
  for (const requirement of [
    { key: 'tier', operator: 'NotIn' as const, values: ['db'] },
    { key: 'tier', operator: 'DoesNotExist' as const },
  ]) {
    t.is(
      flow(ingress({ from: [{ podSelector: { matchExpressions: [requirement] } }] }), 'shop/cart', 'shop/web'),
      'everything',
    );
  }
});

test('several policies of one pod add up, and one side never opens the other', (t) => {
  const policies = [
    netpol({ ingress: [{ ports: [{ port: 80 }] }] }, 'a'),
    netpol({ ingress: [{ ports: [{ port: 443 }] }] }, 'b'),
    netpol(
      { podSelector: { matchLabels: { app: 'cart' } }, policyTypes: ['Egress'], egress: [{ ports: [{ port: 443 }] }] },
      'c',
    ),
  ];
  t.is(flow(judge(policies), 'shop/plain', 'shop/web'), 'TCP 80, 443');
  t.is(flow(judge(policies), 'shop/cart', 'shop/web'), 'TCP 443');
});

test('a named port is the number that each destination pod gives it, for its own protocol', (t) => {
  const egress = (port: PolicyPort) =>
    judge([
      netpol({ podSelector: { matchLabels: { app: 'plain' } }, policyTypes: ['Egress'], egress: [{ ports: [port] }] }),
    ]);
  const tcp = egress({ port: 'http' });
  t.is(flow(tcp, 'shop/plain', 'shop/web'), 'TCP 8080');
  t.is(flow(tcp, 'shop/plain', 'shop/cart'), 'TCP 9090');
  t.is(flow(tcp, 'shop/plain', 'ops/probe'), 'nothing', 'no such name there');
  t.is(flow(tcp, 'shop/plain', outside), 'nothing', 'never an address outside');
  const udp = egress({ port: 'http', protocol: 'UDP' });
  t.is(flow(udp, 'shop/plain', 'shop/web'), 'nothing');
  t.is(flow(udp, 'shop/plain', 'shop/cart'), 'UDP 9053');
});

test('a named port is unknown where nobody says whether names are honoured', (t) => {
  const named = [netpol({ ingress: [{ ports: [{ port: 'http' }, { port: 81 }] }] })];
  t.is(flow(judge(named, { cni: 'generic' }), 'shop/cart', 'shop/web'), 'TCP 81 ? TCP 8080');
});

test('a name that two containers of a pod give to different ports is unknown on both', (t) => {
  const twice = specs.map((spec) => (spec.name === 'web' ? { ...spec, containerPorts: [http(1), http(2)] } : spec));
  t.is(
    flow(judge([netpol({ ingress: [{ ports: [{ port: 'http' }] }] })], { specs: twice }), 'shop/cart', 'shop/web'),
    'nothing ? TCP 1-2',
  );
});

test('endPort makes a range, and none where it is below the port or stands at a name', (t) => {
  t.is(flow(ingress({ ports: [{ port: 9000, endPort: 9010 }] }), 'shop/cart', 'shop/web'), 'TCP 9000-9010');
  t.is(flow(ingress({ ports: [{ port: 9000, endPort: 9000 }] }), 'shop/cart', 'shop/web'), 'TCP 9000');
  t.is(flow(ingress({ ports: [{ port: 9000, endPort: 8999 }] }), 'shop/cart', 'shop/web'), 'nothing');
  t.is(flow(ingress({ ports: [{ port: 'http', endPort: 8999 }] }), 'shop/cart', 'shop/web'), 'nothing');
  t.is(flow(ingress({ ports: [{ endPort: 8999 }] }), 'shop/cart', 'shop/web'), 'nothing');
});

test('a range is surely open at its first port only where endPort is doubtful', (t) => {
  const policies = [netpol({ ingress: [{ ports: [{ port: 10, endPort: 12 }] }] })];
  t.is(flow(judge(policies, { cni: 'gke-dataplane-v2' }), 'shop/cart', 'shop/web'), 'TCP 10 ? TCP 11-12');
});

test('SCTP is one of the three protocols, and unknown where its support is', (t) => {
  const policies = [netpol({ ingress: [{ ports: [{ protocol: 'SCTP', port: 36412 }] }] })];
  t.is(flow(judge(policies), 'shop/cart', 'shop/web'), 'SCTP 36412');
  t.is(flow(judge(policies, { cni: 'cilium' }), 'shop/cart', 'shop/web'), 'nothing ? SCTP 36412');
});

test('ipBlock matches addresses outside, less its excepts, of its own family', (t) => {
  const answers = ingress({ from: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } }] });
  t.is(flow(answers, outside, 'shop/web'), 'everything');
  t.is(flow(answers, '203.0.113.200', 'shop/web'), 'nothing');
  t.is(flow(answers, '2001:db8::1', 'shop/web'), 'nothing');
  t.is(flow(ingress({ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }), '2001:db8::1', 'shop/web'), 'nothing');
});

test('a peer that the API would refuse matches nothing', (t) => {
  for (const peer of [
    {},
    { ipBlock: { cidr: '203.0.113.0/33' } },
    { ipBlock: { cidr: '203.0.113.0/24', except: ['198.51.100.0/24'] } },
    { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.0/24'] } },
    { ipBlock: { cidr: '203.0.113.0/24' }, podSelector: {} },
  ]) {
    const answers = ingress({ from: [peer] });
    t.is(flow(answers, outside, 'shop/web'), 'nothing', JSON.stringify(peer));
    t.is(flow(answers, 'shop/cart', 'shop/web'), 'nothing', JSON.stringify(peer));
  }
});

const addressed = (...ips: readonly (readonly string[])[]): WorkloadSpec[] =>
  specs.map((spec) => (spec.name === 'cart' ? { ...spec, pods: ips.map((each) => ({ ips: each })) } : spec));
const fromPodNetwork = [netpol({ ingress: [{ from: [{ ipBlock: { cidr: '10.244.0.0/17' } }] }] })];

test('the CNI decides whether an ipBlock matches pods', (t) => {
  const own = addressed(['10.244.0.7']);
  t.is(flow(judge(fromPodNetwork, { specs: own, cni: 'kube-router' }), 'shop/cart', 'shop/web'), 'everything');
  t.is(flow(judge(fromPodNetwork, { specs: own, cni: 'cilium' }), 'shop/cart', 'shop/web'), 'nothing');
  t.is(flow(judge(fromPodNetwork, { specs: own, cni: 'generic' }), 'shop/cart', 'shop/web'), 'nothing ? everything');
  const elsewhere = addressed(['10.244.200.7']);
  t.is(flow(judge(fromPodNetwork, { specs: elsewhere, cni: 'generic' }), 'shop/cart', 'shop/web'), 'nothing');
});

test('an ipBlock that has some of the pods of a workload leaves the workload unknown, two that share them do not', (t) => {
  const own = addressed(['10.244.0.7'], ['10.244.200.7']);
  t.is(flow(judge(fromPodNetwork, { specs: own }), 'shop/cart', 'shop/web'), 'nothing ? everything');
  const other = netpol({ ingress: [{ from: [{ ipBlock: { cidr: '10.244.128.0/17' } }], ports: [{ port: 80 }] }] }, 'q');
  t.is(
    flow(judge([...fromPodNetwork, other], { specs: own }), 'shop/cart', 'shop/web'),
    'TCP 80 ? TCP 1-79, 81-65535; UDP all; SCTP all',
  );
});

test('a pod whose address is not known is in a block that holds the whole pod network, and unknown in a part of it', (t) => {
  t.is(flow(judge(fromPodNetwork), 'shop/cart', 'shop/web'), 'nothing ? everything');
  const whole = [netpol({ ingress: [{ from: [{ ipBlock: { cidr: '10.244.0.0/16' } }] }] })];
  t.is(flow(judge(whole), 'shop/cart', 'shop/web'), 'everything');
  const none = [netpol({ ingress: [{ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }] })];
  t.is(flow(judge(none), 'shop/cart', 'shop/web'), 'nothing');
  const { cidrs } = buildCluster([]);
  t.is(
    flow(judge(whole, { parts: { cidrs: { ...cidrs, complete: false } } }), 'shop/cart', 'shop/web'),
    'nothing ? everything',
  );
});

test('a dual-stack pod is in a block for one of its addresses only, and surely in when both families are listed', (t) => {
  const own = addressed(['10.244.0.7', 'fd00::7']);
  t.is(flow(judge(fromPodNetwork, { specs: own }), 'shop/cart', 'shop/web'), 'nothing ? everything');
  const both = [
    netpol({ ingress: [{ from: [{ ipBlock: { cidr: '10.244.0.0/17' } }, { ipBlock: { cidr: 'fd00::/64' } }] }] }),
  ];
  t.is(flow(judge(both, { specs: own }), 'shop/cart', 'shop/web'), 'everything');
  const second = [netpol({ ingress: [{ from: [{ podSelector: { matchLabels: { app: 'cart' } } }] }] })];
  t.is(
    flow(judge(second, { specs: own }), 'shop/cart', 'shop/web'),
    'everything',
    'a selector holds for every address',
  );
});

test('the address that a finished pod has left behind is not its own any more', (t) => {
  const done: WorkloadSpec = {
    kind: 'Job',
    name: 'load',
    labels: { app: 'load' },
    pods: [{ ips: ['10.244.200.7'], phase: 'Succeeded' }],
  };
  const heir: WorkloadSpec = { name: 'heir', labels: { app: 'heir' }, pods: [{ ips: ['10.244.200.7'] }] };
  const rest = [netpol({ ingress: [{ from: [{ ipBlock: { cidr: '10.244.200.7/32' } }] }] })];
  const answers = judge(rest, { specs: [...specs, done, heir] });
  t.is(flow(answers, 'shop/heir', 'shop/web'), 'everything');
  t.is(flow(answers, 'shop/Job/load', 'shop/web'), 'nothing ? everything', 'its next pod may have any address');
});

const nodes = ['n1', 'n2'].map((name, i) => ({
  name,
  labels: {},
  ips: [`192.0.2.${i + 1}`],
  hostIps: [`192.0.2.${i + 1}`],
  podCidrs: [],
}));
const onNode = (name: string, node: string, more: Partial<WorkloadSpec> = {}): WorkloadSpec => ({
  name,
  labels: { app: name },
  pods: [{ node, ips: more.hostNetwork ? [] : ['10.244.0.9'] } satisfies Partial<Pod>],
  ...more,
});
const hosts = [
  onNode('web', 'n1'),
  onNode('agent', 'n1', { hostNetwork: true }),
  onNode('other', 'n2', { hostNetwork: true }),
];

test('hostNetwork pods are their node: not selected, not isolated, and reached by ipBlock of the node', (t) => {
  const denyAll = netpol({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  const answers = judge([denyAll], { specs: hosts, parts: { nodes } });
  t.is(flow(answers, outside, 'shop/agent'), 'everything');
  t.is(flow(answers, 'shop/agent', outside), 'everything');
  const out = (...to: NonNullable<NonNullable<NetworkPolicySpec['egress']>[number]['to']>) =>
    judge([netpol({ policyTypes: ['Egress'], egress: [{ to }] })], { specs: hosts, parts: { nodes } });
  t.is(flow(out({ podSelector: { matchLabels: { app: 'agent' } } }), 'shop/web', 'shop/agent'), 'nothing');
  t.is(flow(out({ ipBlock: { cidr: '192.0.2.1/32' } }), 'shop/web', 'shop/agent'), 'everything');
  t.is(flow(out({ ipBlock: { cidr: '192.0.2.1/32' } }), 'shop/web', 'shop/other'), 'nothing');
});

test('a node reaches the pods that run on it, and other pods only as the CNI says', (t) => {
  const deny = [netpol({ policyTypes: ['Ingress'] })];
  const strict = judge(deny, { specs: hosts, parts: { nodes } });
  t.is(flow(strict, 'shop/agent', 'shop/web'), 'everything');
  t.is(flow(strict, 'node n1', 'shop/web'), 'everything');
  t.is(flow(strict, 'shop/other', 'shop/web'), 'nothing');
  t.is(flow(strict, 'node n2', 'shop/web'), 'nothing');
  const generic = judge(deny, { specs: hosts, parts: { nodes }, cni: 'generic' });
  t.is(flow(generic, 'node n1', 'shop/web'), 'everything');
  t.is(flow(generic, 'node n2', 'shop/web'), 'nothing ? everything');
  t.is(
    flow(judge(deny, { parts: { nodes } }), 'node n1', 'shop/web'),
    'nothing ? everything',
    'nobody knows where web runs',
  );
});

test('a node calls from its bridge in the pod network too, and is never asked there', (t) => {
  const bridged = nodes.map((node, i) => ({ ...node, ips: [...node.ips, `10.244.${i}.1`] }));
  const block = (cidr: string) => [{ ipBlock: { cidr } }];
  const to = (cidr: string) => [netpol({ policyTypes: ['Egress'], egress: [{ to: block(cidr) }] })];
  const parts = { nodes: bridged };
  const out = judge(to('192.0.2.2/32'), { specs: hosts, parts });
  t.is(flow(out, 'shop/web', 'node n2'), 'everything');
  t.is(flow(out, 'shop/web', 'shop/other'), 'everything');
  const toBridge = judge(to('10.244.1.1/32'), { specs: hosts, parts });
  t.is(flow(toBridge, 'shop/web', 'node n2'), 'nothing');
  const from = judge([netpol({ ingress: [{ from: block('192.0.2.2/32') }] })], { specs: hosts, parts });
  t.is(flow(from, 'node n2', 'shop/web'), 'nothing ? everything');
  const bridgesOnly = bridged.map((node) => ({ ...node, hostIps: [] }));
  const unknown = judge(to('192.0.2.2/32'), { specs: hosts, parts: { nodes: bridgesOnly } });
  t.is(flow(unknown, 'shop/web', 'node n2'), 'nothing ? everything', 'nobody knows where it answers');
});

test('the own node is not exempt from egress', (t) => {
  const answers = judge([netpol({ policyTypes: ['Egress'] })], { specs: hosts, parts: { nodes } });
  t.is(flow(answers, 'shop/web', 'node n1'), 'nothing');
});

test('a workload is isolated for sure only when all its pods and its template are', (t) => {
  const replicas: WorkloadSpec = {
    kind: 'StatefulSet',
    name: 'db',
    labels: { app: 'db' },
    pods: [0, 1].map((i) => ({ labels: { app: 'db', 'statefulset.kubernetes.io/pod-name': `db-${i}` } })),
  };
  const own = [...specs, replicas];
  const one = netpol({
    podSelector: { matchLabels: { 'statefulset.kubernetes.io/pod-name': 'db-0' } },
    policyTypes: ['Ingress'],
  });
  t.is(flow(judge([one], { specs: own }), 'shop/web', 'shop/StatefulSet/db'), 'nothing ? everything');
  const all = netpol({
    podSelector: { matchExpressions: [{ key: 'statefulset.kubernetes.io/pod-name', operator: 'Exists' }] },
  });
  t.is(
    flow(judge([all], { specs: own }), 'shop/web', 'shop/StatefulSet/db'),
    'nothing ? everything',
    'the template has no such label',
  );
});

test('the pods of a Job are what they are: no template counts beside them', (t) => {
  const job: WorkloadSpec = {
    kind: 'Job',
    name: 'load',
    labels: { app: 'load' },
    pods: [{ labels: { app: 'load', 'job-name': 'load' } }],
  };
  const policy = netpol({ podSelector: { matchLabels: { 'job-name': 'load' } }, policyTypes: ['Ingress'] });
  t.is(flow(judge([policy], { specs: [...specs, job] }), 'shop/web', 'shop/Job/load'), 'nothing');
});

test('a workload and itself are one replica and another: policies apply', (t) => {
  t.is(flow(judge([netpol({ policyTypes: ['Ingress'] })]), 'shop/web', 'shop/web'), 'nothing');
});

test('an address of the pod network that no pod has is unknown where any policy could tell', (t) => {
  const answers = judge([netpol({ ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }] })]);
  t.is(flow(answers, '10.244.9.9', 'shop/web'), 'nothing ? TCP 80');
  t.is(flow(answers, '10.244.9.9', 'shop/cart'), 'nothing ? everything', 'its own egress is not known either');
});

test('external addresses are partitioned by what rules tell apart, not by how they are written', (t) => {
  const answers = judge([
    netpol({
      ingress: [{ from: [{ ipBlock: { cidr: '198.51.100.0/25' } }, { ipBlock: { cidr: '198.51.100.128/25' } }] }],
    }),
  ]);
  const sources = [...answers.connectivity()]
    .filter(({ destination }) => destination.text === keyOf('shop/cart'))
    .flatMap(({ source }) => (source.kind === 'addresses' ? [source.cidrs] : []));
  t.is(sources.length, 2);
  t.true(sources.some((cidrs) => cidrs.length === 1 && cidrs[0] === '198.51.100.0/24'));
  t.true(sources.some((cidrs) => cidrs.includes('::/0')));
});

test('without any ipBlock all external addresses of both families are one', (t) => {
  const texts = new Set([...judge([]).connectivity()].map(({ source }) => source.text));
  t.true(texts.has('0.0.0.0/0,::/0'));
});

test('a decision names the rule that allows, the isolation that denies, and the fact that it hangs on', (t) => {
  const policies = [
    netpol(
      { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'cart' } } }], ports: [{ port: 6379 }] }] },
      'web-in',
    ),
  ];
  const ask = (answers: Evaluator, from: string, port: number) =>
    answers.decide(party(from), party('shop/web'), 'TCP', port);
  const allowed = ask(judge(policies), 'shop/cart', 6379);
  t.like(allowed, {
    verdict: 'allowed',
    reasons: [
      { kind: 'rule', policy: 'shop/web-in', rule: 1, direction: 'ingress' },
      { kind: 'not-isolated', direction: 'egress' },
    ],
  });
  const denied = ask(judge(policies), 'shop/plain', 6379);
  t.like(denied, { verdict: 'denied', reasons: [{ kind: 'isolated', policies: ['shop/web-in'] }] });
  t.is(denied.reasons[0]?.sentence, 'shop/web accepts TCP 6379 only from shop/cart (policy web-in, rule 1)');
  t.is(
    ask(judge(policies), 'shop/plain', 80).reasons[0]?.sentence,
    'shop/web accepts no TCP 80: isolated for ingress by policy web-in, and no rule matches',
  );
  const doubt = ask(judge(fromPodNetwork, { specs: addressed(['10.244.0.7']), cni: 'generic' }), 'shop/cart', 80);
  t.like(doubt, {
    verdict: 'unknown',
    reasons: [{ kind: 'cni', fact: 'ipBlockMatchesPods', policy: 'shop/p', rule: 1 }],
  });
  const part = ask(judge(fromPodNetwork, { specs: addressed(['10.244.0.7'], ['10.244.200.7']) }), 'shop/cart', 80);
  t.like(part, { verdict: 'unknown', reasons: [{ kind: 'address', policy: 'shop/p', rule: 1 }] });
  const named = ask(
    judge([netpol({ ingress: [{ ports: [{ port: 'http' }] }] })], { cni: 'generic' }),
    'shop/cart',
    8080,
  );
  t.like(named, { verdict: 'unknown', reasons: [{ kind: 'cni', fact: 'namedPorts' }] });
});

test('a decision about pods that differ says so first', (t) => {
  const own = specs.map((spec) =>
    spec.name === 'web'
      ? { ...spec, pods: [{ labels: { app: 'web' } }, { labels: { app: 'web', canary: 'yes' } }] }
      : spec,
  );
  const policy = netpol({ podSelector: { matchLabels: { canary: 'yes' } }, policyTypes: ['Ingress'] });
  const decision = judge([policy], { specs: own }).decide(party('shop/cart'), party('shop/web'), 'TCP', 80);
  t.like(decision, { verdict: 'unknown', reasons: [{ kind: 'pods-differ', direction: 'ingress' }] });
});
