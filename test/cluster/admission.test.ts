import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { pino } from 'pino';
import { Agent, request } from 'undici';
import { AdmissionServer } from '../../controller/adapters/admission/admission-server.ts';
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
import type { Clock, ObjectStore } from '../../controller/ports.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { bindRole, installForTest, installManifests } from '../support/install-for-test.ts';
import type { KubeReply, KubeUser } from '../support/kube-api.ts';

const api = kubeApiOfFile();
const home = 'nanoseg-system';
const approvals = '/apis/nanoseg.io/v1alpha1/namespaces/shop/policyapprovals';
const webhooks = '/apis/admissionregistration.k8s.io/v1';
const configurationPaths = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'].map(
  (plural) => `${webhooks}/${plural}/nanoseg-approvals`,
);
const logged: { readonly uid: string; readonly user: string }[] = [];
const log = pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) });
const dayMs = 24 * 60 * 60_000;

/** The real time, moved by so much. */
class MovedClock implements Clock {
  movedMs = 0;
  now(): number {
    return Date.now() + this.movedMs;
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return sleep(ms, undefined, { signal });
  }
}

/** Of the keys; what the stamps say and the API server checks is the real time. */
const keyClock = new MovedClock();
const realClock = new MovedClock();
let keys: KeyRing;
let server: AdmissionServer;
let target: WebhookTarget;
const installed: (Problem | undefined)[] = [];
const stop = new AbortController();
let upkeep: Promise<void> | undefined;

test.after.always('the webhook ends', async () => {
  stop.abort();
  await upkeep;
  await server?.close();
});

async function openKeys(hosts: readonly string[] = ['127.0.0.1'], clock: Clock = keyClock): Promise<KeyRing> {
  const opening = await KeyRing.open({ store: api().storeOf('controller'), namespace: home, hosts, clock });
  if (opening.kind === 'failed') throw new Error(opening.problem.message);
  return opening.keys;
}

function startServer(): Promise<AdmissionServer> {
  const options = { keys, controllerUser: 'controller', clock: realClock, log };
  return AdmissionServer.start({ ...options, port: 0, host: '127.0.0.1' });
}

/** Fingerprint of the certificate that a new connection meets. */
async function served(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', ca: keys.authorityBundle() });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function approvalNamed(name: string, spec: object = {}): object {
  return {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyApproval',
    metadata: { name, namespace: 'shop' },
    spec: { proposal: 'deployment-cart', digest: `sha256:${'a'.repeat(64)}`, decision: 'Approve', ...spec },
  };
}

function create(user: KubeUser, name: string, spec: object = {}): Promise<KubeReply> {
  return api().request(user, 'POST', approvals, approvalNamed(name, spec));
}

async function stored(name: string): Promise<PolicyApproval> {
  const found = await api().asAdmin.get<PolicyApproval>({ kind: 'PolicyApproval', namespace: 'shop', name });
  if (found === undefined) throw new Error(`there is no approval ${name}`);
  return found;
}

async function verdictOn(name: string): Promise<string> {
  return verifyStamp('shop', (await stored(name)).spec, keys.verificationKeys());
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await sleep(25);
  }
}

