import { mkdtemp, rm } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { Decision } from '../../controller/model/policy-approval.ts';
import type { PolicyProposal, ProposalState } from '../../controller/model/policy-proposal.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { bindRole, installForTest } from '../support/install-for-test.ts';
import { startAgent } from '../support/network-agent.ts';
import type { HeldState } from '../support/network-host.ts';
import {
  type Attempt,
  everyAttempt,
  type Expectation,
  type Party,
  tellDiscrepancies,
  tryAll,
} from '../support/network-matrix.ts';
import { NetworkNode } from '../support/network-node.ts';
import {
  createShop,
  nodePort,
  outsidePorts,
  podsOf,
  shopNode,
  shopOutside,
  shopPlan,
  shopPods,
  shopServices,
  shopWorkloads,
} from '../support/network-shop.ts';
import { type EnforcedCluster, enforcementRules, isolatingNames } from '../support/nft-enforcer.ts';
import type { OwnedProcess } from '../support/owned-process.ts';

/**
 * The product's truth. Pods in network namespaces exchange real packets; the real agent watches the kernel's connection
 * tracking, the real controller proposes on a real API server, a person approves by kubectl, and an enforcer that shares
 * no code with nanoseg compiles what is stored onto the same pods. Then everything is tried.
 */

/** One thing that was really done, and so has to work when the policies are in force. Sides: a workload, `node`, `far`. */
interface Exchange {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP';
  /** The server's own port. */
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6';
  /** The Service address and port that the client used in place of the server's. */
  readonly service?: readonly [address: string, port: number];
  readonly outcome?: 'refused';
}

const recorded: readonly Exchange[] = [
  // through the DNAT of a Service with two backends, of both families
  { from: 'web', to: 'cart', protocol: 'TCP', port: 8080, family: 'IPv4', service: ['10.96.0.50', 80] },
  { from: 'checkout', to: 'cart', protocol: 'TCP', port: 8080, family: 'IPv6', service: ['fd00:10:96::50', 80] },
  { from: 'web', to: 'dns', protocol: 'UDP', port: 53, family: 'IPv4', service: ['10.96.0.10', 53] },
  // from pod to pod
  { from: 'cart', to: 'cache', protocol: 'UDP', port: 11211, family: 'IPv4' },
  { from: 'reports', to: 'db', protocol: 'TCP', port: 5432, family: 'IPv6' },
  // nobody listens: the answer is a refusal, and stays one
  { from: 'reports', to: 'cache', protocol: 'TCP', port: 6379, family: 'IPv4', outcome: 'refused' },
  // to outside, hidden behind the node
  { from: 'checkout', to: 'far', protocol: 'TCP', port: 443, family: 'IPv4' },
  // from outside
  { from: 'far', to: 'web', protocol: 'TCP', port: 8080, family: 'IPv6' },
  // from outside by a port of the node, which puts its own address in place of the client's
  { from: 'far', to: 'cart', protocol: 'TCP', port: 8080, family: 'IPv4', service: [shopNode.ipv4, nodePort] },
  // the node with its pods: a probe of the kubelet, and its own server
  { from: 'node', to: 'web', protocol: 'TCP', port: 8080, family: 'IPv4' },
  { from: 'reports', to: 'node', protocol: 'TCP', port: 9100, family: 'IPv4' },
];

/** Opened before the agent came, and not again while it watched: the kernel kept who opened them. */
const held: readonly Exchange[] = [
  { from: 'cart', to: 'db', protocol: 'TCP', port: 5432, family: 'IPv4', service: ['10.96.0.60', 5432] },
  { from: 'web', to: 'cache', protocol: 'TCP', port: 7000, family: 'IPv4' },
];
/** Done as well, and held back on purpose: the kubelet's port gives control over the node. */
const suspicious: Exchange = { from: 'checkout', to: 'node', protocol: 'TCP', port: 10250, family: 'IPv4' };

const learned = [...recorded, ...held];
/** Ports of every server and every Service, and one that nobody uses. */
const ports = [53, 80, 443, 5432, 6379, 7000, 8080, 9100, 9999, 10250, 11211];
const betweenRoundsMs = 500;
const withinMs = 40_000;
const profile = {
  mode: 'enforce',
  learning: { bin: '2s', window: '1s', coverage: 0, bins: 1, loss: 1, startUps: false, cronJobs: false },
  closedNamespace: { propose: false },
};
const enforcedWorkloads = shopWorkloads.filter(({ namespace }) => namespace !== 'kube-system');

