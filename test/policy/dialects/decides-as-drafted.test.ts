import test from 'ava';
import fc from 'fast-check';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { matchesSelector } from '../../../controller/model/label-selector.ts';
import type { DraftPeer, PolicyDraft } from '../../../controller/model/policy-draft.ts';
import { cniProfile } from '../../../controller/policy/cni-profiles.ts';
import { dialectNames } from '../../../controller/policy/dialects/dialect.ts';
import { dialect } from '../../../controller/policy/dialects/dialects.ts';
import { indexCluster } from '../../../controller/policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../../../controller/policy/evaluate/compile-policies.ts';
import { evaluator } from '../../../controller/policy/evaluate/evaluator.ts';
import { renderYaml } from '../../../controller/policy/render-yaml.ts';
import { buildCluster, keyOf } from '../../support/build-cluster.ts';

const cilium = cniProfile('cilium');
const namespaces = ['shop', 'no', '0123'];
const values = ['web', 'yes', '1e3'];
const clients = fc.uniqueArray(
  fc.record({
    namespace: fc.constantFrom(...namespaces),
    app: fc.constantFrom(...values),
    on: fc.constantFrom(...values),
  }),
  { minLength: 1, maxLength: 8, selector: ({ namespace, app, on }) => `${namespace} ${app} ${on}` },
);
const podPeer: fc.Arbitrary<DraftPeer> = fc
  .record({
    inside: fc.subarray(namespaces, { minLength: 1 }),
    app: fc.option(fc.constantFrom(...values)),
    expression: fc.oneof(
      fc.record({
        key: fc.constant('on'),
        operator: fc.constantFrom('In' as const, 'NotIn' as const),
        values: fc.subarray(values, { minLength: 1 }),
      }),
      fc.record({
        key: fc.constantFrom('on', 'absent'),
        operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const),
      }),
    ),
  })
  .map(({ inside, app, expression }) => ({
    kind: 'pods',
    podSelector: { ...(app !== null && { matchLabels: { app } }), matchExpressions: [expression] },
    namespaceSelector:
      inside.join() === 'shop'
        ? undefined
        : { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: inside }] },
    namespaces: inside,
    workloads: [],
  }));
const rules = fc.array(
  fc.record({
    peers: fc.array(podPeer, { minLength: 1, maxLength: 3 }),
    ports: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }),
  }),
  { maxLength: 3 },
);

test('read back from YAML, a policy decides about every pod and port as its draft says', (t) => {
  fc.assert(
    fc.property(clients, rules, fc.constantFrom(...dialectNames), (given, drafted, name) => {
      const draft: PolicyDraft = {
        namespace: 'shop',
        name: 'nanoseg-server',
        workloads: [keyOf('shop/server')],
        subject: { matchLabels: { app: 'server' } },
        ingress: drafted.map(({ peers, ports }) => ({
          peers,
          ports: ports.map((port) => ({ protocol: 'TCP', port, endPort: undefined, name: undefined })),
          because: 'learned',
          evidence: [],
        })),
        egress: [],
      };
      const cluster = buildCluster([
        { name: 'server', labels: { app: 'server' } },
        ...given.map(({ namespace, app, on }, i) => ({ namespace, name: `client-${i}`, labels: { app, on } })),
      ]);
      const rendering = dialect(name).render(draft, cilium);
      const document = load(renderYaml(rendering.objects[0] as object), { schema: YAML11_SCHEMA });
      const { policies, faults } = dialect(name).readBack([document], rendering);
      t.deepEqual(faults, []);
      const index = indexCluster(cluster);
      const judge = evaluator(index, compilePolicies(index, policies), cilium);
      const server = { kind: 'workload' as const, workload: keyOf('shop/server') };
      for (const [i, { namespace, app, on }] of given.entries()) {
        const client = { kind: 'workload' as const, workload: keyOf(`${namespace}/client-${i}`) };
        for (let port = 1; port <= 7; port++) {
          const said = drafted.some(
            ({ peers, ports }) =>
              ports.includes(port) &&
              peers.some(
                (peer) =>
                  peer.kind === 'pods' &&
                  peer.namespaces.includes(namespace) &&
                  matchesSelector(peer.podSelector, { app, on }),
              ),
          );
          t.is(judge.decide(client, server, 'TCP', port).verdict, said ? 'allowed' : 'denied');
        }
        t.is(judge.decide(server, client, 'TCP', 1).verdict, 'denied');
      }
    }),
    { numRuns: 300 },
  );
});
