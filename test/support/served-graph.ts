import express from 'express';
import { pino } from 'pino';
import type { Gate } from '../../controller/adapters/http/api/gate.ts';
import { openGate } from '../../controller/adapters/http/api/gate.ts';
import { EventRing } from '../../controller/adapters/http/api/event-ring.ts';
import { ApiServer, type ApiServerLimits } from '../../controller/adapters/http/api-server.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { clusterStudy } from '../../controller/loop/cluster-study.ts';
import type { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveGraph } from '../../controller/serving/live-graph.ts';
import { ProposalLists } from '../../controller/loop/proposal-lists.ts';
import type { ClusterView } from '../../controller/ports.ts';

export interface ServedGraph {
  readonly url: string;
  readonly port: number;
  readonly server: ApiServer;
  readonly ring: EventRing;
  readonly live: LiveGraph;
  /** Everything was judged once. */
  readonly judgeAll: () => Promise<void>;
  /** Tells who listens what changed since. */
  readonly tell: () => void;
  readonly close: () => Promise<void>;
}

/** The API on a graph and a view, without a controller; what it is asked to do beside showing them fails. */
export async function serveGraph(
  graph: TrafficGraph,
  view: ClusterView,
  { gate = openGate('tester'), limits = {}, log = pino({ level: 'silent' }), epoch = 'e0' } = {} as {
    readonly gate?: Gate;
    readonly limits?: Partial<ApiServerLimits>;
    readonly log?: pino.Logger;
    readonly epoch?: string;
  },
): Promise<ServedGraph> {
  let study = clusterStudy(view.cluster());
  const studyNow = () => {
    const cluster = view.cluster();
    if (study.cluster !== cluster) study = clusterStudy(cluster, study);
    return study;
  };
  const lists = new ProposalLists({ view, clock: systemClock, lookedWithin: () => undefined });
  const live = new LiveGraph({ graph, study: studyNow, view, clock: systemClock, lists });
  const ring = new EventRing(epoch, (rows, { maySee }) => live.changeOf(rows, maySee));
  const stop = new AbortController();
  const server = await ApiServer.open({
    host: '127.0.0.1',
    port: 0,
    isLoopback: true,
    certificate: undefined,
    gate,
    ring,
    probes: {
      unready: () => undefined,
      degraded: () => [],
      metrics: async () => ({ contentType: 'text/plain', body: 'nanoseg_leader 1\n' }),
    },
    page: express.Router(),
    epoch,
    clock: systemClock,
    log,
    limits,
    source: {
      version: '0.0.0-test',
      watching: 'a test',
      view,
      seen: () => ({ graph, world: () => live.world(), revision: live.revision }),
      index: () => studyNow().index,
      worldOf: (profile) => studyNow().worldOf(profile),
      readPolicies: () => ({ policies: [], problems: [] }),
      listOf: (proposal, list) => lists.of(proposal, list),
      onlyClaims: true,
      status: () => Promise.reject(new Error('there is no status here')),
      decide: () => Promise.reject(new Error('nothing is decided here')),
    },
  });
  const judging = live.run(stop.signal);
  const streaming = server.streams.run(stop.signal);
  return {
    url: `http://127.0.0.1:${server.port}`,
    port: server.port,
    server,
    ring,
    live,
    judgeAll: async () => {
      const { states } = live.world();
      while (states.judgeMore(1_000) !== undefined) await new Promise((resolve) => setImmediate(resolve));
    },
    tell: () => {
      const rows = live.takeChanged();
      if (rows.length > 0) ring.append({ kind: 'graph', rows });
      server.streams.tell();
    },
    close: async () => {
      stop.abort();
      await Promise.all([judging, streaming]);
      await server.close();
    },
  };
}
