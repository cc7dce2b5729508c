import { writeFile, readFile } from 'node:fs/promises';
import { request as tlsRequest } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { ExecutionContext } from 'ava';
import { run } from '../../cli/program.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ask, Listener, post, type Reply } from '../support/http-client.ts';
import { bindRole } from '../support/install-for-test.ts';
import { InstalledShop } from '../support/installed-shop.ts';
import type { KubeUser } from '../support/kube-api.ts';
import { freePorts } from '../support/owned-process.ts';
import { deployment, flowLine } from '../support/tiny-shop.ts';
import test from 'ava';

const api = kubeApiOfFile();
let shop: InstalledShop;
let url = '';

test.after.always(() => shop?.close());

const as = (user: KubeUser) => ({ Authorization: `Bearer ${api().tokenOf(user)}` });
const get = (user: KubeUser, path: string): Promise<Reply> => ask(`${url}/api/v1${path}`, { headers: as(user) });

/** Everything that the API says, asked in every way that there is. */
async function everything(user: KubeUser): Promise<string> {
  const paths = [
    '/session',
    '/graph?level=workload',
    '/graph?level=namespace&expand=vault&expand=shop',
    '/graph?level=workload&namespace=vault',
    '/graph?level=workload&workload=vault/Deployment/keys',
    '/graph?level=workload&format=dot',
    '/graph?level=workload&format=gexf',
    '/graph?level=workload&format=mermaid',
    '/connections?level=workload&source=workload:shop/Deployment/web&target=hidden:',
    '/connections?level=workload&source=hidden:&target=hidden:',
    '/search?q=ke',
    '/search?q=va',
    '/proposals?limit=500',
    '/proposals?namespace=vault',
    '/deviations',
    '/status',
    '/explain?source=shop/web&destination=shop/cart&port=8080',
    '/explain?source=shop/web&destination=shop/kei&port=8080',
  ];
  const replies = await Promise.all(paths.map((path) => get(user, path)));
  return replies.map(({ text }) => text).join('\n');
}

clusterTest('a cluster is only shown to those with a token of it', async (t) => {
  shop = await InstalledShop.open(api());
  const [port = 0] = await freePorts(1);
  url = `http://127.0.0.1:${port}`;
  await api().createNamespace('vault');
  await shop.kubectlApply(['keys', 'safe'].map((name) => deployment('vault', name)).join(''));
  const flows = join(shop.directory, 'more.jsonl');
  const lines = [0, 1].flatMap((minute) => [
    flowLine('shop/web > vault/keys 8200', minute),
    flowLine('vault/keys > vault/safe 9000', minute),
  ]);
  await writeFile(flows, lines.join(''));
  await bindRole(api(), 'alice', 'nanoseg-approver', 'shop');
  await bindRole(api(), 'bob', 'nanoseg-viewer');
  await bindRole(api(), 'carol', 'nanoseg-viewer', 'shop');
  await shop.start({ options: ['--http-port', `${port}`, '--log-level', 'trace', '--flows', flows] });
  await shop.seen('web > cart 8080', 'cart > db 5432');
  await shop.inState('cart', 'Ready');

  for (const [headers, status, code] of [
    [{}, 401, 'NotAuthenticated'],
    [{ Authorization: 'Bearer made-up-token' }, 401, 'NotAuthenticated'],
    [{ Authorization: 'Basic YTpi' }, 401, 'NotAuthenticated'],
    [as('dave'), 403, 'NotPermitted'],
  ] as const) {
    for (const path of ['/session', '/graph', '/proposals', '/events', '/proposals/shop/deployment-cart']) {
      const reply = await ask(`${url}/api/v1${path}`, { headers });
      t.deepEqual([reply.status, reply.json?.code], [status, code], path);
      t.false(reply.text.includes('made-up-token'));
      if (status === 401) t.is(reply.headers['www-authenticate'], 'Bearer');
    }
    const refused = await post(
      `${url}/api/v1/proposals/shop/deployment-cart/approve`,
      { digest: `sha256:${'0'.repeat(64)}` },
      headers,
    );
    t.is(refused.status, status);
  }
  t.is((await ask(`${url}/metrics`)).status, 401);
  t.is((await ask(`${url}/healthz`)).status, 200);
  t.is((await ask(`${url}/`)).status, 200);
});

