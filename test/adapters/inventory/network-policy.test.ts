import test from 'ava';
import { networkPolicyFromObject } from '../../../controller/adapters/inventory/network-policy.ts';
import { parseManifests } from '../../../controller/adapters/workspace/parse-manifests.ts';
import { readingOf } from './_cluster-of.ts';

function read(spec: string) {
  const text = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: ${spec}`;
  const [object] = parseManifests(text, 'p.yaml').objects;
  if (object === undefined) throw new Error('no object');
  return networkPolicyFromObject(object);
}

test('a policy is taken exactly as it stands', (t) => {
  const spec = `{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}, namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a]}]}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: http}, {protocol: UDP, port: 9000, endPort: 9010}]}]}`;
  t.deepEqual(read(spec), {
    policy: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p', namespace: 'shop' },
      spec: {
        podSelector: { matchLabels: { app: 'web' } },
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [
              {
                podSelector: {},
                namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'In', values: ['a'] }] },
              },
              { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
            ],
            ports: [{ port: 'http' }, { protocol: 'UDP', port: 9000, endPort: 9010 }],
          },
        ],
      },
    },
  });
});

test('a null is a field that is not there, as for the API server', (t) => {
  t.deepEqual(read('{podSelector: null, ingress: null, egress: [{to: null}]}'), {
    policy: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p', namespace: 'shop' },
      spec: { podSelector: {}, egress: [{}] },
    },
  });
});

for (const [fault, spec, message] of [
  ['_from', '{podSelector: {}, ingress: [{_from: []}]}', 'spec.ingress[0]: unknown field "_from"'],
  ['from under egress', '{podSelector: {}, egress: [{from: []}]}', 'spec.egress[0]: unknown field "from"'],
  [
    'an unknown field of a peer',
    '{podSelector: {}, ingress: [{from: [{podselector: {}}]}]}',
    'unknown field "podselector"',
  ],
  ['an empty peer', '{podSelector: {}, ingress: [{from: [{}]}]}', 'a peer needs'],
  ['a null peer', '{podSelector: {}, ingress: [{from: [{podSelector: null}]}]}', 'a peer needs'],
  [
    'ipBlock beside a selector',
    '{podSelector: {}, ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]}',
    'stands alone',
  ],
  ['a bare address', '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]}', 'not a CIDR'],
  [
    'except equal to cidr',
    '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}',
    'strictly inside',
  ],
  [
    'except outside of cidr',
    '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}',
    'strictly inside',
  ],
  [
    'endPort below port',
    '{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 79}]}]}',
    'endPort 79 is below port 80',
  ],
  [
    'endPort with a named port',
    '{podSelector: {}, ingress: [{ports: [{port: http, endPort: 80}]}]}',
    'needs a numeric port',
  ],
  ['endPort alone', '{podSelector: {}, ingress: [{ports: [{endPort: 80}]}]}', 'needs a numeric port'],
  ['port 0', '{podSelector: {}, ingress: [{ports: [{port: 0}]}]}', 'ports[0].port: Too small'],
  ['a number in quotes', '{podSelector: {}, ingress: [{ports: [{port: "80"}]}]}', 'ports[0].port: not a port name'],
  ['ICMP', '{podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]}', 'spec.ingress[0].ports[0].protocol'],
  ['a lower case type', '{podSelector: {}, policyTypes: [ingress]}', 'spec.policyTypes[0]'],
  [
    'In without values',
    '{podSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}',
    'needs at least one value',
  ],
  [
    'Exists with values',
    '{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}',
    'takes no values',
  ],
  ['an unknown operator', '{podSelector: {matchExpressions: [{key: a, operator: Gt, values: ["1"]}]}}', 'operator'],
  ['a label value too long', `{podSelector: {matchLabels: {a: ${'x'.repeat(64)}}}}`, 'is not a label value'],
  ['a list for a rule', '{podSelector: {}, ingress: [[]]}', 'spec.ingress[0]'],
  ['an object for the rules', '{podSelector: {}, ingress: {}}', 'spec.ingress'],
] as const) {
  test(`refused: ${fault}`, (t) => {
    const reading = read(spec);
    t.true('problems' in reading);
    if (!('problems' in reading)) return;
    t.true(reading.problems.every(({ code, where }) => code === 'PolicyInvalid' && where === 'p.yaml:1'));
    t.true(
      reading.problems.some((one) => one.message.includes(message)),
      JSON.stringify(reading.problems),
    );
  });
}

test('an invalid policy is left out with a problem and the valid one stays', (t) => {
  const policy = (name: string, spec: string) =>
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}}\nspec: ${spec}`;
  const { cluster, problems } = readingOf(
    policy('good', '{podSelector: {}}'),
    policy('bad', '{podSelector: {}, x: 1}'),
  );
  t.deepEqual(
    cluster.policies.map(({ metadata }) => metadata),
    [{ name: 'good', namespace: 'default' }],
  );
  t.deepEqual(
    problems.map(({ code }) => code),
    ['PolicyInvalid'],
  );
});

test('a policy of another group with the same kind is none of ours, one of an old version is refused', (t) => {
  const policy = (apiVersion: string) =>
    `apiVersion: ${apiVersion}\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {selector: all()}`;
  t.deepEqual(readingOf(policy('projectcalico.org/v3')).problems, []);
  t.deepEqual(
    readingOf(policy('extensions/v1beta1')).problems.map(({ code }) => code),
    ['PolicyInvalid'],
  );
});
