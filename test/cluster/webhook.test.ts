import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { Agent, request } from 'undici';
import { verifyStamp } from '../../controller/adapters/admission/approval-stamp.ts';
import {
  installWebhook,
  keepWebhookInstalled,
  type WebhookTarget,
} from '../../controller/adapters/admission/install-webhook.ts';
import { KeyRing, serviceHosts } from '../../controller/adapters/admission/key-ring.ts';
import type { KubernetesObject, ObjectRef } from '../../controller/model/kubernetes-object.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { Problem } from '../../controller/model/problem.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import {
  approvalNamed,
  configurationPaths,
  eventually,
  MovedClock,
  openKeys,
  serveWebhook,
  type TestWebhook,
  webhookConfigurations,
} from '../support/approval-webhook.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { bindRole, installForTest, installManifests } from '../support/install-for-test.ts';
import type { KubeReply, KubeUser } from '../support/kube-api.ts';

const api = kubeApiOfFile();
const home = 'nanoseg-system';
const secret = { kind: 'Secret', namespace: home, name: 'nanoseg-keys' };
const approvals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyapprovals';
const dayMs = 24 * 60 * 60_000;
/** Of the keys; what the stamps say and the API server checks is the real time. */
const keyClock = new MovedClock();
const realClock = new MovedClock();
let keys: KeyRing;
let webhook: TestWebhook;

test.after.always('the webhook ends', () => webhook?.server.close());

function create(user: KubeUser, name: string): Promise<KubeReply> {
  return api().request(user, 'POST', approvals, approvalNamed(name));
}

/** Keeps the webhook installed as the controller until the answer is called. */
function upkeep(changed: (problem: Problem | undefined) => void = () => undefined): () => Promise<void> {
  const running = new AbortController();
  const store = api().storeOf('controller');
  const options = { store, keys, target: webhook.target, clock: realClock, changed, paceMs: 100 };
  const ended = keepWebhookInstalled(options, running.signal);
  return async () => {
    running.abort();
    await ended;
  };
}

