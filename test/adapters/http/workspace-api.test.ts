import { mkdtemp, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import test from 'ava';
import { z } from 'zod';
import { DirectedGraph } from 'graphology';
import { decisionAnswerSchema } from '../../../controller/adapters/http/api/proposal-schemas.ts';
import { ControllerWorld } from '../../support/controller-world.ts';
import { directoryBackend } from '../../support/directory-world.ts';
import { ask, Listener, post } from '../../support/http-client.ts';
import { quickLearning, WatchedNamespace } from '../../support/watched-namespace.ts';

let root = '';
let world: ControllerWorld;
let shop: WatchedNamespace;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'nanoseg-api-'));
  const directory = directoryBackend(join(root, 'workspace'));
  const backend = { ...directory, config: { ...directory.config, http: { port: 0 } } };
  await backend.put({
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { namespace: 'nanoseg-system', name: 'default' },
    spec: { learning: quickLearning, exemptNamespaces: ['pulse'], approvals: { identity: 'Claimed' } },
  } as never);
  world = await ControllerWorld.start(backend, join(root, 'flows.jsonl'));
  shop = new WatchedNamespace(world, 'shop');
  await shop.deploy('web', 'cart', 'db', 'mail', 'queue');
  await shop.profile({ mode: 'enforce' });
  await shop.observe('web > cart 8080', 'cart > db 5432', 'web > mail 25', 'mail > queue 5672');
  await shop.ready('cart', 2);
  await shop.ready('mail', 2);
  await shop.ready('queue', 1);
  await world.eventually('the API knows all proposals', async () => {
    const { json } = await ask(api('/proposals?namespace=shop&state=Ready'));
    return json.total === 5 ? true : undefined;
  });
});

test.after.always(async () => {
  await world.stop();
  await rm(root, { recursive: true, force: true });
});

const api = (path: string) => `${world.page}/api/v1${path}`;
const detail = async (name: string) => (await ask(api(`/proposals/shop/deployment-${name}`))).json;

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

/** Values for parameters that have to be there. */
const values: Readonly<Record<string, string>> = {
  namespace: 'shop',
  name: 'deployment-cart',
  source: 'shop/web',
  destination: 'shop/cart',
  target: 'workload:shop/Deployment/cart',
  port: '8080',
  q: 'cart',
};

test.serial('every documented path answers with what its schema says', async (t) => {
  const { json: document } = await ask(`${world.page}/openapi.json`);
  t.is(document.openapi, '3.1.0');
  const paths = Object.entries(document.paths as Record<string, Record<string, Operation>>);
  t.true(paths.length >= 15);
  for (const [path, operations] of paths) {
    const { get } = operations;
    if (get === undefined || path.endsWith('/events')) continue;
    const needed = (get.parameters ?? []).filter(({ required }) => required);
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
    const query = needed.filter((each) => each.in === 'query').map(({ name }) => `${name}=${values[name]}`);
    const reply = await ask(`${world.page}${filled}${query.length > 0 ? `?${query.join('&')}` : ''}`);
    t.is(reply.status, 200, `${path}: ${reply.text}`);
    const documented = get.responses['200']?.content ?? {};
    const type = (reply.headers['content-type'] ?? '').replace(/;.*$/, '');
    t.true(Object.hasOwn(documented, type), `${path} ${type}`);
    if (reply.json === undefined) continue;
    const schema = documented['application/json']?.schema ?? {};
    const result = z.fromJSONSchema(schema as never).safeParse(reply.json);
    t.true(result.success, `${path}: ${result.error?.message}`);
    const etag = reply.headers.etag;
    if (path.startsWith('/api/') && get.responses['304'] !== undefined) t.truthy(etag, path);
  }
});

test.serial('errors are as documented, and a schema refuses what is not', async (t) => {
  const { json: document } = await ask(`${world.page}/openapi.json`);
  const error = z.fromJSONSchema(document.components.schemas.Error);
  for (const path of ['/proposals/shop/none', '/nothing', '/graph?level=x', '/explain?source=a']) {
    const reply = await ask(api(path));
    t.true(reply.status >= 400);
    t.true(error.safeParse(reply.json).success, reply.text);
  }
  t.false(error.safeParse({ message: 'no code' }).success);
  t.false(error.safeParse({ code: 'X', message: 'y', more: 1 }).success);
});

test.serial('whatever the API answers is documented', async (t) => {
  const { json: document } = await ask(`${world.page}/openapi.json`);
  const documented = new Set(Object.keys(document.paths));
  for (const path of [
    'session',
    'graph',
    'connections',
    'search',
    'proposals',
    'explain',
    'deviations',
    'status',
    'events',
  ]) {
    t.true(documented.delete(`/api/v1/${path}`), path);
  }
  for (const path of [
    '',
    '/effect',
    '/held-back',
    '/omissions',
    '/would-deny',
    '/approve',
    '/reject',
    '/rollback',
    '/retire',
  ]) {
    t.true(documented.delete(`/api/v1/proposals/{namespace}/{name}${path}`), path);
  }
  for (const path of ['/openapi.json', '/healthz', '/readyz', '/metrics']) t.true(documented.delete(path), path);
  t.deepEqual([...documented], []);
});

