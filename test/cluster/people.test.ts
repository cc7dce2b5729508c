import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { InstalledShop } from '../support/installed-shop.ts';
import type { CommandResult, KubeUser } from '../support/kube-api.ts';

const api = kubeApiOfFile();
const proposals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyproposals';
const merge = 'application/merge-patch+json';

let shop: InstalledShop;
let plugins: string;

test.after.always(async () => {
  await shop?.close();
  if (plugins !== undefined) await rm(plugins, { recursive: true, force: true });
});

/** `kubectl nanoseg …` as that person. */
function plugin(user: KubeUser, ...args: readonly string[]): Promise<CommandResult> {
  return api().kubectl(user, 'nanoseg', ...args);
}

clusterTest('who has no right is refused, by kubectl and by nanoseg, and told which right it is', async (t) => {
  shop = await InstalledShop.open(api());
  plugins = await mkdtemp(join(tmpdir(), 'nanoseg-plugin-'));
  const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await symlink(file('cli/nanoseg.js'), join(plugins, 'kubectl-nanoseg'));
  process.env['PATH'] = [plugins, file('node_modules/.bin'), process.env['PATH']].join(delimiter);
  await shop.bind({ alice: 'approver', bob: 'approver', carol: 'viewer' });
  await shop.seen('web > cart 8080', 'cart > db 5432');
  await shop.start();
  for (const workload of ['cart', 'db', 'web']) await shop.inState(workload, 'Ready');

  const byCarol = await shop.decide('carol', 'by-carol', 'cart');
  t.is(byCarol.code, 1);
  t.regex(byCarol.err, /User "carol" cannot (create|get|patch) resource "policyapprovals"/);
  const refused = await plugin('carol', 'approve', 'shop/cart', '--yes');
  t.is(refused.code, 4);
  t.regex(refused.err, /you may not create policyapprovals in namespace shop/);
  t.is((await plugin('carol', 'show', 'shop/cart')).code, 0);
  const unseen = await plugin('dave', 'proposals', '-n', 'shop');
  t.is(unseen.code, 4);
  t.regex(unseen.err, /you may not list policyproposals in namespace shop/);
  t.is((await shop.decide('dave', 'by-dave', 'cart')).code, 1);
  t.deepEqual(await api().asAdmin.list('PolicyApproval', 'shop'), []);
});

clusterTest('the controller itself can approve nothing, neither by its rights nor with more of them', async (t) => {
  t.regex((await shop.decide('controller', 'by-controller', 'cart')).err, /cannot create resource "policyapprovals"/);
  await api().grant('controller', [{ apiGroups: ['nanoseg.io'], resources: ['policyapprovals'], verbs: ['create'] }]);
  await shop.eventually('the refusal by the webhook', async () =>
    /may not decide anything itself/.test((await shop.decide('controller', 'by-controller', 'cart')).err)
      ? true
      : undefined,
  );
  t.is(await shop.approval('by-controller'), undefined);
});

clusterTest('an approver is stamped with name and groups, and what is approved is in force', async (t) => {
  const approved = await plugin('alice', 'approve', 'shop/cart', '--yes', '-m', 'reviewed');
  t.is(approved.code, 0, approved.err);
  const { status } = await shop.inState('cart', 'Enforced');
  t.deepEqual(status.enforced?.approvedBy, ['alice']);
  const [approval] = await api().asAdmin.list<PolicyApproval>('PolicyApproval', 'shop');
  t.is(approval?.spec.stamp?.user, 'alice');
  t.true(approval?.spec.stamp?.groups.includes('system:authenticated'));
  t.like((await shop.policy('nanoseg-cart'))?.metadata.annotations, { 'nanoseg.io/approved-by': 'alice' });
});

clusterTest('who asks for two people gets two: nobody counts twice', async (t) => {
  await shop.profile({ ...shop.quickProfile, approvals: { required: 2 } });
  await shop.until('db', 'needs two', ({ approvals: { required } }) => required === 2);
  t.is((await shop.decide('alice', 'db-alice-1', 'db')).code, 0);
  t.is((await shop.decide('alice', 'db-alice-2', 'db')).code, 0);
  t.deepEqual(await shop.answerTo('db-alice-2'), {
    counted: false,
    message: 'alice approved it already: it takes another person',
  });
  t.is((await shop.proposal('db'))?.status?.state, 'Ready');
  t.is(await shop.policy('nanoseg-db'), undefined);
  t.is((await shop.decide('bob', 'db-bob', 'db')).code, 0);
  const { status } = await shop.inState('db', 'Enforced');
  t.deepEqual(status.enforced?.approvedBy, ['alice', 'bob']);
});

