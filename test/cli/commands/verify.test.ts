import { join } from 'node:path';
import test from 'ava';
import { directoryOf, runCli } from '../../support/run-cli.ts';
import { flowLine, tinyShop } from '../../support/tiny-shop.ts';

const policy = (ports: string) => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: cart }
spec:
  podSelector: { matchLabels: { app: cart } }
  policyTypes: [Ingress]
  ingress: [{ from: [{ podSelector: { matchLabels: { app: web } } }], ports: [${ports}] }]
`;

async function verify(t: Parameters<typeof directoryOf>[0], ports: string, flows: string) {
  const dir = await directoryOf(t, { 'cluster.yaml': tinyShop, 'policy.yaml': policy(ports), 'flows.jsonl': flows });
  const paths = [
    '--cluster',
    join(dir, 'cluster.yaml'),
    '--policies',
    join(dir, 'policy.yaml'),
    '--flows',
    join(dir, 'flows.jsonl'),
  ];
  const { code, out, err } = await runCli('verify', ...paths, '-o', 'json');
  return {
    code,
    err,
    report: JSON.parse(out) as Record<
      string,
      { connection: string; message: string; peer: string; connections: unknown }[]
    >,
  };
}

test('a connection that the policies would deny is named with the policy, and the exit code is 1', async (t) => {
  const { code, report } = await verify(
    t,
    '{ port: 8080 }',
    flowLine('shop/web > shop/cart 8080') + flowLine('shop/db > shop/cart 8080'),
  );
  t.is(code, 1);
  t.is(report['denied']?.length, 1);
  t.regex(report['denied']?.[0]?.connection ?? '', /Deployment\/db>/);
  t.regex(report['denied']?.[0]?.message ?? '', /cart/);
});

test('what is granted and never used is listed, and is no failure', async (t) => {
  const { code, report } = await verify(t, '{ port: 8080 }, { port: 9090 }', flowLine('shop/web > shop/cart 8080'));
  t.is(code, 0);
  t.deepEqual(
    report['unused']?.map(({ connections }) => connections),
    [[{ protocol: 'TCP', ports: [[9090, 9090]] }]],
  );
});

test('attempts that never passed are not missed when they stay denied', async (t) => {
  const denied = flowLine('shop/db > shop/cart 8080', 0, { verdict: 'denied' });
  t.is((await verify(t, '{ port: 8080 }', flowLine('shop/web > shop/cart 8080') + denied)).code, 0);
});

test('the policies that analyze writes deny nothing that was learned', async (t) => {
  const dir = await directoryOf(t, {
    'cluster.yaml': tinyShop,
    'flows.jsonl': flowLine('shop/web > shop/cart 8080') + flowLine('shop/cart > shop/db 5432'),
  });
  const given = ['--cluster', join(dir, 'cluster.yaml'), '--flows', join(dir, 'flows.jsonl')];
  await runCli('analyze', ...given, '--out', join(dir, 'out'));
  const { code, out } = await runCli('verify', ...given, '--policies', join(dir, 'out'));
  t.is(code, 0);
  t.regex(out, /connections: 2 stay allowed, 0 would be denied, 0 unknown, 0 not judged; 0 unused grants/);
});

test('to verify nothing is an error: policies of another API are named, and are not judged', async (t) => {
  const cilium = 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { namespace: shop, name: cart }\n';
  const dir = await directoryOf(t, {
    'cluster.yaml': tinyShop,
    'cilium.yaml': cilium,
    'flows.jsonl': flowLine('shop/web > shop/cart 8080'),
  });
  const given = ['--cluster', join(dir, 'cluster.yaml'), '--flows', join(dir, 'flows.jsonl')];
  const { code, out, err } = await runCli('verify', ...given, '--policies', join(dir, 'cilium.yaml'));
  t.is(code, 2);
  t.is(out, '');
  t.regex(err, /not judged: 1 CiliumNetworkPolicy \(cilium\.io\)/);
  t.regex(err, /PoliciesMissing/);
});

test('a denied connection that analyze holds back says so', async (t) => {
  const probe = flowLine('shop/cart > 169.254.169.254 80').replace(',"reserved":"world"', '');
  const { report } = await verify(t, '{ port: 8080 }', flowLine('shop/web > shop/cart 8080') + probe);
  t.deepEqual(report['denied'], []);
  const egress = policy('{ port: 8080 }').replace('[Ingress]', '[Ingress, Egress]');
  const dir = await directoryOf(t, { 'cluster.yaml': tinyShop, 'policy.yaml': egress, 'flows.jsonl': probe });
  const paths = ['--cluster', join(dir, 'cluster.yaml'), '--policies', join(dir, 'policy.yaml')];
  const { out, code } = await runCli('verify', ...paths, '--flows', join(dir, 'flows.jsonl'));
  t.is(code, 1);
  t.regex(out, /169\.254\.169\.254 TCP 80: .*\(analyze holds it back: metadata-service\)/);
});
