import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { load } from 'js-yaml';
import { SqliteConnectionStore } from '../../controller/adapters/sqlite/sqlite-connection-store.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { Decision, PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { samePolicySpec } from '../../controller/policy/canonical-policy.ts';
import { eventually } from '../support/approval-webhook.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { type ObjectRecorder, recordPolicies, recordProposals } from '../support/object-recorder.ts';
import { freePorts } from '../support/owned-process.ts';
import { ShopInCluster } from '../support/shop-in-cluster.ts';
import { TcpLink } from '../support/tcp-link.ts';

const kills = Number(process.env['NANOSEG_TEST_KILLS'] ?? 100);
const seed = Number(process.env['NANOSEG_TEST_SEED'] ?? Date.now() % 1_000_000);

const api = kubeApiOfFile();
const clients = Array.from({ length: 6 }, (_, i) => `client-${i}`);
const workloads = [...clients, 'server'];

let shop: ShopInCluster;
let service: TcpLink;

test.after.always(async () => {
  await shop?.close();
  await service?.close();
});

/** Numbers in [0, 1), the same for the same seed. */
function randomNumbers(of: number): () => number {
  let state = of >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What people did, by the version of the cluster's state in which it was stored. */
interface Deeds {
  readonly decisions: {
    readonly proposal: string;
    readonly digest: string;
    readonly decision: Decision;
    readonly at: number;
  }[];
  /** Versions of policies that a person wrote, and uids of those that a person deleted. */
  readonly written: Set<string>;
  readonly deleted: Set<string>;
}

/** Flows go on, and people decide, edit, tamper, take back and retire, whatever happens to the controllers. */
class People {
  readonly deeds: Deeds = { decisions: [], written: new Set(), deleted: new Set() };
  readonly done = new Map<string, number>();
  readonly #random: () => number;
  #ports = 8000;

  constructor(random: () => number) {
    this.#random = random;
  }

  async act(): Promise<void> {
    const workload = this.#oneOf(workloads);
    const proposal = await shop.proposal(workload);
    const deed = this.#random();
    if (deed < 0.2) await this.#traffic();
    else if (proposal?.status === undefined) return;
    else if (deed < 0.7) await this.#consider(workload, proposal);
    else if (deed < 0.8) await this.#edit(proposal);
    else await this.#tamper(workload);
  }

  /** One decision that makes sense now, or none. */
  async #consider(workload: string, { status }: PolicyProposal): Promise<void> {
    const digest = status?.digest ?? '';
    const enforced = status?.enforced?.digest;
    const dice = this.#random();
    if (enforced !== digest && status?.state === 'Ready') {
      await this.decide(workload, dice < 0.9 ? 'Approve' : 'Reject', digest);
    } else if ((status?.state === 'RolledBack' || status?.state === 'Rejected') && dice < 0.4) {
      await this.decide(workload, 'Approve', digest);
    } else if (enforced !== undefined && dice < 0.2) {
      await this.decide(workload, dice < 0.14 ? 'Rollback' : 'Retire', enforced);
    }
  }

  /** False: it was not stored, as nobody could stamp it at that moment. */
  async decide(workload: string, decision: Decision, digest: string): Promise<boolean> {
    const { status, body } = await shop.decideOn(this.#oneOf(['alice', 'bob']), workload, decision, digest);
    if (status !== 201) {
      this.#note(`${decision} refused with ${status}`);
      return false;
    }
    const at = Number(body.metadata.resourceVersion);
    this.deeds.decisions.push({ proposal: `deployment-${workload}`, digest, decision, at });
    this.#note(decision);
    return true;
  }

  /** A new connection, and more of a known one. Ports are apart: no server before 1.22 knows ranges of them. */
  async #traffic(): Promise<void> {
    const port = this.#random() < 0.3 ? (this.#ports += 10) : 8000;
    await shop.seen(`${this.#oneOf(clients)} > server ${port}`, `${this.#oneOf(clients)} > server 8000`);
    this.#note('flows');
  }

  async #edit(proposal: PolicyProposal): Promise<void> {
    const { policies } = proposal.spec;
    const port = 9000 + 10 * Math.floor(this.#random() * 50);
    const edited = this.#random() < 0.5 ? '' : policies.replace(/port: \d+/, `port: ${port}`);
    const path = `/apis/nanoseg.io/v1alpha1/namespaces/shop/policyproposals/${proposal.metadata.name}`;
    const body = { spec: { policies: edited } };
    const { status } = await api().request('carol', 'PATCH', path, body, 'application/merge-patch+json');
    if (status === 200) this.#note(edited === '' ? 'reset' : 'edit');
  }

  async #tamper(workload: string): Promise<void> {
    const path = `/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/nanoseg-${workload}`;
    const dice = this.#random();
    if (dice < 0.4) {
      const { status, body } = await api().request('carol', 'DELETE', path);
      if (status !== 200) return;
      this.deeds.deleted.add(body.details.uid);
      return this.#note('policy deleted');
    }
    const change = dice < 0.8 ? { spec: { ingress: [{}] } } : { metadata: { labels: null, annotations: null } };
    const { status, body } = await api().request('carol', 'PATCH', path, change, 'application/merge-patch+json');
    if (status !== 200) return;
    this.deeds.written.add(body.metadata.resourceVersion);
    this.#note('policy changed');
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }

  #note(deed: string): void {
    this.done.set(deed, (this.done.get(deed) ?? 0) + 1);
  }
}