clusterTest(
  'one rejection outweighs approvals; an approval that was withdrawn before counts for nothing',
  async (t) => {
    t.is((await shop.decide('alice', 'web-alice', 'web')).code, 0);
    await shop.until('web', 'has one approval', (status) => status.approvals.given.length === 1);
    // approvers may not delete; who administers the namespace may
    t.is((await api().kubectl('admin', 'delete', 'policyapproval', 'web-alice', '-n', 'shop')).code, 0);
    await shop.until('web', 'has none', (status) => status.approvals.given.length === 0);
    t.is((await shop.decide('bob', 'web-bob', 'web')).code, 0);
    await shop.until('web', 'has one again', (status) => status.approvals.given.length === 1);
    t.is((await shop.decide('alice', 'web-no', 'web', { decision: 'Reject', reason: 'not yet' })).code, 0);
    const { status } = await shop.inState('web', 'Rejected');
    t.regex(status.message, /rejected by alice: not yet/);
    t.is(await shop.policy('nanoseg-web'), undefined);
  },
);

clusterTest('an approval cannot be changed afterwards', async (t) => {
  const change = JSON.stringify({ spec: { reason: 'another' } });
  const { code, err } = await api().kubectl(
    'admin',
    'patch',
    'polapp',
    'db-bob',
    '-n',
    'shop',
    '--type=merge',
    '-p',
    change,
  );
  t.is(code, 1);
  t.regex(err, /approvals are immutable/);
});

clusterTest('only who may impersonate decides as somebody else, and is stamped as that one', async (t) => {
  await shop.profile(shop.quickProfile);
  await shop.seen('web > cart 9090');
  const { status } = await shop.until(
    'cart',
    'has news',
    ({ state, digest, enforced }) => state === 'Ready' && digest !== enforced?.digest,
  );
  const refused = await shop.decide('bob', 'as-alice', 'cart', {}, '--as', 'alice', '--validate=false');
  t.regex(refused.err, /cannot impersonate resource "users"/);
  t.is((await shop.decide('admin', 'as-alice', 'cart', {}, '--as', 'alice')).code, 0);
  t.is((await shop.approval('as-alice'))?.spec.stamp?.user, 'alice');
  const enforced = await shop.until('cart', 'is in force', (now) => now.enforced?.digest === status.digest);
  t.deepEqual(enforced.status.enforced?.approvedBy, ['alice']);
});

clusterTest('who may edit proposals and not approve gets nothing applied', async (t) => {
  await api().grant(
    'carol',
    [{ apiGroups: ['nanoseg.io'], resources: ['policyproposals'], verbs: ['update', 'patch'] }],
    'shop',
  );
  const proposal = await shop.proposal('cart');
  const policies = proposal?.spec.policies.replace(/port: 8080/g, 'port: 22') ?? '';
  const annotations = { 'nanoseg.io/proposed-digest': proposal?.status?.digest };
  const before = await shop.policy('nanoseg-cart');
  const edit = await api().request(
    'carol',
    'PATCH',
    `${proposals}/deployment-cart`,
    { metadata: { annotations }, spec: { policies } },
    merge,
  );
  t.is(edit.status, 200);
  const edited = await shop.until(
    'cart',
    'is an edit',
    ({ author, digest }) => author === 'edited' && digest !== proposal?.status?.digest,
  );
  // the mark that nanoseg wrote it is nothing that a person can set
  const mark = { 'nanoseg.io/proposed-digest': edited.status.digest };
  t.is(
    (await api().request('carol', 'PATCH', `${proposals}/deployment-cart`, { metadata: { annotations: mark } }, merge))
      .status,
    200,
  );
  await shop.looked();
  t.is((await shop.proposal('cart'))?.status?.author, 'edited');
  t.deepEqual((await shop.policy('nanoseg-cart'))?.spec, before?.spec);
  t.is(
    (await api().request('carol', 'PATCH', `${proposals}/deployment-cart/status`, { status: {} }, merge)).status,
    403,
  );
});