test.serial('the graph is read by graphology, and has every workload and what was seen', async (t) => {
  const { json } = await ask(api('/graph?level=workload'));
  const graph = DirectedGraph.from(json);
  t.true(graph.hasDirectedEdge('workload:shop/Deployment/web', 'workload:shop/Deployment/cart'));
  const { json: folded } = await ask(api('/graph'));
  const top = DirectedGraph.from(folded);
  t.true(top.hasDirectedEdge('namespace:shop', 'namespace:shop'));
  t.is(top.getNodeAttribute('namespace:shop', 'workloads'), 5);
  const { json: mixed } = await ask(api('/graph?expand=shop'));
  t.true(DirectedGraph.from(mixed).hasNode('workload:shop/Deployment/queue'));
});

test.serial('an edge tells its connections, with evidence in words', async (t) => {
  const query = 'level=workload&source=workload:shop/Deployment/web&target=workload:shop/Deployment/cart';
  const { json } = await ask(api(`/connections?${query}`));
  t.is(json.total, 1);
  const [connection] = json.items;
  t.is(connection.words, 'shop/Deployment/web > shop/Deployment/cart TCP 8080');
  t.true(connection.evidence.some((words: string) => words.startsWith('passed 5 times')));
});

test.serial('a proposal says everything that a reviewer asks for', async (t) => {
  const cart = await detail('cart');
  t.is(cart.state, 'Ready');
  t.is(cart.title, 'shop/deployment/cart');
  t.regex(cart.policies, /kind: NetworkPolicy/);
  t.true(cart.rulesInWords.some((words: string) => words.includes('shop/Deployment/web')));
  t.regex(cart.diff.text, /^@@ -0,0 \+1/);
  t.deepEqual(cart.decisions.approve, { possible: true, because: null });
  const { json: effect } = await ask(api('/proposals/shop/deployment-cart/effect'));
  t.true(effect.edges.every(({ after }: { after: string }) => after === 'allowed'));
  t.is(effect.edges.length, 2);
});

test.serial('lists come in pages, each going on after the one before', async (t) => {
  const names: string[] = [];
  let next: string | null = '';
  for (let pages = 0; next !== null && pages < 10; pages++) {
    const { json }: Awaited<ReturnType<typeof ask>> = await ask(
      api(`/proposals?namespace=shop&limit=2${next === '' ? '' : `&continue=${next}`}`),
    );
    t.true(json.items.length <= 2);
    names.push(...json.items.map(({ name }: { name: string }) => name));
    next = json.continue;
  }
  const { json: whole } = await ask(api('/proposals?namespace=shop&limit=500'));
  t.deepEqual(
    names,
    whole.items.map(({ name }: { name: string }) => name),
  );
  t.is(new Set(names).size, whole.total);
  t.is((await ask(api('/proposals?continue=%3C'))).status, 400);
  t.is((await ask(api('/proposals?limit=501'))).status, 400);
});

test.serial('what is in force is explained, by names and by addresses', async (t) => {
  const { json } = await ask(api('/explain?source=shop/web&destination=shop/deploy/db&port=5432'));
  t.is(json.verdict, 'allowed');
  t.true(json.reasons.length > 0);
  t.is((await ask(api('/explain?source=shop/nobody&destination=shop/db&port=1'))).json.code, 'WorkloadNotFound');
});

test.serial(
  'an approval is claimed for the user of the machine, is carried out, and everybody hears of it',
  async (t) => {
    const listener = await Listener.open(api('/events'));
    t.teardown(() => listener.close());
    const { digest } = await detail('mail');
    const reply = await post(api('/proposals/shop/deployment-mail/approve'), { digest, reason: 'looked at' });
    t.is(reply.status, 201, reply.text);
    t.true(decisionAnswerSchema.safeParse(reply.json).success);
    t.true(['done', 'counted'].includes(reply.json.result), reply.text);
    const enforced = await shop.inState('mail', 'Enforced');
    t.deepEqual(enforced.status.enforced?.approvedBy, [`${userInfo().username} (claimed)`]);
    await listener.hears(
      ({ event, data }) => event === 'proposal' && data.name === 'deployment-mail' && data.state === 'Enforced',
    );
    await listener.hears(({ event, data }) => event === 'cluster' && data.namespaces.includes('shop'));
    const state = await world.eventually('the edge is enforced', async () => {
      const { json } = await ask(api('/graph?level=workload&workload=shop/Deployment/mail'));
      const states = json.edges.map((edge: { attributes: { state: string } }) => edge.attributes.state);
      return states.length > 0 && states.every((each: string) => each === 'enforced') ? states : undefined;
    });
    t.is(state.length, 2);
    const again = await post(api('/proposals/shop/deployment-mail/approve'), { digest });
    t.deepEqual([again.status, again.json.code], [409, 'DecisionImpossible']);
  },
);

