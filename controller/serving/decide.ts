import { randomUUID } from 'node:crypto';
import { counted } from '../model/counted.ts';
import type { ObjectRef } from '../model/kubernetes-object.ts';
import type { Decision, PolicyApproval } from '../model/policy-approval.ts';
import { type PolicyProposal, type ProposalStatus, resourceApiVersion } from '../model/policy-proposal.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { ObjectStore } from '../ports.ts';
import { decidedDigest, inForce, isCurrent, notYetProved, shortDigest } from '../view/decided.ts';
import type { EffectiveProfile } from '../view/effective-profile.ts';
import { proposalName } from '../view/proposal-names.ts';
import { whatMayBeRead } from './what-may-be-read.ts';

/** One decision about one digest of one proposal, as the person has seen it. */
export interface DecisionRequest {
  readonly proposal: PolicyProposal;
  readonly decision: Decision;
  readonly digest: string;
  readonly reason: string | undefined;
  /** RFC 3339. */
  readonly expiresAt: string | undefined;
  readonly effective: EffectiveProfile;
}

/** What became of a decision that was written down. */
export interface DecisionResult {
  readonly result: /** What was asked for is so: enforced, rejected, rolled back, retired. */
    | 'done'
    /** It counts, and something else is still missing: approvers, the mode, the next moment. */
    | 'counted'
    /** It counts for nothing. */
    | 'ignored'
    /** The controller has not looked at it in time. */
    | 'unanswered';
  /** One sentence. */
  readonly message: string;
}

/**
 * Writes the decision down, right after making sure that it is about what was shown; answers with the name of the
 * PolicyApproval. `claimant` is asked for only where nobody checks who decides. Rejects with ClusterError.
 */
export async function recordDecision(
  store: ObjectStore,
  claimant: () => Promise<string>,
  request: DecisionRequest,
): Promise<string | Problem> {
  const fresh = await store.get<PolicyProposal>(refOf(request.proposal));
  const changed = changedSince(request, fresh);
  if (changed !== undefined) return changed;
  const claimed = request.effective.profile.approvals.identity === 'claimed';
  const approval = approvalFor(request, claimed ? await claimant() : undefined);
  await store.create(approval);
  return approval.metadata.name;
}

function changedSince({ proposal, decision, digest }: DecisionRequest, fresh: PolicyProposal | undefined) {
  const name = proposalName(proposal);
  if (fresh === undefined) return problem('ProposalChanged', `${name} is gone`);
  const now = decidedDigest(fresh, decision);
  const isProved = decision === 'Rollback' || decision === 'Retire' || isCurrent(fresh);
  if (now === digest) return isProved ? undefined : notYetProved(fresh);
  const message = `${name} was ${shortDigest(digest)} when it was shown, and is ${shortDigest(now)} now`;
  return problem('ProposalChanged', message);
}

export function refOf({ kind, metadata }: PolicyProposal): ObjectRef {
  return { kind, namespace: metadata.namespace, name: metadata.name };
}

function approvalFor(request: DecisionRequest, claimant: string | undefined): PolicyApproval {
  const { proposal, decision, digest, reason, expiresAt } = request;
  const { namespace, name } = proposal.metadata;
  return {
    apiVersion: resourceApiVersion,
    kind: 'PolicyApproval',
    metadata: { namespace, name: `${name}-${decision.toLowerCase()}-${randomUUID().slice(0, 8)}` },
    spec: {
      proposal: name,
      digest,
      decision,
      ...(reason !== undefined && { reason }),
      ...(expiresAt !== undefined && { expiresAt }),
      ...(claimant !== undefined && { claim: { user: claimant, time: new Date().toISOString() } }),
    },
  };
}

const pollMs = 200;

/** Waits until the decision has come to something, at most so long. */
export async function outcomeOf(
  store: ObjectStore,
  request: DecisionRequest,
  approval: string,
  waitMs: number,
  onWait: () => void = () => undefined,
): Promise<DecisionResult> {
  const namespace = request.proposal.metadata.namespace;
  const deadline = Date.now() + waitMs;
  for (;;) {
    const [written, proposal] = await Promise.all([
      store.get<PolicyApproval>({ kind: 'PolicyApproval', namespace, name: approval }),
      store.get<PolicyProposal>(refOf(request.proposal)),
    ]);
    const missing = proposal?.status ? await missingApprovers(store, request, written, proposal.status) : 0;
    const seen = judged(request, approval, written, proposal, missing);
    if (seen.settled || Date.now() >= deadline) {
      return { result: seen.result, message: seen.message };
    }
    onWait();
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, Math.min(pollMs, deadline - Date.now()))));
  }
}

