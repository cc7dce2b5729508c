import test from 'ava';
import { connectionStoreContract } from '../../contract/connection-store.ts';
import { RedisCluster, RedisServer } from '../../support/redis-server.ts';
import { openStore } from '../../support/redis-store.ts';

let server: RedisServer;
let cluster: RedisCluster;
test.before(async () => {
  [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
});
test.after.always(() => Promise.all([server?.stop(), cluster?.stop()]));

let places = 0;
connectionStoreContract(test, 'redis', async () => {
  let name = `place-${++places}`;
  return {
    open: () => openStore(server.url, { name }),
    remove: async () => {
      name = `place-${++places}`;
    },
  };
});

connectionStoreContract(test, 'redis cluster', async () => {
  let name = `place-${++places}`;
  return {
    open: () => openStore(cluster.url, { name }),
    remove: async () => {
      name = `place-${++places}`;
    },
  };
});
