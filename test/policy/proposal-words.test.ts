import test from 'ava';
import type { NetworkPolicy, NetworkPolicySpec } from '../../controller/model/network-policy.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { proofWorld } from '../../controller/policy/proof-world.ts';
import { ruleWordsOf } from '../../controller/policy/proposal-words.ts';
import { buildCluster } from '../support/build-cluster.ts';

const many = Array.from({ length: 10 }, (_, i) => ({
  namespace: 'team',
  name: `client-${i}`,
  labels: { role: 'client' },
}));
const world = proofWorld(
  indexCluster(
    buildCluster(
      [
        { name: 'cart', labels: { app: 'cart' } },
        { name: 'web', labels: { app: 'web' } },
        { name: 'report', namespace: 'audit', labels: { app: 'report' } },
        ...many,
      ],
      {
        nodes: [{ name: 'a', labels: {}, ips: ['172.18.0.3'], hostIps: ['172.18.0.3'], podCidrs: [] }],
        apiServer: { ips: ['172.18.0.2'], port: 6443 },
      },
    ),
  ),
  [],
  defaultProfile,
);
const words = (spec: Partial<NetworkPolicySpec>) => {
  const policy: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'nanoseg-cart', namespace: 'shop' },
    spec: { podSelector: { matchLabels: { app: 'cart' } }, ...spec },
  };
  return ruleWordsOf([policy], world).map(({ direction, words: said }) => `${direction}: ${said}`);
};
const of = (app: string) => ({ podSelector: { matchLabels: { app } } });
const team = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'team' } } };

test('peers are named by the workloads that their labels select', (t) => {
  t.deepEqual(
    words({
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [of('web'), of('cart')], ports: [{ port: 8080 }, { protocol: 'UDP', port: 53 }] }],
      egress: [
        {
          to: [{ ...of('report'), namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'audit' } } }],
          ports: [{ port: 80, endPort: 90 }],
        },
      ],
    }),
    [
      'ingress: from shop/Deployment/web, shop/Deployment/cart (itself) to TCP 8080; UDP 53',
      'egress: to audit/Deployment/report on TCP 80-90',
    ],
  );
});

test('labels that select nobody are said as labels', (t) => {
  t.deepEqual(words({ ingress: [{ from: [{ ...of('gone'), ...team }], ports: [{ port: 'http' }] }] }), [
    'ingress: from pods with app=gone in namespaces with kubernetes.io/metadata.name=team (none today) to TCP http',
  ]);
});

test('many peers are counted', (t) => {
  t.regex(
    words({ ingress: [{ from: [team], ports: [{ port: 80 }] }] })[0] ?? '',
    /client-7 and 2 more peers to TCP 80$/,
  );
});

test('addresses that are known have their names', (t) => {
  const block = (cidr: string, except?: readonly string[]) => ({ ipBlock: { cidr, ...(except && { except }) } });
  t.deepEqual(
    words({
      policyTypes: ['Egress'],
      egress: [
        {
          to: [block('172.18.0.2/32'), block('172.18.0.3/32'), block('203.0.113.0/24', ['203.0.113.7/32'])],
          ports: [{ port: 443 }],
        },
      ],
    }),
    [
      'egress: to 172.18.0.2/32 (the API server), 172.18.0.3/32 (node a), 203.0.113.0/24 except 203.0.113.7/32 on TCP 443',
    ],
  );
});

test('everybody, every port and nothing are said aloud', (t) => {
  t.deepEqual(words({ policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [] }), [
    'ingress: from everybody, inside and outside of the cluster to every port',
    'egress: nothing is let out',
  ]);
  t.deepEqual(words({ ingress: [{ from: [of('web')], ports: [{ protocol: 'SCTP' }] }] }), [
    'ingress: from shop/Deployment/web to every port of SCTP',
  ]);
});
