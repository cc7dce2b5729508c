import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { eventually } from '../support/approval-webhook.ts';
import { recordPolicies } from '../support/object-recorder.ts';
import { ShopInCluster } from '../support/shop-in-cluster.ts';
import { TcpLink } from '../support/tcp-link.ts';

const api = kubeApiOfFile();
const workloads = ['web', 'cart', 'db', 'mail'];

let shop: ShopInCluster;
let link: TcpLink;
let controller: ControllerProcess;

/** The controller reaches the API server by a way of its own, which can be cut. */
async function start(): Promise<void> {
  link = await TcpLink.to(Number(new URL(api().server).port));
  const kubeconfig = join(shop.directory, 'linked.kubeconfig');
  const direct = await readFile(api().kubeconfig('controller'), 'utf8');
  await writeFile(kubeconfig, direct.replaceAll(api().server, `https://127.0.0.1:${link.port}`));
  controller = await ControllerProcess.start({
    name: 'controller',
    directory: shop.directory,
    kubeconfig,
    flows: [shop.flowFile],
    options: ['--interval', '1s', '--lease', '2s', '--flush', '1s', '--log-level', 'trace'],
  });
  shop.controllers.push(controller);
}

test.after.always(async () => {
  await link?.close();
  await shop?.close();
});

async function leaseHolder(): Promise<string> {
  const path = '/apis/coordination.k8s.io/v1/namespaces/nanoseg-system/leases/nanoseg-controller';
  return (await api().request('admin', 'GET', path)).body.spec.holderIdentity;
}

clusterTest('the API server is gone before anybody approved: what was seen meanwhile is proposed', async (t) => {
  shop = await ShopInCluster.open(api(), workloads);
  await start();
  await shop.seen('web > cart 8080', 'cart > db 5432', 'web > mail 25');
  const before = await shop.until(t, 'cart', 'Ready');
  await api().stopServer();
  await shop.seen('web > cart 9090');
  await controller.logged('not leading any more');
  await controller.logged('a kind could not be read and is tried again');
  await api().startServer();
  const after = await shop.until(t, 'cart', ({ state, digest }) => state === 'Ready' && digest !== before.digest);
  t.is(after.rules, before.rules);
  t.regex((await shop.proposal('cart'))?.spec.policies ?? '', /9090/);
  await controller.logged('leading', 2);
});

clusterTest('the API server goes away between an approval and its apply: it is carried out, once', async (t) => {
  const recorder = await recordPolicies(t, api());
  for (const [workload, delayMs] of [
    ['cart', 0],
    ['db', 60],
    ['mail', 120],
  ] as const) {
    await shop.until(t, workload, 'Ready');
    await shop.decide(t, 'alice', workload, 'Approve');
    await sleep(delayMs);
    await api().restart();
    await shop.until(t, workload, 'Enforced');
  }
  await recorder.close();
  t.deepEqual(
    recorder.events.map(({ type, object }) => `${type} ${object.metadata.name} ${object.metadata.generation}`).sort(),
    ['ADDED nanoseg-cart 1', 'ADDED nanoseg-db 1', 'ADDED nanoseg-mail 1'],
  );
  const names = ['deployment-cart', 'deployment-db', 'deployment-mail'];
  t.deepEqual(
    await shop.applied(),
    names.map((name) => `${name} revision 1`),
  );
  t.deepEqual(
    await shop.approved(),
    names.map((name) => `${name} alice`),
  );
});

clusterTest('the API server is gone while policies are in force: they stay, and are looked after again', async (t) => {
  const recorder = await recordPolicies(t, api());
  await api().stopServer();
  await controller.logged('not leading any more');
  await sleep(1000);
  await api().startServer();
  await api().kubectl('carol', 'delete', 'networkpolicy', 'nanoseg-cart', '-n', 'shop');
  await shop.until(t, 'cart', () =>
    recorder.events.some(({ type, object }) => type === 'ADDED' && object.metadata.name === 'nanoseg-cart'),
  );
  // not even who it belongs to can be read off it any more
  const stripped = '{"metadata":{"labels":null,"annotations":null},"spec":{"ingress":[{}]}}';
  const patch = ['patch', 'networkpolicy', 'nanoseg-db', '-n', 'shop', '--type=merge', '-p', stripped];
  t.is((await api().kubectl('carol', ...patch)).code, 0);
  await shop.until(t, 'db', () => recorder.events.length === 4);
  await recorder.close();
  t.deepEqual(
    recorder.events.map(({ type, object }) => `${type} ${object.metadata.name}`),
    ['DELETED nanoseg-cart', 'ADDED nanoseg-cart', 'MODIFIED nanoseg-db', 'MODIFIED nanoseg-db'],
  );
  const restored = recorder.events.at(-1)?.object;
  t.is(restored?.metadata.annotations?.['nanoseg.io/proposal'], 'deployment-db');
  t.not(restored?.spec.ingress?.[0]?.from, undefined);
  t.is(controller.exited(), undefined);
});

