import type { CidrSet } from '../../model/cidr.ts';
import type { WorkloadKey } from '../../model/workload.ts';
import { addressAtoms } from './address-atoms.ts';
import type { CompiledRule, Direction } from './compile-policies.ts';
import { type Answer, answerOf, type Evaluation, sidePermit } from './evaluation.ts';
import { ownersWithin } from './owners-within.ts';
import type { Permit } from './permit-pool.ts';
import { addressView, type View } from './views.ts';

type AdmittedPeer =
  | { readonly kind: 'workload'; readonly workload: WorkloadKey }
  /** Addresses outside of the cluster's own pods and nodes. */
  | { readonly kind: 'addresses'; readonly set: CidrSet }
  /** Any workload whose addresses the inventory does not know, because an ipBlock may match them; never certain. */
  | { readonly kind: 'unaddressed' };

/** What the policies of one direction let through between their subject and one peer; the peer's own are not asked. */
export interface Admission extends Answer {
  readonly peer: AdmittedPeer;
}

/**
 * Everything that the policies selecting a workload let in (or out), or that none of them isolates it. It costs what
 * the policies match. Peers: workloads ascending, then addresses. The node exemption of a CNI is no policy and not
 * listed, but hostNetwork workloads are, where they are peers.
 */
export function admits(
  evaluation: Evaluation,
  direction: Direction,
  workload: WorkloadKey,
): 'not-isolated' | Admission[] {
  const { index, views, pool } = evaluation;
  const subjects = views.of({ kind: 'workload', workload });
  if (subjects.every(({ isolatedBy }) => isolatedBy[direction].length === 0)) return 'not-isolated';
  const rules = [...new Set(subjects.flatMap(({ isolatedBy }) => isolatedBy[direction]))].flatMap(
    (policy) => policy[direction] ?? [],
  );
  const open = rules.some(({ everyone }) => everyone);
  const anyone = open || subjects.some(({ isolatedBy }) => isolatedBy[direction].length === 0);

  const judge = (peers: readonly View[]): Permit =>
    subjects
      .flatMap((subject) => peers.map((peer) => sidePermit(evaluation, direction, subject, peer)))
      .reduce((a, b) => pool.either(a, b));
  const admissions: Admission[] = [];
  const add = (peer: AdmittedPeer, permit: Permit) => {
    if (permit !== pool.nothing) admissions.push({ peer, ...answerOf(evaluation, permit) });
  };

  const workloads = anyone ? index.keys.keys() : peerWorkloads(evaluation, rules);
  for (const position of workloads) {
    const key = index.keys[position] as WorkloadKey;
    add({ kind: 'workload', workload: key }, judge(views.ofWorkload(position)));
  }
  const sets = [...new Set(rules.flatMap(({ addressSet }) => (addressSet === undefined ? [] : [addressSet])))];
  if (sets.length > 0 && index.unaddressed.length > 0 && !anyone) {
    const nowhere: View = { ...addressView({ family: 4, value: 0n }), kind: 'pods', places: unknownPlace };
    add({ kind: 'unaddressed' }, judge([nowhere]));
  }
  if (anyone || sets.length > 0) {
    const atoms = addressAtoms(sets.map((set) => evaluation.compiled.addressSets[set] as CidrSet));
    for (const { addresses, sample } of atoms) {
      add({ kind: 'addresses', set: addresses }, judge([addressView(sample)]));
    }
  }
  return admissions;
}

const unknownPlace = [{ node: undefined, address: undefined }];

/** Positions, ascending, of the workloads that rules with listed peers can mean. */
function peerWorkloads({ index, compiled, cni }: Evaluation, rules: readonly CompiledRule[]): number[] {
  const found = new Set<number>();
  for (const { selections, addressSet } of rules) {
    for (const selection of selections) {
      for (const id of compiled.selections[selection] ?? []) found.add(index.classes[id]?.workload as number);
    }
    if (addressSet === undefined) continue;
    const set = compiled.addressSets[addressSet] as CidrSet;
    if (cni.ipBlockMatchesPods !== 'no') for (const position of ownersWithin(index, set)) found.add(position);
    if (cni.ipBlockMatchesNodes !== 'no') for (const position of index.onHosts) found.add(position);
  }
  return [...found].sort((a, b) => a - b);
}
