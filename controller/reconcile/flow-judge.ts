import { connectionId } from '../model/connection.ts';
import { type Endpoint, endpointWords, isApiServer } from '../model/endpoint.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { policyProtocolOf, protocolName } from '../model/protocol.ts';
import type { Sighting } from '../model/sighting.ts';
import { parseWorkloadKey, type WorkloadKey } from '../model/workload.ts';
import type { Direction } from '../policy/evaluate/compile-policies.ts';
import type { Verdict } from '../policy/evaluate/decide.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import { ConnectionMemory } from './connection-memory.ts';
import { FoundConnections, type FoundList } from './found-connections.ts';
import { PolicySide } from './policy-side.ts';

/** Policies against which live flows are judged, seen from the side of their workloads. */
export interface WatchedPolicies {
  /** Another digest is another question: what was found is forgotten. */
  readonly digest: string;
  readonly workloads: readonly WorkloadKey[];
  readonly policies: readonly NetworkPolicy[];
  /** Others that hold beside them; those of other namespaces, and of the same name as one of `policies`, do not matter. */
  readonly inForce: readonly NetworkPolicy[];
  /** Connection ids. */
  readonly baseline: ReadonlySet<string>;
  /** They are in force since `sinceMs`; else they are a proposal in shadow, and flows of any time are judged. */
  readonly enforced: boolean;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** What was found since the policies are watched with this digest. Lists that do not apply are empty. */
export interface FlowFindings {
  readonly digest: string;
  readonly sinceMs: number;
  /** Connections that were judged, by how often they were seen. */
  readonly judged: number;
  /** Likewise those on which nobody can decide: a side, the direction or the port is not known, or what became of it. */
  readonly notJudged: number;
  /** In shadow: connections that passed and would not. */
  readonly wouldDeny: FoundList;
  /** In force: what was tried outside of the baseline, and was denied or never answered. */
  readonly denied: FoundList;
  /** In force: what passed although the policies deny it. */
  readonly passed: FoundList;
  /** In force: what the policies allow, or the baseline holds, and was denied, unless the other side's policies deny it. */
  readonly deniedBaseline: FoundList;
}

export interface FlowJudgeOptions {
  /** How long after an apply the nodes may take to act on it, in milliseconds. @default 5000 */
  readonly graceMs?: number;
  /** How many connections are remembered with their verdicts. @default 131072 */
  readonly rememberedConnections?: number;
}

/** What policies say to one connection of their workloads. */
interface SideVerdict {
  readonly watch: Watch;
  readonly verdict: Verdict;
  /** Policies can decide on it: both sides and the port are known, and the protocol is one of theirs. */
  readonly judgeable: boolean;
  /** The side that is not allowed, where one is not. */
  readonly direction: Direction;
  readonly inBaseline: boolean;
}

interface Watch {
  policies: WatchedPolicies;
  readonly side: PolicySide;
  tally: Tally;
  /** Verdicts by their parts: connections share them. */
  readonly verdicts: Map<string, SideVerdict>;
}

/** Judges live flows, as they come, against proposals in shadow and against what is in force. */
export class FlowJudge {
  readonly #graceMs: number;
  readonly #memory: ConnectionMemory<readonly SideVerdict[]>;
  readonly #watches = new Map<string, Watch>();
  readonly #byWorkload = new Map<WorkloadKey, Set<Watch>>();
  #world: ProofWorld | undefined;
  /** All policies that are stored. */
  readonly #stored = new PolicySide();

