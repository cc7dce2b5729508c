import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import type { ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { configurationPaths, webhookConfigurations } from '../support/approval-webhook.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { InstalledShop } from '../support/installed-shop.ts';
import { digestOf } from '../support/proposals.ts';

const api = kubeApiOfFile();
const approvals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyapprovals';
const proposals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyproposals';
const merge = 'application/merge-patch+json';
const openToAll = { podSelector: { matchLabels: { app: 'cart' } }, policyTypes: ['Ingress'], ingress: [{}] };

let shop: InstalledShop;

test.after.always(() => shop?.close());

/** What alice approved of cart is in force, and what bob did of db. */
async function openShop(): Promise<void> {
  shop = await InstalledShop.open(api());
  await shop.bind({ alice: 'approver', bob: 'approver' });
  await shop.seen('web > cart 8080', 'cart > db 5432');
  await shop.start();
  for (const [user, workload] of [
    ['alice', 'cart'],
    ['bob', 'db'],
  ] as const) {
    await shop.inState(workload, 'Ready');
    const { code, err } = await shop.decide(user, `${workload}-${user}-first`, workload);
    if (code !== 0) throw new Error(err);
    await shop.inState(workload, 'Enforced');
  }
}

/** What an administrator of the cluster can do for a moment. */
async function withoutWebhook(act: () => Promise<void>): Promise<void> {
  const saved = await webhookConfigurations(api());
  for (const path of configurationPaths) await api().request('admin', 'DELETE', path);
  try {
    await shop.eventually('approvals that nobody stamps', async () => {
      await shop.decide('admin', 'probe', 'db', { digest: digestOf('0') });
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
  await openShop();
  await shop.seen('web > cart 9091');
  const { status } = await shop.until(
    'cart',
    'has news',
    ({ state, digest, enforced }) => state === 'Ready' && digest !== enforced?.digest,
  );
  const { digest } = status;
  const stampOfBob = (await shop.approval('db-bob-first'))?.spec.stamp;
  const user = { user: 'alice', time: new Date().toISOString() };
  const forged = { ...user, groups: [], nonce: 'n', keyId: stampOfBob?.keyId ?? '', signature: `${'A'.repeat(86)}==` };
  await withoutWebhook(async () => {
    await shop.decide('admin', 'no-stamp', 'cart');
    await shop.decide('admin', 'forged-stamp', 'cart', { stamp: forged });
    await shop.decide('admin', 'unknown-key', 'cart', { stamp: { ...forged, keyId: 'mine' } });
    await shop.decide('admin', 'forged-claim', 'cart', { claim: user });
    await shop.decide('admin', 'copied-stamp', 'cart', { stamp: { ...stampOfBob, time: user.time } as never });
    await shop.decide('admin', 'wrong-digest', 'cart', { digest: digestOf('f') });
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
  await shop.looked();
  const now = (await shop.proposal('cart'))?.status;
  t.is(now?.state, 'Ready');
  t.not(now?.enforced?.digest, digest);
  t.true((now?.approvals.ignored.length ?? 0) >= 6);
});

clusterTest('a reason that somebody changed in the store voids the approval', async (t) => {
  await shop.profile({ ...shop.quickProfile, approvals: { required: 2 } });
  await shop.until('cart', 'needs two', ({ approvals: { required } }) => required === 2);
  await shop.eventually('a stamped approval', async () => {
    await shop.decide('alice', 'cart-alice', 'cart');
    if ((await shop.approval('cart-alice'))?.spec.stamp !== undefined) return true;
    await api().asAdmin.remove({ kind: 'PolicyApproval', namespace: 'shop', name: 'cart-alice' });
    return undefined;
  });
  t.true((await shop.answerTo('cart-alice')).counted);
  await withoutWebhook(async () => {
    const { spec } = (await shop.approval('cart-alice')) ?? {};
    t.is((await shop.decide('admin', 'copy', 'cart', spec)).code, 0);
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
  const before = (await shop.policy('nanoseg-cart'))?.spec;
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
    t.deepEqual((await shop.policy('nanoseg-cart'))?.spec, before, what);
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
    const before = (await shop.policy('nanoseg-cart'))?.spec;
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
      await shop.looked();
      t.deepEqual((await shop.policy('nanoseg-cart'))?.spec, before, what);
    }
  },
);

clusterTest('a policy whose marks were changed is written again as it was approved', async (t) => {
  const seal = (await shop.policy('nanoseg-cart'))?.metadata.annotations?.['nanoseg.io/seal'];
  t.truthy(seal);
  for (const mark of ['nanoseg.io/seal-', 'nanoseg.io/approved-by=mallory']) {
    const changed = ['annotate', 'networkpolicy', 'nanoseg-cart', '-n', 'shop', '--overwrite', mark];
    t.is((await api().kubectl('admin', ...changed)).code, 0);
    await shop.eventually(`the mark before ${mark}`, async () => {
      const { annotations = {} } = (await shop.policy('nanoseg-cart'))?.metadata ?? {};
      return annotations['nanoseg.io/seal'] === seal && annotations['nanoseg.io/approved-by'] === 'alice'
        ? true
        : undefined;
    });
  }
});

clusterTest('a policy that only says that it was approved is not taken for it when the status is lost', async (t) => {
  await shop.controller.terminate();
  const stored = await shop.policy('nanoseg-cart');
  await api().asAdmin.remove({ kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' });
  const path = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/nanoseg-cart';
  t.is((await api().request('admin', 'PUT', path, { ...stored, spec: openToAll })).status, 200);
  await shop.start();
  const { status } = await shop.until('cart', 'says what it found', ({ drift }) => drift !== undefined);
  t.regex(status.drift?.message ?? '', /nobody is known to have approved it as it is/);
  t.is(status.enforced, undefined);
  t.is((await shop.decide('alice', 'cart-again', 'cart')).code, 0);
  await shop.inState('cart', 'Enforced');
  t.notDeepEqual((await shop.policy('nanoseg-cart'))?.spec.ingress, [{}]);
});

clusterTest('an old approval does not come to life again by a status that was taken away', async (t) => {
  t.is((await shop.decide('alice', 'cart-back', 'cart', { decision: 'Rollback' })).code, 0);
  await shop.inState('cart', 'RolledBack');
  await shop.controller.terminate();
  await forgeStatus(({ seal: _s, notBefore: _n, ...status }) => ({ ...status, state: 'Ready' }));
  await shop.start();
  const { status } = await shop.until(
    'cart',
    'is sealed anew',
    ({ seal }) => seal?.broken?.includes('dropped') === true,
  );
  await shop.looked();
  t.is((await shop.proposal('cart'))?.status?.state, 'Ready');
  t.true(status.approvals.ignored.some(({ because }) => /is only known since/.test(because)));
  t.is(await shop.policy('nanoseg-cart'), undefined);
});
