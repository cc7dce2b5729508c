import type { ExecutionContext } from 'ava';
import type { RedisConnectionStore } from '../../controller/adapters/redis/redis-connection-store.ts';
import { storeKeys } from '../../controller/adapters/redis/redis-keys.ts';
import { RedisStoreError } from '../../controller/adapters/redis/redis-store-error.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { EvidenceKeeper } from '../../controller/intake/evidence-keeper.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest } from '../../controller/intake/live-ingest.ts';
import type { ProblemCode } from '../../controller/model/problem-codes.ts';
import type { ConnectionStore } from '../../controller/ports.ts';
import { killedCluster } from './killed-ingest.ts';
import { RedisServer, type RedisSettings } from './redis-server.ts';
import { openStore } from './redis-store.ts';
import { minuteMs, sighting } from './sightings.ts';
import { StaticView } from './static-view.ts';

const binMs = 5 * minuteMs;
export const newGraph = () => new TrafficGraph({ binMs, saved: true });
/** Of the store that `openStore` opens. */
export const keys = storeKeys('test');

/** A server for this test alone. */
export async function started(t: ExecutionContext, settings: RedisSettings = {}): Promise<RedisServer> {
  const server = await RedisServer.start(settings);
  t.teardown(() => server.stop());
  return server;
}

/** Closed with the test at the latest, or the process would wait for it. */
export async function opened(
  t: ExecutionContext,
  ...options: Parameters<typeof openStore>
): Promise<RedisConnectionStore> {
  const store = await openStore(...options);
  t.teardown(() => store.close());
  return store;
}

/** The store says so and not something else. */
export async function refused(
  t: ExecutionContext,
  work: Promise<unknown>,
  code: ProblemCode,
  message: RegExp,
): Promise<RedisStoreError> {
  const error = await t.throwsAsync(work, { instanceOf: RedisStoreError });
  t.is(error?.problem.code, code, error?.message);
  t.regex(error?.problem.message ?? '', message);
  return error as RedisStoreError;
}

/** A controller's keeper of evidence, without sources. */
export function keeping(store: ConnectionStore) {
  const graph = newGraph();
  const ingest = new LiveIngest({ view: new StaticView(killedCluster), graph, clock: systemClock });
  return { graph, keeper: new EvidenceKeeper({ store, graph, ingest, clock: systemClock }) };
}

/** Connections to so many ports. */
export function seen(graph: TrafficGraph, from: number, to: number): void {
  for (let port = from; port < to; port++) graph.observe(sighting({ port, clientPort: 40_000 + port }), 'n1');
}

/** What another controller would find there. */
export async function found(url: string, options: Parameters<typeof openStore>[1] = {}): Promise<TrafficGraph> {
  const store = await openStore(url, options);
  try {
    const { evidence, memory } = await store.load();
    const graph = newGraph();
    graph.restore(evidence, memory.recent);
    return graph;
  } finally {
    await store.close();
  }
}