clusterTest(
  'what happened while the controller was cut off, and is forgotten by the watches, is noticed',
  async (t) => {
    await shop.until(t, 'web', 'Ready');
    await shop.seen('mail > db 5432');
    const amended = await shop.until(t, 'db', ({ state, change }) => state === 'Ready' && change === 'Grow');
    link.cut();
    t.is((await shop.decideOn('alice', 'db', 'Approve', amended.digest)).status, 201);
    const web = (await shop.proposal('web')) as PolicyProposal;
    const edited = web.spec.policies.replaceAll('8080', '8081');
    t.not(edited, web.spec.policies);
    await api()
      .storeOf('carol')
      .update({ ...web, spec: { ...web.spec, policies: edited } });
    await api().kubectl('carol', 'delete', 'networkpolicy', 'nanoseg-mail', '-n', 'shop');
    await api().compact();
    link.mend();
    await shop.until(t, 'db', ({ enforced }) => enforced?.digest === amended.digest);
    await shop.until(t, 'web', ({ author, state }) => author === 'edited' && state !== 'Invalid');
    await eventually('the deleted policy is there again', async () => {
      const { code } = await api().kubectl('carol', 'get', 'networkpolicy', 'nanoseg-mail', '-n', 'shop');
      return code === 0;
    });
    const failures = (await controller.log()).filter(
      ({ msg }) => msg === 'a kind could not be read and is tried again',
    );
    t.true(
      failures.some(({ error }) => /too old|expired/i.test(String(error))),
      JSON.stringify(failures.at(-1)),
    );
  },
);

clusterTest('asked to end it ends in peace, and lets go of the lease at once', async (t) => {
  const startedMs = Date.now();
  t.is(await controller.terminate(), 'exit code 0');
  t.log(`ended within ${Date.now() - startedMs} ms`);
  t.is(await leaseHolder(), '');
});

clusterTest('no key, token or certificate is in its log', async (t) => {
  const log = await controller.output();
  const { body } = await api().request('admin', 'GET', '/api/v1/namespaces/nanoseg-system/secrets/nanoseg-keys');
  const stored = Object.values(body.data as Readonly<Record<string, string>>).map((text) => atob(text));
  t.true(stored.length > 0);
  // also parts of them: each line of a PEM block, each string of a JSON text
  const secrets = stored.flatMap((text) => text.split(/[\s",:]+|\\n/)).filter((part) => part.length >= 40);
  t.true(secrets.length > 0);
  for (const secret of [...secrets, ...stored, api().tokenOf('controller'), 'PRIVATE KEY']) {
    t.false(log.includes(secret), `${secret.slice(0, 20)}...`);
  }
});

clusterTest('a bug in one part ends all of it with code 1, and lets go of the lease', async (t) => {
  const bug = join(shop.directory, 'bug.ts');
  const part = new URL('../../controller/intake/evidence-keeper.ts', import.meta.url);
  const text = `import { EvidenceKeeper } from '${part.href}';
    EvidenceKeeper.prototype.save = async () => { throw new TypeError('evidence is not defined'); };`;
  await writeFile(bug, text);
  const broken = await ControllerProcess.start({
    name: 'broken',
    directory: shop.directory,
    kubeconfig: api().kubeconfig('controller'),
    flows: [shop.flowFile],
    webhook: 'none',
    imports: [bug],
    options: ['--flush', '2s'],
  });
  t.teardown(() => broken.kill());
  await broken.logged('leading');
  t.is(await broken.end(), 'exit code 1');
  t.regex(await broken.output(), /TypeError: evidence is not defined/);
  t.is(await leaseHolder(), '');
});