/** Fingerprint of the certificate that a new connection meets. */
async function served(): Promise<string> {
  const socket = connect({ port: webhook.server.port, host: '127.0.0.1', ca: keys.authorityBundle() });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

/** Creates until stopped; answers with every reply that was no success. */
async function stream(
  user: KubeUser,
  prefix: string,
  until: AbortSignal,
): Promise<{ made: number; refused: KubeReply[] }> {
  const refused: KubeReply[] = [];
  let made = 0;
  for (; !until.aborted; made++) {
    const reply = await create(user, `${prefix}-${made}`);
    if (reply.status !== 201) refused.push(reply);
  }
  return { made, refused };
}

clusterTest('controllers that start at the same time end with the same keys', async (t) => {
  await installForTest(api(), { webhook: true });
  await api().createNamespace('shop');
  for (const user of ['alice', 'bob'] as const) await bindRole(api(), user, 'nanoseg-approver', 'shop');
  // made 246 days ago, and the serving certificate 63 days ago: what is due in between comes in a later test
  keyClock.movedMs = -246 * dayMs;
  const rings = await Promise.all([1, 2, 3, 4].map(() => openKeys(api(), ['127.0.0.1'], keyClock)));
  keyClock.movedMs = -63 * dayMs;
  for (const ring of rings) await ring.reload();
  const [first, ...others] = rings;
  if (first === undefined) throw new Error('no keys');
  keys = first;
  for (const other of others) {
    t.deepEqual([...other.verificationKeys().keys()], [...first.verificationKeys().keys()]);
    t.is(other.stampingKey().keyId, first.stampingKey().keyId);
    t.deepEqual(other.servingCertificate(), first.servingCertificate());
    t.is(other.authorityBundle(), first.authorityBundle());
    t.deepEqual(other.webhookTokens(), first.webhookTokens());
  }
});

clusterTest('the controller, with its own rights, makes its webhook known', async (t) => {
  webhook = await serveWebhook(keys);
  const installed: (Problem | undefined)[] = [];
  const end = upkeep((problem) => installed.push(problem));
  await eventually('a first approval', async () => (await create('alice', 'first')).status === 201);
  t.deepEqual(installed, [undefined]);
  await end();
});

clusterTest(
  'the manifests and the controller agree on the webhooks, and what the server stores stands still',
  async (t) => {
    const service: WebhookTarget = { kind: 'service', namespace: home };
    const written = (await installManifests()).filter(({ kind }) => kind.endsWith('WebhookConfiguration'));
    const kept: KubernetesObject[] = [];
    const store: Pick<ObjectStore, 'get' | 'update'> = {
      get: async <Type extends KubernetesObject>({ kind }: ObjectRef) =>
        written.find((manifest) => manifest.kind === kind) as Type | undefined,
      update: async (object) => {
        kept.push(object);
        return object;
      },
    };
    t.is(await installWebhook(store as ObjectStore, keys, service), undefined);
    t.is(kept.length, 2);
    for (const [i, wanted] of kept.entries()) {
      const withoutSecrets = JSON.parse(JSON.stringify(wanted), (key, value) => {
        if (key === 'caBundle' || key === 'namespaceSelector' || key === 'objectSelector') return undefined;
        return key === 'path' ? value.replace(/\/[0-9a-f]{64}$/, '') : value;
      });
      t.deepEqual(withoutSecrets, written[i]);
    }
    const before = (await webhookConfigurations(api())).map(({ metadata }) => metadata.resourceVersion);
    t.is(await installWebhook(api().asAdmin, keys, webhook.target), undefined);
    t.deepEqual(
      (await webhookConfigurations(api())).map(({ metadata }) => metadata.resourceVersion),
      before,
    );
  },
);

clusterTest('certificates and authority change under a stream of creations, and none is lost', async (t) => {
  const end = upkeep();
  const creating = new AbortController();
  const streams = ['alice', 'bob'].map((user) => stream(user as KubeUser, `stream-${user}`, creating.signal));
  const seen = new Set([await served()]);
  const bundles = new Set([keys.authorityBundle()]);

  await sleep(300);
  // 244 days after it was made the authority is worn, and the certificate is: both come anew, the old one signs
  keyClock.movedMs = -2 * dayMs;
  await keys.reload();
  seen.add(await served());
  bundles.add(keys.authorityBundle());
  t.is(keys.authorityBundle().split('BEGIN CERTIFICATE').length, 3);
  await bundleInstalled();
  await sleep(300);

  // another replica is called by another name: two days later the new authority signs
  keyClock.movedMs = 0;
  const other = await openKeys(api(), ['localhost'], keyClock);
  await keys.reload();
  t.deepEqual(keys.servingCertificate(), other.servingCertificate());
  seen.add(await served());
  await sleep(300);
  await end();

  // another replica takes over, so that the API server meets the new certificate; the first one ends in the midst of it
  const first = webhook;
  webhook = await serveWebhook(keys);
  t.is(await installWebhook(api().storeOf('controller'), keys, webhook.target), undefined);
  await sleep(500);
  await first.server.close();
  await sleep(300);

  creating.abort();
  for (const { made, refused } of await Promise.all(streams)) {
    t.deepEqual(refused, []);
    t.true(made > 3);
  }
  t.is(seen.size, 3, 'the server served three certificates without being started anew');
  t.is(bundles.size, 2);
});

async function bundleInstalled(): Promise<void> {
  const wanted = Buffer.from(keys.authorityBundle()).toString('base64');
  await eventually('the new authority in the configurations', async () =>
    (await webhookConfigurations(api())).every((configuration) => JSON.stringify(configuration).includes(wanted)),
  );
}

clusterTest('what somebody changes in the webhook configurations is put back', async (t) => {
  const found: (Problem | undefined)[] = [];
  const end = upkeep((problem) => found.push(problem));
  const wanted = (await webhookConfigurations(api())).map((configuration) => configuration.webhooks);
  const patches = [
    { failurePolicy: 'Ignore' },
    { namespaceSelector: { matchLabels: { never: 'there' } } },
    { rules: [] },
    { clientConfig: { url: 'https://127.0.0.1:1/', caBundle: null } },
  ];
  for (const patch of patches) {
    for (const path of configurationPaths) {
      const body = { webhooks: (await api().request('admin', 'GET', path)).body.webhooks };
      Object.assign(body.webhooks[0], patch);
      t.is((await api().request('admin', 'PATCH', path, body, 'application/merge-patch+json')).status, 200);
    }
    await eventually(`${JSON.stringify(patch)} is put back`, async () =>
      isDeepStrictEqual(
        (await webhookConfigurations(api())).map((configuration) => configuration.webhooks),
        wanted,
      ),
    );
  }
  t.deepEqual(found, [undefined]);
  await end();
});

clusterTest('without the right to keep the webhook current there is a problem that says so', async (t) => {
  const found = await installWebhook(api().storeOf('dave'), keys, webhook.target);
  t.is(found?.code, 'WebhookNotInstalled');
  t.regex(found?.message ?? '', /mutatingwebhookconfigurations/);
  const opening = await KeyRing.open({ store: api().storeOf('dave'), namespace: home, hosts: [], clock: realClock });
  t.like(opening, { kind: 'failed', problem: { code: 'KeysUnusable' } });
});

clusterTest('nobody without the token of the webhook configuration gets anything stamped', async (t) => {
  const dispatcher = new Agent({ connect: { ca: keys.authorityBundle() } });
  const send = async (path: string, body: string, method = 'POST', type = 'application/json'): Promise<number> => {
    const url = `https://127.0.0.1:${webhook.server.port}${path}`;
    const payload = method === 'POST' ? { body } : {};
    const reply = await request(url, { method, dispatcher, headers: { 'content-type': type }, ...payload });
    await reply.body.dump();
    return reply.statusCode;
  };
  const [token = ''] = keys.webhookTokens();
  const review = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: '1',
      resource: { group: 'nanoseg.io', version: 'v1alpha1', resource: 'policyapprovals' },
      namespace: 'shop',
      operation: 'CREATE',
      userInfo: { username: 'carol' },
      object: approvalNamed('direct'),
    },
  });
  const paths = [
    '/stamp-approval',
    '/stamp-approval/',
    `/stamp-approval/${'0'.repeat(64)}`,
    `/stamp-approval/${token}/x`,
    '/',
  ];
  for (const path of paths) t.is(await send(path, review), 404, path);
  const path = `/stamp-approval/${token}`;
  t.is(await send(path, review), 200);
  t.is(await send(path, review, 'GET'), 405);
  t.is(await send(path, review, 'POST', 'text/plain'), 415);
  for (const body of ['', '{', '{}', 'null', review.replace('nanoseg.io', 'example.com')])
    t.is(await send(path, body), 400);
  t.is(await send(path, ' '.repeat(5 * 1024 * 1024)), 413);
  t.is(await send(path, review), 200);
  await dispatcher.close();
});

