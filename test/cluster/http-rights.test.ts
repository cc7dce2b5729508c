import { writeFile, readFile } from 'node:fs/promises';
import { request as tlsRequest } from 'node:https';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
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
  const { body } = await api().request('admin', 'GET', '/api/v1/namespaces/nanoseg-system/secrets');
  t.true(body.items.length > 0);
  const status = await tlsStatus(t, port);
  t.is(status, 401);
  await t.throwsAsync(ask(`http://127.0.0.1:${port}/healthz`));
});

function tlsStatus(t: ExecutionContext, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = tlsRequest(
      { host: '127.0.0.1', port, path: '/api/v1/session', rejectUnauthorized: false, agent: false },
      (response) => {
        const certificate = (
          response.socket as unknown as { getPeerCertificate(): { subjectaltname?: string } }
        ).getPeerCertificate();
        t.regex(certificate.subjectaltname ?? '', /DNS:nanoseg\.nanoseg-system\.svc/);
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    sent.on('error', reject).end();
  });
}
