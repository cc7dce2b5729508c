import {
  allAddresses,
  type CidrSet,
  formatAddresses,
  intersectAddresses,
  isEmptyAddresses,
  noAddresses,
  subtractAddresses,
  unionAddresses,
} from '../model/cidr.ts';
import {
  allConnections,
  type ConnectionSet,
  formatConnections,
  isEmptyConnections,
  noConnections,
  subtractConnections,
  unionConnections,
} from '../model/connection-set.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { listedItems, type ProposalChange } from '../model/policy-proposal.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { type Admission, admits } from './evaluate/admits.ts';
import type { ClusterIndex } from './evaluate/cluster-index.ts';
import { compilePolicies, type Direction } from './evaluate/compile-policies.ts';
import { type Answer, evaluation } from './evaluate/evaluation.ts';
import { podsToCome } from './pods-to-come.ts';
import { type ProofWorld, withoutExemptions } from './proof-world.ts';

/** How two states of nanoseg's policies for some workloads differ in what may talk to them, and to whom they may. */
export interface PolicyChange {
  readonly change: ProposalChange;
  /** What only `after` lets through; where nothing was in force before, all that it lets through. */
  readonly gained: ChangeLines;
  readonly lost: ChangeLines;
}

/** `from shop/Deployment/web to TCP 8080`, ingress first; at most `listedItems` lines, all are counted. */
export interface ChangeLines {
  readonly count: number;
  readonly lines: readonly string[];
}

export interface ChangeInput {
  readonly workloads: readonly WorkloadKey[];
  /** nanoseg's policies in force for these workloads; empty: none. */
  readonly before: readonly NetworkPolicy[];
  readonly after: readonly NetworkPolicy[];
}

const directions = ['ingress', 'egress'] as const;

/**
 * Compares what two states of nanoseg's own policies mean; policies that people wrote are left out of both. `Shrink` is
 * said only when nothing is gained: neither by the pods there are, nor by labels that let others in when they come. What is
 * not known for certain counts as gained, and as lost, where only one of the states has it.
 */
export function changeOf({ workloads, before, after }: ChangeInput, world: ProofWorld): PolicyChange {
  const [was, is] = [before, after].map((policies) => stateOf(workloads, policies, world)) as [State[], State[]];
  const gained: string[] = [];
  const lost: string[] = [];
  for (const [i, { direction, admitted }] of is.entries()) {
    const old = before.length === 0 ? nobody : (was[i] as State).admitted;
    gained.push(...differenceLines(direction, old, admitted, world.index));
    if (before.length > 0) lost.push(...differenceLines(direction, admitted, old, world.index));
  }
  if (before.length > 0 && after.length > 0) {
    for (const direction of directions) {
      gained.push(...podsToCome(after, before, direction).map((pods) => `${to(direction)} ${pods} that may come`));
      lost.push(...podsToCome(before, after, direction).map((pods) => `${to(direction)} ${pods} that may come`));
    }
  }
  const lines = { gained: changeLines(gained), lost: changeLines(lost) };
  return { change: changeName(before.length === 0, lines.gained.count > 0, lines.lost.count > 0), ...lines };
}

function changeName(isNew: boolean, gains: boolean, loses: boolean): ProposalChange {
  if (isNew) return 'New';
  if (gains) return loses ? 'Amend' : 'Grow';
  return loses ? 'Shrink' : 'None';
}

/** What one direction of one workload lets through. */
interface State {
  readonly direction: Direction;
  readonly admitted: 'anyone' | readonly Admission[];
}

const nobody: State['admitted'] = [];

/** In the same order for all states of the same workloads. */
function stateOf(
  workloads: readonly WorkloadKey[],
  policies: readonly NetworkPolicy[],
  { index, cni }: ProofWorld,
): State[] {
  const own = withoutExemptions(evaluation(index, compilePolicies(index, policies), cni));
  const known = workloads.filter((workload) => index.position.has(workload));
  return directions.flatMap((direction) =>
    known.map((workload) => {
      const admitted = admits(own, direction, workload);
      return { direction, admitted: admitted === 'not-isolated' ? ('anyone' as const) : admitted };
    }),
  );
}

