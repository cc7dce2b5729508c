import test from 'ava';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { InstalledShop } from '../support/installed-shop.ts';

const api = kubeApiOfFile();
let shop: InstalledShop;

test.after.always(() => shop?.close());

/** Lines of the log about something that the controller may not do. */
async function refusals(): Promise<string[]> {
  const lines = (await shop.controller.output()).split('\n');
  return lines.filter((line) => /forbidden|may not|NotPermitted/i.test(line));
}

async function approve(workload: string, user: 'alice' | 'bob' = 'alice'): Promise<void> {
  const { status } = await shop.inState(workload, 'Ready');
  const spec = { proposal: `deployment-${workload}`, digest: status.digest, decision: 'Approve', reason: 'reviewed' };
  const metadata = { name: `${workload}-by-${user}`, namespace: 'shop' };
  await shop.eventually('an approval that is stamped', async () => {
    const approval = { apiVersion: 'nanoseg.io/v1alpha1', kind: 'PolicyApproval', metadata, spec };
    return (await api().kubectlApply(user, JSON.stringify(approval))).code === 0 ? true : undefined;
  });
}

clusterTest('with the rights of its service account the controller runs the whole loop', async (t) => {
  shop = await InstalledShop.open(api());
  for (const user of ['alice', 'bob']) {
    const role = ['rolebinding', user, '--clusterrole=nanoseg-approver', `--user=${user}`, '-n', 'shop'];
    t.is((await api().kubectl('admin', 'create', ...role)).code, 0);
  }
  await shop.seen('web > cart 8080', 'cart > db 5432');
  await shop.start();
  t.deepEqual(await shop.eventually('readiness', ready), { status: 200, text: 'ready\n' });

  await approve('cart');
  const { status } = await shop.inState('cart', 'Enforced');
  t.deepEqual(status.enforced?.approvedBy, ['alice']);
  const policy = ['networkpolicy', 'nanoseg-cart', '-n', 'shop'];
  t.is((await api().kubectl('admin', 'get', ...policy)).code, 0);

  t.is((await api().kubectl('admin', 'delete', ...policy)).code, 0);
  await shop.eventually('the deleted policy is there again', async () =>
    (await api().kubectl('admin', 'get', ...policy)).code === 0 ? true : undefined,
  );
  t.true((await shop.answerTo('cart-by-alice')).counted);
  const events = await shop.eventually('its events', async () => {
    const { out } = await api().kubectl('admin', 'get', 'events', '-n', 'shop', '-o', 'json');
    const reasons = new Set(JSON.parse(out).items.map(({ reason }: { reason: string }) => reason));
    return reasons.has('DriftRepaired') ? reasons : undefined;
  });
  t.true(events.has('Applied'));
  await shop.eventually('the audit log', async () => {
    const actions = (await shop.audit()).map(({ action }) => action);
    return actions.includes('Applied') && actions.includes('DriftRepaired') ? true : undefined;
  });
  const profile = await api().kubectl(
    'admin',
    'get',
    'segmentationprofile',
    'default',
    '-n',
    'nanoseg-system',
    '-o',
    'json',
  );
  t.is(JSON.parse(profile.out).status.conditions[0].status, 'True', profile.out);
  t.deepEqual(await refusals(), []);
});

async function ready() {
  const answer = await shop.readiness().catch(() => undefined);
  return answer?.status === 200 ? answer : undefined;
}

interface Taken {
  readonly role: 'clusterrole' | 'role';
  readonly resource: string;
  readonly verbs?: readonly string[];
}