clusterTest('who sees all namespaces sees all of the graph', async (t) => {
  await shop.eventually('both namespaces in the graph', async () => {
    const { json } = await get('bob', '/graph?level=workload');
    return json.edges.length >= 4 ? true : undefined;
  });
  const { json } = await get('bob', '/session');
  t.is(json.user, 'bob');
  t.is(json.access, 'token');
  t.false(json.hidden);
  const all = await everything('bob');
  t.true(all.includes('vault/Deployment/keys') && all.includes('vault/Deployment/safe'));
});

clusterTest('what one may not see is in no answer, by no name', async (t) => {
  const { json } = await get('carol', '/session');
  t.deepEqual(
    json.namespaces.map(({ name }: { name: string }) => name),
    ['shop'],
  );
  t.true(json.hidden);
  const all = await everything('carol');
  t.true(all.includes('shop/Deployment/cart'));
  t.false(/vault|Deployment\/keys|"keys"|safe/.test(all), all);
  const { json: graph } = await get('carol', '/graph?level=workload');
  const hidden = graph.edges.filter(({ target }: { target: string }) => target === 'hidden:');
  t.deepEqual(
    hidden.map(({ source }: { source: string }) => source),
    ['workload:shop/Deployment/web'],
  );
  t.is((await get('carol', '/proposals/vault/deployment-keys')).status, 404);
  t.is(
    (await get('carol', '/proposals/vault/deployment-keys')).text.replaceAll('keys', 'none'),
    (await get('carol', '/proposals/vault/deployment-none')).text,
  );
  t.is((await get('carol', '/explain?source=shop/web&destination=vault/keys&port=8200')).status, 404);
});

clusterTest('who may look and not decide is refused, and told by which right', async (t) => {
  const { json: cart } = await get('carol', '/proposals/shop/deployment-cart');
  t.deepEqual(cart.decisions.approve, {
    possible: false,
    because: 'carol may not create policyapprovals in namespace shop',
  });
  const reply = await post(
    `${url}/api/v1/proposals/shop/deployment-cart/approve`,
    { digest: cart.digest },
    as('carol'),
  );
  t.deepEqual([reply.status, reply.json.code], [403, 'NotPermitted']);
  t.deepEqual(await api().asAdmin.list('PolicyApproval', 'shop'), []);
});

clusterTest("an approval is made with the caller's own token, and stamped with the caller's name", async (t) => {
  const listener = await Listener.open(`${url}/api/v1/events`, as('alice'));
  t.teardown(() => listener.close());
  const { json: cart } = await get('alice', '/proposals/shop/deployment-cart');
  t.true(cart.decisions.approve.possible, cart.decisions.approve.because ?? '');
  const reply = await post(
    `${url}/api/v1/proposals/shop/deployment-cart/approve`,
    { digest: cart.digest, reason: 'seen on the page' },
    as('alice'),
  );
  t.is(reply.status, 201, reply.text);
  const approval = await api().asAdmin.get<PolicyApproval>({
    kind: 'PolicyApproval',
    namespace: 'shop',
    name: reply.json.approval,
  });
  t.is(approval?.spec.stamp?.user, 'alice');
  t.is(approval?.spec.claim, undefined);
  t.is(approval?.spec.reason, 'seen on the page');
  const enforced = await shop.inState('cart', 'Enforced');
  t.deepEqual(enforced.status.enforced?.approvedBy, ['alice']);
  await listener.hears(
    ({ event, data }) => event === 'proposal' && data.name === 'deployment-cart' && data.revision === 1,
  );
  t.false(/vault|keys/.test(JSON.stringify(listener.heard)));
});

clusterTest('the second header is for the way through the API server, and says the same', async (t) => {
  const headers = { 'X-Nanoseg-Authorization': `Bearer ${api().tokenOf('alice')}` };
  t.is((await ask(`${url}/api/v1/session`, { headers })).json.user, 'alice');
});