interface Replica {
  readonly name: string;
  readonly port: number;
  process: ControllerProcess;
}

async function started(name: string, port: number, options: readonly string[] = []): Promise<ControllerProcess> {
  const controller = await ControllerProcess.start({
    name,
    directory: shop.directory,
    kubeconfig: api().kubeconfig('controller'),
    flows: [shop.flowFile],
    webhook: { port, url: `https://127.0.0.1:${service.port}` },
    options: ['--interval', '1s', '--lease', '1s', '--flush', '1s', ...options],
  });
  shop.controllers.push(controller);
  return controller;
}

/** A controller that reads everything, does what there is to do, and ends in peace. */
async function onceMore(t: ExecutionContext, name: string, port: number): Promise<ControllerProcess> {
  const controller = await started(name, port, ['--once']);
  t.is(await controller.end(), 'exit code 0', await controller.output());
  return controller;
}

/** Kills one of them at a random moment, again and again; three times out of four the one that leads. */
async function killAtRandom(
  replicas: readonly Replica[],
  policies: ObjectRecorder<NetworkPolicy>,
  random: () => number,
) {
  for (let kill = 0; kill < kills; kill++) {
    await sleep(200 + random() * 1500);
    if (random() < 0.5) {
      // right when something is being written
      const seen = policies.events.length;
      const deadline = Date.now() + 1500;
      while (policies.events.length === seen && Date.now() < deadline) await sleep(1);
      await sleep(random() * 30);
    }
    const leader = await leaderOf(replicas);
    const victim = random() < 0.75 ? leader : (replicas.find((one) => one !== leader) as Replica);
    await victim.process.kill();
    victim.process = await started(victim.name, victim.port);
  }
}

async function leaderOf(replicas: readonly Replica[]): Promise<Replica> {
  for (const replica of replicas) {
    const last = (await replica.process.log()).findLast(
      ({ msg }) => msg === 'leading' || msg === 'not leading any more',
    );
    if (last?.msg === 'leading') return replica;
  }
  return replicas[0] as Replica;
}

/** Texts by proposal and digest, as they stood in the proposals at any time. */
function textsIn(proposals: ObjectRecorder<PolicyProposal>): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { object } of proposals.events) {
    const { metadata, spec, status } = object;
    if (status?.observedGeneration === metadata.generation)
      texts.set(`${metadata.name} ${status.digest}`, spec.policies);
  }
  return texts;
}

