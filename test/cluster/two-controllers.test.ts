import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { freePorts } from '../support/owned-process.ts';
import { type ObjectRecorder, type PolicyEvent, recordPolicies } from '../support/object-recorder.ts';
import { ShopInCluster } from '../support/shop-in-cluster.ts';
import { TcpLink } from '../support/tcp-link.ts';

const api = kubeApiOfFile();
const clients = Array.from({ length: 12 }, (_, i) => `client-${i}`);
const more = Array.from({ length: 12 }, (_, i) => `more-${i}`);

let shop: ShopInCluster;
/** As the Service of nanoseg: it leads to a replica that answers. */
let service: TcpLink;
let ports: readonly number[];
let first: ControllerProcess;
let second: ControllerProcess;
let recorder: ObjectRecorder<NetworkPolicy>;

async function replica(name: 'first' | 'second'): Promise<ControllerProcess> {
  const port = ports[name === 'first' ? 0 : 1] ?? 0;
  const controller = await ControllerProcess.start({
    name,
    directory: shop.directory,
    kubeconfig: api().kubeconfig('controller'),
    flows: [shop.flowFile],
    webhook: { port, url: `https://127.0.0.1:${service.port}` },
    options: ['--interval', '1s', '--lease', '2s', '--flush', '1s'],
  });
  shop.controllers.push(controller);
  return controller;
}

test.after.always(async () => {
  await shop?.close();
  await service?.close();
});

const leading = async (controller: ControllerProcess): Promise<number> =>
  (await controller.log()).filter(({ msg }) => msg === 'leading').length;

async function approveAll(t: ExecutionContext, workloads: readonly string[]): Promise<void> {
  for (const name of workloads) await shop.until(t, name, 'Ready');
  await Promise.all(workloads.map((name) => shop.decide(t, 'alice', name, 'Approve')));
}

/** What each version of a policy says that it is, in the order in which they were stored. */
function versions(events: readonly PolicyEvent[]): string[] {
  return events.map(({ type, object: { metadata } }) => {
    const { annotations = {}, name, generation } = metadata;
    return `${type} ${name} revision ${annotations['nanoseg.io/revision']} generation ${generation}`;
  });
}

clusterTest('of two controllers one leads and the other observes', async (t) => {
  ports = await freePorts(2);
  service = await TcpLink.to(...ports);
  shop = await ShopInCluster.open(api(), ['server', ...clients, ...more]);
  recorder = await recordPolicies(t, api());
  first = await replica('first');
  await first.logged('leading');
  second = await replica('second');
  await shop.seen(...clients.map((name) => `${name} > server 8080`));
  for (const name of clients) await shop.until(t, name, 'Ready');
  t.is(await leading(second), 0);
});

clusterTest(
  'a leader that is killed in the middle of applying: the other finishes, and nothing is written twice',
  async (t) => {
    recorder = await recordPolicies(t, api());
    await approveAll(t, clients);
    while (recorder.events.length < 3) await sleep(5);
    const killedMs = Date.now();
    await first.kill();
    t.true(recorder.events.length < clients.length, 'it was killed too late to show anything');
    await second.logged('leading');
    t.log(`took over after ${Date.now() - killedMs} ms, after ${recorder.events.length} of ${clients.length} policies`);
    for (const name of clients) await shop.until(t, name, 'Enforced');
    await recorder.close();
    t.deepEqual(
      versions(recorder.events).sort(),
      clients.map((name) => `ADDED nanoseg-${name} revision 1 generation 1`).sort(),
    );
    t.deepEqual(await shop.applied(), clients.map((name) => `deployment-${name} revision 1`).sort());
    t.deepEqual(await shop.approved(), clients.map((name) => `deployment-${name} alice`).sort());
  },
);

clusterTest(
  'a leader that did not run for longer than its lease, in the middle of applying, writes nothing more',
  async (t) => {
    first = await replica('first');
    await shop.seen(...more.map((name) => `${name} > server 8080`));
    recorder = await recordPolicies(t, api());
    for (const name of more) await shop.until(t, name, 'Ready');
    await approveAll(t, more);
    while (recorder.events.length < 3) await sleep(5);
    second.pause();
    t.true(recorder.events.length < more.length, 'it was paused too late to show anything');
    await first.logged('leading');
    const takenMs = Date.now();
    await sleep(300);
    // in the middle of the other's work
    second.resume();
    await second.logged('not leading any more');
    t.log(`went on ${Date.now() - takenMs} ms after it was replaced`);
    for (const name of more) await shop.until(t, name, 'Enforced');
    await sleep(1000);
    await recorder.close();
    t.deepEqual(
      versions(recorder.events).sort(),
      more.map((name) => `ADDED nanoseg-${name} revision 1 generation 1`).sort(),
    );
    const all = [...clients, ...more];
    t.deepEqual(await shop.applied(), all.map((name) => `deployment-${name} revision 1`).sort());
    t.deepEqual(await shop.approved(), all.map((name) => `deployment-${name} alice`).sort());
  },
);

clusterTest(
  'a leader whose requests hang when it is killed leaves nothing behind that another would not have written',
  async (t) => {
    t.is(await leading(first), 1);
    await shop.seen(...clients.map((name) => `${name} > server 9090`));
    for (const name of clients)
      await shop.until(t, name, ({ state, change }) => state === 'Ready' && change === 'Grow');
    recorder = await recordPolicies(t, api());
    await approveAll(t, clients);
    while (recorder.events.length < 2) await sleep(5);
    api().pauseServer();
    await sleep(50);
    await first.kill();
    api().resumeServer();
    for (const name of clients) {
      await shop.until(t, name, ({ state, enforced }) => state === 'Enforced' && enforced?.revision === 2);
    }
    await recorder.close();
    t.deepEqual(
      versions(recorder.events).sort(),
      clients.map((name) => `MODIFIED nanoseg-${name} revision 2 generation 2`).sort(),
    );
    const applied = [
      ...[...clients, ...more].map((name) => `deployment-${name} revision 1`),
      ...clients.map((name) => `deployment-${name} revision 2`),
    ];
    t.deepEqual(await shop.applied(), applied.sort());
  },
);

clusterTest('every policy is of one author, and who ends in peace is replaced at once', async (t) => {
  const { body } = await api().request('admin', 'GET', '/apis/networking.k8s.io/v1/networkpolicies');
  for (const { metadata } of body.items) {
    t.deepEqual(
      metadata.managedFields.map(({ manager }: { readonly manager: string }) => manager),
      ['nanoseg'],
    );
  }
  first = await replica('first');
  await sleep(1500);
  const startedMs = Date.now();
  t.is(await second.terminate(), 'exit code 0');
  await first.logged('leading');
  t.log(`replaced within ${Date.now() - startedMs} ms`);
});
