import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { load } from 'js-yaml';
import { type AnalysisReport, reportSchema } from '../../../cli/render/analysis-report.ts';
import { directoryOf, runCli } from '../../support/run-cli.ts';
import { deployment, flowLine, tinyShop } from '../../support/tiny-shop.ts';

const flows = [0, 20, 40]
  .map((minute) => flowLine('shop/web > shop/cart 8080', minute) + flowLine('shop/cart > shop/db 5432', minute))
  .join('');
const files = { 'cluster.yaml': tinyShop, 'flows.jsonl': flows };

test('manifests and flows give one policy per workload, and a report that keeps its schema', async (t) => {
  const dir = await directoryOf(t, files);
  const out = join(dir, 'out');
  const { code, err } = await runCli(
    'analyze',
    '--cluster',
    join(dir, 'cluster.yaml'),
    '--flows',
    join(dir, 'flows.jsonl'),
    '--out',
    out,
  );
  t.is(code, 0, err);
  t.deepEqual((await readdir(join(out, 'shop'))).sort(), ['nanoseg-cart.yaml', 'nanoseg-db.yaml', 'nanoseg-web.yaml']);
  const report = reportSchema.parse(JSON.parse(await readFile(join(out, 'report.json'), 'utf8')));
  t.deepEqual(
    report.proposals.map(({ name, proof }) => [name, proof.valid]),
    [
      ['cart', true],
      ['db', true],
      ['web', true],
    ],
  );
  t.is(report.flows.records, 6);
  const cart = load(await readFile(join(out, 'shop', 'nanoseg-cart.yaml'), 'utf8')) as {
    spec: { policyTypes: string[]; ingress: { ports: object[] }[] };
  };
  t.deepEqual(cart.spec.policyTypes, ['Ingress', 'Egress']);
  t.deepEqual(cart.spec.ingress[0]?.ports, [{ protocol: 'TCP', port: 8080 }]);
});

test('the table says rules, coverage, closed pairs and what is missing', async (t) => {
  const dir = await directoryOf(t, files);
  const { out } = await runCli('analyze', '--cluster', dir, '--flows', join(dir, 'flows.jsonl'));
  t.regex(out, /^NAMESPACE +WORKLOAD +STATE +RULES +COVERAGE +CLOSES +OVER-GRANT$/m);
  t.regex(out, /^shop +deployment\/cart +Learning +2 +\S+ +\d+ of \d+ pairs +none$/m);
  t.regex(out, /Still learning \(3\)/);
  t.regex(out, /^proposals: 0 ready, 3 learning; 4 rules, from 40 minutes of traffic$/m);
});