/** Takes rights from the role of the controller; answers with how to give them back. */
async function takeAway({ role, resource, verbs = [] }: Taken): Promise<() => Promise<void>> {
  const where = role === 'role' ? '/namespaces/nanoseg-system' : '';
  const path = `/apis/rbac.authorization.k8s.io/v1${where}/${role}s/nanoseg-controller`;
  const { body } = await api().request('admin', 'GET', path);
  const rules = (body.rules as { resources: string[]; verbs: string[] }[]).map((rule) => {
    if (!rule.resources.includes(resource)) return [rule];
    const others = { ...rule, resources: rule.resources.filter((one) => one !== resource) };
    const less = { ...rule, resources: [resource], verbs: rule.verbs.filter((one) => !verbs.includes(one)) };
    return [others, less].filter((one) => one.resources.length > 0 && one.verbs.length > 0);
  });
  const put = async (wanted: unknown) => {
    const reply = await api().request('admin', 'PUT', path, {
      ...body,
      metadata: { name: body.metadata.name, namespace: body.metadata.namespace },
      rules: wanted,
    });
    if (reply.status !== 200) throw new Error(JSON.stringify(reply.body));
  };
  await put(rules.flat());
  return () => put(body.rules);
}

const inventory = [
  { resource: 'pods', words: /may not list pods/ },
  { resource: 'nodes', words: /may not list nodes/ },
  { resource: 'networkpolicies', words: /may not list networkpolicies/ },
] as const;

for (const { resource, words } of inventory) {
  clusterTest(
    `without the right to list ${resource} it starts, and readyz and the log say what is missing`,
    async (t) => {
      await shop.controller.terminate();
      const giveBack = await takeAway({ role: 'clusterrole', resource, verbs: ['list', 'watch'] });
      try {
        await shop.start();
        const { text } = await shop.eventually('readiness', ready);
        t.regex(text, words);
        t.true(
          (await refusals()).some((line) => words.test(line)),
          (await refusals()).join('\n'),
        );
      } finally {
        await giveBack();
      }
      await shop.eventually('that it is complete again', async () =>
        (await shop.readiness()).text === 'ready\n' ? true : undefined,
      );
      t.is(shop.controller.exited(), undefined);
    },
  );
}

clusterTest('without the right to keep its webhook configurations readyz says so, and the loop goes on', async (t) => {
  const rights = {
    role: 'clusterrole',
    resource: 'mutatingwebhookconfigurations',
    verbs: ['update', 'patch'],
  } as const;
  await shop.controller.terminate();
  const giveBack = await takeAway(rights);
  try {
    await shop.start();
    const words = /may not update mutatingwebhookconfigurations.*WebhookNotInstalled/;
    const { text } = await shop.eventually('what is missing', async () => {
      const answer = await ready();
      return answer !== undefined && words.test(answer.text) ? answer : undefined;
    });
    t.regex(text, /^ready\n/);
  } finally {
    await giveBack();
  }
});

for (const taken of [
  { role: 'clusterrole', resource: 'events', verbs: ['create', 'patch'] },
  { role: 'role', resource: 'configmaps', verbs: ['create', 'update', 'patch'] },
] as const) {
  clusterTest(`without the right to write ${taken.resource} it goes on, says so, and records it later`, async (t) => {
    const repairs = async () => (await shop.audit()).filter(({ action }) => action === 'DriftRepaired').length;
    const before = await repairs();
    await shop.controller.terminate();
    const giveBack = await takeAway(taken);
    try {
      await shop.start();
      await api().kubectl('admin', 'delete', 'networkpolicy', 'nanoseg-cart', '-n', 'shop');
      await shop.eventually('the repaired policy', async () =>
        (await api().kubectl('admin', 'get', 'networkpolicy', 'nanoseg-cart', '-n', 'shop')).code === 0
          ? true
          : undefined,
      );
      await shop.eventually('the missing right in its log', async () =>
        (await refusals()).some((line) => line.includes(taken.resource)) ? true : undefined,
      );
      const { status, text } = await shop.readiness();
      t.is(status, 200);
      t.regex(text, new RegExp(`cannot be written: you may not .* ${taken.resource}`));
    } finally {
      await giveBack();
    }
    await shop.eventually('the record of the repair', async () =>
      (await repairs()) === before + 1 ? true : undefined,
    );
    t.is((await shop.readiness()).text.includes('audit log'), false);
    t.is(shop.controller.exited(), undefined);
  });
}
