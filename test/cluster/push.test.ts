import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { keepAuthorityPublished } from '../../controller/adapters/admission/publish-authority.ts';
import { TokenProducers } from '../../controller/adapters/kubernetes/token-producers.ts';
import type { Flow } from '../../controller/model/flow.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import { MovedClock, openKeys } from '../support/approval-webhook.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { installForTest } from '../support/install-for-test.ts';
import { freePorts } from '../support/owned-process.ts';
import {
  lineHeaders,
  linesOf,
  numbered,
  pushedFlow,
  type PushReply,
  pushTo,
  PushWorld,
} from '../support/push-world.ts';
import { eventually } from '../support/recording-sink.ts';
import { RedisServer } from '../support/redis-server.ts';
import { redisMissingHere } from '../support/redis-test.ts';
import { TestAuthority } from '../support/test-certificates.ts';
import { expiredToken, requestToken } from '../support/service-account-token.ts';

const api = kubeApiOfFile();
const home = 'nanoseg-system';
const dayMs = 24 * 3_600_000;
/** Moved on by the tests, so that nobody has to wait until an answer is forgotten. */
const clock = new MovedClock();
/** What is known of the cluster: agent-1 runs on node n1, and agent-2 is not known yet. */
const view = {
  cluster: () =>
    buildCluster([
      { namespace: home, name: 'agent', labels: { app: 'agent' }, pods: [{ name: 'agent-1', node: 'n1' }] },
    ]),
};
let world: PushWorld;
const tokens = { agent: '', stranger: '', pod1: '', pod2: '' };

