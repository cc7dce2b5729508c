import test from 'ava';
import fc from 'fast-check';
import { CORE_SCHEMA, load, YAML11_SCHEMA } from 'js-yaml';
import type { NetworkPolicy } from '../../../controller/model/network-policy.ts';
import type { DraftPeer, DraftRule, PolicyDraft } from '../../../controller/model/policy-draft.ts';
import type { WorkloadKey } from '../../../controller/model/workload.ts';
import { cniProfile } from '../../../controller/policy/cni-profiles.ts';
import { dialectFeatures, featuresOf } from '../../../controller/policy/dialects/capabilities.ts';
import type { CiliumNetworkPolicy } from '../../../controller/policy/dialects/cilium-policy.ts';
import { dialectNames } from '../../../controller/policy/dialects/dialect.ts';
import { dialect } from '../../../controller/policy/dialects/dialects.ts';
import { renderYaml } from '../../../controller/policy/render-yaml.ts';
import { arbitraryDraft, dnsRule } from '../arbitrary-draft.ts';

const generic = cniProfile('generic');
const cilium = cniProfile('cilium');
const port = (number: number) => ({ protocol: 'TCP' as const, port: number, endPort: undefined, name: undefined });
const pods = (app: string, ...namespaces: string[]): DraftPeer => ({
  kind: 'pods',
  podSelector: { matchLabels: { app } },
  namespaceSelector:
    namespaces.length === 0
      ? undefined
      : { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: namespaces }] },
  namespaces: namespaces.length === 0 ? ['shop'] : namespaces,
  workloads: [`shop/Deployment/${app}` as WorkloadKey],
});
const address = (cidr: string, ...dnsNames: string[]): DraftPeer => {
  return { kind: 'cidr', cidr, except: [], network: undefined, dnsNames };
};
const rule = (peers: readonly DraftPeer[], ...ports: number[]): DraftRule => {
  return { peers, ports: ports.map(port), because: 'learned', evidence: [] };
};
const draft = (parts: Partial<PolicyDraft>): PolicyDraft => ({
  namespace: 'shop',
  name: 'nanoseg-web',
  workloads: ['shop/Deployment/web' as WorkloadKey],
  subject: { matchLabels: { app: 'web' } },
  ingress: [],
  egress: [],
  ...parts,
});
const kubernetesPolicy = (parts: Partial<PolicyDraft>) =>
  dialect('kubernetes').render(draft(parts), generic).objects[0] as NetworkPolicy;
const ciliumPolicy = (parts: Partial<PolicyDraft>) =>
  dialect('cilium').render(draft(parts), cilium).objects[0] as CiliumNetworkPolicy;

test('a NetworkPolicy without rules still isolates both directions', (t) => {
  t.deepEqual(kubernetesPolicy({}).spec, {
    podSelector: { matchLabels: { app: 'web' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [],
    egress: [],
  });
});

test('a CiliumNetworkPolicy without rules has one empty rule a direction, because an empty list isolates nothing', (t) => {
  t.deepEqual(ciliumPolicy({}).spec, {
    endpointSelector: { matchLabels: { 'k8s:app': 'web' } },
    ingress: [{}],
    egress: [{}],
  });
});

test('whatever the draft, no list of peers or ports is ever empty', (t) => {
  const lists = [
    'from',
    'to',
    'ports',
    'fromEndpoints',
    'toEndpoints',
    'toCIDRSet',
    'fromCIDRSet',
    'toEntities',
    'toPorts',
  ];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (lists.includes(key) && Array.isArray(inner)) t.true(inner.length > 0, key);
      visit(inner);
    }
  };
  fc.assert(
    fc.property(arbitraryDraft, fc.constantFrom(...dialectNames), (random, name) => {
      const { objects } = dialect(name).render(random, cilium);
      t.is(objects.length, 1);
      visit(objects);
    }),
  );
});

test('every rule of a NetworkPolicy has peers and ports', (t) => {
  fc.assert(
    fc.property(arbitraryDraft, (random) => {
      const { spec } = dialect('kubernetes').render(random, generic).objects[0] as NetworkPolicy;
      for (const { from, ports } of spec.ingress ?? []) t.true((from?.length ?? 0) > 0 && (ports?.length ?? 0) > 0);
      for (const { to, ports } of spec.egress ?? []) t.true((to?.length ?? 0) > 0 && (ports?.length ?? 0) > 0);
    }),
  );
});