const parties: readonly Party[] = [
  ...shopPods.map(({ workload, ...host }): Party => {
    const { namespace, name, tcp, udp } = workload;
    return { ...host, kind: 'pod', workload: `${namespace}/${name}`, tcp, udp };
  }),
  { ...shopNode, kind: 'node', workload: '', udp: [] },
  ...shopOutside.map((host): Party => ({ ...host, kind: 'outside', workload: '', ...outsidePorts })),
];

const api = kubeApiOfFile();
let directory = '';
let network: NetworkNode;
let agent: OwnedProcess;
let controller: ControllerProcess;

test.after.always(async () => {
  await controller?.kill();
  await agent?.kill();
  await network?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The pods of a workload, or the one host of that name. */
function sides(name: string): readonly { readonly name: string; readonly ipv4: string; readonly ipv6: string }[] {
  if (name === 'node') return [shopNode];
  const pods = podsOf(name);
  return pods.length > 0 ? pods : shopOutside.filter((host) => host.name === name);
}

/** Every replica of the client does it with every replica of the server, or with the Service often enough to meet all. */
async function exchange(t: ExecutionContext, one: Exchange): Promise<void> {
  const { from, to, protocol, port, family, service, outcome } = one;
  const addressOf = (host: { readonly ipv4: string; readonly ipv6: string }) =>
    family === 'IPv4' ? host.ipv4 : host.ipv6;
  const targets =
    service === undefined
      ? sides(to).map((host) => ({ protocol, address: addressOf(host), port }))
      : sides(to).map(() => ({ protocol, address: service[0], port: service[1] }));
  for (const client of sides(from)) {
    const results = await network.host(client.name).probe(targets);
    for (const result of results) t.is(result.outcome, outcome ?? 'answered', JSON.stringify({ ...one, result }));
    if (outcome === undefined) {
      const servers = results.map((result) => (result.outcome === 'answered' ? result.by : ''));
      t.deepEqual(
        servers.sort(),
        sides(to)
          .map(({ name }) => name)
          .sort(),
        JSON.stringify(one),
      );
    }
    if (to === 'far') {
      const clients = results.map((result) => (result.outcome === 'answered' ? result.client : ''));
      t.deepEqual(clients, [shopNode.ipv4], 'outside sees the node in place of the pod');
    }
  }
}

function talkOnHeld(): Promise<readonly HeldState[]> {
  return Promise.all(held.map(({ from, to }) => network.host(`${from}-1`).say(to)));
}

function proposalOf(name: string): Promise<PolicyProposal | undefined> {
  const { namespace = '' } = shopWorkloads.find((one) => one.name === name) ?? {};
  return api().asAdmin.get<PolicyProposal>({ kind: 'PolicyProposal', namespace, name: `deployment-${name}` });
}

async function eventually(what: string, holds: () => Promise<string | undefined>): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    await controller.assertAlive();
    const missing = await holds();
    if (missing === undefined) return;
    if (agent.exited() !== undefined) throw new Error(`the agent ended (${agent.exited()}): ${await agent.log()}`);
    if (Date.now() > deadline) throw new Error(`not in time: ${what}: ${missing}`);
    await sleep(50);
  }
}

async function notIn(
  state: ProposalState,
  names: readonly string[] = enforcedWorkloads.map(({ name }) => name),
): Promise<string | undefined> {
  for (const name of names) {
    const status = (await proposalOf(name))?.status;
    if (status?.state !== state) return `${name} is ${status?.state}: ${JSON.stringify(status?.readiness)}`;
  }
  return undefined;
}

async function allAre(state: ProposalState, names?: readonly string[]): Promise<void> {
  await eventually(`every proposal is ${state}`, () => notIn(state, names));
}

