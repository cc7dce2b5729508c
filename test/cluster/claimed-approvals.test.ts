import { userInfo } from 'node:os';
import test from 'ava';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { InstalledShop } from '../support/installed-shop.ts';
import { runCli } from '../support/run-cli.ts';

const api = kubeApiOfFile();
/** This server has no way to ask who one is. */
const claimant = userInfo().username;
let shop: InstalledShop;

test.after.always(() => shop?.close());

function nanoseg(...args: readonly string[]) {
  return runCli(...args, '--kubeconfig', api().kubeconfig('alice'));
}

clusterTest('without the webhook and without leave of the profile no approval counts', async (t) => {
  shop = await InstalledShop.open(api(), { webhook: false });
  const binding = ['rolebinding', 'alice', '--clusterrole=nanoseg-approver', '--user=alice', '-n', 'shop'];
  t.is((await api().kubectl('admin', 'create', ...binding)).code, 0);
  const reader = ['clusterrolebinding', 'alice', '--clusterrole=nanoseg-viewer', '--user=alice'];
  t.is((await api().kubectl('admin', 'create', ...reader)).code, 0);
  const auditor = ['rolebinding', 'alice', '--role=nanoseg-auditor', '--user=alice', '-n', 'nanoseg-system'];
  t.is((await api().kubectl('admin', 'create', ...auditor)).code, 0);
  await shop.seen('web > cart 8080');
  await shop.start({ webhook: false });
  await shop.inState('cart', 'Ready');
  const approve = await nanoseg('approve', 'shop/cart', '--yes');
  t.regex(`${approve.out}${approve.err}`, /nobody checked who decided/);
  t.is((await shop.proposal('cart'))?.status?.state, 'Ready');
});

clusterTest('where the profile takes claims, everything that shows one says so', async (t) => {
  await shop.profile({ ...shop.quickProfile, approvals: { identity: 'Claimed', required: 2 } });
  await shop.until('cart', 'needs two', ({ approvals: { required } }) => required === 2);
  const approve = await nanoseg('approve', 'shop/cart', '--yes');
  t.is(approve.code, 0, approve.err);
  t.regex(approve.err, /nobody checked that this is .*: the identity is only claimed/);
  const { status } = await shop.until('cart', 'has one', ({ approvals: { given } }) => given.length === 1);
  t.is(status.message, `approved by ${claimant} (claimed); needs 1 more approver`);
  await shop.profile({ ...shop.quickProfile, approvals: { identity: 'Claimed' } });
  const enforced = await shop.inState('cart', 'Enforced');
  t.deepEqual(enforced.status.enforced?.approvedBy, [`${claimant} (claimed)`]);
  const policy = await api().asAdmin.get<NetworkPolicy>({
    kind: 'NetworkPolicy',
    namespace: 'shop',
    name: 'nanoseg-cart',
  });
  t.is(policy?.metadata.annotations?.['nanoseg.io/approved-by'], `${claimant} (claimed)`);
  t.regex((await nanoseg('show', 'shop/cart')).out, / \(claimed\)/);
  t.regex((await nanoseg('audit', '-n', 'shop')).out, /\(claimed\)/);
  t.regex((await nanoseg('status', '-n', 'shop')).out, /^approvals +\(claimed\) nobody checks who approves in shop$/m);
  t.regex((await nanoseg('proposals', '-n', 'shop', '-o', 'wide')).out, /1 of 1 \(claimed\)/);
  const columns = await api().kubectl('alice', 'get', 'polapp', '-n', 'shop');
  t.regex(columns.out, /CLAIMED-BY/);
  t.true(columns.out.includes(claimant));
});
