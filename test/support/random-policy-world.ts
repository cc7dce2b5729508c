import fc from 'fast-check';
import { cidrSetOf } from '../../controller/model/cidr.ts';
import type { Cluster, Node, Pod } from '../../controller/model/cluster.ts';
import type { LabelSelector } from '../../controller/model/label-selector.ts';
import type { NetworkPolicy, PolicyPeer, PolicyPort } from '../../controller/model/network-policy.ts';
import { cniNames } from '../../controller/model/profile.ts';
import { policyProtocols } from '../../controller/model/protocol.ts';
import { type CniProfile, cniProfile, type Fact } from '../../controller/policy/cni-profiles.ts';
import { buildCluster, type WorkloadSpec } from './build-cluster.ts';

export interface PolicyWorld {
  readonly cluster: Cluster;
  readonly policies: readonly NetworkPolicy[];
  readonly otherPolicies: readonly NetworkPolicy[];
  readonly cni: CniProfile;
}

// Few names and few addresses, so that everything meets everything.
const namespaces = ['blue', 'green'];
const keys = ['app', 'tier'];
const values = ['a', 'b', 'c'];
const podIps = ['10.0.0.1', '10.0.0.2', '10.0.0.9', '10.0.1.1', 'fd00::1', 'fd00::9'];
const nodeIps = ['192.168.0.1', '192.168.0.2', '192.168.0.9'];
const nodeBridges = ['10.0.0.8', '10.0.1.0', 'fd00::8'];
const cidrs = [
  '0.0.0.0/0',
  '::/0',
  '0.0.0.0/1',
  '10.0.0.0/24',
  '10.0.0.0/29',
  '10.0.0.8/29',
  '10.0.0.1/32',
  '192.168.0.0/24',
  '192.168.0.0/30',
  'fd00::/64',
  'fd00::1/128',
  '203.0.113.0/24',
];
const excepts = ['10.0.0.0/30', '192.168.0.1/32', 'fd00::8/125', '203.0.113.128/25'];
const portNumbers = [80, 81, 8080];
const portNames = ['http', 'dns'];

const labels = fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...values), { noNullPrototype: true });

const requirement = fc
  .record({ key: fc.constantFrom(...keys), values: fc.subarray(values, { minLength: 1 }) })
  .chain(({ key, values: listed }) =>
    fc.constantFrom(
      { key, operator: 'In' as const, values: listed },
      { key, operator: 'NotIn' as const, values: listed },
      { key, operator: 'Exists' as const },
      { key, operator: 'DoesNotExist' as const },
    ),
  );

const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ matchLabels: labels }, { requiredKeys: [] }) },
  { weight: 2, arbitrary: fc.record({ matchExpressions: fc.array(requirement, { maxLength: 2 }) }) },
);

const namespaceSelector: fc.Arbitrary<LabelSelector> = fc.constantFrom(
  {},
  { matchLabels: { 'kubernetes.io/metadata.name': 'blue' } },
  { matchLabels: { 'kubernetes.io/metadata.name': 'green' } },
  { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn' as const, values: ['blue'] }] },
);

const ipBlock = fc.record({ cidr: fc.constantFrom(...cidrs), holes: fc.subarray(excepts, { maxLength: 2 }) }).map(
  // An except outside of its block is no valid policy.
  ({ cidr, holes }) => {
    const wide = cidr === '0.0.0.0/0' ? holes.filter((hole) => !hole.includes(':')) : [];
    const inside = cidr === '::/0' ? holes.filter((hole) => hole.includes(':')) : wide;
    return {
      ipBlock: { cidr, except: cidr === '10.0.0.0/29' ? holes.filter((hole) => hole === '10.0.0.0/30') : inside },
    };
  },
);

const peer: fc.Arbitrary<PolicyPeer> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector }),
  fc.record({ podSelector: selector, namespaceSelector }),
  ipBlock,
);

const port: fc.Arbitrary<PolicyPort> = fc.oneof(
  fc.record(
    { protocol: fc.constantFrom(...policyProtocols), port: fc.constantFrom(...portNumbers) },
    { requiredKeys: [] },
  ),
  fc.record(
    { protocol: fc.constantFrom(...policyProtocols), port: fc.constantFrom(...portNames) },
    { requiredKeys: ['port'] },
  ),
  fc.constantFrom({ port: 80, endPort: 8080 }, { port: 8080, endPort: 8080 }, { port: 81, endPort: 80 }),
);

const peers = fc.array(peer, { maxLength: 2 });
const ports = fc.array(port, { maxLength: 2 });

