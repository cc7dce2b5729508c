import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { run } from '../../cli/program.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { bindRole, installForTest } from '../support/install-for-test.ts';
import type { KubeUser } from '../support/kube-api.ts';
import { digestOf, policyText, proposalOf, revisionOf } from '../support/proposals.ts';
import { type CliResult, runCli } from '../support/run-cli.ts';
import { answerDecision, putProposal } from '../support/workspace.ts';

const api = kubeApiOfFile();

/** `nanoseg …` with the kubeconfig of that user. */
function as(user: KubeUser, ...args: readonly string[]): Promise<CliResult> {
  return runCli(...args, '--kubeconfig', api().kubeconfig(user));
}

clusterTest('a cluster without nanoseg is told from one that has no proposals', async (t) => {
  const { code, err } = await as('admin', 'proposals', '-A');
  t.is(code, 4);
  t.regex(err, /^error: nanoseg is not installed in this cluster: .*\(NotInstalled\)\n +.*kubectl apply -k/);
  await installForTest(api());
  await api().createNamespace('shop');
  t.like(await as('admin', 'proposals', '-A'), { code: 0, out: '' });
});

clusterTest('proposals are listed in the namespace of the context, in another, or in all', async (t) => {
  for (const name of ['cart', 'db', 'web']) await putProposal(api().asAdmin, proposalOf('shop', name));
  t.like(await as('admin', 'proposals'), {
    code: 0,
    out: '',
    err: 'no such proposals in namespace default; -A asks all namespaces\n',
  });
  const names = 'shop/deployment-cart\nshop/deployment-db\nshop/deployment-web\n';
  t.is((await as('admin', 'proposals', '-n', 'shop', '-o', 'name')).out, names);
  t.is((await as('admin', 'proposals', '-A', '-o', 'name')).out, names);
  t.regex((await as('admin', 'show', 'shop/cart')).out, /from pods with app=web \(none today\) to TCP 8080/);
});

clusterTest('who may not is told which right is missing', async (t) => {
  const list = await as('dave', 'proposals', '-n', 'shop');
  t.is(list.code, 4);
  t.regex(list.err, /^error: you may not list policyproposals in namespace shop \(you are dave\) \(NotPermitted\)\n/);
  t.regex((await as('dave', 'proposals', '-A')).err, /you may not list policyproposals in the whole cluster/);
  await bindRole(api(), 'bob', 'nanoseg-viewer', 'shop');
  t.is((await as('bob', 'proposals', '-n', 'shop')).code, 0);
  const approve = await as('bob', 'approve', 'shop/cart', '--yes', '--wait', '0');
  t.is(approve.code, 4);
  t.regex(approve.err, /you may not create policyapprovals in namespace shop \(you are bob\)/);
  const stop = await as('bob', 'stop', '-m', 'x');
  t.is(stop.code, 4);
  t.regex(stop.err, /you may not patch segmentationprofiles in namespace nanoseg-system/);
  t.deepEqual(await api().asAdmin.list('PolicyApproval'), []);
});

clusterTest('an approver decides with the rights of the role alone, and hears what becomes of it', async (t) => {
  await bindRole(api(), 'alice', 'nanoseg-approver', 'shop');
  const [result, approval] = await Promise.all([
    as('alice', 'approve', 'shop/cart', '--yes', '-m', 'reviewed'),
    answerDecision(t, api().asAdmin, 'shop', true, 'counts', {
      state: 'Enforced',
      enforced: revisionOf(1, digestOf('a'), policyText('shop', 'cart', 'web')),
    }),
  ]);
  t.like(result, { code: 0, out: 'shop/deployment/cart: enforced as revision 1\n' });
  t.like(approval.spec, { decision: 'Approve', digest: digestOf('a'), reason: 'reviewed' });
  // who it was is for the webhook to say, not for the client
  t.is(approval.spec.claim, undefined);
});

clusterTest('a reviewer who may not read the cluster is told what the summary cannot say', async (t) => {
  let err = '';
  const code = await run(
    ['approve', 'shop/db', '--kubeconfig', api().kubeconfig('alice')],
    {
      out: () => undefined,
      err: (text) => void (err += text),
      interactive: false,
      columns: 100,
      exit: () => undefined,
      ask: () => Promise.resolve('n'),
    },
    '0.0.0',
  );
  t.is(code, 2);
  t.regex(err, /rules +1 rule\n +from pods with app=web to TCP 8080\n/);
  t.regex(err, /opens +not known\n +not known +all that opens: you may not list namespaces in the whole cluster/);
  t.regex(err, /WARNING +whether it is applied at once is not known/);
});

clusterTest('impersonation is asked of the API server, and needs its right there', async (t) => {
  t.is((await as('admin', 'proposals', '-n', 'shop', '--as', 'alice')).code, 0);
  const dave = await as('admin', 'approve', 'shop/web', '--yes', '--wait', '0', '--as', 'dave');
  t.is(dave.code, 4);
  t.regex(dave.err, /\(you are dave\)/);
  const group = await as('admin', 'proposals', '-A', '--as', 'dave', '--as-group', 'system:masters');
  t.is(group.code, 0);
  const bob = await as('bob', 'proposals', '-n', 'shop', '--as', 'alice');
  t.is(bob.code, 4);
  t.regex(bob.err, /you may not impersonate users/);
  t.is((await as('admin', 'proposals', '--as-group', 'x')).code, 2);
});

