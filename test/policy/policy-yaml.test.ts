import test from 'ava';
import { CORE_SCHEMA, load, YAML11_SCHEMA } from 'js-yaml';
import { type Connection, type ConnectionId, connectionId } from '../../controller/model/connection.ts';
import type { Endpoint } from '../../controller/model/endpoint.ts';
import type { DraftRule, PolicyDraft } from '../../controller/model/policy-draft.ts';
import type { WorkloadKey } from '../../controller/model/workload.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { dialect } from '../../controller/policy/dialects/dialects.ts';
import { policyYaml } from '../../controller/policy/policy-yaml.ts';
import { dnsRule } from './arbitrary-draft.ts';

const web = 'shop/Deployment/web' as WorkloadKey;
const workload = (key: string): Endpoint => ({ kind: 'workload', workload: key as WorkloadKey });
const connection = (source: Endpoint, destination: Endpoint, port: number): Connection => ({
  id: connectionId(source, destination, 6, port, true),
  source,
  destination,
  protocol: 6,
  port,
  directed: true,
  evidence: {
    allowed: 311,
    denied: 0,
    audited: 1,
    bytes: 0,
    firstMs: Date.UTC(2026, 10, 1, 10),
    lastMs: Date.UTC(2026, 10, 20, 11, 5, 59),
    bins: [],
    binMs: 300_000,
    incidences: 0,
    clientReplicas: 3,
    serverReplicas: 1,
    sources: ['hubble'],
    answered: 'yes',
    clientNode: 'unknown',
  },
});
const podRule = (connections: readonly Connection[], ...keys: string[]): DraftRule => ({
  peers: keys.map((key) => ({
    kind: 'pods',
    podSelector: { matchLabels: { app: key.split('/')[2] as string } },
    namespaceSelector: undefined,
    namespaces: ['shop'],
    workloads: [key as WorkloadKey],
  })),
  ports: [{ protocol: 'TCP', port: 8080, endPort: undefined, name: undefined }],
  because: 'learned',
  evidence: connections.map(({ id }) => id),
});
const draft = (ingress: readonly DraftRule[], egress: readonly DraftRule[] = []): PolicyDraft => ({
  namespace: 'shop',
  name: 'nanoseg-web',
  workloads: [web],
  subject: { matchLabels: { app: 'web' } },
  ingress,
  egress,
});
const finder = (connections: readonly Connection[]) => {
  const known = new Map(connections.map((each) => [each.id, each]));
  return (id: ConnectionId) => known.get(id);
};
const yaml = (of: PolicyDraft, connections: readonly Connection[], name: 'kubernetes' | 'cilium' = 'kubernetes') =>
  policyYaml(dialect(name).render(of, cniProfile('cilium')), finder(connections));

test('a policy reads as YAML with its evidence in words over each rule', (t) => {
  const seen = connection(workload('shop/Deployment/cart'), workload(web), 8080);
  t.is(
    yaml(draft([podRule([seen], 'shop/Deployment/cart')], [dnsRule]), [seen]),
    `# nanoseg: the traffic of shop/Deployment/web that was seen and accepted; all other is denied
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: nanoseg-web
  namespace: shop
  labels:
    app.kubernetes.io/managed-by: nanoseg
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes:
    - Ingress
    - Egress
  ingress:
    # from shop/Deployment/cart to TCP 8080: seen 312 times from 3 or more replicas, first 2026-11-01T10:00Z, last 2026-11-20T11:05Z (hubble)
    - from:
        - podSelector:
            matchLabels:
              app: cart
      ports:
        - protocol: TCP
          port: 8080
  egress:
    # to kube-system/Deployment/coredns on TCP 53; UDP 53 (named allowance: cluster-dns): allowed by name, no connection has asked for it
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - protocol: TCP
          port: 53
        - protocol: UDP
          port: 53
`,
  );
});

test('without evidence to look up there are no comments, and nothing else changes', (t) => {
  const seen = connection(workload('shop/Deployment/cart'), workload(web), 8080);
  const rendering = dialect('kubernetes').render(
    draft([podRule([seen], 'shop/Deployment/cart')]),
    cniProfile('cilium'),
  );
  const bare = policyYaml(rendering, undefined);
  t.notRegex(bare, /#/);
  t.is(
    policyYaml(rendering, finder([seen]))
      .split('\n')
      .filter((line) => !line.trimStart().startsWith('#'))
      .join('\n'),
    bare,
  );
});

test('long evidence is summed up and counted', (t) => {
  const keys = Array.from({ length: 30 }, (_, i) => `shop/Deployment/client-${i}`);
  const seen = keys.map((key) => connection(workload(key), workload(web), 8080));
  const text = yaml(draft([podRule(seen, ...keys)]), seen);
  t.regex(text, /client-7 and 22 more peers to TCP 8080: seen 9360 times in 30 connections, first/);
  t.regex(text, /# {3}and 22 more connections\n/);
  t.is(text.split('\n').filter((line) => line.includes('#')).length, 1 + 1 + 8 + 1);
});

test('a rule that Cilium needs in two parts cites in each part what concerns it', (t) => {
  const inside = connection(workload(web), workload('shop/Deployment/cart'), 8080);
  const outside = connection(workload(web), { kind: 'external', address: '203.0.113.7' }, 8080);
  const rule = podRule([inside, outside], 'shop/Deployment/cart');
  const peers = [
    ...rule.peers,
    { kind: 'cidr' as const, cidr: '203.0.113.7/32', except: [], network: undefined, dnsNames: [] },
  ];
  const comments = yaml(draft([], [{ ...rule, peers }]), [inside, outside], 'cilium')
    .split('\n')
    .filter((line) => line.trimStart().startsWith('#'))
    .map((line) => line.split(':')[0]?.trim());
  t.deepEqual(comments.slice(1), ['# to shop/Deployment/cart on TCP 8080', '# to 203.0.113.7/32 on TCP 8080']);
});

test('a hostile workload, label or DNS name stays inside its comment or its quotes', (t) => {
  const evil = 'x\n    - from: []\n#';
  const seen = connection(workload(`shop/Deployment/${evil}`), workload(web), 8080);
  const rule = podRule([seen], `shop/Deployment/${evil}`);
  const named = {
    kind: 'cidr' as const,
    cidr: '203.0.113.7/32',
    except: [],
    network: evil,
    dnsNames: [evil, 'a\u2028b'],
  };
  for (const name of ['kubernetes', 'cilium'] as const) {
    const rendering = dialect(name).render(
      { ...draft([rule], [{ ...rule, peers: [named] }]), name: evil, subject: { matchLabels: { app: evil } } },
      cniProfile('cilium'),
    );
    const text = policyYaml(rendering, finder([seen]));
    for (const schema of [YAML11_SCHEMA, CORE_SCHEMA]) {
      t.deepEqual(dialect(name).readBack([load(text, { schema })], rendering).faults, []);
    }
  }
});
