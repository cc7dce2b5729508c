import test from 'ava';
import { clusterStudy } from '../../controller/loop/cluster-study.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { Endpoint } from '../../controller/model/endpoint.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyProposal, ProposalState } from '../../controller/model/policy-proposal.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import { ConnectionJudge } from '../../controller/view/connection-judge.ts';
import { ConnectionStates } from '../../controller/view/connection-states.ts';
import { connectionStates } from '../../controller/view/graph-shape.ts';
import { judgeTerms } from '../../controller/view/judge-terms.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { peer, sighting, workload } from '../support/sightings.ts';

/** Lets `from` reach the workload on that port, and nobody else in. */
function policy(name: string, from: readonly string[], port = 80): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      namespace: 'shop',
      name: `nanoseg-${name}`,
      annotations: { 'nanoseg.io/proposal': `deployment-${name}` },
    },
    spec: {
      podSelector: { matchLabels: { app: name } },
      policyTypes: ['Ingress'],
      ingress: [
        { from: from.map((app) => ({ podSelector: { matchLabels: { app } } })), ports: [{ protocol: 'TCP', port }] },
      ],
    },
  };
}

function proposal(name: string, state: ProposalState, heldBack: readonly string[] = []): PolicyProposal {
  return {
    metadata: { namespace: 'shop', name: `deployment-${name}` },
    spec: { scope: 'Workload', workloads: [`Deployment/${name}`], policies: name, evidence: [] },
    status: {
      state,
      digest: 'sha256:1',
      proof: { valid: true },
      heldBack: {
        count: heldBack.length,
        items: heldBack.map((connection) => ({ connection, message: 'scan: it looks like one' })),
      },
    },
  } as unknown as PolicyProposal;
}

function judge(
  inForce: readonly NetworkPolicy[],
  proposals: readonly PolicyProposal[],
  proposed: readonly NetworkPolicy[],
) {
  const cluster = buildCluster(
    ['web', 'cart', 'db'].map((name) => ({ name, labels: { app: name } })),
    { policies: inForce },
  );
  const world = clusterStudy(cluster).worldOf(defaultProfile);
  const heldBackOf = ({ status }: PolicyProposal) => status?.heldBack.items ?? [];
  return new ConnectionJudge(judgeTerms({ world, proposals, stored: inForce, policiesOf: () => proposed, heldBackOf }));
}

const connection = (source: Endpoint, destination: Endpoint, rest: object = {}) => ({
  source,
  destination,
  protocol: 6,
  port: 80,
  directed: true,
  passed: true,
  ...rest,
});
const [web, cart, db] = ['web', 'cart', 'db'].map((name) => workload(name)) as [Endpoint, Endpoint, Endpoint];
const heldBackId = 'workload:shop/Deployment/db>workload:shop/Deployment/cart:TCP/80';

test('what no policy concerns was seen; what passed nothing, or is denied by now, is denied', (t) => {
  const open = judge([], [], []);
  t.is(open.judge(connection(web, cart)).state, 'seen');
  t.is(open.judge(connection(web, cart, { passed: false })).state, 'denied');
  t.is(open.judge(connection(web, cart, { directed: false, passed: false })).state, 'seen');
  const closed = judge([policy('cart', ['web'])], [], []);
  t.is(closed.judge(connection(web, cart)).state, 'enforced');
  t.is(closed.judge(connection(web, cart, { port: 81 })).state, 'denied');
  t.is(closed.judge(connection(db, cart)).state, 'denied');
  t.is(closed.judge(connection(cart, db)).state, 'seen');
  t.is(closed.judge(connection(web, cart, { protocol: 1, port: 0 })).state, 'seen');
});

test('what a proposal that waits would deny is said so, and why a connection is held back', (t) => {
  const made = judge([], [proposal('cart', 'Ready', [heldBackId])], [policy('cart', ['web'])]);
  t.is(made.judge(connection(web, cart)).state, 'seen');
  t.is(made.judge(connection(web, cart, { port: 81 })).state, 'would-be-denied');
  t.deepEqual(made.judge(connection(db, cart)), { state: 'held-back', because: 'scan: it looks like one' });
  t.is(made.judge(connection(web, db)).state, 'seen');
});

test('proposals that nobody can approve any more say nothing about what would be denied', (t) => {
  for (const state of ['Rejected', 'Superseded', 'Invalid', 'RolledBack', 'Enforced'] as const) {
    const made = judge([], [proposal('cart', state)], [policy('cart', ['web'])]);
    t.is(made.judge(connection(db, cart)).state, 'seen', state);
  }
});

test('a proposal takes the place of its own policy in force, and of no other', (t) => {
  const wider = judge([policy('cart', ['web'])], [proposal('cart', 'Ready')], [policy('cart', ['web', 'db'])]);
  t.is(wider.judge(connection(db, cart)).state, 'denied');
  t.is(wider.judge(connection(web, cart)).state, 'enforced');
  const narrower = judge([policy('cart', ['web', 'db'])], [proposal('cart', 'Ready')], [policy('cart', ['web'])]);
  t.is(narrower.judge(connection(db, cart)).state, 'would-be-denied');
});

test('states are kept until a new judge comes, and change one after the other', (t) => {
  const graph = new TrafficGraph({ binMs: 60_000 });
  for (let port = 1; port <= 100; port++) graph.observe(sighting({ client: peer(web), server: peer(cart), port }));
  const states = new ConnectionStates(graph, judge([], [], []));
  t.is(connectionStates[states.indexAt(79)], 'seen');
  states.renew(judge([policy('cart', ['web'])], [], []));
  t.is(connectionStates[states.indexAt(79)], 'seen');
  t.is(connectionStates[states.indexAt(50)], 'denied');
  const before = states.revision;
  const changed: number[] = [];
  for (let rows = states.judgeMore(7); rows !== undefined; rows = states.judgeMore(7)) changed.push(...rows);
  t.deepEqual(changed, [79]);
  t.is(connectionStates[states.indexAt(79)], 'enforced');
  t.true(states.revision > before);
  t.is(states.judgeMore(7), undefined);
});

test('a try that passes at last is not denied any more', (t) => {
  const graph = new TrafficGraph({ binMs: 60_000 });
  const tried = sighting({ client: peer(web), server: peer(cart), verdict: 'denied' });
  graph.observe(tried);
  const states = new ConnectionStates(graph, judge([], [], []));
  t.is(connectionStates[states.indexAt(0)], 'denied');
  graph.observe({ ...tried, verdict: 'allowed', clientPort: 40_001 });
  states.seenAgain(0);
  t.is(connectionStates[states.indexAt(0)], 'seen');
});
