import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { SqliteConnectionStore } from '../../../controller/adapters/sqlite/sqlite-connection-store.ts';
import { volatileFolder } from '../../../controller/adapters/workspace/workspace-lock.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { startOwned } from '../../support/owned-process.ts';
import { numbered, type PushReply, pushTo } from '../../support/push-world.ts';
import { flowLine, tinyShop } from '../../support/tiny-shop.ts';

const program = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
const kills = 4;
const perLife = 4;
const firstPort = 2_000;

test('a controller that is killed right after its answer, or before it, has lost nothing and counts nothing twice', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'nanoseg-killed-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const workspace = join(root, 'workspace');
  await mkdir(join(workspace, 'cluster'), { recursive: true });
  await writeFile(join(workspace, 'cluster', 'shop.yaml'), tinyShop);
  const socketPath = join(root, 'push.sock');
  const args = [program, 'controller', '--workspace', workspace, '--push-socket', socketPath];
  const start = () => startOwned(process.execPath, args, join(root, 'controller.log'));

  /** As an agent does it: the same batch until it is acknowledged. Undefined: the controller is not there. */
  const push = (sequence: number): Promise<PushReply | undefined> => {
    const line = flowLine('shop/web > shop/cart 1', 0, { port: firstPort + sequence, clientPort: 0 });
    const options = { socketPath, headers: numbered('n1/boot', sequence), body: line };
    return pushTo(options).catch(() => undefined);
  };
  let acknowledged = 0;
  let controller = start();
  t.teardown(() => controller.kill());
  const pushUntil = async (last: number) => {
    const deadline = Date.now() + 30_000;
    while (acknowledged < last) {
      if (controller.exited() !== undefined) throw new Error(await controller.log());
      if (Date.now() > deadline) throw new Error(`batch ${acknowledged + 1} was never taken`);
      const reply = await push(acknowledged + 1);
      if (reply?.status === 200) acknowledged++;
      else await delay(20);
    }
  };

  for (let life = 1; life <= kills; life++) {
    await pushUntil(life * perLife);
    // every other time while one is under way: it may have been saved, and nobody was told
    if (life % 2 === 0) void push(acknowledged + 1);
    if (life % 2 === 0) await delay(40 * life);
    await controller.kill();
    controller = start();
  }
  await pushUntil(kills * perLife + 2);
  await controller.kill();

  const store = new SqliteConnectionStore(join(await volatileFolder(workspace), 'evidence.db'));
  const { evidence, memory, binMs = 0 } = await store.load();
  const graph = new TrafficGraph({ binMs, saved: true });
  graph.restore(evidence, memory.recent);
  await store.close();
  const waiting = memory.held.map(({ port }) => [port, 1]);
  const counted = [...graph.connections()].map(({ port, evidence: { allowed } }) => [port, allowed]);
  const expected = Array.from({ length: kills * perLife + 2 }, (_, i) => [firstPort + i + 1, 1]);
  t.deepEqual(
    [...counted, ...waiting].toSorted(([a = 0], [b = 0]) => a - b),
    expected,
  );
});