const policy: fc.Arbitrary<NetworkPolicy['spec']> = fc.record(
  {
    podSelector: selector,
    policyTypes: fc.constantFrom(['Ingress'] as const, ['Egress'] as const, ['Ingress', 'Egress'] as const),
    ingress: fc.array(fc.record({ from: peers, ports }, { requiredKeys: [] }), { maxLength: 2 }),
    egress: fc.array(fc.record({ to: peers, ports }, { requiredKeys: [] }), { maxLength: 2 }),
  },
  { requiredKeys: ['podSelector'] },
);

const policies: fc.Arbitrary<NetworkPolicy[]> = fc
  .array(fc.record({ namespace: fc.constantFrom(...namespaces), spec: policy }), { maxLength: 4 })
  .map((list) =>
    list.map(({ namespace, spec }, i) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { namespace, name: `p${i}` },
      spec,
    })),
  );

const containerPorts = fc.array(
  fc.record({
    name: fc.constantFrom(...portNames),
    port: fc.constantFrom(...portNumbers),
    protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
  }),
  { maxLength: 2 },
);

const pod: fc.Arbitrary<Partial<Pod>> = fc.record(
  {
    labels,
    ips: fc.subarray(podIps, { maxLength: 2 }),
    node: fc.constantFrom('n1', 'n2', 'n3'),
    phase: fc.constantFrom('Running' as const, 'Running' as const, 'Succeeded' as const),
    containerPorts,
  },
  { requiredKeys: ['ips'] },
);

const workload = fc.record({
  namespace: fc.constantFrom(...namespaces),
  kind: fc.constantFrom('Deployment', 'Deployment', 'Job'),
  labels,
  containerPorts,
  hostNetwork: fc.constantFrom(false, false, false, true),
  pods: fc.option(fc.array(pod, { minLength: 1, maxLength: 2 }), { nil: undefined }),
});

/** Some nodes send from a bridge in the pod network too, and of some only that one is known. */
const nodes: fc.Arbitrary<Node[]> = fc
  .record({ ips: fc.subarray(nodeIps), known: fc.subarray(nodeIps), bridges: fc.subarray(nodeBridges) })
  .map(({ ips, known, bridges }) =>
    ips.map((ip, i) => {
      const hostIps = known.includes(ip) ? [ip] : [];
      return {
        name: `n${i + 1}`,
        labels: {},
        ips: [...hostIps, ...(bridges[i] ? [bridges[i]] : [])],
        hostIps,
        podCidrs: [],
      };
    }),
  );

const fact = fc.constantFrom<Fact>('yes', 'no', 'unknown');

/** Real profiles, and facts that no plugin has together. */
const cni: fc.Arbitrary<CniProfile> = fc.oneof(
  fc.constantFrom(...cniNames).map(cniProfile),
  fc
    .record({
      ipBlockMatchesPods: fact,
      ipBlockMatchesNodes: fact,
      namedPorts: fact,
      endPort: fact,
      sctp: fact,
      ownNodeExempt: fact,
      anyNodeExempt: fact,
    })
    .map((facts) => ({ ...cniProfile('generic'), ...facts })),
);

export const policyWorld: fc.Arbitrary<PolicyWorld> = fc
  .record({
    workloads: fc.array(workload, { minLength: 1, maxLength: 4 }),
    nodes,
    complete: fc.boolean(),
    policies,
    otherPolicies: policies,
    cni,
  })
  .map(({ workloads, nodes: known, complete, ...rest }) => {
    const specs = workloads.map(
      ({ pods, ...spec }, i): WorkloadSpec => ({
        ...spec,
        name: `w${i}`,
        ...(pods ? { pods: pods.map((each) => ({ ...each, ips: spec.hostNetwork ? [] : (each.ips ?? []) })) } : {}),
      }),
    );
    const cluster = buildCluster(specs, {
      nodes: known,
      cidrs: {
        pods: cidrSetOf('10.0.0.0/23', 'fd00::/64'),
        services: cidrSetOf(),
        nodes: cidrSetOf('192.168.0.0/28', ...known.flatMap(({ ips }) => ips)),
        complete,
      },
    });
    return { cluster, ...rest };
  });

/** Addresses inside and outside of what the policies above name. */
export const probeAddresses = [
  '203.0.113.7',
  '203.0.113.200',
  '8.8.8.8',
  '10.9.9.9',
  '192.168.0.77',
  '10.0.0.33',
  '2001:db8::1',
];

/** Ports around every border that the policies above draw. */
export const probePorts = [1, 79, 80, 81, 82, 8079, 8080, 8081, 65_535];