async function must(method: string, path: string, body?: object): Promise<KubernetesObject> {
  const reply = await api().request('admin', method, path, body);
  if (reply.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(reply.body)}`);
  return reply.body;
}

const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
const subjects = [{ kind: 'ServiceAccount', name: 'agent', namespace: home }];
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'nanoseg-flow-writer' };
const bind = () => must('POST', bindings, { metadata: { name: 'agents' }, roleRef, subjects });
const unbind = () => must('DELETE', `${bindings}/agents`);

async function makePod(name: string, nodeName: string): Promise<{ name: string; uid: string }> {
  const spec = { nodeName, serviceAccountName: 'agent', containers: [{ name: 'main', image: 'main' }] };
  const { metadata } = await must('POST', `/api/v1/namespaces/${home}/pods`, { metadata: { name }, spec });
  return { name, uid: metadata.uid ?? '' };
}

function push(
  token: string | undefined,
  flows: readonly Flow[],
  headers: Record<string, string> = lineHeaders,
): Promise<PushReply> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return world.push(linesOf(...flows), { ...headers, ...authorization });
}

const refusal = ({ status, body }: PushReply) => `${status} ${body.code}: ${body.message}`;

clusterTest('a token that the API server made, of an account that may post flows, is enough to push', async (t) => {
  await installForTest(api());
  for (const name of ['agent', 'stranger']) {
    await must('POST', `/api/v1/namespaces/${home}/serviceaccounts`, { metadata: { name } });
  }
  await bind();
  tokens.agent = await requestToken(api(), home, 'agent');
  tokens.stranger = await requestToken(api(), home, 'stranger');
  tokens.pod1 = await requestToken(api(), home, 'agent', { pod: await makePod('agent-1', 'n1') });
  tokens.pod2 = await requestToken(api(), home, 'agent', { pod: await makePod('agent-2', 'n2') });
  const producers = new TokenProducers(api().clientOf('controller'), view, clock);
  const authority = await TestAuthority.create();
  const { certificate: cert, privateKey: key } = await authority.issue(['127.0.0.1']);
  const access = { producers, servingCertificate: () => ({ cert, key }), subscribe: () => () => undefined };
  const config = { port: 0, host: '127.0.0.1' };
  world = await PushWorld.running({ access, config, ca: authority.certificate });
  await eventually(async () => (await push(tokens.agent, [pushedFlow()])).status === 200, 'the binding is known');
  t.deepEqual((await push(tokens.agent, [pushedFlow({ node: 'any' })])).body, { accepted: 1, rejected: [] });
});
test.after.always(() => world?.stop());

clusterTest('others are refused with a sentence that says what is missing', async (t) => {
  t.regex(refusal(await push(undefined, [pushedFlow()])), /^401 Unauthenticated: a service account token is needed/);
  t.is((await push(undefined, [pushedFlow()])).headers['www-authenticate'], 'Bearer');
  t.regex(refusal(await push('no.such.token', [pushedFlow()])), /^401 Unauthenticated: the API server does not accept/);
  t.regex(
    refusal(await push(tokens.stranger, [pushedFlow()])),
    /^403 NotPermitted: system:serviceaccount:nanoseg-system:stranger may not post to \/v1\/flows: bind it to ClusterRole nanoseg-flow-writer/,
  );
  const elsewhere = await requestToken(api(), home, 'agent', { audience: 'vault' });
  t.regex(refusal(await push(elsewhere, [pushedFlow()])), /^401 Unauthenticated: .*audience/);
  const expired = await expiredToken(api(), tokens.agent);
  t.regex(refusal(await push(expired, [pushedFlow()])), /^401 Unauthenticated: .*expired/);
});

clusterTest('a token of a pod speaks for the node of that pod alone, flow by flow', async (t) => {
  const before = world.graph.observation().flows.find(({ node }) => node === 'n1')?.flows ?? 0;
  const flows = ['n1', 'n2', ''].map((node, i) => pushedFlow({ node, port: 7_000 + i }));
  const { status, body } = await push(tokens.pod1, flows);
  t.deepEqual([status, body.accepted], [200, 2]);
  t.deepEqual(body.rejected, [
    {
      where: 'line 2',
      reason: 'node: system:serviceaccount:nanoseg-system:agent speaks for node "n1" only, got "n2"',
    },
  ]);
  t.deepEqual(
    world.seen().filter((id) => id.includes('/700')),
    ['web>cart:TCP/7000 1', 'web>cart:TCP/7002 1'],
  );
  t.is(
    world.graph.observation().flows.find(({ node }) => node === 'n1')?.flows,
    before + 2,
    'no node is the pod’s own',
  );
  t.false(world.graph.observation().flows.some(({ node }) => node === 'n2'));
});

clusterTest('a pod that is not in the inventory yet is asked to try again', async (t) => {
  const reply = await push(tokens.pod2, [pushedFlow({ node: 'n2' })]);
  t.is(reply.headers['retry-after'], '2');
  t.regex(
    refusal(reply),
    /^503 CannotCheck: the token is of pod nanoseg-system\/agent-2, .* not known yet on which node/,
  );
});

clusterTest('numbers of batches are those of one node: nobody can use up the numbers of another', async (t) => {
  t.is((await push(tokens.agent, [pushedFlow()], numbered('n1/boot', 900))).body.accepted, 1);
  t.is((await push(tokens.pod1, [pushedFlow()], numbered('n1/boot', 3))).body.accepted, 1);
  t.true((await push(tokens.pod1, [pushedFlow()], numbered('n1/boot', 3))).body.repeated);
});

clusterTest(
  'rights that are taken away are gone within a minute, and given ones are there within seconds',
  async (t) => {
    t.is((await push(tokens.agent, [pushedFlow()])).status, 200);
    await unbind();
    clock.movedMs += 61_000;
    await eventually(async () => {
      clock.movedMs += 4_000;
      return (await push(tokens.agent, [pushedFlow()])).status === 403;
    }, 'the right is gone');
    await bind();
    await eventually(async () => {
      clock.movedMs += 4_000;
      return (await push(tokens.agent, [pushedFlow()])).status === 200;
    }, 'the right is there again');
  },
);

clusterTest('the authorities of the certificates are in a ConfigMap that is kept current', async (t) => {
  const moved = new MovedClock();
  const keys = await openKeys(api(), ['nanoseg-flows.nanoseg-system.svc'], moved);
  const stop = new AbortController();
  const failures: string[] = [];
  const outcome = (failure: Error | undefined) => void (failure && failures.push(failure.message));
  const store = api().storeOf('controller');
  const publishing = keepAuthorityPublished(
    { store, keys, namespace: home, clock: moved, outcome, paceMs: 100 },
    stop.signal,
  );
  const path = `/api/v1/namespaces/${home}/configmaps/nanoseg-ca`;
  const published = async () => (await api().request('admin', 'GET', path)).body.data?.['ca.crt'];
  const isCurrent = async () => (await published()) === keys.authorityBundle();
  await eventually(isCurrent, 'it is published');
  const first = keys.authorityBundle();
  moved.movedMs += 250 * dayMs;
  await keys.reload();
  t.not(keys.authorityBundle(), first);
  await eventually(isCurrent, 'the next authority is there before it signs');
  await must('DELETE', path);
  await eventually(isCurrent, 'what somebody deletes is made again');
  stop.abort();
  await publishing;
  t.deepEqual(failures, []);
});

clusterTest(
  'the controller serves its certificate for the Service of the endpoint, and never logs a token',
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'nanoseg-push-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const [port = 0, health = 0] = await freePorts(2);
    const controller = await ControllerProcess.start({
      name: 'pushed',
      directory,
      kubeconfig: api().kubeconfig('controller'),
      flows: [],
      webhook: 'none',
      options: ['--push-port', String(port), '--health-port', String(health)],
    });
    try {
      await controller.logged('flows can be pushed');
      const path = `/api/v1/namespaces/${home}/configmaps/nanoseg-ca`;
      let ca = '';
      const send = (token: string, servername = `nanoseg-flows.${home}.svc`) =>
        pushTo({
          tls: true,
          host: '127.0.0.1',
          port,
          servername,
          ca,
          headers: { ...numbered('n1/boot', 1), authorization: `Bearer ${token}` },
          body: linesOf(pushedFlow({ node: '' })),
        });
      await eventually(async () => {
        ca = (await api().request('admin', 'GET', path)).body.data?.['ca.crt'] ?? '';
        return (await send(tokens.pod1).catch(() => undefined))?.status === 200;
      }, 'a flow is taken');
      t.true((await send(tokens.pod1)).body.repeated);
      t.true((await send(tokens.pod1, `nanoseg-controller-1.nanoseg-flows.${home}.svc`)).body.repeated);
      t.is((await send(tokens.stranger)).status, 403);
      const metrics = await (await fetch(`http://127.0.0.1:${health}/metrics`)).text();
      t.regex(metrics, /^nanoseg_push_batches_total\{path="\/v1\/flows"\} 1$/m);
      t.regex(metrics, /^nanoseg_push_refused_total\{reason="NotPermitted"\} 1$/m);
      t.is(await controller.terminate(), 'exit code 0');
      const output = await controller.output();
      for (const token of Object.values(tokens)) t.false(output.includes(token));
      t.true(output.includes('a push was refused'));
    } finally {
      await controller.kill();
    }
  },
);

