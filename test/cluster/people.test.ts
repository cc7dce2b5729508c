import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { ApprovalSpec, PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { configurationPaths, webhookConfigurations } from '../support/approval-webhook.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { InstalledShop } from '../support/installed-shop.ts';
import type { CommandResult, KubeUser } from '../support/kube-api.ts';
import { digestOf } from '../support/proposals.ts';

const api = kubeApiOfFile();
const approvals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyapprovals';
const proposals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyproposals';
const merge = 'application/merge-patch+json';
const openToAll = { podSelector: { matchLabels: { app: 'cart' } }, policyTypes: ['Ingress'], ingress: [{}] };

let shop: InstalledShop;
let plugins: string;

test.after.always(async () => {
  await shop?.close();
  if (plugins !== undefined) await rm(plugins, { recursive: true, force: true });
});

function manifest(name: string, spec: Partial<ApprovalSpec>): string {
  return JSON.stringify({
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyApproval',
    metadata: { name, namespace: 'shop' },
    spec: { decision: 'Approve', reason: 'reviewed', ...spec },
  });
}

async function decide(
  user: KubeUser,
  name: string,
  workload: string,
  spec: Partial<ApprovalSpec> = {},
  ...args: readonly string[]
): Promise<CommandResult> {
  const status = (await shop.proposal(workload))?.status;
  const takesBack = spec.decision === 'Rollback' || spec.decision === 'Retire';
  const digest = (takesBack ? status?.enforced?.digest : status?.digest) ?? '';
  return api().kubectlApply(user, manifest(name, { proposal: `deployment-${workload}`, digest, ...spec }), ...args);
}

/** `kubectl nanoseg …` as that person. */
function plugin(user: KubeUser, ...args: readonly string[]): Promise<CommandResult> {
  return api().kubectl(user, 'nanoseg', ...args);
}

function policy(name: string): Promise<NetworkPolicy | undefined> {
  return api().asAdmin.get<NetworkPolicy>({ kind: 'NetworkPolicy', namespace: 'shop', name });
}

/** Every proposal was looked at since, more than once. */
async function looked(): Promise<void> {
  const before = await shop.reconciled();
  await shop.eventually('a few looks', async () => ((await shop.reconciled()) >= before + 9 ? true : undefined));
}

clusterTest('who has no right is refused, by kubectl and by nanoseg, and told which right it is', async (t) => {
  shop = await InstalledShop.open(api());
  plugins = await mkdtemp(join(tmpdir(), 'nanoseg-plugin-'));
  const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await symlink(file('cli/nanoseg.js'), join(plugins, 'kubectl-nanoseg'));
  process.env['PATH'] = [plugins, file('node_modules/.bin'), process.env['PATH']].join(delimiter);
  for (const [user, role] of Object.entries({ alice: 'approver', bob: 'approver', carol: 'viewer' })) {
    const binding = ['rolebinding', user, `--clusterrole=nanoseg-${role}`, `--user=${user}`, '-n', 'shop'];
    t.is((await api().kubectl('admin', 'create', ...binding)).code, 0);
  }
  await shop.seen('web > cart 8080', 'cart > db 5432');
  await shop.start();
  for (const workload of ['cart', 'db', 'web']) await shop.inState(workload, 'Ready');

  const byCarol = await decide('carol', 'by-carol', 'cart');
  t.is(byCarol.code, 1);
  t.regex(byCarol.err, /User "carol" cannot (create|get|patch) resource "policyapprovals"/);
  const refused = await plugin('carol', 'approve', 'shop/cart', '--yes');
  t.is(refused.code, 4);
  t.regex(refused.err, /you may not create policyapprovals in namespace shop/);
  t.is((await plugin('carol', 'show', 'shop/cart')).code, 0);
  const unseen = await plugin('dave', 'proposals', '-n', 'shop');
  t.is(unseen.code, 4);
  t.regex(unseen.err, /you may not list policyproposals in namespace shop/);
  t.is((await decide('dave', 'by-dave', 'cart')).code, 1);
  t.deepEqual(await api().asAdmin.list('PolicyApproval', 'shop'), []);
});

clusterTest('the controller itself can approve nothing, neither by its rights nor with more of them', async (t) => {
  t.regex((await decide('controller', 'by-controller', 'cart')).err, /cannot create resource "policyapprovals"/);
  await api().grant('controller', [{ apiGroups: ['nanoseg.io'], resources: ['policyapprovals'], verbs: ['create'] }]);
  await shop.eventually('the refusal by the webhook', async () =>
    /may not decide anything itself/.test((await decide('controller', 'by-controller', 'cart')).err) ? true : undefined,
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
  t.like((await policy('nanoseg-cart'))?.metadata.annotations, { 'nanoseg.io/approved-by': 'alice' });
});

clusterTest('who asks for two people gets two: nobody counts twice', async (t) => {
  await shop.profile({ ...shop.quickProfile, approvals: { required: 2 } });
  await shop.until('db', 'needs two', ({ approvals: { required } }) => required === 2);
  t.is((await decide('alice', 'db-alice-1', 'db')).code, 0);
  t.is((await decide('alice', 'db-alice-2', 'db')).code, 0);
  t.deepEqual(await shop.answerTo('db-alice-2'), {
    counted: false,
    message: 'alice approved it already: it takes another person',
  });
  t.is((await shop.proposal('db'))?.status?.state, 'Ready');
  t.is(await policy('nanoseg-db'), undefined);
  t.is((await decide('bob', 'db-bob', 'db')).code, 0);
  const { status } = await shop.inState('db', 'Enforced');
  t.deepEqual(status.enforced?.approvedBy, ['alice', 'bob']);
});

clusterTest(
  'one rejection outweighs approvals; an approval that was withdrawn before counts for nothing',
  async (t) => {
    t.is((await decide('alice', 'web-alice', 'web')).code, 0);
    await shop.until('web', 'has one approval', (status) => status.approvals.given.length === 1);
    // approvers may not delete; who administers the namespace may
    t.is((await api().kubectl('admin', 'delete', 'policyapproval', 'web-alice', '-n', 'shop')).code, 0);
    await shop.until('web', 'has none', (status) => status.approvals.given.length === 0);
    t.is((await decide('bob', 'web-bob', 'web')).code, 0);
    await shop.until('web', 'has one again', (status) => status.approvals.given.length === 1);
    t.is((await decide('alice', 'web-no', 'web', { decision: 'Reject', reason: 'not yet' })).code, 0);
    const { status } = await shop.inState('web', 'Rejected');
    t.regex(status.message, /rejected by alice: not yet/);
    t.is(await policy('nanoseg-web'), undefined);
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
  const refused = await decide('bob', 'as-alice', 'cart', {}, '--as', 'alice', '--validate=false');
  t.regex(refused.err, /cannot impersonate resource "users"/);
  t.is((await decide('admin', 'as-alice', 'cart', {}, '--as', 'alice')).code, 0);
  t.is((await shop.approval('as-alice'))?.spec.stamp?.user, 'alice');
  const enforced = await shop.until('cart', 'is in force', (now) => now.enforced?.digest === status.digest);
  t.deepEqual(enforced.status.enforced?.approvedBy, ['alice']);
});

/** What an administrator of the cluster can do for a moment. */
async function withoutWebhook(act: () => Promise<void>): Promise<void> {
  const saved = await webhookConfigurations(api());
  for (const path of configurationPaths) await api().request('admin', 'DELETE', path);
  try {
    await shop.eventually('approvals that nobody stamps', async () => {
      await decide('admin', 'probe', 'db', { digest: digestOf('0') });
      const unstamped = (await shop.approval('probe'))?.spec.stamp === undefined;
      await api().asAdmin.remove({ kind: 'PolicyApproval', namespace: 'shop', name: 'probe' });
      return unstamped ? true : undefined;
    });
    await act();
  } finally {
    await putBack(saved);
  }
}

async function putBack(saved: Awaited<ReturnType<typeof webhookConfigurations>>): Promise<void> {
  for (const [i, { metadata, ...rest }] of saved.entries()) {
    const collection = configurationPaths[i]?.replace('/nanoseg-approvals', '') ?? '';
    const reply = await api().request('admin', 'POST', collection, { ...rest, metadata: { name: metadata.name } });
    if (reply.status !== 201) throw new Error(JSON.stringify(reply.body));
  }
}

clusterTest('what is written past the webhook is worth nothing, and says why', async (t) => {
  await shop.seen('web > cart 9091');
  const { status } = await shop.until(
    'cart',
    'has news',
    ({ state, digest, enforced }) => state === 'Ready' && digest !== enforced?.digest,
  );
  const { digest } = status;
  const stampOfBob = (await shop.approval('db-bob'))?.spec.stamp;
  const user = { user: 'alice', time: new Date().toISOString() };
  const forged = { ...user, groups: [], nonce: 'n', keyId: stampOfBob?.keyId ?? '', signature: `${'A'.repeat(86)}==` };
  await withoutWebhook(async () => {
    await decide('admin', 'no-stamp', 'cart');
    await decide('admin', 'forged-stamp', 'cart', { stamp: forged });
    await decide('admin', 'unknown-key', 'cart', { stamp: { ...forged, keyId: 'mine' } });
    await decide('admin', 'forged-claim', 'cart', { claim: user });
    await decide('admin', 'copied-stamp', 'cart', { stamp: { ...stampOfBob, time: user.time } as never });
    await decide('admin', 'wrong-digest', 'cart', { digest: digestOf('f') });
    for (const [name, because] of [
      ['no-stamp', /nobody checked who decided/],
      ['forged-stamp', /signature does not fit/],
      ['unknown-key', /no key of nanoseg's/],
      ['forged-claim', /nobody checked who decided/],
      ['copied-stamp', /signature does not fit/],
      ['wrong-digest', /another version/],
    ] as const) {
      const answer = await shop.answerTo(name);
      t.false(answer.counted, name);
      t.regex(answer.message, because);
    }
  });
  await looked();
  const now = (await shop.proposal('cart'))?.status;
  t.is(now?.state, 'Ready');
  t.not(now?.enforced?.digest, digest);
  t.true((now?.approvals.ignored.length ?? 0) >= 6);
});

clusterTest('a reason that somebody changed in the store voids the approval', async (t) => {
  await shop.profile({ ...shop.quickProfile, approvals: { required: 2 } });
  await shop.until('cart', 'needs two', ({ approvals: { required } }) => required === 2);
  await shop.eventually('a stamped approval', async () => {
    await decide('alice', 'cart-alice', 'cart');
    if ((await shop.approval('cart-alice'))?.spec.stamp !== undefined) return true;
    await api().asAdmin.remove({ kind: 'PolicyApproval', namespace: 'shop', name: 'cart-alice' });
    return undefined;
  });
  t.true((await shop.answerTo('cart-alice')).counted);
  await withoutWebhook(async () => {
    const { spec } = (await shop.approval('cart-alice')) ?? {};
    t.is((await api().kubectlApply('admin', manifest('copy', spec ?? {}))).code, 0);
    t.regex((await shop.answerTo('copy')).message, /its stamp is copied from another decision/);
    await api().request(
      'admin',
      'PATCH',
      `${approvals}/cart-alice`,
      { spec: { reason: 'let everything pass' } },
      merge,
    );
    const answer = await shop.eventually('that it does not count any more', async () => {
      const said = (await shop.approval('cart-alice'))?.status;
      return said?.counted === false ? said : undefined;
    });
    t.regex(answer.message, /signature does not fit/);
  });
});

clusterTest(
  'the configuration of the webhook that somebody weakened is put right, and what came meanwhile does not count',
  async (t) => {
    await shop.profile(shop.quickProfile);
    const [path = ''] = configurationPaths;
    const weaken = [
      { op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' },
      { op: 'replace', path: '/webhooks/0/clientConfig/url', value: 'https://127.0.0.1:1/nowhere' },
    ];
    const { status } = await api().request('admin', 'PATCH', path, weaken, 'application/json-patch+json');
    t.is(status, 200);
    await shop.eventually('the repaired configuration', async () => {
      const { body } = await api().request('admin', 'GET', path);
      const [webhook] = body.webhooks;
      return webhook.failurePolicy === 'Fail' && !webhook.clientConfig.url.includes('nowhere') ? true : undefined;
    });
    await shop.controller.logged('a webhook configuration said something else, and was put right');
  },
);

clusterTest('who may edit proposals and not approve gets nothing applied', async (t) => {
  await api().grant(
    'carol',
    [{ apiGroups: ['nanoseg.io'], resources: ['policyproposals'], verbs: ['update', 'patch'] }],
    'shop',
  );
  const proposal = await shop.proposal('cart');
  const policies = proposal?.spec.policies.replace(/port: 8080/g, 'port: 22') ?? '';
  const annotations = { 'nanoseg.io/proposed-digest': proposal?.status?.digest };
  const before = await policy('nanoseg-cart');
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
  await looked();
  t.is((await shop.proposal('cart'))?.status?.author, 'edited');
  t.deepEqual((await policy('nanoseg-cart'))?.spec, before?.spec);
  t.is(
    (await api().request('carol', 'PATCH', `${proposals}/deployment-cart/status`, { status: {} }, merge)).status,
    403,
  );
});

function recordOf({ enforced, revisions, applying }: ProposalStatus) {
  return { enforced, revisions, applying };
}

/** What is in force, but open to everybody. */
function openTo({ enforced }: ProposalStatus): string {
  return enforced?.policies.replace(/ingress:[\s\S]*?egress:/, 'ingress: [{}]\n  egress:') ?? '';
}

async function forgeStatus(change: (status: ProposalStatus) => object): Promise<void> {
  await shop.eventually('a forged status', async () => {
    const stored = await shop.proposal('cart');
    if (stored?.status === undefined) return undefined;
    const body = { ...stored, status: change(stored.status) };
    const { status } = await api().request('dave', 'PUT', `${proposals}/deployment-cart/status`, body);
    return status === 200 ? true : undefined;
  });
}

function without(status: object, field: string): object {
  return Object.fromEntries(Object.entries(status).filter(([name]) => name !== field));
}

function forgeries(open: string): readonly (readonly [string, (status: ProposalStatus) => object])[] {
  const revision = (status: ProposalStatus) => ({ ...status.enforced, policies: open });
  return [
    ['another text in force', (status) => ({ ...status, enforced: revision(status) })],
    ['another revision before it', (status) => ({ ...status, revisions: [revision(status)] })],
    [
      'an apply under way',
      (status) => ({
        ...status,
        applying: {
          kind: 'Restore',
          target: revision(status),
          by: 'alice',
          reason: '',
          startedAt: new Date().toISOString(),
        },
      }),
    ],
    ['nothing in force', (status) => without(status, 'enforced')],
    ['no seal', (status) => without({ ...status, enforced: revision(status) }, 'seal')],
  ];
}

clusterTest('who may write the status of proposals has nothing applied by it, and it is put back', async (t) => {
  await api().grant(
    'dave',
    [{ apiGroups: ['nanoseg.io'], resources: ['policyproposals/status'], verbs: ['update', 'patch'] }],
    'shop',
  );
  const before = (await policy('nanoseg-cart'))?.spec;
  const { status } = await shop.until(
    'cart',
    'is sealed',
    ({ seal, enforced }) => seal !== undefined && enforced !== undefined,
  );
  const open = openTo(status);
  t.not(open, status.enforced?.policies);
  for (const [what, change] of forgeries(open)) {
    await forgeStatus(change);
    const healed = await shop.until(
      'cart',
      `was put back: ${what}`,
      (now) => now.seal !== undefined && isDeepStrictEqual(recordOf(now), recordOf(status)),
    );
    t.regex(healed.status.seal?.broken ?? '', /was put back at/, what);
    t.true(
      healed.status.notes.some((note) => note.includes('was put back')),
      what,
    );
    t.deepEqual((await policy('nanoseg-cart'))?.spec, before, what);
  }
  const told = await shop.eventually('the record of it', async () => {
    const found = (await shop.audit()).filter(({ action }) => action === 'SealBroken');
    return found.length >= 5 ? found : undefined;
  });
  t.true(told.every(({ subject }) => subject.name === 'deployment-cart'));
});

clusterTest(
  'a status that was forged while no controller ran is dropped, and what is in force proves itself',
  async (t) => {
    const before = (await policy('nanoseg-cart'))?.spec;
    const { status } = await shop.until('cart', 'is in force', ({ enforced }) => enforced !== undefined);
    const open = openTo(status);
    for (const [what, change] of forgeries(open).filter(([name]) => !name.startsWith('no'))) {
      const former = (await shop.proposal('cart'))?.status?.seal?.broken;
      await shop.controller.terminate();
      await forgeStatus(change);
      // drift, so that the controller has a reason to write
      await api().kubectl(
        'admin',
        'label',
        'networkpolicy',
        'nanoseg-cart',
        '-n',
        'shop',
        'app.kubernetes.io/managed-by-',
      );
      await shop.start();
      const adopted = await shop.until(
        'cart',
        `is known again: ${what}`,
        ({ seal, enforced }) => seal !== undefined && seal.broken !== former && enforced !== undefined,
      );
      t.regex(adopted.status.seal?.broken ?? '', /was dropped at/, what);
      t.deepEqual(adopted.status.enforced?.approvedBy, ['alice'], what);
      t.is(adopted.status.applying, undefined, what);
      t.deepEqual(adopted.status.revisions, [], what);
      await looked();
      t.deepEqual((await policy('nanoseg-cart'))?.spec, before, what);
    }
  },
);

clusterTest('a policy whose marks were changed is written again as it was approved', async (t) => {
  const seal = (await policy('nanoseg-cart'))?.metadata.annotations?.['nanoseg.io/seal'];
  t.truthy(seal);
  for (const mark of ['nanoseg.io/seal-', 'nanoseg.io/approved-by=mallory']) {
    const changed = ['annotate', 'networkpolicy', 'nanoseg-cart', '-n', 'shop', '--overwrite', mark];
    t.is((await api().kubectl('admin', ...changed)).code, 0);
    await shop.eventually(`the mark before ${mark}`, async () => {
      const { annotations = {} } = (await policy('nanoseg-cart'))?.metadata ?? {};
      return annotations['nanoseg.io/seal'] === seal && annotations['nanoseg.io/approved-by'] === 'alice'
        ? true
        : undefined;
    });
  }
});

clusterTest('a policy that only says that it was approved is not taken for it when the status is lost', async (t) => {
  await shop.controller.terminate();
  const stored = await policy('nanoseg-cart');
  await api().asAdmin.remove({ kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' });
  const path = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/nanoseg-cart';
  t.is((await api().request('admin', 'PUT', path, { ...stored, spec: openToAll })).status, 200);
  await shop.start();
  const { status } = await shop.until('cart', 'says what it found', ({ drift }) => drift !== undefined);
  t.regex(status.drift?.message ?? '', /nobody is known to have approved it as it is/);
  t.is(status.enforced, undefined);
  t.is((await decide('alice', 'cart-again', 'cart')).code, 0);
  await shop.inState('cart', 'Enforced');
  t.notDeepEqual((await policy('nanoseg-cart'))?.spec.ingress, [{}]);
});

clusterTest('an old approval does not come to life again by a status that was taken away', async (t) => {
  t.is((await decide('alice', 'cart-back', 'cart', { decision: 'Rollback' })).code, 0);
  await shop.inState('cart', 'RolledBack');
  await shop.controller.terminate();
  await forgeStatus(({ seal: _s, notBefore: _n, ...status }) => ({ ...status, state: 'Ready' }));
  await shop.start();
  const { status } = await shop.until(
    'cart',
    'is sealed anew',
    ({ seal }) => seal?.broken?.includes('dropped') === true,
  );
  await looked();
  t.is((await shop.proposal('cart'))?.status?.state, 'Ready');
  t.true(status.approvals.ignored.some(({ because }) => /is only known since/.test(because)));
  t.is(await policy('nanoseg-cart'), undefined);
});
