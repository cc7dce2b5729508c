import fc from 'fast-check';
import type { ConnectionId } from '../../controller/model/connection.ts';
import type { LabelSelector } from '../../controller/model/label-selector.ts';
import {
  allowanceNames,
  type DraftPeer,
  type DraftPort,
  type DraftRule,
  type PolicyDraft,
} from '../../controller/model/policy-draft.ts';
import { policyProtocols } from '../../controller/model/protocol.ts';
import type { WorkloadKey } from '../../controller/model/workload.ts';

const namespaces = ['shop', 'billing', 'kube-system', 'no', '1e3'] as const;
const labelValue = fc.oneof(
  fc.constantFrom('web', 'yes', 'on', 'null', '0123', '1.5', '2001-01-01', '1e3', ''),
  fc.stringMatching(/^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,10}[A-Za-z0-9])?$/),
);
const labelKey = fc.constantFrom('app', 'tier', 'on', 'y', '1', 'app.kubernetes.io/name', 'app.kubernetes.io/instance');

const selector: fc.Arbitrary<LabelSelector> = fc.record(
  {
    matchLabels: fc.dictionary(labelKey, labelValue, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    matchExpressions: fc.array(
      fc.oneof(
        fc.record({
          key: labelKey,
          operator: fc.constantFrom('In' as const, 'NotIn' as const),
          values: fc.uniqueArray(labelValue, { minLength: 1, maxLength: 3 }),
        }),
        fc.record({ key: labelKey, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
      ),
      { minLength: 1, maxLength: 2 },
    ),
  },
  { requiredKeys: ['matchLabels'] },
);

const hostCidr = fc.oneof(
  fc.ipV4().map((ip) => `${ip}/32`),
  fc.integer({ min: 1, max: 0xffff }).map((low) => `2001:db8::${low.toString(16)}/128`),
);
const anyCidr = fc.oneof(hostCidr, fc.constantFrom('203.0.112.0/22', '2001:db8:1::/48', '198.51.100.0/24'));
const clusterRanges = fc.subarray(['10.0.0.0/8', '172.16.0.0/12', 'fd00::/8', '192.168.0.0/24'], { minLength: 1 });

const podPeer: fc.Arbitrary<DraftPeer> = fc
  .record({ podSelector: selector, inside: fc.subarray([...namespaces], { minLength: 1 }), own: fc.boolean() })
  .map(({ podSelector, inside, own }) => ({
    kind: 'pods',
    podSelector,
    namespaceSelector: own
      ? undefined
      : { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: inside }] },
    namespaces: own ? ['shop'] : inside,
    workloads: [`${inside[0]}/Deployment/web` as WorkloadKey],
  }));

const peer: fc.Arbitrary<DraftPeer> = fc.oneof(
  { weight: 4, arbitrary: podPeer },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('cidr' as const),
      cidr: anyCidr,
      except: fc.constant([]),
      network: fc.constantFrom(undefined, undefined, 'office'),
      dnsNames: fc.subarray(['api.example.com', 'cdn.example.net']),
    }),
  },
  fc.constant<DraftPeer>({
    kind: 'cidr',
    cidr: '203.0.113.0/24',
    except: ['203.0.113.9/32'],
    network: 'office',
    dnsNames: [],
  }),
  fc.record({
    kind: fc.constant('apiserver' as const),
    addresses: fc.array(fc.ipV4(), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('nodes' as const), cidrs: fc.array(hostCidr, { minLength: 1, maxLength: 3 }) }),
  fc.record({ kind: fc.constant('world' as const), except: fc.oneof(fc.constant([]), clusterRanges) }),
);

const portNumber = fc.integer({ min: 1, max: 65_000 });
const port: fc.Arbitrary<DraftPort> = fc.oneof(
  fc.record({
    protocol: fc.constantFrom(...policyProtocols),
    port: portNumber,
    endPort: fc.constant(undefined),
    name: fc.constantFrom(undefined, undefined, 'http', 'y'),
  }),
  portNumber.map((from) => ({ protocol: 'TCP' as const, port: from, endPort: from + 5, name: undefined })),
);

const rule: fc.Arbitrary<DraftRule> = fc.record({
  peers: fc.array(peer, { minLength: 1, maxLength: 4 }),
  ports: fc.oneof(
    { weight: 8, arbitrary: fc.array(port, { minLength: 1, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(port, { minLength: 41, maxLength: 90 }) },
  ),
  because: fc.constantFrom('learned' as const, ...allowanceNames.filter((name) => name !== 'cluster-dns')),
  evidence: fc.constant(['workload:a>workload:b:TCP/80' as ConnectionId]),
});

const single = (protocol: 'TCP' | 'UDP', number: number): DraftPort => {
  return { protocol, port: number, endPort: undefined, name: undefined };
};

/** The rule that synthesis writes for a workload that asks the cluster DNS. */
export const dnsRule: DraftRule = {
  peers: [
    {
      kind: 'pods',
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      namespaces: ['kube-system'],
      workloads: ['kube-system/Deployment/coredns' as WorkloadKey],
    },
  ],
  ports: [single('TCP', 53), single('UDP', 53)],
  because: 'cluster-dns',
  evidence: [],
};

/** Drafts with every kind of peer and port, labels that YAML would misread included. */
export const arbitraryDraft: fc.Arbitrary<PolicyDraft> = fc
  .record({
    subject: selector,
    ingress: fc.array(rule, { maxLength: 3 }),
    egress: fc.array(rule, { maxLength: 3 }),
    asksDns: fc.boolean(),
  })
  .map(({ subject, ingress, egress, asksDns }) => ({
    namespace: 'shop',
    name: 'nanoseg-web',
    workloads: ['shop/Deployment/web' as WorkloadKey],
    subject,
    ingress,
    egress: asksDns ? [...egress, dnsRule] : egress,
  }));