test.serial('a decision about another text than was shown is a conflict, and nothing is decided', async (t) => {
  const before = await world.store.list('PolicyApproval', 'shop');
  const reply = await post(api('/proposals/shop/deployment-cart/approve'), { digest: `sha256:${'0'.repeat(64)}` });
  t.deepEqual([reply.status, reply.json.code], [409, 'ProposalChanged']);
  t.is(
    (await world.store.list('PolicyApproval', 'shop')).filter(({ metadata }) =>
      metadata.name.startsWith('deployment-cart'),
    ).length,
    before.filter(({ metadata }) => metadata.name.startsWith('deployment-cart')).length,
  );
});

test.serial('a proposal is rejected with a reason', async (t) => {
  const { digest } = await detail('queue');
  const reply = await post(api('/proposals/shop/deployment-queue/reject'), { digest, reason: 'not this one' });
  t.is(reply.status, 201, reply.text);
  const { status } = await shop.inState('queue', 'Rejected');
  t.regex(status.message, /not this one/);
});

test.serial('what was denied under a policy in force is a deviation, told and listed', async (t) => {
  await shop.inState('mail', 'Enforced');
  const listener = await Listener.open(api('/events'));
  t.teardown(() => listener.close());
  await world.observe([shop.flowAt('queue > mail 8025', Date.now() + 6_000, { verdict: 'denied' })]);
  const { data } = await listener.hears(({ event }) => event === 'deviation', 30_000);
  t.is(data.words, 'shop/Deployment/queue > shop/Deployment/mail TCP 8025');
  const { json } = await ask(api('/deviations?namespace=shop'));
  t.true(json.items.some(({ words }: { words: string }) => words === data.words));
  const { json: graph } = await ask(api('/graph?level=workload&state=denied'));
  t.true(graph.edges.some(({ target }: { target: string }) => target === 'workload:shop/Deployment/mail'));
});

test.serial('what is in force is taken back as it was shown: first to what was before, then for good', async (t) => {
  const approve = async () => {
    const reply = await post(api('/proposals/shop/deployment-db/approve'), { digest: (await detail('db')).digest });
    t.is(reply.status, 201, reply.text);
    return shop.inState('db', 'Enforced');
  };
  const inForce = await approve();
  const digest = inForce.status.enforced?.digest ?? '';
  const { json: rollback } = await ask(api('/proposals/shop/deployment-db/rollback'));
  t.like(rollback, { possible: true, because: null, digest, comesBack: null, decision: 'Rollback' });
  t.is(rollback.inForce.revision, 1);
  t.regex(rollback.diff.text, /^@@ -1,\d+ \+0,0 @@\n-/);
  t.deepEqual([rollback.diff.from, rollback.diff.to], ['in force, revision 1', 'no policy of nanoseg']);
  t.true(rollback.effect.opens.length > 0);
  t.true(rollback.warnings.includes('this opens the network'));
  t.deepEqual(rollback.approvals, { given: [], required: 1 });

  const url = api('/proposals/shop/deployment-db/rollback');
  const stale = await post(url, { digest: `sha256:${'0'.repeat(64)}` });
  t.deepEqual([stale.status, stale.json.code], [409, 'ProposalChanged']);
  t.is((await post(url, { digest, learning: true })).status, 400);
  const reply = await post(url, { digest, reason: 'db is slow' });
  t.is(reply.status, 201, reply.text);
  t.true(decisionAnswerSchema.safeParse(reply.json).success);
  const back = await shop.inState('db', 'RolledBack');
  t.regex(back.status.message, /^taken back to the state without a policy by .*db is slow$/);
  const gone = await world.eventually('the API knows that nothing is in force', async () => {
    const { json } = await ask(url);
    return json.possible === false ? json : undefined;
  });
  t.like(gone, { digest: null, inForce: null });
  const again = await post(url, { digest });
  t.deepEqual([again.status, again.json.code], [409, 'DecisionImpossible']);

  await approve();
  const { json: retire } = await world.eventually('the API knows what is in force again', async () => {
    const found = await ask(api('/proposals/shop/deployment-db/retire'));
    return found.json.possible === true ? found : undefined;
  });
  t.deepEqual(retire.rulesInWords, []);
  const retired = await post(api('/proposals/shop/deployment-db/retire'), { digest: retire.digest, reason: 'moved' });
  t.like(retired.json, { decision: 'Retire', result: 'done' }, retired.text);
  const { status } = await shop.inState('db', 'RolledBack');
  t.is(status.enforced, undefined);
  t.is(await shop.policy('nanoseg-db'), undefined);
});