const sharedTest: typeof clusterTest =
  redisMissingHere === undefined
    ? clusterTest
    : (title, implementation) => test.skip(`${title} (needs ${redisMissingHere})`, implementation);

sharedTest('of several that take flows each serves the certificate and asks who pushes', async (t) => {
  const redis = await RedisServer.start();
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-push-'));
  const ports = await freePorts(2);
  const options = ['--role', 'ingest', '--redis', redis.url, '--redis-shards', '2', '--flush', '1s'];
  const start = (port: number, i: number) =>
    ControllerProcess.start({
      name: `ingest-${i}`,
      directory,
      kubeconfig: api().kubeconfig('controller'),
      flows: [],
      webhook: 'none',
      options: [...options, '--push-port', String(port)],
    });
  const ingests = await Promise.all(ports.map(start));
  t.teardown(async () => {
    await Promise.all(ingests.map((one) => one.kill()));
    await redis.stop();
    await rm(directory, { recursive: true, force: true });
  });
  const path = `/api/v1/namespaces/${home}/configmaps/nanoseg-ca`;
  for (const [i, port] of ports.entries()) {
    const send = async (token: string, node: string) =>
      pushTo({
        tls: true,
        host: '127.0.0.1',
        port,
        servername: `nanoseg-flows.${home}.svc`,
        ca: (await api().request('admin', 'GET', path)).body.data?.['ca.crt'] ?? '',
        headers: { ...numbered('n1/boot', i + 1), authorization: `Bearer ${token}` },
        body: linesOf(pushedFlow({ node })),
      });
    const taken = async () => (await send(tokens.pod1, 'n1').catch(() => undefined))?.status === 200;
    await eventually(taken, `ingest-${i} takes flows`);
    t.is((await send(tokens.stranger, 'n1')).status, 403);
    t.is((await send('no.such.token', 'n1')).status, 401);
  }
  for (const one of ingests) {
    t.is(await one.terminate(), 'exit code 0');
    const output = await one.output();
    for (const token of Object.values(tokens)) t.false(output.includes(token));
  }
});

// the last one: the server does not come back
clusterTest(
  'while the API server is away, who was checked lately goes on, and others are asked to try again',
  async (t) => {
    t.is((await push(tokens.agent, [pushedFlow()])).status, 200);
    await api().stopServer();
    t.is((await push(tokens.agent, [pushedFlow()])).status, 200);
    const other = await push(`${tokens.pod1}x`, [pushedFlow()]);
    t.regex(refusal(other), /^503 CannotCheck: the API server cannot say who this is/);
    t.is(other.headers['retry-after'], '5');
  },
);