test('a rule whose last peer cannot be written disappears and is said', (t) => {
  const covered: DraftPeer = { kind: 'cidr', cidr: '10.1.0.0/16', except: ['10.0.0.0/8'], network: 'x', dnsNames: [] };
  for (const name of dialectNames) {
    const { objects, inexpressible } = dialect(name).render(draft({ ingress: [rule([covered], 80)] }), cilium);
    const { spec } = objects[0] as NetworkPolicy;
    t.deepEqual(spec.ingress as readonly unknown[], name === 'cilium' ? [{}] : []);
    t.is(inexpressible.length, 1);
    t.regex(inexpressible[0]?.message ?? '', /10\.1\.0\.0\/16/);
  }
});

test('a text that is no address never widens a rule', (t) => {
  const { objects, inexpressible } = dialect('kubernetes').render(
    draft({ ingress: [rule([{ kind: 'world', except: ['everything'] }, pods('cart')], 80)] }),
    generic,
  );
  t.deepEqual((objects[0] as NetworkPolicy).spec.ingress?.[0]?.from, [
    { podSelector: { matchLabels: { app: 'cart' } } },
  ]);
  t.is(inexpressible.length, 1);
});

test('an IPv6 address stays one address', (t) => {
  const { egress } = kubernetesPolicy({ egress: [rule([address('2001:DB8::7')], 443)] }).spec;
  t.deepEqual(egress?.[0]?.to, [{ ipBlock: { cidr: '2001:db8::7/128' } }]);
});

test('the world is both families, each without the exceptions of its own family', (t) => {
  const { ingress } = kubernetesPolicy({
    ingress: [rule([{ kind: 'world', except: ['10.0.0.0/8', 'fd00::/8'] }], 80)],
  }).spec;
  t.deepEqual(ingress?.[0]?.from, [
    { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } },
    { ipBlock: { cidr: '::/0', except: ['fd00::/8'] } },
  ]);
});

test('Cilium says the API server and nodes as entities, each kind of peer in a rule of its own', (t) => {
  const peers: DraftPeer[] = [
    pods('cart'),
    pods('ledger', 'billing', 'audit'),
    { kind: 'apiserver', addresses: ['10.0.0.1'] },
    { kind: 'nodes', cidrs: ['10.0.0.1/32'] },
    address('203.0.113.7/32'),
    { kind: 'world', except: [] },
  ];
  const toPorts = [{ ports: [{ port: '443', protocol: 'TCP' as const }] }];
  t.deepEqual(ciliumPolicy({ egress: [rule(peers, 443)] }).spec.egress, [
    {
      toEndpoints: [
        { matchLabels: { 'k8s:app': 'cart', 'k8s:io.kubernetes.pod.namespace': 'shop' } },
        {
          matchLabels: { 'k8s:app': 'ledger' },
          matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'In', values: ['billing', 'audit'] }],
        },
      ],
      toPorts,
    },
    { toCIDRSet: [{ cidr: '203.0.113.7/32' }], toPorts },
    { toEntities: ['world'], toPorts },
    { toEntities: ['kube-apiserver', 'host', 'remote-node'], toPorts },
  ]);
});

test('Cilium gets at most 40 ports in a list', (t) => {
  const { ingress } = ciliumPolicy({
    ingress: [rule([pods('cart')], ...Array.from({ length: 95 }, (_, i) => 1000 + 2 * i))],
  }).spec;
  t.deepEqual(
    ingress.map(({ toPorts }) => toPorts?.map(({ ports }) => ports.length)),
    [[40], [40], [15]],
  );
});

test('an address with a DNS name is written by name where the workload asks the cluster DNS', (t) => {
  const named = rule([address('203.0.113.7/32', 'api.example.com'), address('203.0.113.8/32')], 443);
  const { egress } = ciliumPolicy({ egress: [named, dnsRule] }).spec;
  t.deepEqual(
    egress.map(({ toFQDNs, toCIDRSet }) => toFQDNs ?? toCIDRSet),
    [[{ cidr: '203.0.113.8/32' }], [{ matchName: 'api.example.com' }], undefined],
  );
  t.deepEqual(egress[2]?.toPorts?.[0]?.rules, { dns: [{ matchPattern: '*' }] });
  t.deepEqual(dialect('cilium').render(draft({ egress: [named, dnsRule] }), cilium).notes, [
    'DNS names api.example.com: whatever address they resolve to is allowed',
  ]);
});

