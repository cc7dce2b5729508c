import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ControllerWorld } from '../../support/controller-world.ts';
import { directoryBackend } from '../../support/directory-world.ts';
import { ask } from '../../support/http-client.ts';
import { quickLearning, WatchedNamespace } from '../../support/watched-namespace.ts';

/** More than a status keeps. */
const tried = 130;
const kept = 50;

let root = '';
let world: ControllerWorld;
let shop: WatchedNamespace;

const api = (path: string) => `${world.page}/api/v1${path}`;
const list = (name: string, query = '') => ask(api(`/proposals/shop/deployment-cart/${name}${query}`));

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'nanoseg-lists-'));
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
  await shop.deploy('web', 'cart', 'db');
  await shop.observe('web > cart 8080');
  // a scan: each of them is suspicious
  const ports = Array.from({ length: tried }, (_, i) => 9_000 + i);
  await world.observe(ports.map((port) => shop.flow(`cart > db ${port}`, 15, { answered: false })));
  await world.observe(ports.map((port) => shop.flow(`cart > db ${port}`, 14, { answered: false })));
  await shop.until('cart', ({ status }) => status.heldBack.count === tried);
  await world.eventually('the API knows the proposal', async () => {
    const { json } = await ask(api('/proposals/shop/deployment-cart'));
    return json.heldBackInWords?.count === tried ? true : undefined;
  });
});

test.after.always(async () => {
  await world.stop();
  await rm(root, { recursive: true, force: true });
});

test.serial(
  'a status keeps the beginning of a list, and pages of the API have all of it, each connection once',
  async (t) => {
    const { status } = (await shop.proposal('cart')) ?? {};
    t.is(status?.heldBack.items.length, kept);
    const { json: detail } = await ask(api('/proposals/shop/deployment-cart'));
    t.is(detail.heldBackInWords.count, tried);
    t.is(detail.heldBackInWords.said, kept);
    const found: { connection: string; words: string; because: string }[] = [];
    let from = '';
    let pages = 0;
    do {
      const { json } = await list('held-back', `?limit=60${from === '' ? '' : `&continue=${from}`}`);
      t.is(json.total, tried);
      found.push(...json.items);
      from = json.continue ?? '';
      pages++;
    } while (from !== '' && pages < 10);
    t.is(pages, 3);
    t.is(new Set(found.map(({ connection }) => connection)).size, tried);
    for (const { connection } of status?.heldBack.items ?? []) {
      t.true(
        found.some((each) => each.connection === connection),
        connection,
      );
    }
    t.regex(found[0]?.words ?? '', /^shop\/Deployment\/cart > shop\/Deployment\/db TCP 9\d\d\d$/);
    t.regex(found[0]?.because ?? '', /^scan: its source tried 130 targets/);
  },
);

test.serial('what the policies would deny is told whole, too; a short list is as the status has it', async (t) => {
  const { json } = await list('would-deny', '?limit=500');
  t.is(json.items.length, tried);
  t.is(json.items[0].because, 'no rule allows it (egress)');
  t.deepEqual((await list('omissions')).json, { items: [], total: 0, continue: null });
  t.is((await ask(api('/proposals/shop/deployment-nobody/held-back'))).status, 404);
});

test.serial('connections beyond the beginning of the list are held back in the graph', async (t) => {
  const states = await world.eventually('all are held back', async () => {
    const { json } = await ask(api('/graph?level=workload'));
    const edge = json.edges.find(
      ({ source, target }: { source: string; target: string }) =>
        source === 'workload:shop/Deployment/cart' && target === 'workload:shop/Deployment/db',
    );
    return edge?.attributes.states?.['held-back'] === tried || edge?.attributes.state === 'held-back'
      ? edge.attributes
      : undefined;
  });
  t.is(states.state, 'held-back');
  t.is(states.connections, tried);
});
