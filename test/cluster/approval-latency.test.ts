import test, { type ExecutionContext } from 'ava';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { recordPolicies } from '../support/object-recorder.ts';
import { ShopInCluster } from '../support/shop-in-cluster.ts';

const api = kubeApiOfFile();
const steady = Array.from({ length: 50 }, (_, i) => `steady-${i}`);
const burst = Array.from({ length: 50 }, (_, i) => `burst-${i}`);

let shop: ShopInCluster;

test.after.always(() => shop?.close());

/** Milliseconds from the moment a decision is sent to the moment its policy is stored, by workload. */
async function measure(
  t: ExecutionContext,
  workloads: readonly string[],
  approve: (approval: (name: string) => Promise<void>) => Promise<void>,
): Promise<readonly number[]> {
  const stored = new Map<string, PromiseWithResolvers<number>>();
  for (const name of workloads) stored.set(`nanoseg-${name}`, Promise.withResolvers<number>());
  const recorder = await recordPolicies(t, api(), ({ object, atMs }) =>
    stored.get(object.metadata.name)?.resolve(atMs),
  );
  const digests = new Map<string, string>();
  for (const name of workloads) digests.set(name, (await shop.until(t, name, 'Ready')).digest);
  const took: number[] = [];
  await approve(async (name) => {
    const sentMs = Date.now();
    const { status } = await shop.decideOn('alice', name, 'Approve', digests.get(name) ?? '');
    if (status !== 201) throw new Error(`${name}: ${status}`);
    const storedMs = await stored.get(`nanoseg-${name}`)?.promise;
    took.push((storedMs ?? Number.NaN) - sentMs);
  });
  await recorder.close();
  return took.sort((a, b) => a - b);
}

function tell(t: ExecutionContext, how: string, took: readonly number[]): void {
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(share * took.length))];
  t.log(`${how}: ${took.length} approvals, approved to stored p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

clusterTest('what is approved is stored soon, one after the other and all at once', async (t) => {
  shop = await ShopInCluster.open(api(), ['server', ...steady, ...burst]);
  await shop.seen(...[...steady, ...burst].map((name) => `${name} > server 8080`));
  const controller = await ControllerProcess.start({
    name: 'controller',
    directory: shop.directory,
    kubeconfig: api().kubeconfig('controller'),
    flows: [shop.flowFile],
  });
  shop.controllers.push(controller);
  const one = await measure(t, steady, async (approval) => {
    for (const name of steady) await approval(name);
  });
  tell(t, 'one after the other', one);
  const all = await measure(t, burst, async (approval) => {
    await Promise.all(burst.map(approval));
  });
  tell(t, 'all at once', all);
  // the figures are for the benchmark: here only that nothing waits for the next round
  t.true((one.at(-1) ?? Number.NaN) < 10_000);
  t.true((all.at(-1) ?? Number.NaN) < 10_000);
});