clusterTest('old versions of TLS are refused', async (t) => {
  const socket = connect({
    port: webhook.server.port,
    host: '127.0.0.1',
    ca: keys.authorityBundle(),
    maxVersion: 'TLSv1.1',
  });
  await t.throwsAsync(once(socket, 'secureConnect'));
});

clusterTest('keys that cannot be read are a problem and are not written over', async (t) => {
  const good = await api().asAdmin.get<KubernetesObject & { readonly data: object }>(secret);
  if (good === undefined) throw new Error('there is no Secret');
  for (const text of ['', '{', '{}', '{"version":2}']) {
    const data = { 'keys.json': Buffer.from(text).toString('base64') };
    const { resourceVersion: _, ...metadata } = good.metadata;
    const bad = await api().asAdmin.update({ ...good, metadata, data });
    const opening = await KeyRing.open({
      store: api().storeOf('controller'),
      namespace: home,
      hosts: [],
      clock: realClock,
    });
    t.like(opening, { kind: 'failed', problem: { code: 'KeysUnusable', where: 'nanoseg-system/Secret/nanoseg-keys' } });
    await t.throwsAsync(keys.reload(), { message: /keys\.json/ });
    t.deepEqual(await api().asAdmin.get(secret), bad);
  }
  t.is((await create('alice', 'with-the-keys-in-memory')).status, 201);
  const { resourceVersion: _, ...metadata } = good.metadata;
  await api().asAdmin.update({ ...good, metadata });
  await keys.reload();
});

clusterTest('a token that another replica made is known at its first use', async (t) => {
  const stored = await api().asAdmin.get<KubernetesObject & { readonly data: Readonly<Record<string, string>> }>(
    secret,
  );
  const material = JSON.parse(Buffer.from(stored?.data['keys.json'] ?? '', 'base64').toString());
  const token = 'f'.repeat(64);
  const changed = { ...material, webhookTokens: [token, ...material.webhookTokens] };
  const data = { 'keys.json': Buffer.from(JSON.stringify(changed)).toString('base64') };
  await api().asAdmin.update({ ...secret, apiVersion: 'v1', metadata: { namespace: home, name: secret.name }, data });
  t.not(keys.webhookTokens()[0], token);
  const dispatcher = new Agent({ connect: { ca: keys.authorityBundle() } });
  // looking is limited to once a second, and the last test looked
  await eventually('the token is known', async () => {
    const url = `https://127.0.0.1:${webhook.server.port}/validate-approval/${token}`;
    const { statusCode, body } = await request(url, { method: 'POST', dispatcher });
    await body.dump();
    return statusCode === 415;
  });
  t.deepEqual(keys.webhookTokens(), changed.webhookTokens);
  await dispatcher.close();
});

clusterTest('keys that an administrator deletes are made anew, and what they signed is void', async (t) => {
  const read = async (name: string): Promise<PolicyApproval['spec']> => {
    const found = await api().asAdmin.get<PolicyApproval>({ kind: 'PolicyApproval', namespace: 'shop', name });
    if (found === undefined) throw new Error(`there is no approval ${name}`);
    return found.spec;
  };
  const end = upkeep();
  t.is(verifyStamp('shop', await read('first'), keys.verificationKeys()), 'valid');
  await api().asAdmin.remove(secret);
  await keys.reload();
  t.regex(verifyStamp('shop', await read('first'), keys.verificationKeys()), /no key of nanoseg's/);
  await eventually('an approval with the new keys', async () => (await create('bob', 'anew')).status === 201);
  t.is(verifyStamp('shop', await read('anew'), keys.verificationKeys()), 'valid');
  await end();
});

clusterTest('once the webhook is down no approval is created, and one can still be deleted', async (t) => {
  await webhook.server.close();
  const { status, body } = await create('alice', 'too-late');
  t.is(status, 500);
  t.regex(body.message, /failed calling webhook/);
  const type = 'application/merge-patch+json';
  const patch = { spec: { reason: 'other' } };
  t.is((await api().request('admin', 'PATCH', `${approvals}/first`, patch, type)).status, 500);
  t.is((await api().request('admin', 'DELETE', `${approvals}/first`)).status, 200);
});

test('the Service is called by its names inside of the cluster', (t) => {
  t.deepEqual(serviceHosts('nanoseg', 'seg'), ['nanoseg.seg.svc', 'nanoseg.seg.svc.cluster.local']);
});
