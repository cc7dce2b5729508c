import test from 'ava';
import { verifyStamp } from '../../controller/adapters/admission/approval-stamp.ts';
import { installWebhook } from '../../controller/adapters/admission/install-webhook.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import {
  approvalNamed,
  configurationPaths,
  eventually,
  startWebhook,
  type TestWebhook,
  webhookConfigurations,
} from '../support/approval-webhook.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { bindRole, installForTest } from '../support/install-for-test.ts';
import type { KubeReply, KubeUser } from '../support/kube-api.ts';

const api = kubeApiOfFile();
const approvals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyapprovals';
let webhook: TestWebhook;

test.after.always('the webhook ends', () => webhook?.server.close());

function create(user: KubeUser, name: string, spec: object = {}): Promise<KubeReply> {
  return api().request(user, 'POST', approvals, approvalNamed(name, { spec }));
}

async function stored(name: string): Promise<PolicyApproval> {
  const found = await api().asAdmin.get<PolicyApproval>({ kind: 'PolicyApproval', namespace: 'shop', name });
  if (found === undefined) throw new Error(`there is no approval ${name}`);
  return found;
}

async function verdictOn(name: string): Promise<string> {
  return verifyStamp('shop', (await stored(name)).spec, webhook.keys.verificationKeys());
}

clusterTest('while the webhook does not serve, nobody can create an approval', async (t) => {
  await installForTest(api(), { webhook: true });
  await api().createNamespace('shop');
  for (const user of ['alice', 'bob'] as const) await bindRole(api(), user, 'nanoseg-approver', 'shop');
  for (const user of ['alice', 'admin'] as const) {
    const { status, body } = await create(user, 'too-early');
    t.is(status, 500);
    t.regex(body.message, /failed calling webhook "stamp.approvals.nanoseg.io"/);
  }
});

clusterTest('the stamp names the user whom the API server authenticated, with all groups', async (t) => {
  const before = Date.now();
  webhook = await startWebhook(api());
  const { logged } = webhook;
  logged.splice(0);
  const { code, err } = await api().kubectlApply('alice', JSON.stringify(approvalNamed('by-alice')));
  t.is(code, 0, err);
  const { spec } = await stored('by-alice');
  t.is(spec.stamp?.user, 'alice');
  t.deepEqual(spec.stamp?.groups, ['system:authenticated']);
  const timeMs = Date.parse(spec.stamp?.time ?? '');
  t.true(before <= timeMs && timeMs <= Date.now());
  t.is(await verdictOn('by-alice'), 'valid');
  t.is(spec.stamp?.nonce, logged[0]?.uid);
  t.is(new Set(logged.map(({ uid }) => uid)).size, 2, 'the two webhooks are asked with different uids');
});

clusterTest('who may not create approvals is refused before anything is stamped', async (t) => {
  const { code, err } = await api().kubectlApply('dave', JSON.stringify(approvalNamed('by-dave')));
  t.not(code, 0);
  t.regex(err, /forbidden/i);
  t.is((await create('controller', 'by-controller')).status, 403);
});