  constructor({ graceMs = 5000, rememberedConnections = 1 << 17 }: FlowJudgeOptions = {}) {
    this.#graceMs = graceMs;
    this.#memory = new ConnectionMemory({
      limit: rememberedConnections,
      isRelevant: (endpoint) => endpoint.kind === 'workload' && this.#byWorkload.has(endpoint.workload),
      make: (source, destination, protocol, port) => this.#verdictsOn(source, destination, protocol, port),
    });
  }

  /** To be called with each new value of the cluster, before flows are attributed with it. */
  setWorld(world: ProofWorld): void {
    const former = this.#world;
    this.#world = world;
    this.#stored.forget();
    // another value of the same cluster that differs in its policies alone
    if (former !== undefined && former.index.classes === world.index.classes && former.cni.name === world.cni.name) {
      this.#memory.forgetPeers();
      return;
    }
    for (const { side } of this.#watches.values()) side.forget();
    this.#memory.clear();
  }

  /** Begins to judge, or goes on where the same policies are watched under this key already. */
  watch(key: string, policies: WatchedPolicies): void {
    const known = this.#watches.get(key);
    if (known === undefined) {
      const watch: Watch = { policies, side: new PolicySide(), tally: new Tally(), verdicts: new Map() };
      this.#watches.set(key, watch);
      this.#concern(watch, policies.workloads);
      return;
    }
    const before = known.policies;
    const same =
      before.digest === policies.digest && before.enforced === policies.enforced && before.sinceMs === policies.sinceMs;
    if (!same) known.tally = new Tally();
    const alike =
      same && sameItems(before.inForce, policies.inForce) && sameItems(before.workloads, policies.workloads);
    if (alike) return;
    this.#release(known, before.workloads);
    known.policies = policies;
    known.side.forget();
    known.verdicts.clear();
    this.#concern(known, policies.workloads);
  }

  unwatch(key: string): void {
    const known = this.#watches.get(key);
    if (known === undefined) return;
    this.#watches.delete(key);
    this.#release(known, known.policies.workloads);
  }

  /** What was found; undefined for a key that is not watched. */
  findings(key: string): FlowFindings | undefined {
    const watch = this.#watches.get(key);
    return watch && watch.tally.findings(watch.policies);
  }

  /** Judges one flow. What was judged before costs a look at a few tables. */
  observe(sighting: Sighting): void {
    const { client, server, protocol, directed } = sighting;
    if (this.#world === undefined) return;
    const verdicts = this.#memory.find(client, server, protocol, directed ? sighting.port : 0);
    if (verdicts === undefined) return;
    for (const each of verdicts) {
      const { policies, tally } = each.watch;
      if (policies.enforced) this.#judgeEnforced(each, sighting, tally);
      else this.#judgeShadow(each, sighting, tally);
    }
  }

  /** Attempts that are denied already say nothing about what a proposal would do. */
  #judgeShadow(each: SideVerdict, sighting: Sighting, tally: Tally): void {
    const { verdict, answered, directed, connections } = sighting;
    if (verdict === 'denied' || (verdict === 'none' && answered === false)) return;
    const said = this.#verdictFor(each, sighting);
    if (!directed || !each.judgeable || said === 'unknown') {
      tally.notJudged += connections;
      return;
    }
    tally.judged += connections;
    if (said === 'allowed') return;
    const { client, server } = sighting;
    const other = each.direction === 'ingress' ? client.endpoint : server.endpoint;
    const words = () => `${each.direction} ${endpointWords(other)} ${portWords(sighting)}: no rule allows it`;
    tally.wouldDeny.add(sighting, words);
  }

  #judgeEnforced(each: SideVerdict, sighting: Sighting, tally: Tally): void {
    const { policies } = each.watch;
    const { timeMs, connections, directed } = sighting;
    if (timeMs < policies.sinceMs) return;
    const said = this.#verdictFor(each, sighting);
    const fate = fateOf(sighting);
    const undecided = said === 'unknown' && !each.inBaseline && fate !== 'denied';
    if (!directed || !each.judgeable || undecided) {
      tally.notJudged += connections;
      return;
    }
    const expected = said === 'allowed' || each.inBaseline;
    switch (fate) {
      case 'denied':
        tally.judged += connections;
        if (!expected) tally.denied.add(sighting, () => attemptWords(sighting));
        else if (!this.#isDeniedElsewhere(each, sighting)) {
          const why = said === 'allowed' ? 'the policies in force allow it' : 'it is in the baseline';
          const words = () => `${connectionWords(sighting)} was denied, although ${why}`;
          tally.deniedBaseline.add(sighting, words);
        }
        return;
      case 'unanswered':
        tally.judged += connections;
        if (!expected) tally.denied.add(sighting, () => attemptWords(sighting));
        return;
      case 'passed':
        tally.judged += connections;
        if (said !== 'denied' || timeMs < policies.sinceMs + this.#graceMs) return;
        tally.passed.add(sighting, () => passedWords(sighting));
        return;
      case 'open':
        if (said === 'denied') tally.notJudged += connections;
        else tally.judged += connections;
        return;
    }
  }

  /** A node reaches the pods that run on it where the network plugin says so, whatever the evaluator says of all nodes. */
  #verdictFor({ verdict, direction }: SideVerdict, { client, server }: Sighting): Verdict {
    if (verdict === 'allowed' || direction !== 'ingress' || client.endpoint.kind !== 'node') return verdict;
    const { cni, index } = this.#world as ProofWorld;
    if (cni.ownNodeExempt !== 'yes' || server.endpoint.kind !== 'workload') return verdict;
    const { name } = client.endpoint;
    if (server.node !== undefined) return server.node === name ? 'allowed' : verdict;
    const classes = index.classesOf[index.position.get(server.endpoint.workload) ?? -1] ?? [];
    const runsThere = classes.some(({ places }) => places.some(({ node }) => node === name));
    return runsThere && verdict === 'denied' ? 'unknown' : verdict;
  }

  /** Whether the other side's own policies deny it, so that the denial says nothing about these. */
  #isDeniedElsewhere({ watch, verdict }: SideVerdict, sighting: Sighting): boolean {
    const world = this.#world as ProofWorld;
    const { client, server, port } = sighting;
    const protocol = policyProtocolOf(sighting.protocol);
    if (verdict !== 'allowed' || protocol === undefined) return false;
    const { workloads } = watch.policies;
    const asked = (subject: Endpoint, direction: Direction, other: Endpoint): boolean => {
      if (subject.kind !== 'workload' || workloads.includes(subject.workload)) return false;
      const question = { subject: subject.workload, direction, other, protocol, port };
      return this.#stored.verdict(question, world, () => world.index.cluster.policies) === 'denied';
    };
    return asked(server.endpoint, 'ingress', client.endpoint) || asked(client.endpoint, 'egress', server.endpoint);
  }

  #verdictsOn(source: Endpoint, destination: Endpoint, protocol: number, port: number): SideVerdict[] {
    const watches = new Set<Watch>();
    for (const endpoint of [source, destination]) {
      if (endpoint.kind !== 'workload') continue;
      for (const watch of this.#byWorkload.get(endpoint.workload) ?? []) watches.add(watch);
    }
    return [...watches].map((watch) => this.#verdictOf(watch, source, destination, protocol, port));
  }

  /** Where both sides are of the watched workloads, the stricter one decides. */
  #verdictOf(watch: Watch, source: Endpoint, destination: Endpoint, number: number, port: number): SideVerdict {
    const world = this.#world as ProofWorld;
    const { workloads, baseline } = watch.policies;
    const protocol = policyProtocolOf(number);
    const inBaseline = baseline.has(connectionId(source, destination, number, port, true));
    const judgeable = protocol !== undefined && port !== 0 && isParty(source) && isParty(destination);
    let verdict: Verdict = 'allowed';
    let direction: Direction = 'ingress';
    for (const [own, other, side] of [
      [destination, source, 'ingress'],
      [source, destination, 'egress'],
    ] as const) {
      if (!judgeable || own.kind !== 'workload' || !workloads.includes(own.workload)) continue;
      const question = { subject: own.workload, direction: side, other, protocol, port };
      const said = watch.side.verdict(question, world, () => relevantPolicies(watch.policies));
      if (strictness[said] > strictness[verdict]) [verdict, direction] = [said, side];
    }
    const key = `${verdict} ${direction} ${judgeable} ${inBaseline}`;
    let shared = watch.verdicts.get(key);
    if (!shared) watch.verdicts.set(key, (shared = { watch, verdict, judgeable, direction, inBaseline }));
    return shared;
  }

  #concern(watch: Watch, workloads: readonly WorkloadKey[]): void {
    for (const workload of workloads) {
      const watches = this.#byWorkload.get(workload) ?? new Set();
      this.#byWorkload.set(workload, watches.add(watch));
      this.#memory.forget({ kind: 'workload', workload });
    }
  }

  #release(watch: Watch, workloads: readonly WorkloadKey[]): void {
    for (const workload of workloads) {
      const watches = this.#byWorkload.get(workload);
      watches?.delete(watch);
      if (watches?.size === 0) this.#byWorkload.delete(workload);
      this.#memory.forget({ kind: 'workload', workload });
    }
  }
}