/** Why a version of a policy should never have been stored; undefined: it is what people decided. */
function fault(
  { type, object: policy }: ObjectRecorder<NetworkPolicy>['events'][number],
  { decisions, written, deleted }: Deeds,
  texts: ReadonlyMap<string, string>,
): string | undefined {
  const { name, uid, resourceVersion, annotations = {} } = policy.metadata;
  const at = Number(resourceVersion);
  if (type === 'DELETED') {
    const proposal = name.replace('nanoseg-', 'deployment-');
    const isDecided = decisions.some(
      (one) => one.proposal === proposal && one.at < at && (one.decision === 'Rollback' || one.decision === 'Retire'),
    );
    return deleted.has(uid) || isDecided ? undefined : `${name} was deleted, and nobody decided that`;
  }
  if (written.has(resourceVersion)) return undefined;
  const proposal = annotations['nanoseg.io/proposal'] ?? '';
  const digest = annotations['nanoseg.io/digest'] ?? '';
  const isApproved = decisions.some(
    (one) => one.proposal === proposal && one.digest === digest && one.decision === 'Approve' && one.at < at,
  );
  if (!isApproved) return `${name} was written as ${digest} of ${proposal}, which nobody had approved`;
  const approved = load(texts.get(`${proposal} ${digest}`) ?? 'null') as NetworkPolicy | null;
  if (approved === null) return `${name} was written as ${digest} of ${proposal}, which never stood there`;
  return samePolicySpec(policy.spec, approved.spec) ? undefined : `${name} is not what was approved as ${digest}`;
}

/** Decisions that say nothing of whether they counted. */
async function untold(): Promise<string[]> {
  const all = await api().asAdmin.list<PolicyApproval & KubernetesObject>('PolicyApproval', 'shop');
  return all.filter(({ status }) => status === undefined).map(({ metadata }) => metadata.name);
}

/** Makes people bring everything into force, so that nothing that was decided is still under way. */
async function settle(t: ExecutionContext, people: People, workload: string): Promise<void> {
  const decided = new Set<string>();
  await shop.until(t, workload, ({ state }) => state !== 'Learning');
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    const proposal = (await shop.proposal(workload)) as PolicyProposal;
    const { status, spec, metadata } = proposal;
    if (status?.state === 'Enforced' && status.applying === undefined && status.drift === undefined) return;
    if (Date.now() > deadline) {
      const all = await api().asAdmin.list<PolicyApproval & KubernetesObject>('PolicyApproval', 'shop');
      const about = all.filter((one) => one.spec.proposal === metadata.name && one.spec.digest === status?.digest);
      t.log(JSON.stringify({ notBefore: status?.notBefore, about }, undefined, 1));
      throw new Error(`${workload} is not settled: ${status?.state}, ${status?.message}`);
    }
    if (status === undefined || spec.policies === '' || status.observedGeneration !== metadata.generation) continue;
    if (status.state === 'Invalid') {
      await api().asAdmin.update({ ...proposal, spec: { ...spec, policies: '' } });
      continue;
    }
    // what somebody else decided meanwhile makes an approval void
    const asked = `${status.digest} ${status.notBefore}`;
    if (status.state !== 'Enforced' && !decided.has(asked)) {
      if (await people.decide(workload, 'Approve', status.digest)) decided.add(asked);
    }
  }
}

async function evidenceOf({ dataDirectory }: ControllerProcess) {
  const store = new SqliteConnectionStore(join(dataDirectory, 'evidence.db'));
  const { binMs = 0, evidence, memory } = await store.load();
  const graph = new TrafficGraph({ binMs });
  graph.restore(evidence, memory.recent);
  await store.close();
  return graph.snapshot();
}

