import test from 'ava';
import fc from 'fast-check';
import { connectionStoreContract } from '../../contract/connection-store.ts';
import { RedisCluster, RedisServer } from '../../support/redis-server.ts';
import { openStore } from '../../support/redis-store.ts';
import { redisMissingHere, redisTest } from '../../support/redis-test.ts';
import { MergeModel, mergeCommands } from './merge-commands.ts';

let server: RedisServer;
let cluster: RedisCluster;
if (redisMissingHere === undefined) {
  test.before(async () => {
    [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  });
  test.after.always(() => Promise.all([server?.stop(), cluster?.stop()]));
}

let places = 0;
function contract(title: string, url: () => string): void {
  connectionStoreContract(redisMissingHere === undefined ? test : (test.skip as typeof test), title, async () => {
    let name = `place-${++places}`;
    return {
      open: () => openStore(url(), { name }),
      remove: async () => {
        name = `place-${++places}`;
      },
    };
  });
}
contract('redis', () => server.url);
contract('redis cluster', () => cluster.url);

redisTest('whatever is saved, repeated, cut off or opened again, evidence is what memory would have', async (t) => {
  // of its own: it cuts off everybody
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  await fc.assert(
    fc.asyncProperty(fc.commands(mergeCommands, { maxCommands: 25 }), async (commands) => {
      const name = `model-${++places}`;
      const open = () => openStore(server.url, { name });
      const real = { store: await open(), open, server };
      try {
        await fc.asyncModelRun(() => ({ model: new MergeModel(), real }), commands);
      } finally {
        await real.store.close();
      }
      t.pass();
    }),
    { numRuns: 25 },
  );
});