/** Evidence names connections inside of the cluster only. */
async function missingEvidence(): Promise<string | undefined> {
  const inside = ({ from, to }: Exchange) =>
    [from, to].every((side) => shopWorkloads.some(({ name }) => name === side));
  for (const { from, to, protocol, port } of learned.filter(inside)) {
    for (const name of [from, to].filter((side) => enforcedWorkloads.some((one) => one.name === side))) {
      const evidence = (await proposalOf(name))?.spec.evidence ?? [];
      const isIt = (id: string) => id.includes(`/${from}>`) && id.endsWith(`/${to}:${protocol}/${port}`);
      if (!evidence.some(isIt)) return `${name}: ${from} > ${to} ${protocol}/${port} is not in ${evidence.join(', ')}`;
    }
  }
  return undefined;
}

/** A person decides with kubectl about what stands there now. */
async function decide(t: ExecutionContext, decision: Decision, names: readonly string[]): Promise<void> {
  const approvals = await Promise.all(
    names.map(async (name) => {
      const proposal = await proposalOf(name);
      const status = proposal?.status;
      const digest = decision === 'Rollback' ? status?.enforced?.digest : status?.digest;
      return {
        apiVersion: 'nanoseg.io/v1alpha1',
        kind: 'PolicyApproval',
        metadata: { namespace: proposal?.metadata.namespace, name: `${name}-${decision.toLowerCase()}` },
        spec: { proposal: proposal?.metadata.name, digest, decision, reason: 'reviewed' },
      };
    }),
  );
  const list = { apiVersion: 'v1', kind: 'List', items: approvals };
  const result = await api().kubectlApply('alice', JSON.stringify(list));
  t.is(result.code, 0, result.err);
}

/** What the API server has, loaded onto the node. */
async function enforceWhatIsStored(): Promise<EnforcedCluster> {
  const list = async (path: string) => (await api().request('admin', 'GET', path)).body.items;
  const cluster: EnforcedCluster = {
    namespaces: await list('/api/v1/namespaces'),
    pods: await list('/api/v1/pods'),
    policies: await list('/apis/networking.k8s.io/v1/networkpolicies'),
  };
  await network.nft(enforcementRules(cluster));
  return cluster;
}

/**
 * What must happen, from what was done alone; policies only say which pods are isolated. Open on purpose beyond the single
 * exchange, by the rules of the product:
 * - a policy is for a workload: what one replica did, all may do, and with all replicas of the other side;
 * - a pod selector knows no addresses: what was done by one family is open by the other;
 * - whoever asked the cluster's DNS may ask it by TCP too (allowance `cluster-dns`);
 * - "the node" is all of its addresses (allowance `node-traffic`), and it always reaches its own pods.
 */
function allows(side: 'egress' | 'ingress', { from, to, protocol, port, family }: Attempt): string | undefined {
  const match = learned.find((one) => {
    if (!isSide(one.from, from) || !isSide(one.to, to)) return false;
    const isDns = side === 'egress' && one.to === 'dns' && one.port === 53;
    if (one.port !== port || (one.protocol !== protocol && !isDns)) return false;
    return from.kind !== 'outside' && to.kind !== 'outside' ? true : one.family === family;
  });
  return match === undefined ? undefined : `recorded: ${match.from} > ${match.to} ${match.protocol}/${match.port}`;
}

function isSide(side: string, party: Party): boolean {
  if (party.kind === 'pod') return party.workload.endsWith(`/${side}`);
  return party.kind === 'node' ? side === 'node' : side === party.name;
}

function expectationsOf(cluster: EnforcedCluster): (attempt: Attempt) => Expectation {
  const isolating = (party: Party, direction: 'egress' | 'ingress') => {
    const pod = cluster.pods.find(({ metadata }) => metadata.name === party.name);
    return pod === undefined ? [] : isolatingNames(cluster, pod, direction);
  };
  return (attempt) => {
    const { from, to } = attempt;
    const words: string[] = [];
    for (const side of ['egress', 'ingress'] as const) {
      const policies = isolating(side === 'egress' ? from : to, side);
      if (policies.length === 0) continue;
      if (side === 'ingress' && from.kind === 'node') {
        words.push('its own node always reaches a pod');
        continue;
      }
      const why = allows(side, attempt);
      if (why === undefined) return { open: false, because: `${policies.join(', ')} has no ${side} for it` };
      words.push(`${policies.join(', ')} ${side}, ${why}`);
    }
    return { open: true, because: words.join('; ') || 'no policy selects either side' };
  };
}