/** Whether policies can mean it: a Service that stands for no one workload they cannot, unless it is the API server. */
function isParty(endpoint: Endpoint): boolean {
  return endpoint.kind !== 'unknown' && (endpoint.kind !== 'service' || isApiServer(endpoint));
}

const strictness: Readonly<Record<Verdict, number>> = { allowed: 0, unknown: 1, denied: 2 };

class Tally {
  judged = 0;
  notJudged = 0;
  readonly wouldDeny = new FoundConnections();
  readonly denied = new FoundConnections();
  readonly passed = new FoundConnections();
  readonly deniedBaseline = new FoundConnections();

  findings({ digest, sinceMs }: WatchedPolicies): FlowFindings {
    return {
      digest,
      sinceMs,
      judged: this.judged,
      notJudged: this.notJudged,
      wouldDeny: this.wouldDeny.list(),
      denied: this.denied.list(),
      passed: this.passed.list(),
      deniedBaseline: this.deniedBaseline.list(),
    };
  }
}

/** Policies select pods of their own namespace alone, so that those of others say nothing about these workloads. */
function relevantPolicies({ workloads, policies, inForce }: WatchedPolicies): NetworkPolicy[] {
  const namespaces = new Set(workloads.map((workload) => parseWorkloadKey(workload).namespace));
  const own = new Set(policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  const beside = inForce.filter(
    ({ metadata }) => namespaces.has(metadata.namespace) && !own.has(`${metadata.namespace}/${metadata.name}`),
  );
  return [...policies, ...beside];
}

/**
 * What became of a connection. That it was let out at one end does not say that it was let in at the other: only an
 * answer, or a policy engine that says to have looked on, shows that it passed.
 */
function fateOf({ verdict, answered }: Sighting): 'denied' | 'unanswered' | 'passed' | 'open' {
  if (verdict === 'denied') return 'denied';
  if (verdict === 'audited' || answered === true) return 'passed';
  return answered === false ? 'unanswered' : 'open';
}

function portWords({ protocol, port }: Sighting): string {
  return `${protocolName(protocol)} ${port}`;
}

function connectionWords(sighting: Sighting): string {
  const { client, server } = sighting;
  return `${endpointWords(client.endpoint)} to ${endpointWords(server.endpoint)} ${portWords(sighting)}`;
}

function attemptWords(sighting: Sighting): string {
  const fate = sighting.verdict === 'denied' ? 'was denied' : 'was tried and not answered';
  return `${connectionWords(sighting)} is outside of the baseline and ${fate}`;
}

function passedWords(sighting: Sighting): string {
  const audit = sighting.verdict === 'audited' ? ', because the network plugin only audits' : '';
  return `${connectionWords(sighting)} passed, although the policies in force deny it${audit}`;
}

function sameItems<Item>(a: readonly Item[], b: readonly Item[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
