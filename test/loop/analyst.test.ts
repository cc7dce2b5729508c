import test from 'ava';
import { Analyst, type AnalystInput, type ProposalWish } from '../../controller/loop/analyst.ts';
import { analyse } from '../../controller/analysis.ts';
import { clusterStudy } from '../../controller/loop/cluster-study.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import { parseWorkloadKey } from '../../controller/model/workload.ts';
import { kubernetesDialect } from '../../controller/policy/dialects/kubernetes.ts';
import { proveEdited } from '../../controller/policy/prove-edited.ts';
import { readPolicyText } from '../../controller/loop/policy-text.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { clusterOf, sightingOf } from '../support/worlds/in-memory.ts';
import { generateWorld } from '../support/worlds/world.ts';

const hourMs = 3_600_000;
const startMs = Date.UTC(2026, 10, 1);
const cart = keyOf('shop/cart');

const cluster = buildCluster(
  ['web', 'cart', 'redis', 'mail'].map((name) => ({
    name,
    labels: { app: name },
    pods: [{ ips: [], node: 'a', startMs: startMs + 60_000 }],
  })),
);

interface Facts {
  readonly hour?: number;
  readonly verdict?: Sighting['verdict'];
  readonly times?: number;
}

function graphOf(...seen: readonly (readonly [from: string, to: string, port: number, facts?: Facts])[]): TrafficGraph {
  const graph = new TrafficGraph({ binMs: 300_000 });
  for (const [from, to, port, { hour = 0, verdict = 'allowed', times = 1 } = {}] of seen) {
    for (let i = 0; i < times; i++) {
      const timeMs = startMs + hour * hourMs + i * 1_000;
      graph.observe(
        {
          timeMs,
          endMs: timeMs,
          client: { endpoint: { kind: 'workload', workload: keyOf(from) }, replica: 1, node: 'a' },
          server: { endpoint: { kind: 'workload', workload: keyOf(to) }, replica: 2, node: 'a' },
          clientIp: undefined,
          serverDnsNames: undefined,
          clientPort: 40_000 + i,
          port,
          protocol: 6,
          directed: true,
          verdict,
          answered: verdict === 'denied' ? undefined : true,
          connections: 1,
          bytes: 0,
          source: 'hubble',
        },
        'a',
      );
    }
  }
  return graph;
}

const analyst = (traffic: TrafficGraph, parts: Partial<AnalystInput> = {}) =>
  new Analyst({
    study: clusterStudy(cluster),
    traffic,
    profileOf: () => defaultProfile,
    dialect: kubernetesDialect,
    comments: true,
    nowMs: startMs + 24 * hourMs,
    ...parts,
  });

function proposalOf(one: Analyst, wish?: ProposalWish) {
  const result = one.of(cart, wish);
  if (result.kind !== 'proposal') throw new Error(JSON.stringify(result));
  return result;
}

test('one workload at a time, in any order, gives what analysing all of them gives', (t) => {
  const world = generateWorld(
    20260302,
    { workloads: 14, namespaces: 2, days: 1, workers: 3, perDay: 4 },
    { indistinguishable: true },
  );
  const inventory = clusterOf(world.deployed);
  const traffic = new TrafficGraph({ binMs: defaultProfile.learning.binMs });
  for (const event of world.traffic) traffic.observe(sightingOf(event));
  const profile: Profile = { ...defaultProfile, jointPolicies: true };
  const all = analyse({
    cluster: inventory,
    traffic,
    profile,
    dialect: kubernetesDialect,
    comments: true,
    namespaces: [],
  });
  const one = analyst(traffic, { study: clusterStudy(inventory), profileOf: () => ({ ...profile }) });
  const found = one
    .subjects()
    .toReversed()
    .map((workload) => one.of(workload));
  t.deepEqual(found.filter(({ kind }) => kind === 'proposal').toReversed(), [...all.proposals]);
  t.true(all.proposals.length > 3);
  t.true(all.refusals.length > 0);
  t.is(found.filter(({ kind }) => kind === 'refusal').length, all.refusals.length);
  t.is(found.filter(({ kind }) => kind === 'no-evidence').length, all.withoutEvidence.length);
});

test('a namespace has its own profile, and an exempt one no proposals', (t) => {
  const traffic = graphOf(['shop/web', 'shop/cart', 8080, { times: 3 }]);
  const patterns = [{ source: 'shop/web', destination: '*', port: undefined, protocol: undefined }];
  const strict: Profile = { ...defaultProfile, refused: patterns };
  t.is(
    analyst(traffic, { profileOf: (name) => (name === 'shop' ? strict : defaultProfile) }).of(cart).kind,
    'no-evidence',
  );
  const exempt = analyst(traffic, { profileOf: () => ({ ...defaultProfile, exemptNamespaces: ['shop'] }) });
  t.deepEqual(exempt.of(cart), { kind: 'exempt', workload: cart });
  t.deepEqual(exempt.subjects(), []);
});

test('an analyst sees one moment of the traffic, and a renewed one the next', (t) => {
  const traffic = graphOf(['shop/web', 'shop/cart', 8080]);
  const before = analyst(traffic);
  t.is(proposalOf(before).draft.egress.length, 0);
  traffic.merge(graphOf(['shop/cart', 'shop/redis', 6379]).snapshot());
  t.is(proposalOf(before.renewed(traffic, startMs)).draft.egress.length, 1);
});

