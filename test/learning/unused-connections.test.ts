import test from 'ava';
import type { NodeFlows } from '../../controller/graph/graph-delta.ts';
import { prepareLearning } from '../../controller/learning/readiness.ts';
import { unusedConnections, withoutConnections } from '../../controller/learning/unused-connections.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import type { Connection } from '../../controller/model/connection.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import type { Workload } from '../../controller/model/workload.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection, connectionSource } from '../support/build-connections.ts';

const dayMs = 24 * 3_600_000;
const nowMs = 100 * dayMs;
const sinceMs = 70 * dayMs;

/** What a node reported from one day to another, day by day. */
const reports = (node: string, ...days: readonly (readonly [from: number, to: number])[]): NodeFlows => ({
  source: 'hubble',
  node,
  flows: 1000,
  firstMs: (days[0]?.[0] ?? 0) * dayMs,
  lastMs: (days.at(-1)?.[1] ?? 0) * dayMs,
  binMs: dayMs,
  runs: days.map(([from, to]) => ({ startMs: from * dayMs, bins: to - from })),
});

const pods = [{ ips: [], node: 'a', startMs: 0 }];
const shop = buildCluster([
  { name: 'cart', labels: { app: 'cart' }, pods },
  { name: 'redis', labels: { app: 'redis' }, pods },
]);
const old = connection('shop/cart > shop/redis TCP 6379', { lastMs: 60 * dayMs });
const recent = connection('shop/cart > 203.0.113.7 TCP 443', { lastMs: 99 * dayMs });

function unused(
  flows: readonly NodeFlows[],
  connections: readonly Connection[] = [old, recent],
  cluster: Cluster = shop,
): string[] {
  const source = connectionSource(connections);
  const span = { firstMs: 0, lastMs: nowMs };
  const traffic = { ...source, observation: () => ({ binMs: dayMs, span, flows, losses: [] }) };
  const learning = prepareLearning(traffic, cluster, defaultProfile);
  const cart = cluster.workloads.get(keyOf('shop/cart')) as Workload;
  return unusedConnections(cart, learning, sinceMs, nowMs).map(({ id }) => id);
}

test('a connection that nothing used since, while everything was watched, is unused', (t) => {
  t.deepEqual(unused([reports('a', [0, 100])]), [old.id]);
});

test('what nobody watched is not unused', (t) => {
  t.deepEqual(unused([reports('a', [0, 71], [95, 100])]), []);
  t.deepEqual(unused([reports('a', [0, 80])]), []);
  t.deepEqual(unused([reports('b', [0, 100])]), []);
  t.deepEqual(unused([]), []);
});

test('a hole before the time in question does not matter', (t) => {
  t.deepEqual(unused([reports('a', [0, 20], [65, 100])]), [old.id]);
});

test('a connection of a CronJob is unused only when the job ran since without it', (t) => {
  const scheduled = (expression: string, startMs: number, suspended = false) =>
    buildCluster([
      { name: 'cart', labels: { app: 'cart' }, pods },
      {
        name: 'report',
        kind: 'CronJob',
        labels: { app: 'report' },
        schedule: { expression, timeZone: undefined, suspended },
        pods: [{ ips: [], node: 'a', startMs, endMs: startMs + 60_000 }],
      },
    ]);
  const call = connection('shop/CronJob/report > shop/cart TCP 8080', { lastMs: 60 * dayMs });
  const watched = [reports('a', [0, 100])];
  const found = (cluster: Cluster) => unused(watched, [call], cluster);
  t.deepEqual(found(scheduled('0 3 * * *', 90 * dayMs)), [call.id]);
  t.deepEqual(found(scheduled('0 3 1 1 *', 60 * dayMs)), []);
  t.deepEqual(found(scheduled('0 3 * * *', 60 * dayMs)), []);
  t.deepEqual(found(scheduled('0 3 * * *', 90 * dayMs, true)), []);
});

test('traffic without some connections has all others', (t) => {
  const rest = withoutConnections(connectionSource([old, recent]), new Set([old.id]));
  t.deepEqual([...rest.connections()], [recent]);
  t.deepEqual(rest.connectionsOf(keyOf('shop/cart')), [recent]);
  t.deepEqual(rest.connectionsOf(keyOf('shop/redis')), []);
});