/** Everybody who is not behind a Service himself tries its address, from where that leads anywhere. */
function throughServices(): readonly Attempt[] {
  return shopServices.flatMap(({ workload, address, protocol, port, targetPort, isNodePort }) => {
    const backends = podsOf(workload).map(({ name }) => name);
    const to = parties.find(({ name }) => name === backends[0]);
    if (to === undefined) throw new RangeError(`nobody is behind ${address}`);
    const family = isIPv6(address) ? 'IPv6' : 'IPv4';
    return parties
      .filter(({ name, kind }) => !backends.includes(name) && (kind !== 'outside' || isNodePort === true))
      .map((from): Attempt => ({ from, to, protocol, port: targetPort, family, service: [address, port] }));
  });
}

function allAttempts(): readonly Attempt[] {
  return [...everyAttempt(parties, ports), ...throughServices()];
}

async function tryEverything(t: ExecutionContext, cluster: EnforcedCluster): Promise<number> {
  const expectation = expectationsOf(cluster);
  const attempts = allAttempts();
  const startMs = performance.now();
  const discrepancies = await tryAll(network, attempts, expectation);
  const open = attempts.filter((attempt) => expectation(attempt).open).length;
  t.log(`${attempts.length} attempts, ${open} to get through: ${Math.round(performance.now() - startMs)} ms`);
  if (discrepancies.length > 0) {
    t.log(cluster.policies.map(({ metadata, spec }) => `${metadata.name}: ${JSON.stringify(spec)}`).join('\n'));
    t.fail(tellDiscrepancies(parties, discrepancies));
  }
  return open;
}

clusterTest('what was done is proposed by what the agent saw', async (t) => {
  directory = await mkdtemp(join(tmpdir(), 'nanoseg-network-'));
  const socket = join(directory, 'push.sock');
  [network] = await Promise.all([
    NetworkNode.start(shopPlan),
    installForTest(api(), { webhook: true }).then(() => createShop(api())),
  ]);
  await bindRole(api(), 'alice', 'nanoseg-approver');
  await api().asAdmin.create({
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { namespace: 'nanoseg-system', name: 'default' },
    spec: profile,
  } as never);
  await Promise.all(
    parties.filter(({ name }) => name !== 'neighbour').map(({ name, tcp, udp }) => network.host(name).listen(tcp, udp)),
  );
  controller = await ControllerProcess.start({
    name: 'controller',
    directory,
    kubeconfig: api().kubeconfig('controller'),
    flows: [],
    options: ['--interval', '1s', '--flush', '1s', '--push-socket', socket],
  });
  for (const { from, service, to, port } of held) {
    const [address, at] = service ?? [sides(to)[0]?.ipv4 ?? '', port];
    await network.host(`${from}-1`).hold(to, address, at);
  }
  agent = await startAgent(network.namespace, shopNode.name, socket, join(directory, 'agent.log'), talkOnHeld);
  // goes on until enough was seen: the node must hardly ever be silent for a whole time bin, on a slow machine too
  await eventually('everything is proposed', async () => {
    for (const one of [...recorded, suspicious]) await exchange(t, one);
    await sleep(betweenRoundsMs);
    return (await missingEvidence()) ?? (await notIn('Ready'));
  });
});

clusterTest('once it is approved, what was done still works, and nothing else does', async (t) => {
  await decide(
    t,
    'Approve',
    enforcedWorkloads.map(({ name }) => name),
  );
  await allAre('Enforced');
  const cluster = await enforceWhatIsStored();
  for (const one of learned) await exchange(t, one);
  t.deepEqual(await talkOnHeld(), ['alive', 'alive']);
  await tryEverything(t, cluster);
});

clusterTest('a policy that is taken back opens what it closed, and no more', async (t) => {
  await decide(t, 'Rollback', ['db']);
  await allAre('RolledBack', ['db']);
  await tryEverything(t, await enforceWhatIsStored());
});

clusterTest('when all are taken back, everything is open as it was before', async (t) => {
  const others = enforcedWorkloads.map(({ name }) => name).filter((name) => name !== 'db');
  await decide(t, 'Rollback', others);
  await allAre('RolledBack');
  const cluster = await enforceWhatIsStored();
  t.deepEqual(cluster.policies, []);
  const open = await tryEverything(t, cluster);
  t.is(open, allAttempts().length);
});