clusterTest(
  'an edit is saved with the right to update proposals only, and is proved anew by the controller',
  async (t) => {
    process.env['EDITOR'] = 'sed -i s/8080/9090/';
    const refused = await as('alice', 'edit', 'shop/db');
    t.is(refused.code, 4);
    t.regex(refused.err, /you may not update policyproposals in namespace shop/);
    const file = / kept in (\S+) \(/.exec(refused.err)?.[1] ?? '';
    t.regex(await readFile(file, 'utf8'), /port: 9090/);
    await rm(join(file, '..'), { recursive: true });
    const saved = await as('admin', 'edit', 'shop/db', '--wait', '0');
    t.like(saved, { code: 0, out: 'shop/deployment/db: saved\n  the controller has not proved it yet\n' });
    const approve = await as('alice', 'approve', 'shop/db', '--yes');
    t.is(approve.code, 2);
    t.regex(approve.err, /has not proved the new text yet/);
  },
);

clusterTest('status tells whether a controller leads', async (t) => {
  const status = async () => JSON.parse((await as('admin', 'status', '-o', 'json')).out);
  t.like((await status()).controller, { state: 'none', holder: null });
  const spec = { holderIdentity: 'nanoseg-1', leaseDurationSeconds: 15 };
  const lease = (renewedMs: number) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: 'nanoseg-system', name: 'nanoseg-controller' },
    spec: { ...spec, renewTime: new Date(renewedMs).toISOString().replace('Z', '000Z') },
  });
  const stored = await api().asAdmin.create(lease(Date.now()));
  t.like((await status()).controller, { state: 'running', holder: 'nanoseg-1' });
  await api().asAdmin.update({ ...lease(Date.now() - 60_000), metadata: stored.metadata });
  t.like((await status()).controller, { state: 'silent', holder: 'nanoseg-1' });
  t.regex((await as('alice', 'status', '-n', 'shop')).out, /^controller +not known: you may not get leases/m);
});

clusterTest('the kill switch is thrown and taken back', async (t) => {
  t.is((await as('admin', 'stop', '-m', 'incident')).code, 0);
  t.is((await as('admin', 'stop', '-n', 'shop', '-m', 'release')).code, 0);
  const stopped = async () => JSON.parse((await as('admin', 'status', '-o', 'json')).out).stopped;
  t.deepEqual(await stopped(), [{ reason: 'incident' }, { namespace: 'shop', reason: 'release' }]);
  const approve = await as('admin', 'approve', 'shop/web', '--yes');
  t.regex(approve.out, /nanoseg looks at it after nanoseg resume: stopped, incident/);
  t.is((await as('admin', 'resume')).code, 0);
  t.is((await as('admin', 'resume', '-n', 'shop')).code, 0);
  t.deepEqual(await stopped(), []);
});

clusterTest('kubectl runs it as its plugin, which calls itself what people type', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-plugin-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await symlink(file('cli/nanoseg.js'), join(directory, 'kubectl-nanoseg'));
  const path = process.env['PATH'];
  process.env['PATH'] = [directory, file('node_modules/.bin'), path].join(delimiter);
  t.teardown(() => {
    process.env['PATH'] = path;
  });
  const list = await api().kubectl('alice', 'nanoseg', 'proposals', '-n', 'shop', '-o', 'name');
  t.deepEqual(list, { code: 0, out: 'shop/deployment-cart\nshop/deployment-db\nshop/deployment-web\n', err: '' });
  const refused = await api().kubectl('dave', 'nanoseg', 'reject', 'shop/web', '--yes');
  t.is(refused.code, 4);
  t.regex(refused.err, /you may not list policyproposals in namespace shop/);
  const before = (await api().asAdmin.list('PolicyApproval', 'shop')).length;
  const reject = await api().kubectl('alice', 'nanoseg', 'reject', 'shop/web', '--yes', '--wait', '0');
  t.is(reject.code, 0);
  const decisions = await api().asAdmin.list<PolicyApproval>('PolicyApproval', 'shop');
  t.is(decisions.length, before + 1);
  t.true(decisions.some(({ spec }) => spec.decision === 'Reject' && spec.proposal === 'deployment-web'));
  const help = await api().kubectl('alice', 'nanoseg', 'approve', '--help');
  t.regex(help.out, /^Usage: kubectl nanoseg approve /);
  t.regex(help.out, /\$ kubectl nanoseg approve shop\/cart/);
});

clusterTest('a server that does not answer and credentials that are refused end with 4', async (t) => {
  const expired = await api().kubeconfigWith('expired', 'no-such-token');
  const refused = await runCli('proposals', '--kubeconfig', expired);
  t.is(refused.code, 4);
  t.regex(refused.err, /does not accept the credentials \(NotAuthenticated\)/);
  const text = await readFile(api().kubeconfig('admin'), 'utf8');
  const dead = join(api().directory, 'dead.kubeconfig');
  await writeFile(dead, text.replaceAll(api().server, 'https://127.0.0.1:1'));
  const unreachable = await runCli('proposals', '--kubeconfig', dead);
  t.is(unreachable.code, 4);
  t.regex(unreachable.err, /127\.0\.0\.1:1 cannot be reached: .*\(ClusterUnreachable\)/);
  const context = await runCli('proposals', '--kubeconfig', dead, '--context', 'nowhere');
  t.is(context.code, 2);
  t.regex(context.err, /no context nowhere.*\(KubeconfigUnusable\)/);
});

test('the command line reads a kubeconfig only when a command needs one', async (t) => {
  t.is((await runCli('approve', '--help', '--kubeconfig', '/nowhere')).code, 0);
});