clusterTest('the controller decides nothing even when somebody gives it the right', async (t) => {
  const rule = { apiGroups: ['nanoseg.io'], resources: ['policyapprovals'], verbs: ['create'] };
  await api().grant('controller', [rule], 'shop');
  const { status, body } = await create('controller', 'by-controller');
  t.is(status, 403);
  t.regex(body.message, /controller is nanoseg's controller, which may not decide/);
});

clusterTest('a forged stamp is replaced, and a claim is left out with a warning', async (t) => {
  const { stamp } = (await stored('by-alice')).spec;
  const claim = { user: 'carol', time: '2026-01-01T00:00:00.000Z' };
  const forged = approvalNamed('forged', { spec: { stamp: { ...stamp, user: 'carol' }, claim } });
  const { code, err } = await api().kubectlApply('bob', JSON.stringify(forged));
  t.is(code, 0, err);
  t.regex(err, /spec\.claim was left out/);
  const { spec } = await stored('forged');
  t.is(spec.stamp?.user, 'bob');
  t.is(spec.claim, undefined);
  t.not(spec.stamp?.nonce, stamp?.nonce);
  t.is(await verdictOn('forged'), 'valid');
});

clusterTest('a copy of an approval is the decision of whoever copies it', async (t) => {
  const rule = { apiGroups: ['nanoseg.io'], resources: ['policyapprovals'], verbs: ['create'] };
  await api().grant('dave', [rule], 'shop');
  const { spec } = await stored('by-alice');
  t.is((await create('dave', 'copied', spec)).status, 201);
  t.is((await stored('copied')).spec.stamp?.user, 'dave');
});

clusterTest('who impersonates is stamped as who was impersonated, with those groups', async (t) => {
  const args = ['--as', 'alice', '--as-group', 'dev', '--as-group', 'system:authenticated'];
  const { code, err } = await api().kubectlApply('admin', JSON.stringify(approvalNamed('impersonated')), ...args);
  t.is(code, 0, err);
  const { stamp } = (await stored('impersonated')).spec;
  t.is(stamp?.user, 'alice');
  t.deepEqual(stamp?.groups, ['dev', 'system:authenticated']);
});

clusterTest('an approval cannot be changed, not even by an administrator', async (t) => {
  const patches = [
    { spec: { digest: `sha256:${'b'.repeat(64)}` } },
    { spec: { decision: 'Reject' } },
    { spec: { reason: 'another' } },
    { spec: { stamp: { user: 'carol' } } },
    { metadata: { labels: { 'nanoseg.io/anything': 'x' } } },
    { metadata: { annotations: { 'approvals.nanoseg.io/anything': 'x' } } },
  ];
  for (const patch of patches) {
    const merge = ['patch', 'policyapproval', 'by-alice', '-n', 'shop', '--type=merge', '-p', JSON.stringify(patch)];
    const { code, err } = await api().kubectl('admin', ...merge);
    t.is(code, 1, JSON.stringify(patch));
    t.regex(err, /approvals are immutable; create another one/);
  }
  const label = await api().kubectl('admin', 'label', 'policyapproval', 'by-alice', '-n', 'shop', 'team=cart');
  t.is(label.code, 0, label.err);
  t.is(await verdictOn('by-alice'), 'valid');
});

clusterTest('only the controller writes the status of an approval', async (t) => {
  const status = { counted: true, message: 'counted' };
  const approval = { ...(await stored('by-alice')), status };
  const refused = await api().request('admin', 'PUT', `${approvals}/by-alice/status`, approval);
  t.is(refused.status, 403);
  t.regex(refused.body.message, /nanoseg's to write/);
  await api().storeOf('controller').updateStatus(approval);
  t.deepEqual((await stored('by-alice')).status, status);
});

clusterTest('a dry run shows the stamp, and what it shows is worth nothing', async (t) => {
  const dryRun = ['--dry-run=server', '-o', 'json'];
  const { out, err, code } = await api().kubectlApply('alice', JSON.stringify(approvalNamed('dry')), ...dryRun);
  t.is(code, 0, err);
  const { spec } = JSON.parse(out) as PolicyApproval;
  t.is(spec.stamp?.user, 'alice');
  t.regex(verifyStamp('shop', spec, webhook.keys.verificationKeys()), /dry run/);
  t.is(await api().asAdmin.get({ kind: 'PolicyApproval', namespace: 'shop', name: 'dry' }), undefined);
});

clusterTest('what an administrator writes past the webhook is known by its signature', async (t) => {
  const saved = await webhookConfigurations(api());
  for (const path of configurationPaths) await api().request('admin', 'DELETE', path);
  const path = `${approvals}/by-alice`;
  const cases: readonly [object, RegExp][] = [
    [{ digest: `sha256:${'b'.repeat(64)}` }, /signature does not fit/],
    [{ reason: 'not what alice wrote' }, /signature does not fit/],
    [{ stamp: { user: 'carol' } }, /signature does not fit/],
    [{ stamp: { keyId: 'unknown' } }, /no key of nanoseg's/],
    [{ stamp: null }, /no stamp/],
  ];
  const { spec } = await stored('by-alice');
  for (const [change, because] of cases) {
    // the server takes a moment to learn that a configuration is gone
    await eventually('written past the webhook', async () => {
      const type = 'application/merge-patch+json';
      return (await api().request('admin', 'PATCH', path, { spec: change }, type)).status === 200;
    });
    t.regex(await verdictOn('by-alice'), because);
    const { metadata } = await stored('by-alice');
    await api().asAdmin.update({ ...approvalNamed('by-alice'), metadata, spec } as PolicyApproval);
  }
  t.is(await verdictOn('by-alice'), 'valid');

  t.like(await installWebhook(api().storeOf('controller'), webhook.keys, webhook.target), {
    code: 'WebhookNotInstalled',
    message: 'the webhook configuration does not exist',
  });
  for (const [i, { metadata, ...rest }] of saved.entries()) {
    const collection = configurationPaths[i]?.replace('/nanoseg-approvals', '') ?? '';
    await api().request('admin', 'POST', collection, {
      ...rest,
      metadata: { name: metadata.name, labels: metadata.labels },
    });
  }
  await eventually(
    'the webhook is called again',
    async () => (await create('dave', `back-${Date.now()}`)).body.spec?.stamp,
  );
});
