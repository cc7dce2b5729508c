import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { found, keeping, opened, seen, started } from '../../support/redis-evidence.ts';
import { type RedisServer, untilTrue } from '../../support/redis-server.ts';
import { openStore } from '../../support/redis-store.ts';
import { redisTest } from '../../support/redis-test.ts';

const leaseMs = 300;

/** What docs/redis.md promises for the persistence of a server. */
interface Promised {
  readonly settings: readonly string[];
  /** What is there after the server died, or was started with what a loss of power left. */
  readonly server: 'all' | 'the first save' | 'nothing';
  /** Done between the first save and the second. */
  readonly between?: (server: RedisServer) => Promise<unknown>;
  /** Done while the server is down. */
  readonly damage?: (server: RedisServer) => Promise<void>;
}

const appendOnly = ['appendonly yes', 'aof-use-rdb-preamble no'];
const promises: Readonly<Record<string, Promised>> = {
  'an append-only file that is flushed each time': {
    settings: [...appendOnly, 'appendfsync always'],
    server: 'all',
  },
  'an append-only file that is flushed every second, and of which the end was lost': {
    settings: [...appendOnly, 'appendfsync everysec'],
    damage: cutInTheLastSave,
    server: 'the first save',
  },
  'an append-only file that is written anew in between': {
    settings: ['appendonly yes', 'appendfsync always'],
    between: ({ admin }) => admin.bgrewriteaof(),
    server: 'all',
  },
  'a snapshot': { settings: ['save 3600 1000000'], between: ({ admin }) => admin.save(), server: 'the first save' },
  'no persistence': { settings: [], server: 'nothing' },
};

/** The last save is one transaction of the file: what is left of it is not taken for a save. */
async function cutInTheLastSave({ directory }: RedisServer): Promise<void> {
  const folder = join(directory, 'appendonlydir');
  const name = (await readdir(folder)).find((file) => file.endsWith('.incr.aof')) ?? '';
  const file = join(folder, name);
  await truncate(file, (await stat(file)).size - 500);
}

/** Two saves, and the death of the server; answers with the graph after each of them. */
async function savedTwice(t: ExecutionContext, server: RedisServer, { between, damage }: Promised) {
  const store = await openStore(server.url, { leaseMs });
  t.teardown(() => store.close());
  const { graph, keeper } = keeping(store);
  await keeper.load();
  const snapshots: ReturnType<TrafficGraph['snapshot']>[] = [];
  for (const from of [1, 200]) {
    seen(graph, from, from + 199);
    await keeper.save();
    t.is(keeper.health.failure, undefined);
    snapshots.push(graph.snapshot());
    if (from === 1) await between?.(server);
  }
  await server.kill();
  await damage?.(server);
  return { store, graph, keeper, snapshots };
}

for (const [title, promised] of Object.entries(promises)) {
  const { settings, server: what } = promised;
  redisTest(`${title}: when both die, ${what} is there, as it was at that moment`, async (t) => {
    const server = await started(t, { settings });
    const { store, snapshots } = await savedTwice(t, server, promised);
    // the controller dies too: it says nothing more
    await store.close();
    await server.run();
    const next = await opened(t, server.url, { leaseMs });
    const saves = { all: 2, 'the first save': 1, nothing: 0 }[what];
    t.is(next.saves, saves);
    await next.close();
    const there = (await found(server.url)).snapshot();
    t.deepEqual(there.connections, snapshots[saves - 1]?.connections ?? []);
  });

  redisTest(`${title}: when only the server dies, nothing is lost in the end`, async (t) => {
    const server = await started(t, { settings });
    const { graph, keeper } = await savedTwice(t, server, promised);
    seen(graph, 400, 410);
    await keeper.save();
    t.is(keeper.health.failure?.code, 'EvidenceUnreachable');
    await server.run();
    const told = new Set<string>();
    await untilTrue(async () => {
      await keeper.save();
      const code = keeper.health.failure?.code;
      if (code !== undefined) told.add(code);
      return code === undefined;
    }, 'it is saved again');
    t.is(told.has('EvidenceLost'), what !== 'all');
    await keeper.close();
    t.deepEqual((await found(server.url)).snapshot(), graph.snapshot());
  });
}
