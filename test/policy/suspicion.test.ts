import test from 'ava';
import { buildCluster } from '../support/build-cluster.ts';
import { connection } from '../support/build-connections.ts';
import { app, draftOf, ports, resultOf, shop } from './shop-synthesis.ts';

test('a client of the API server without a service account of its own is held back', (t) => {
  const cluster = buildCluster([app('web'), app('db')], { apiServer: { ips: ['192.0.2.10'], port: 6443 } });
  const result = resultOf(cluster, ['shop/web > apiserver TCP 6443', 'shop/web > shop/db TCP 5432'], 'shop/web');
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because), ['new-apiserver-client']);
});

test('the metadata service and the kubelet are never learned by themselves', (t) => {
  const seen = [
    'shop/cart > 169.254.169.254 TCP 80',
    'shop/cart > node:a TCP 10250',
    'shop/cart > shop/redis TCP 6379',
  ];
  const result = resultOf(shop, seen, 'shop/cart');
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because).sort(), [
    'kubelet-port',
    'metadata-service',
  ]);
  t.is(result.kind === 'synthesised' && result.draft.egress.length, 1);
});

test('a person may accept what was held back', (t) => {
  const accepted = [{ source: 'shop/cart', destination: '169.254.169.254', port: 80, protocol: 'TCP' }];
  const draft = draftOf(shop, ['shop/cart > 169.254.169.254 TCP 80'], 'shop/cart', { profile: { accepted } });
  t.is(draft.egress.length, 1);
});

test('what the profile refuses is never learned', (t) => {
  const refused = [{ source: '*', destination: 'shop/redis', port: undefined, protocol: undefined }];
  const result = resultOf(
    shop,
    ['shop/frontend > shop/cart TCP 7070', 'shop/cart > shop/redis TCP 6379'],
    'shop/cart',
    {
      profile: { refused },
    },
  );
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because), ['deny-list']);
});

test('a scan is held back together with the open ports that it found, and regular connections are learned', (t) => {
  const probes = Array.from({ length: 12 }, (_, i) =>
    connection(`shop/frontend > shop/redis TCP ${9000 + i}`, { allowed: 1, answered: 'no', bins: [600_000] }),
  );
  const found = connection('shop/frontend > shop/redis TCP 6379', { allowed: 1, bins: [600_000] });
  const result = resultOf(shop, [...probes, found, 'shop/frontend > shop/cart TCP 7070'], 'shop/frontend');
  t.is(result.kind, 'synthesised');
  if (result.kind !== 'synthesised') return;
  t.is(result.heldBack.length, 13);
  t.true(result.heldBack.every(({ because }) => because === 'scan'));
  t.deepEqual(ports(result.draft, 'egress'), ['TCP 7070']);
});

test('a connection that one replica of three makes again and again is held back, a single sighting is not', (t) => {
  const often = connection('shop/frontend > shop/redis TCP 6379', { clientReplicas: 1, allowed: 40 });
  const once = connection('shop/frontend > shop/checkout TCP 8080', { clientReplicas: 1, allowed: 1 });
  const result = resultOf(shop, [often, once, 'shop/frontend > shop/cart TCP 7070'], 'shop/frontend');
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ connection: { port } }) => port), [6379]);
});

test('a source that sees one node does not speak for the replicas on others', (t) => {
  const running = ['a', 'b', 'c'].map((node) => ({ node, phase: 'Running' as const }));
  const cluster = buildCluster([app('frontend', { pods: running }), app('redis')]);
  const often = { clientReplicas: 1, allowed: 40 };
  const heldBy = (source: 'conntrack' | 'hubble') => {
    const seen = connection('shop/frontend > shop/redis TCP 6379', { ...often, sources: [source] });
    return resultOf(cluster, [seen], 'shop/frontend').kind;
  };
  t.is(heldBy('conntrack'), 'synthesised');
  t.is(heldBy('hubble'), 'no-evidence');
});

test('a mesh tunnel port makes no rule and is said', (t) => {
  const result = resultOf(
    shop,
    ['shop/frontend > shop/cart TCP 15008', 'shop/frontend > shop/cart TCP 7070'],
    'shop/cart',
  );
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because), ['mesh-tunnel']);
});