test('-o yaml is the policies as they may be applied, with a comment over each rule; --no-comments leaves those out', async (t) => {
  const dir = await directoryOf(t, files);
  const args = ['analyze', '--cluster', dir, '--flows', join(dir, 'flows.jsonl'), '-o', 'yaml'];
  const commented = await runCli(...args);
  t.regex(commented.out, /# from shop\/Deployment\/web to TCP 8080: seen 3 times/);
  t.is(commented.out.split('---\n').length, 3);
  t.notRegex((await runCli(...args, '--no-comments')).out, /#/);
});

test('the same input gives the same bytes, compressed or not, in any order of files', async (t) => {
  const dir = await directoryOf(t, {
    'cluster.yaml': tinyShop,
    'a.jsonl': flowLine('shop/web > shop/cart 8080'),
    'b.jsonl': flowLine('shop/cart > shop/db 5432'),
  });
  const zipped = await directoryOf(t, {});
  const { writeFile } = await import('node:fs/promises');
  await writeFile(
    join(zipped, 'all.gz'),
    gzipSync(flowLine('shop/cart > shop/db 5432') + flowLine('shop/web > shop/cart 8080')),
  );
  const yaml = async (...flowArgs: string[]) =>
    (await runCli('analyze', '--cluster', join(dir, 'cluster.yaml'), '-o', 'yaml', '--flows', ...flowArgs)).out;
  const first = await yaml(join(dir, 'a.jsonl'), join(dir, 'b.jsonl'));
  t.is(await yaml(join(dir, 'b.jsonl'), join(dir, 'a.jsonl')), first);
  t.is(await yaml(zipped), first);
});

test('a bad line is counted, located and shown at the end with its reason; --strict ends with exit code 2', async (t) => {
  const dir = await directoryOf(t, { ...files, 'flows.jsonl': `${flows}{"broken\n` });
  const args = ['analyze', '--cluster', join(dir, 'cluster.yaml'), '--flows', join(dir, 'flows.jsonl')];
  const lenient = await runCli(...args);
  t.is(lenient.code, 0);
  t.regex(lenient.err, /1 of 7 flow records could not be used/);
  t.regex(lenient.err, /flows\.jsonl:7: /);
  const strict = await runCli(...args, '--strict');
  t.is(strict.code, 2);
  t.is(strict.out, '');
  t.regex(strict.err, /flows\.jsonl:7: .*\(FlowRecordInvalid\)/);
});

test('input that cannot be worked with ends with exit code 2 and says what to do', async (t) => {
  const dir = await directoryOf(t, {
    ...files,
    'empty.jsonl': '',
    'noise.txt': 'hello\nworld\n',
    'values.yaml': 'a: 1',
    'profile.yaml': 'spec: {cniii: calico}',
  });
  const cluster = join(dir, 'cluster.yaml');
  const good = join(dir, 'flows.jsonl');
  const codeOf = async (...args: string[]) => {
    const { code, err } = await runCli('analyze', ...args);
    return [code, /\((\w+)\)/.exec(err)?.[1]];
  };
  t.deepEqual(await codeOf('--cluster', join(dir, 'absent'), '--flows', good), [2, 'InputNotFound']);
  t.deepEqual(await codeOf('--cluster', cluster, '--flows', join(dir, 'absent')), [2, 'InputNotFound']);
  t.deepEqual(await codeOf('--cluster', cluster, '--flows', join(dir, 'noise.txt')), [2, 'FlowFormatUnknown']);
  t.deepEqual(await codeOf('--cluster', join(dir, 'values.yaml'), '--flows', good), [2, 'ClusterEmpty']);
  t.deepEqual(await codeOf('--cluster', cluster, '--flows', good, '--profile', join(dir, 'profile.yaml')), [
    2,
    'ProfileInvalid',
  ]);
  t.is((await runCli('analyze', '--cluster', cluster)).code, 2);
});

test('the report names what is held back, refused and left out, each with its reason', async (t) => {
  const cluster = tinyShop + deployment('shop', 'twin').replaceAll('app: twin', 'app: db');
  const extra =
    flowLine('shop/web > 169.254.169.254 80') + flowLine('shop/web > shop/cart 9090', 0, { verdict: 'denied' });
  const dir = await directoryOf(t, {
    'cluster.yaml': cluster,
    'flows.jsonl': flowLine('shop/web > shop/cart 8080') + extra,
  });
  const { out } = await runCli(
    'analyze',
    '--cluster',
    join(dir, 'cluster.yaml'),
    '--flows',
    join(dir, 'flows.jsonl'),
    '-o',
    'json',
  );
  const report: AnalysisReport = reportSchema.parse(JSON.parse(out));
  const web = report.proposals.find(({ name }) => name === 'web');
  t.deepEqual(
    web?.heldBack.map(({ because }) => because),
    ['metadata-service'],
  );
  t.deepEqual(
    web?.omissions.map(({ because }) => because),
    ['denied-attempt'],
  );
  t.deepEqual(
    report.withoutEvidence.map(({ name }) => name),
    ['db', 'twin'],
  );
});

test('the API server is known by the flows where manifests do not tell it', async (t) => {
  const line = flowLine('shop/operator > 192.0.2.9 6443').replace('"reserved":"world"', '"reserved":"kube-apiserver"');
  t.regex(line, /kube-apiserver/);
  const dir = await directoryOf(t, { 'cluster.yaml': deployment('shop', 'operator', 'operator'), 'flows.jsonl': line });
  const { out, code } = await runCli(
    'analyze',
    '--cluster',
    join(dir, 'cluster.yaml'),
    '--flows',
    join(dir, 'flows.jsonl'),
    '-o',
    'yaml',
  );
  t.is(code, 0);
  t.regex(out, /cidr: 192\.0\.2\.9\/32/);
});

test('a proposal whose proof fails is not written and ends with exit code 3', async (t) => {
  const line = flowLine('shop/operator > 192.0.2.9 6443').replace('"reserved":"world"', '"reserved":"kube-apiserver"');
  const node =
    'apiVersion: v1\nkind: Node\nmetadata: {name: a}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.9}]}\n';
  const dir = await directoryOf(t, {
    'cluster.yaml': `${deployment('shop', 'operator', 'operator')}${node}`,
    'flows.jsonl': line,
  });
  const out = join(dir, 'out');
  // the kubernetes dialect cannot reach a node with Cilium, which never matches nodes by address
  const result = await runCli(
    'analyze',
    '--cluster',
    join(dir, 'cluster.yaml'),
    '--flows',
    join(dir, 'flows.jsonl'),
    '--cni',
    'cilium',
    '--out',
    out,
  );
  t.is(result.code, 3);
  t.regex(result.out, /Invalid: the proof failed/);
  await t.throwsAsync(stat(join(out, 'shop')), { code: 'ENOENT' });
  const cilium = await runCli(
    'analyze',
    '--cluster',
    join(dir, 'cluster.yaml'),
    '--flows',
    join(dir, 'flows.jsonl'),
    '--cni',
    'cilium',
    '--dialect',
    'cilium',
    '-o',
    'yaml',
  );
  t.is(cilium.code, 0);
  t.regex(cilium.out, /kube-apiserver/);
});

test('policies of an earlier run that are not proposed any more are pointed out', async (t) => {
  const dir = await directoryOf(t, files);
  const out = join(dir, 'out');
  const args = ['analyze', '--cluster', join(dir, 'cluster.yaml'), '--out', out, '--flows'];
  await runCli(...args, join(dir, 'flows.jsonl'));
  const { writeFile } = await import('node:fs/promises');
  await writeFile(join(dir, 'less.jsonl'), flowLine('shop/web > shop/cart 8080'));
  const { err } = await runCli(...args, join(dir, 'less.jsonl'));
  t.regex(err, /also holds policies that this run does not propose: shop\/nanoseg-db\.yaml/);
});

test('a namespace that the cluster does not have is an error', async (t) => {
  const dir = await directoryOf(t, files);
  const { code, err } = await runCli('analyze', '--cluster', dir, '--flows', join(dir, 'flows.jsonl'), '-n', 'shpo');
  t.is(code, 2);
  t.regex(err, /no namespace shpo in the cluster \(NamespaceNotFound\)/);
});