async function configurations(): Promise<(KubernetesObject & { readonly webhooks: readonly object[] })[]> {
  return (await Promise.all(configurationPaths.map((path) => api().request('admin', 'GET', path)))).map(
    ({ body }) => body,
  );
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

clusterTest('controllers that start at the same time end with the same keys', async (t) => {
  // made 246 days ago, and the serving certificate 63 days ago: what is due in between comes in a later test
  keyClock.movedMs = -246 * dayMs;
  const rings = await Promise.all([1, 2, 3, 4].map(() => openKeys()));
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
  server = await startServer();
  target = { kind: 'url', url: `https://127.0.0.1:${server.port}` };
  const options2 = { store: api().storeOf('controller'), keys, target, clock: realClock, paceMs: 100 };
  const changed = (problem: Problem | undefined): number => installed.push(problem);
  upkeep = keepWebhookInstalled({ ...options2, changed }, stop.signal);
  await eventually('a first approval', async () => (await create('alice', 'first')).status === 201);
  t.deepEqual(installed, [undefined]);
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
    const before = (await configurations()).map(({ metadata }) => metadata.resourceVersion);
    t.is(await installWebhook(api().asAdmin, keys, target), undefined);
    t.deepEqual(
      (await configurations()).map(({ metadata }) => metadata.resourceVersion),
      before,
    );
  },
);

clusterTest('the stamp names the user whom the API server authenticated, with all groups', async (t) => {
  const before = Date.now();
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
  const forged = approvalNamed('forged', { stamp: { ...stamp, user: 'carol' }, claim });
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
  t.regex(verifyStamp('shop', spec, keys.verificationKeys()), /dry run/);
  t.is(await api().asAdmin.get({ kind: 'PolicyApproval', namespace: 'shop', name: 'dry' }), undefined);
});

clusterTest('what an administrator writes past the webhook is known by its signature', async (t) => {
  const saved = await configurations();
  stop.abort();
  await upkeep;
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

  t.like(await installWebhook(api().storeOf('controller'), keys, target), {
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

clusterTest('certificates and authority change under a stream of creations, and none is lost', async (t) => {
  const running = new AbortController();
  const changed = (): undefined => undefined;
  const store = api().storeOf('controller');
  const kept = keepWebhookInstalled({ store, keys, target, clock: realClock, changed, paceMs: 100 }, running.signal);
  const creating = new AbortController();
  const streams = ['alice', 'bob'].map((user) => stream(user as KubeUser, `stream-${user}`, creating.signal));
  const seen = new Set([await served(server.port)]);
  const bundles = new Set([keys.authorityBundle()]);

  await sleep(300);
  // 244 days after it was made the authority is worn, and the certificate is: both come anew, the old one signs
  keyClock.movedMs = -2 * dayMs;
  await keys.reload();
  seen.add(await served(server.port));
  bundles.add(keys.authorityBundle());
  t.is(keys.authorityBundle().split('BEGIN CERTIFICATE').length, 3);
  await bundleInstalled();
  await sleep(300);

  // another replica is called by another name: two days later the new authority signs
  keyClock.movedMs = 0;
  const other = await openKeys(['localhost']);
  await keys.reload();
  t.deepEqual(keys.servingCertificate(), other.servingCertificate());
  seen.add(await served(server.port));
  await sleep(300);
  running.abort();
  await kept;

  // another replica takes over, so that the API server meets the new certificate; the first one ends in the midst of it
  const second = await startServer();
  target = { kind: 'url', url: `https://127.0.0.1:${second.port}` };
  t.is(await installWebhook(store, keys, target), undefined);
  await sleep(500);
  await server.close();
  server = second;
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
    (await configurations()).every((configuration) => JSON.stringify(configuration).includes(wanted)),
  );
}

clusterTest('what somebody changes in the webhook configurations is put back', async (t) => {
  const running = new AbortController();
  const found: (Problem | undefined)[] = [];
  const store = api().storeOf('controller');
  const changed = (problem: Problem | undefined): number => found.push(problem);
  const kept = keepWebhookInstalled({ store, keys, target, clock: realClock, changed, paceMs: 100 }, running.signal);
  const wanted = (await configurations()).map((configuration) => configuration.webhooks);
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
        (await configurations()).map((configuration) => configuration.webhooks),
        wanted,
      ),
    );
  }
  t.deepEqual(found, [undefined]);
  running.abort();
  await kept;
});

clusterTest('without the right to keep the webhook current there is a problem that says so', async (t) => {
  const found = await installWebhook(api().storeOf('dave'), keys, target);
  t.is(found?.code, 'WebhookNotInstalled');
  t.regex(found?.message ?? '', /mutatingwebhookconfigurations/);
  const opening = await KeyRing.open({ store: api().storeOf('dave'), namespace: home, hosts: [], clock: realClock });
  t.like(opening, { kind: 'failed', problem: { code: 'KeysUnusable' } });
});

clusterTest('nobody without the token of the webhook configuration gets anything stamped', async (t) => {
  const dispatcher = new Agent({ connect: { ca: keys.authorityBundle() } });
  const send = async (path: string, body: string, method = 'POST', type = 'application/json'): Promise<number> => {
    const url = `https://127.0.0.1:${server.port}${path}`;
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
  const socket = connect({ port: server.port, host: '127.0.0.1', ca: keys.authorityBundle(), maxVersion: 'TLSv1.1' });
  await t.throwsAsync(once(socket, 'secureConnect'));
});

clusterTest('keys that cannot be read are a problem and are not written over', async (t) => {
  const ref = { kind: 'Secret', namespace: home, name: 'nanoseg-keys' };
  const good = await api().asAdmin.get<KubernetesObject & { readonly data: object }>(ref);
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
    t.deepEqual(await api().asAdmin.get(ref), bad);
  }
  t.is((await create('alice', 'with-the-keys-in-memory')).status, 201);
  const { resourceVersion: _, ...metadata } = good.metadata;
  await api().asAdmin.update({ ...good, metadata });
  await keys.reload();
});

clusterTest('once the webhook is down no approval is created, and one can still be deleted', async (t) => {
  await server.close();
  const { status, body } = await create('alice', 'too-late');
  t.is(status, 500);
  t.regex(body.message, /failed calling webhook/);
  const type = 'application/merge-patch+json';
  const patch = { spec: { reason: 'other' } };
  t.is((await api().request('admin', 'PATCH', `${approvals}/by-alice`, patch, type)).status, 500);
  t.is((await api().request('admin', 'DELETE', `${approvals}/by-alice`)).status, 200);
});

test('the Service is called by its names inside of the cluster', (t) => {
  t.deepEqual(serviceHosts('seg'), ['nanoseg.seg.svc', 'nanoseg.seg.svc.cluster.local']);
});