type Judged = DecisionResult & {
  /** Whether waiting longer can bring anything that is worth waiting for. */
  readonly settled: boolean;
};

function judged(
  { decision, digest, effective }: DecisionRequest,
  name: string,
  approval: PolicyApproval | undefined,
  proposal: PolicyProposal | undefined,
  missing: number,
): Judged {
  const status = proposal?.status;
  // first, because a decision that was carried out has nothing left to be about
  const done = proposal && doneWords(decision, digest, proposal);
  if (done !== undefined) return { settled: true, result: 'done', message: done };
  const ignored = status?.approvals.ignored.find((item) => item.approval === name)?.because;
  if (approval?.status?.counted === false || ignored !== undefined) {
    const because = ignored ?? approval?.status?.message ?? 'the controller does not say why';
    return { settled: true, result: 'ignored', message: `the decision counts for nothing: ${because}` };
  }
  const given = status?.approvals.given ?? [];
  const counts = approval?.status?.counted === true || given.some((item) => item.approval === name);
  if (!counts || status === undefined) {
    const { stopped } = effective;
    const message =
      stopped === undefined
        ? 'recorded, and the controller has not answered yet: nanoseg status says whether it runs'
        : `recorded; nanoseg looks at it after nanoseg resume: stopped, ${stopped}`;
    return { settled: stopped !== undefined, result: 'unanswered', message };
  }
  if (missing > 0) {
    return { settled: true, result: 'counted', message: `it counts; ${counted(missing, 'more approver')} needed` };
  }
  if (decision === 'Approve' && effective.mode !== 'enforce' && effective.mode !== 'unknown') {
    const message = `it counts; nothing is applied while the mode of the namespace is ${effective.mode} (${effective.origin})`;
    return { settled: true, result: 'counted', message };
  }
  return { settled: false, result: 'counted', message: `it counts; ${status.message}` };
}

/** How many more people have to decide the same; 0 as well where that cannot be read. */
async function missingApprovers(
  store: ObjectStore,
  { proposal: { metadata }, decision, digest }: DecisionRequest,
  own: PolicyApproval | undefined,
  { approvals: { required, given } }: ProposalStatus,
): Promise<number> {
  switch (decision) {
    case 'Approve': {
      // that it counts is written on the approval a moment before the proposal says so
      const counting = own?.status?.counted === true ? deciderOf(own) : undefined;
      return required - new Set([...given.map(({ user }) => user), ...(counting === undefined ? [] : [counting])]).size;
    }
    case 'Retire': {
      const { namespace, name } = metadata;
      const made = await whatMayBeRead(store.list<PolicyApproval>('PolicyApproval', namespace), undefined);
      const wishes = made?.filter(
        ({ spec, status }) =>
          status?.counted === true && spec.proposal === name && spec.decision === decision && spec.digest === digest,
      );
      return wishes === undefined ? 0 : required - new Set(wishes.map(deciderOf)).size;
    }
    case 'Reject':
    case 'Rollback':
      return 0;
  }
}

function deciderOf({ spec: { stamp, claim } }: PolicyApproval): string | undefined {
  return stamp?.user ?? claim?.user;
}

function doneWords(decision: Decision, digest: string, { status }: PolicyProposal): string | undefined {
  switch (decision) {
    case 'Approve':
      return status?.state === 'Enforced' && status.enforced?.digest === digest
        ? `enforced as revision ${status.enforced.revision}`
        : undefined;
    case 'Reject':
      return status?.state === 'Rejected' ? 'rejected' : undefined;
    case 'Rollback': {
      if (status === undefined || status.applying !== undefined) return undefined;
      const current = inForce(status);
      if (current?.digest === digest) return undefined;
      return `rolled back: ${current ? `revision ${current.revision} is in force` : 'no policy of nanoseg is in force'}`;
    }
    case 'Retire':
      return status !== undefined && status.applying === undefined && inForce(status) === undefined
        ? 'retired: its policies are removed'
        : undefined;
  }
}