clusterTest('nothing of a token is in the log, though everything is logged', async (t) => {
  const log = await readFile(shop.controller.logFile, 'utf8');
  t.true(log.length > 1_000);
  for (const user of ['alice', 'bob', 'carol', 'dave'] as const) t.false(log.includes(api().tokenOf(user)), user);
  t.false(log.includes('made-up-token'));
  t.false(/bearer/i.test(log));
});

clusterTest('elsewhere than on loopback it is TLS, with a certificate that nanoseg made', async (t) => {
  await shop.controller.kill();
  const [port = 0] = await freePorts(1);
  await shop.start({ options: ['--http-port', `${port}`, '--http-host', '0.0.0.0'] });
  t.is(await tlsStatus(t, port), 401);
  await t.throwsAsync(ask(`http://127.0.0.1:${port}/healthz`));
  url = `https://127.0.0.1:${port}`;
});

clusterTest('nanoseg ui reaches it by the proxy of the API server, with the rights of its user', async (t) => {
  const address = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (address === undefined) {
    t.log('this machine has no address but loopback, which no endpoint may have');
    t.pass();
    return;
  }
  const port = Number(new URL(url).port);
  // in the place of the pods that nothing runs here
  const pods = '/api/v1/namespaces/nanoseg-system/pods';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'page', namespace: 'nanoseg-system' },
    spec: { containers: [{ name: 'main', image: 'main' }] },
  };
  t.is((await api().request('admin', 'POST', pods, pod)).status, 201);
  const status = { status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] } };
  const patched = await api().request('admin', 'PATCH', `${pods}/page/status`, status, 'application/merge-patch+json');
  t.is(patched.status, 200);
  const endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'nanoseg-page', namespace: 'nanoseg-system' },
    subsets: [
      {
        addresses: [{ ip: address, targetRef: { kind: 'Pod', namespace: 'nanoseg-system', name: 'page' } }],
        ports: [{ name: 'page', port }],
      },
    ],
  };
  await shop.kubectlApply(JSON.stringify(endpoints));
  const binding = ['rolebinding', 'alice-page', '--role=nanoseg-page', '--user=alice', '-n', 'nanoseg-system'];
  t.is((await api().kubectl('admin', 'create', ...binding)).code, 0);
  const opened = Promise.withResolvers<string>();
  const stop = new AbortController();
  const terminal = {
    out: (text: string) => opened.resolve(/http:\S+/.exec(text)?.[0] ?? ''),
    err: (text: string) => t.log(text),
    interactive: false,
    columns: 80,
    exit: () => undefined,
    interrupted: () => stop.signal,
  };
  const running = run(['ui', '--kubeconfig', api().kubeconfig('alice'), '--no-open'], terminal, '0.0.0-test');
  const page = await opened.promise;
  try {
    const session = await ask(`${page}api/v1/session`);
    t.is(session.json?.user, 'alice', session.text);
    const html = await ask(page);
    t.regex(html.text, /<!doctype html>/);
    t.regex(String(html.headers['content-security-policy']), /default-src 'none'/);
    const { json: web } = await ask(`${page}api/v1/proposals/shop/deployment-web`);
    const reply = await post(`${page}api/v1/proposals/shop/deployment-web/reject`, { digest: web.digest });
    t.is(reply.status, 201, reply.text);
    const approval = await api().asAdmin.get<PolicyApproval>({
      kind: 'PolicyApproval',
      namespace: 'shop',
      name: reply.json.approval,
    });
    t.is(approval?.spec.stamp?.user, 'alice');
  } finally {
    stop.abort();
    await running;
  }
});

function tlsStatus(t: ExecutionContext, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = tlsRequest(
      { host: '127.0.0.1', port, path: '/api/v1/session', rejectUnauthorized: false, agent: false },
      (response) => {
        const { subjectaltname = '' } = (response.socket as TLSSocket).getPeerCertificate();
        t.regex(subjectaltname, /DNS:nanoseg-page\.nanoseg-system\.svc/);
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    sent.on('error', reject).end();
  });
}