clusterTest(
  `killed ${kills} times at any moment, they lose nothing and write nothing that nobody approved`,
  async (t) => {
    t.timeout(900_000);
    t.log(`NANOSEG_TEST_SEED=${seed}`);
    const random = randomNumbers(seed);
    shop = await ShopInCluster.open(api(), workloads);
    const ports = await freePorts(2);
    service = await TcpLink.to(...ports);
    await shop.seen(...clients.map((name) => `${name} > server 8000`));
    // compiled once for all that come
    process.env['NODE_COMPILE_CACHE'] ??= join(shop.directory, 'compiled');
    await onceMore(t, 'warm', ports[0] ?? 0);

    const [policies, proposals] = await Promise.all([recordPolicies(t, api()), recordProposals(t, api())]);
    const replicas: Replica[] = [];
    for (const [i, port] of ports.entries()) {
      const name = `replica-${i}`;
      replicas.push({ name, port, process: await started(name, port) });
    }
    const people = new People(randomNumbers(seed + 1));
    let isOver = false;
    const living = (async () => {
      while (!isOver) {
        await people.act();
        await sleep(60);
      }
    })();
    const startedMs = Date.now();
    await killAtRandom(replicas, policies, random).finally(() => (isOver = true));
    await living;
    t.log(`${kills} kills in ${Math.round((Date.now() - startedMs) / 1000)} s`);
    t.log(`meanwhile: ${[...people.done].map(([deed, times]) => `${times} ${deed}`).join(', ')}`);

    for (const workload of workloads) await settle(t, people, workload);
    await eventually('everybody is told what became of each decision', async () => (await untold()).length === 0);
    for (const { process } of replicas) t.is(await process.terminate(), 'exit code 0');
    await Promise.all([policies.close(), proposals.close()]);
    t.log(`${policies.events.length} versions of policies, ${proposals.events.length} of proposals`);

    const texts = textsIn(proposals);
    t.deepEqual(
      policies.events.flatMap((event) => fault(event, people.deeds, texts) ?? []),
      [],
    );

    const approvals = await api().asAdmin.list<PolicyApproval & KubernetesObject>('PolicyApproval', 'shop');
    t.is(approvals.length, people.deeds.decisions.length);

    const entries = await shop.audit();
    const recorded = (...actions: readonly string[]) =>
      entries
        .filter(({ action }) => actions.includes(action))
        .map(({ subject, timeMs }) => `${subject.name} ${new Date(timeMs).toISOString()}`)
        .sort();
    const happened = (of: (status: NonNullable<PolicyProposal['status']>) => string | undefined) =>
      [
        ...new Set(
          proposals.events.flatMap(({ object: { metadata, status } }) => {
            const time = status && of(status);
            return time === undefined ? [] : [`${metadata.name} ${time}`];
          }),
        ),
      ].sort();
    const applied = recorded('Applied');
    const twice = new Set(applied.filter((one, i) => applied.indexOf(one) !== i));
    t.deepEqual(
      entries.filter(
        ({ action, subject, timeMs }) =>
          action === 'Applied' && twice.has(`${subject.name} ${new Date(timeMs).toISOString()}`),
      ),
      [],
    );
    const missing = happened(({ enforced }) => enforced?.appliedAt).filter((one) => !applied.includes(one));
    t.deepEqual(missing, []);
    // one that a person undid right after the leader that had done it was killed is not in force afterwards
    const begun = happened(({ applying }) => (applying?.kind === 'Apply' ? applying.startedAt : undefined));
    t.deepEqual(
      applied.filter((one) => !begun.includes(one)),
      [],
    );
    t.deepEqual(
      recorded('RolledBack', 'Retired'),
      happened(({ applying }) =>
        applying === undefined || applying.kind === 'Apply' ? undefined : applying.startedAt,
      ),
    );
    const told = new Set<string>();
    for (const { action, subject, digest, message } of entries) {
      if (action === 'Approved') {
        t.false(told.has(message), message);
        told.add(message).add(`${subject.name} ${digest}`);
      }
      if (action === 'Applied') t.true(told.has(`${subject.name} ${digest}`), `${subject.name} ${digest}`);
    }

    const expected = await evidenceOf(await onceMore(t, 'straight', ports[0] ?? 0));
    for (const { process } of replicas) t.deepEqual(await evidenceOf(process), expected);
  },
);
