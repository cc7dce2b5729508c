import type { ConnectionSet } from '../../model/connection-set.ts';
import type { CniProfile, Fact } from '../cni-profiles.ts';
import type { ClusterIndex, Place } from './cluster-index.ts';
import type { CompiledPolicies, CompiledRule, Direction } from './compile-policies.ts';
import { type Permit, PermitPool } from './permit-pool.ts';
import { RuleMatching } from './rule-matching.ts';
import { type Party, type View, Views } from './views.ts';

/** What may flow: `unknown` depends on a CNI fact, an address that is not known, or pods of a workload that differ. */
export interface Answer {
  readonly allowed: ConnectionSet;
  readonly unknown: ConnectionSet;
}

/**
 * One set of policies under one CNI, ready to be asked. An answer for a workload holds for all of its pods:
 * `allowed` is what every pod pair may do, `unknown` includes what only some may do. A pair of a workload with itself
 * is one replica with another; a pod always reaches itself. Replies to allowed connections are always allowed.
 * hostNetwork pods are their nodes: policies neither select nor isolate them.
 */
export interface Evaluation {
  readonly index: ClusterIndex;
  readonly compiled: CompiledPolicies;
  readonly cni: CniProfile;
  readonly pool: PermitPool;
  readonly views: Views;
  readonly matching: RuleMatching;
}

export function evaluation(index: ClusterIndex, compiled: CompiledPolicies, cni: CniProfile): Evaluation {
  const pool = new PermitPool();
  const views = new Views(index, compiled);
  return { index, compiled, cni, pool, views, matching: new RuleMatching(index, compiled, cni, pool) };
}

export function answerOf({ pool }: Evaluation, permit: Permit): Answer {
  return { allowed: permit.certain, unknown: pool.unknownOf(permit) };
}

/** What may flow from one party to the other, both directions of policy taken together. */
export function between(evaluation: Evaluation, source: Party, destination: Party): Answer {
  const { views } = evaluation;
  return answerOf(evaluation, permitBetween(evaluation, views.of(source), views.of(destination)));
}

export function permitBetween(evaluation: Evaluation, sources: readonly View[], destinations: readonly View[]): Permit {
  const { pool } = evaluation;
  let all: Permit | undefined;
  for (const source of sources) {
    for (const destination of destinations) {
      const permit = pool.intersection(
        sidePermit(evaluation, 'egress', source, destination),
        sidePermit(evaluation, 'ingress', destination, source),
      );
      all = all ? pool.either(all, permit) : permit;
    }
  }
  return all ?? pool.nothing;
}

/** What the policies of one direction that select `subject` allow between it and `peer`. */
export function sidePermit(evaluation: Evaluation, direction: Direction, subject: View, peer: View): Permit {
  const { pool, matching } = evaluation;
  if (subject.kind === 'stray') return pool.perhaps;
  const policies = subject.isolatedBy[direction];
  if (policies.length === 0) return pool.everything;
  const destination = direction === 'ingress' ? subject : peer;
  let permit = direction === 'ingress' ? nodeExemption(evaluation, subject, peer) : pool.nothing;
  const inPart: CompiledRule[] = [];
  for (const policy of policies) {
    for (const rule of policy[direction] ?? []) {
      switch (matching.meet(rule, direction, peer)) {
        case 'all':
          permit = pool.union(permit, matching.permitOf(rule, destination));
          break;
        case 'unknown':
          permit = pool.union(permit, pool.doubted(matching.permitOf(rule, destination)));
          break;
        case 'part':
          inPart.push(rule);
          break;
        case 'none':
          break;
      }
    }
  }
  if (inPart.length === 0) return permit;
  const exemption = (place: Place) => {
    const here = { ...peer, places: [place] };
    return direction === 'ingress' ? nodeExemption(evaluation, subject, here) : pool.nothing;
  };
  return pool.union(permit, matching.inParts(inPart, direction, peer, destination, exemption));
}

/** What a node may do to pods whatever their ingress policies say. */
export function nodeExemption({ pool, cni }: Evaluation, pods: View, peer: View): Permit {
  if (peer.kind !== 'hosts' || cni.anyNodeExempt === 'yes') {
    return peer.kind === 'hosts' ? pool.everything : pool.nothing;
  }
  const own = sameNode(pods, peer);
  const exempt: Record<Fact, Permit> = {
    yes: own === 'all' ? pool.everything : pool.perhaps,
    unknown: pool.perhaps,
    no: pool.nothing,
  };
  const permit = own === 'none' ? pool.nothing : exempt[cni.ownNodeExempt];
  return cni.anyNodeExempt === 'unknown' ? pool.union(permit, pool.perhaps) : permit;
}

/** Whether the nodes of two views are the same: for all pairs, for none, or for some (or nobody knows). */
function sameNode(a: View, b: View): 'all' | 'some' | 'none' {
  const [here, there] = [a, b].map(({ places }) => new Set(places.map(({ node }) => node))) as [
    Set<string | undefined>,
    Set<string | undefined>,
  ];
  if (here.has(undefined) || there.has(undefined)) return 'some';
  const shared = [...there].some((node) => here.has(node));
  return !shared ? 'none' : here.size === 1 && there.size === 1 ? 'all' : 'some';
}