/** What `more` lets through and `less` does not. */
function differenceLines(
  direction: Direction,
  less: State['admitted'],
  more: State['admitted'],
  index: ClusterIndex,
): string[] {
  if (less === 'anyone') return [];
  if (more === 'anyone') return [line(direction, 'everybody', everything)];
  const found: string[] = [];
  const before = new Peers(less, index);
  const after = new Peers(more, index);
  for (const [workload, answer] of after.workloads) {
    const part = excess(before.answerFor(workload), answer);
    if (!isEmptyPart(part)) found.push(line(direction, workload, part));
  }
  const strangers = after.unlisted().map((workload) => excess(before.answerFor(workload), after.answerFor(workload)));
  const part = strangers.find((each) => !isEmptyPart(each));
  if (part) found.push(line(direction, 'workloads of unknown address', part));
  for (const { set, part: added } of addressExcess(piecesOf(less), piecesOf(more))) {
    found.push(line(direction, blockWords(set), added));
  }
  return found;
}

/** What one state says to each workload: those of unknown address, that a block may mean, are listed together. */
class Peers {
  readonly workloads: ReadonlyMap<WorkloadKey, Answer>;
  readonly #unaddressed: Answer;
  readonly #strangers: ReadonlySet<WorkloadKey>;

  constructor(admitted: readonly Admission[], { unaddressed, keys }: ClusterIndex) {
    this.workloads = new Map(
      admitted.flatMap(({ peer, ...answer }) => (peer.kind === 'workload' ? [[peer.workload, answer]] : [])),
    );
    this.#unaddressed = admitted.find(({ peer }) => peer.kind === 'unaddressed') ?? nothing;
    this.#strangers = new Set(unaddressed.map((position) => keys[position] as WorkloadKey));
  }

  answerFor(workload: WorkloadKey): Answer {
    return this.workloads.get(workload) ?? (this.#strangers.has(workload) ? this.#unaddressed : nothing);
  }

  unlisted(): WorkloadKey[] {
    return [...this.#strangers].filter((workload) => !this.workloads.has(workload));
  }
}

interface Part {
  readonly certain: ConnectionSet;
  readonly perhaps: ConnectionSet;
}

const nothing: Answer = { allowed: noConnections, unknown: noConnections };
const everything: Part = { certain: allConnections, perhaps: noConnections };

function excess(less: Answer, more: Answer): Part {
  const certain = subtractConnections(more.allowed, less.allowed);
  const possible = subtractConnections(
    unionConnections(more.allowed, more.unknown),
    unionConnections(less.allowed, less.unknown),
  );
  return { certain, perhaps: subtractConnections(possible, certain) };
}

function isEmptyPart({ certain, perhaps }: Part): boolean {
  return isEmptyConnections(certain) && isEmptyConnections(perhaps);
}

interface Piece {
  readonly set: CidrSet;
  readonly answer: Answer;
}

function piecesOf(admitted: readonly Admission[]): Piece[] {
  return admitted.flatMap(({ peer, ...answer }) => (peer.kind === 'addresses' ? [{ set: peer.set, answer }] : []));
}

/** By part, so that all addresses that gain the same stand together. */
function addressExcess(less: readonly Piece[], more: readonly Piece[]): { set: CidrSet; part: Part }[] {
  const covered = less.map(({ set }) => set).reduce(unionAddresses, noAddresses);
  const before = [...less, { set: subtractAddresses(allAddresses, covered), answer: nothing }];
  const found = new Map<string, { set: CidrSet; part: Part }>();
  for (const { set, answer } of more) {
    for (const old of before) {
      const shared = intersectAddresses(set, old.set);
      const part = excess(old.answer, answer);
      if (isEmptyAddresses(shared) || isEmptyPart(part)) continue;
      const key = `${formatConnections(part.certain)} ${formatConnections(part.perhaps)}`;
      const same = found.get(key);
      found.set(key, { set: same ? unionAddresses(same.set, shared) : shared, part });
    }
  }
  return [...found.values()];
}

function to(direction: Direction): string {
  return direction === 'ingress' ? 'from' : 'to';
}

function line(direction: Direction, peer: string, { certain, perhaps }: Part): string {
  const parts = [
    ...(isEmptyConnections(certain) ? [] : [formatConnections(certain)]),
    ...(isEmptyConnections(perhaps) ? [] : [`perhaps ${formatConnections(perhaps)}`]),
  ];
  return `${to(direction)} ${peer} ${direction === 'ingress' ? 'to' : 'on'} ${parts.join(', ')}`;
}

const listedBlocks = 8;

function blockWords(set: CidrSet): string {
  const blocks = formatAddresses(set);
  if (blocks.length <= listedBlocks) return blocks.join(', ');
  return `${blocks.slice(0, listedBlocks).join(', ')} and ${blocks.length - listedBlocks} more blocks`;
}

function changeLines(found: readonly string[]): ChangeLines {
  const distinct = [...new Set(found)];
  return { count: distinct.length, lines: distinct.slice(0, listedItems) };
}