test('without a rule for the cluster DNS, names are written as addresses, and that is said', (t) => {
  const { objects, notes, inexpressible } = dialect('cilium').render(
    draft({ egress: [rule([address('203.0.113.7/32', 'api.example.com')], 443)] }),
    cilium,
  );
  t.deepEqual((objects[0] as CiliumNetworkPolicy).spec.egress[0]?.toCIDRSet, [{ cidr: '203.0.113.7/32' }]);
  t.regex(notes.join('\n'), /203\.0\.113\.7\/32: written as addresses; toFQDNs needs a rule for the cluster DNS/);
  t.deepEqual(inexpressible, []);
});

test('networking.k8s.io/v1 says that DNS names, nodes and the API server became addresses', (t) => {
  const { notes } = dialect('kubernetes').render(
    draft({
      egress: [rule([address('203.0.113.7/32', 'a.example'), { kind: 'apiserver', addresses: ['10.0.0.1'] }], 443)],
    }),
    generic,
  );
  t.deepEqual(
    notes.map((note) => note.split(':')[0]),
    ['DNS names', 'the API server'],
  );
});

test('what the network plugin does not do is said', (t) => {
  const peers: DraftPeer[] = [{ kind: 'nodes', cidrs: ['10.0.0.1/32'] }];
  const messages = (name: 'kubernetes' | 'cilium', cni: typeof cilium) =>
    dialect(name)
      .render(draft({ ingress: [rule(peers, 80)] }), cni)
      .inexpressible.map(({ message }) => message);
  t.deepEqual(messages('kubernetes', cilium), [
    'the network plugin cilium does not enforce nodes of the cluster in the dialect kubernetes',
  ]);
  t.deepEqual(messages('cilium', cilium), []);
  t.deepEqual(messages('cilium', generic), ['the network plugin generic does not read the dialect cilium']);
});

test('each dialect says of every feature whether it has it', (t) => {
  fc.assert(
    fc.property(arbitraryDraft, (random) => {
      for (const feature of featuresOf(random)) t.true(dialectFeatures.includes(feature));
    }),
  );
  for (const name of dialectNames) t.deepEqual(Object.keys(dialect(name).capabilities), [...dialectFeatures]);
});

test('what is read back from YAML is what was rendered, in every dialect and version of YAML', (t) => {
  fc.assert(
    fc.property(arbitraryDraft, fc.constantFrom(...dialectNames), (random, name) => {
      const rendering = dialect(name).render(random, cilium);
      const text = renderYaml(rendering.objects[0] as object);
      t.is(text, renderYaml(dialect(name).render(structuredClone(random), cilium).objects[0] as object));
      for (const schema of [YAML11_SCHEMA, CORE_SCHEMA]) {
        t.deepEqual(dialect(name).readBack([load(text, { schema })], rendering).faults, []);
      }
    }),
    { numRuns: 300 },
  );
});

test('any change to a document is a fault', (t) => {
  const changes: ((spec: Record<string, unknown[]>) => void)[] = [
    (spec) => spec['ingress']?.push({}),
    (spec) => spec['egress']?.pop(),
    (spec) => Object.assign(spec, { ingressDeny: [{}] }),
    (spec) => Object.assign(spec['ingress']?.[0] as object, { icmps: [] }),
    (spec) => Object.assign(spec, { enableDefaultDeny: { ingress: false } }),
  ];
  for (const name of dialectNames) {
    const rendering = dialect(name).render(draft({ ingress: [rule([pods('cart')], 80)], egress: [dnsRule] }), cilium);
    for (const change of changes) {
      const document = structuredClone(rendering.objects[0]) as unknown as { spec: Record<string, unknown[]> };
      change(document.spec);
      const { faults, policies } = dialect(name).readBack([document], rendering);
      t.true(faults.length > 0);
      t.deepEqual(policies, []);
    }
    t.true(dialect(name).readBack([], rendering).faults.length > 0);
    t.true(dialect(name).readBack([null], rendering).faults.length > 0);
  }
});

test('a rendering that says more or less than the draft is found when it is read back', (t) => {
  const narrow = draft({ ingress: [rule([pods('cart')], 80)] });
  const wide = draft({ ingress: [rule([pods('cart'), pods('scan')], 80, 81)] });
  const rendered = (of: PolicyDraft) => dialect('cilium').render(of, cilium);
  const { objects } = rendered(wide);
  t.deepEqual(dialect('cilium').readBack(objects, { ...rendered(wide), draft: narrow }).faults.length, 3);
  const less = rendered(narrow);
  t.deepEqual(dialect('cilium').readBack(less.objects, { ...less, draft: wide }).faults.length, 3);
});