test('a cluster that differs in its policies alone is not indexed again, and one that differs in more is', (t) => {
  const study = clusterStudy(cluster);
  const policies = clusterStudy({ ...cluster, policies: [] }, study);
  t.is(policies.index.classes, study.index.classes);
  t.is(policies.naming.choiceOf, study.naming.choiceOf);
  const pods = clusterStudy({ ...cluster, pods: cluster.pods.slice(1) }, study);
  t.not(pods.index.classes, study.index.classes);
});

test("only nanoseg's own policies leave what it would propose as it is", (t) => {
  const policy = (name: string, labels: Readonly<Record<string, string>>): NetworkPolicy => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name, labels },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  });
  const ours = policy('nanoseg-cart', { 'app.kubernetes.io/managed-by': 'nanoseg' });
  const foreign = policy('by-hand', {});
  const study = clusterStudy({ ...cluster, policies: [foreign] });
  const applied = clusterStudy({ ...cluster, policies: [foreign, ours] }, study);
  t.is(applied.ground, study.ground);
  t.is(applied.worldOf(defaultProfile).index, applied.index);
  t.deepEqual(applied.worldOf(defaultProfile).inForce, [foreign]);
  const more = clusterStudy({ ...cluster, policies: [foreign, ours, policy('another', {})] }, applied);
  t.not(more.ground, study.ground);
  t.is(more.worldOf(defaultProfile).inForce.length, 2);
  t.not(clusterStudy({ ...cluster, policies: [{ ...foreign }] }, study).ground, study.ground);
});

test('an amendment lets denied attempts pass, says so in its text and is proved', (t) => {
  const one = analyst(
    graphOf(
      ['shop/web', 'shop/cart', 8080, { times: 3 }],
      ['shop/mail', 'shop/cart', 9090, { verdict: 'denied', times: 4, hour: 2 }],
    ),
  );
  const plain = proposalOf(one);
  t.deepEqual(
    plain.synthesis.omissions.map(({ because }) => because),
    ['denied-attempt'],
  );
  const attempts = one.attempts(cart, startMs + hourMs).map(({ id }) => id);
  t.is(attempts.length, 1);
  const amended = proposalOf(one, { attempts: new Set(attempts) });
  t.true(amended.proof.valid);
  t.deepEqual(amended.attempts, attempts);
  t.deepEqual(amended.synthesis.omissions, []);
  t.is(amended.draft.ingress.length, plain.draft.ingress.length + 1);
  t.regex(
    amended.yaml,
    /# from shop\/Deployment\/mail to TCP 9090: asked for by 4 denied attempts from 1 replica, first 2026-11-01T02:00Z, last/,
  );
  t.regex(amended.yaml, /# an amendment: 1 connection of it never passed, and would from now on\n/);
  t.notRegex(plain.yaml, /amendment|asked for/);
});

test('a suspicious attempt is held back from an amendment, also when it is asked for', (t) => {
  const scan = Array.from(
    { length: 12 },
    (_, i) => ['shop/mail', 'shop/cart', 1000 + i, { verdict: 'denied', times: 2 }] as const,
  );
  const one = analyst(graphOf(['shop/web', 'shop/cart', 8080, { times: 3 }], ...scan));
  t.deepEqual(one.attempts(cart, 0), []);
  const ids = new Set(one.connectionsOf([cart]).map(({ id }) => id));
  const { draft, attempts, synthesis } = proposalOf(one, { attempts: ids });
  t.is(draft.ingress.length, 1);
  t.deepEqual(attempts, []);
  t.deepEqual([...new Set(synthesis.heldBack.map(({ because }) => because))], ['scan']);
});

const unusedAfterMs = 12 * hourMs;
const everyHour = (to: string) =>
  Array.from({ length: 24 }, (_, hour) => ['shop/web', to, 8080, { hour, times: 1 }] as const);
const everyBin = Array.from({ length: 288 }, (_, bin) => ['shop/web', 'shop/redis', 6379, { hour: bin / 12 }] as const);

test('what nothing used for the time of the profile is left out, and listed as denied then', (t) => {
  const traffic = graphOf(...everyHour('shop/cart'), ...everyBin, ['shop/cart', 'shop/mail', 25, { hour: 3 }]);
  const one = analyst(traffic, { profileOf: () => ({ ...defaultProfile, unusedAfterMs }) });
  t.is(proposalOf(one).draft.egress.length, 1);
  const shrunk = proposalOf(one, { leaveOutUnused: true });
  t.is(shrunk.draft.egress.length, 0);
  t.is(shrunk.unused.length, 1);
  t.deepEqual(
    shrunk.proof.wouldDeny.map(({ connection }) => connection),
    [...shrunk.unused],
  );
  t.true(shrunk.proof.valid);
  t.deepEqual(proposalOf(analyst(traffic), { leaveOutUnused: true }).unused, []);
});

test('the unedited text of a proposal is proved as the proposal was', (t) => {
  const one = analyst(
    graphOf(['shop/web', 'shop/cart', 8080, { times: 3 }], ['shop/cart', 'shop/redis', 6379, { times: 3 }]),
  );
  const { draft, yaml, proof } = proposalOf(one);
  const { policies = [] } = readPolicyText(yaml);
  const { namespace } = parseWorkloadKey(cart);
  const connections = one.connectionsOf([cart]);
  const read = proveEdited(
    { namespace, workloads: [cart], policies, machineDraft: draft, connections },
    one.worldOf(namespace),
  );
  t.true(read.valid);
  t.deepEqual([read.overGrants, read.wouldDeny], [proof.overGrants, proof.wouldDeny]);
});
