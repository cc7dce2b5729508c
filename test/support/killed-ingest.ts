import { followFlowFile } from '../../controller/adapters/flow-file/follow-flow-file.ts';
import { SqliteConnectionStore } from '../../controller/adapters/sqlite/sqlite-connection-store.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { EvidenceKeeper } from '../../controller/intake/evidence-keeper.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest } from '../../controller/intake/live-ingest.ts';
import { buildCluster } from './build-cluster.ts';
import { StaticView } from './static-view.ts';

/** The inventory of the process that is killed, and of the one that it is compared with. */
export const killedCluster = buildCluster([
  { name: 'web', labels: { app: 'web' }, pods: [{ name: 'web-1', ips: ['10.244.0.1'] }] },
  { name: 'cart', labels: { app: 'cart' }, pods: [{ name: 'cart-1', ips: ['10.244.0.2'] }] },
]);
export const killedBinMs = 300_000;
/** The last line of the file is on this port. */
export const lastPort = 65_000;

/** Follows a file of flows into an evidence file until the last line was counted; to be killed at any moment. */
async function main(flows: string, database: string): Promise<void> {
  const store = new SqliteConnectionStore(database);
  const graph = new TrafficGraph({ binMs: killedBinMs, saved: true });
  const ingest = new LiveIngest({ view: new StaticView(killedCluster), graph, clock: systemClock, graceMs: 60 });
  const keeper = new EvidenceKeeper({ store, graph, ingest, clock: systemClock, flushMs: 15 });
  const positions = await keeper.load();
  if ('code' in positions) throw new Error(positions.message);
  const stop = new AbortController();
  const source = followFlowFile(flows, { position: positions.get(flows), pollMs: 10 });
  process.stdout.write('reading\n');
  const running = Promise.all([ingest.run([source], stop.signal), keeper.run(stop.signal)]);
  const isDone = () => ingest.counters.held === 0 && [...graph.connections()].some(({ port }) => port === lastPort);
  while (ingest.counters.records === 0 && !isDone()) await systemClock.sleep(5, stop.signal);
  await keeper.save();
  process.stdout.write('saved\n');
  while (!isDone()) await systemClock.sleep(25, stop.signal);
  stop.abort();
  await running;
  await keeper.close();
}

if (import.meta.main) {
  const [flows = '', database = ''] = process.argv.slice(2);
  await main(flows, database);
}
