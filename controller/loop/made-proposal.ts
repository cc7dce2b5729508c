import type { AnalysedProposal, ProvedPolicy } from './analyst.ts';
import { counted } from '../model/counted.ts';
import { objectName } from '../model/object-name.ts';
import {
  type CountedItems,
  type ListedItem,
  listedItems,
  type ProposalProof,
  type ProposalReadiness,
  type ProposalSpec,
} from '../model/policy-proposal.ts';
import type { HeldBack, Omission, Proof } from '../model/proposal.ts';
import { parseWorkloadKey, type WorkloadKey } from '../model/workload.ts';
import type { Readiness } from '../learning/readiness.ts';
import { defaultDenyYaml } from '../policy/default-deny.ts';
import { overGrantWords } from '../view/over-grant.ts';

/** What nanoseg would write into a proposal at this moment, with all that a reviewer needs to know of it. */
export interface MadeProposal {
  readonly namespace: string;
  readonly name: string;
  readonly spec: ProposalSpec;
  readonly rules: number;
  readonly readiness: ProposalReadiness;
  readonly proof: ProposalProof;
  readonly heldBack: CountedItems;
  readonly omissions: CountedItems;
  readonly attempts: readonly string[];
  readonly notes: readonly string[];
  /** The lists of which the others are the beginning. */
  readonly whole: { readonly heldBack: readonly ListedItem[]; readonly omissions: readonly ListedItem[] };
}

/** `deployment-cart` of `shop/Deployment/cart`. */
export function proposalName(workload: WorkloadKey): string {
  const { kind, name } = parseWorkloadKey(workload);
  return objectName(kind.toLowerCase(), name);
}

/** `joint-…`, after the policy that its workloads would share. */
export function jointProposalName(policyName: string): string {
  return objectName('joint', policyName.replace(/^nanoseg-/, ''));
}

export function madeFromAnalysis(analysed: AnalysedProposal, attempts: readonly string[]): MadeProposal {
  const { draft, readiness, synthesis } = analysed;
  const [workload] = draft.workloads as [WorkloadKey];
  const whole = { heldBack: reasoned(synthesis.heldBack), omissions: reasoned(synthesis.omissions) };
  return {
    namespace: draft.namespace,
    name: proposalName(workload),
    spec: { scope: 'Workload', ...textOf(analysed) },
    rules: draft.ingress.length + draft.egress.length,
    readiness: readinessSummary(readiness),
    proof: proofSummary(analysed.proof),
    heldBack: beginning(whole.heldBack),
    omissions: beginning(whole.omissions),
    attempts,
    notes: [...synthesis.notes, ...analysed.notes, ...readiness.notes],
    whole,
  };
}

/** One policy for workloads that no label tells apart: a person always decides with the word of the proof alone. */
export function madeFromJoint(policy: ProvedPolicy, readiness: readonly Readiness[]): MadeProposal {
  const { draft } = policy;
  const missing = readiness.flatMap(({ workload, missing: parts }) =>
    parts.map(({ code, message }) => ({ code, message: `${workload}: ${message}` })),
  );
  return {
    namespace: draft.namespace,
    name: jointProposalName(draft.name),
    spec: { scope: 'Joint', ...textOf(policy) },
    rules: draft.ingress.length + draft.egress.length,
    readiness: {
      state: missing.length === 0 ? 'ready' : 'learning',
      coverage: 'unknown',
      missing: missing.slice(0, listedItems),
    },
    proof: proofSummary(policy.proof),
    heldBack: noItems,
    omissions: noItems,
    attempts: [],
    notes: [
      `no label tells its ${counted(draft.workloads.length, 'workload')} apart, so that they share one policy`,
      ...policy.notes,
    ],
    whole: nothingWhole,
  };
}

/** In every namespace: the default-deny for what comes later. */
export const closingProposalName = 'namespace-default-deny';

export function madeForClosing(namespace: string, proof: ProposalProof): MadeProposal {
  return {
    namespace,
    name: closingProposalName,
    spec: { scope: 'Namespace', workloads: [], policies: defaultDenyYaml(namespace), evidence: [] },
    rules: 0,
    readiness: { state: 'ready', coverage: 'unknown', missing: [] },
    proof,
    heldBack: noItems,
    omissions: noItems,
    attempts: [],
    notes: ['every workload of the namespace has a policy of its own, so that this one concerns only what comes later'],
    whole: nothingWhole,
  };
}

export const noItems: CountedItems = { count: 0, items: [] };
const nothingWhole: MadeProposal['whole'] = { heldBack: [], omissions: [] };

function textOf({ draft, yaml }: ProvedPolicy): Pick<ProposalSpec, 'workloads' | 'policies' | 'evidence'> {
  const cited = [...draft.ingress, ...draft.egress].flatMap(({ evidence }) => evidence);
  return {
    workloads: draft.workloads.map(kindAndName).sort(),
    policies: yaml,
    // addresses outside come and go; where they matter they stand in the policies themselves
    evidence: [...new Set<string>(cited)].filter((id) => !id.includes('external:')).sort(),
  };
}

function kindAndName(workload: WorkloadKey): string {
  const { kind, name } = parseWorkloadKey(workload);
  return `${kind}/${name}`;
}

function readinessSummary({ state, coverage, missing }: Readiness): ProposalReadiness {
  return {
    state,
    // never rounded up to all
    coverage: coverage === 'unknown' ? 'unknown' : `${(Math.floor(coverage * 1000) / 10).toFixed(1)}%`,
    missing: missing.slice(0, listedItems).map(({ code, message }) => ({ code, message })),
  };
}

export function proofSummary(proof: Proof): ProposalProof {
  const { valid, checks, overGrants, wouldDeny, reachableBefore, reachableAfter } = proof;
  return {
    valid,
    checks: checks.map(({ name, passed, message }) => ({ name, passed, message })),
    overGrants: overGrants.slice(0, listedItems).map(overGrantWords),
    wouldDeny: beginning(wouldDeny.map(({ connection, message }) => ({ connection, message }))),
    reachableBefore,
    reachableAfter,
  };
}

function reasoned(found: readonly (HeldBack | Omission)[]): ListedItem[] {
  return found.map(({ connection, because, message }) => ({
    connection: connection.id,
    message: `${because}: ${message}`,
  }));
}

function beginning(items: readonly ListedItem[]): CountedItems {
  return { count: items.length, items: items.slice(0, listedItems) };
}
