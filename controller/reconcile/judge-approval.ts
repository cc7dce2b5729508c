import type { Labels } from '../model/label-selector.ts';
import { type ApprovalSpec, type Decision, decisions, type PolicyApproval } from '../model/policy-approval.ts';
import type { ApproverIdentity, GivenApproval, ProposalChange } from '../model/policy-proposal.ts';
import type { ApprovalRules } from '../model/profile.ts';
import { automaticApproval } from './auto-approval.ts';
import { instantOf } from './instant.ts';

/** Clocks of replicas and of the API server may differ by so much. */
const clockSkewMs = 5 * 60_000;

const creationSkewMs = 5_000;

export interface ApprovalQuestion {
  readonly namespace: string;
  /** Name of the PolicyProposal. */
  readonly proposal: string;
  /** Digest of its spec as it is now. */
  readonly digest: string;
  /** Digest of what of it is in force; undefined: nothing is. */
  readonly enforcedDigest: string | undefined;
  /** When that came into force, in ms: to take it back was not decided before. */
  readonly enforcedSinceMs: number | undefined;
  /** Decisions of any proposal; those of others are passed over. */
  readonly approvals: readonly PolicyApproval[];
  readonly rules: ApprovalRules;
  /** `namespace/name` of the profile that the rules are from, or `built-in`. */
  readonly profileOrigin: string;
  readonly nowMs: number;
  /** RFC 3339: what was decided up to then is void, because it was rejected or taken back. */
  readonly notBefore: string | undefined;
  /** When the proposal was made, in ms; undefined: not known. Decisions before it are about a deleted one of that name. */
  readonly createdMs: number | undefined;
  /** Since when it is known without a gap what was decided and done, in ms; undefined: always. Decisions before it are void. */
  readonly knownSinceMs: number | undefined;
  /** Who nanoseg itself is to the API server; undefined: not known. */
  readonly controllerUser: string | undefined;
  /** `valid`, or why the stamp is worth nothing, as a clause. */
  readonly verify: (namespace: string, spec: ApprovalSpec) => string;
  readonly change: ProposalChange;
  /** How many connections it would open that were denied so far. */
  readonly attempts: number;
  readonly namespaceLabels: Labels;
  /** A person changed the policies after nanoseg wrote them. */
  readonly edited: boolean;
}

/** What the decisions of people and the rules of the profile come to. */
export type ApprovalJudgement = ApprovalTally &
  /** No approval counts; there may be wishes to retire what is in force, too few of them. */
  (
    | { readonly kind: 'none' }
    /** Some have approved, and more have to. */
    | { readonly kind: 'pending' }
    | { readonly kind: 'approved'; readonly by: readonly GivenApproval[] }
    /** `words`: `rule <name> of profile <namespace/name>`. */
    | { readonly kind: 'approved-by-rule'; readonly rule: string; readonly words: string }
    | { readonly kind: 'rejected'; readonly by: GivenApproval; readonly reason: string }
    | { readonly kind: 'rollback'; readonly by: GivenApproval; readonly reason: string }
    | { readonly kind: 'retire'; readonly by: readonly GivenApproval[]; readonly reason: string }
  );

export interface ApprovalTally {
  /** Distinct approvers that an approval or a retirement needs. */
  readonly required: number;
  /** Valid approvals of the digest, one for each person, in the order of time. */
  readonly given: readonly GivenApproval[];
  /** Valid wishes to retire what is in force, likewise. */
  readonly retiring: readonly GivenApproval[];
  /** What counts for nothing, by name, and why; `forged`: it says what nobody decided. */
  readonly ignored: readonly { readonly approval: string; readonly because: string; readonly forged?: boolean }[];
  /** When time alone may change this judgement next, in milliseconds since 1970; undefined: never. */
  readonly untilMs: number | undefined;
}

/**
 * Decides what the decisions of people about one proposal come to. What cannot be understood or verified counts for
 * nothing. Of several valid decisions those about what is in force go first, a rollback before a retirement; then one
 * rejection outweighs all approvals. That the proposal is proved and ready is for the caller to see to.
 */
export function judgeApprovals(question: ApprovalQuestion): ApprovalJudgement {
  const { rules, notBefore } = question;
  const { valid, ignored, untilMs } = countedDecisions(question);
  const by = (decision: Decision) => valid.filter((one) => one.decision === decision);
  const [given, retiring, rejections, rollbacks] = [by('Approve'), by('Retire'), by('Reject'), by('Rollback')];
  // a profile that asks for nobody, or for no number at all, does not let anything pass
  const required = Math.max(1, rules.required);
  const tally: ApprovalTally = {
    required,
    given: given.map(({ approval }) => approval),
    retiring: retiring.map(({ approval }) => approval),
    ignored,
    untilMs,
  };
  const [rollback] = rollbacks;
  if (rollback) return { ...tally, kind: 'rollback', by: rollback.approval, reason: rollback.reason };
  if (retiring.length >= required) {
    const reasons = new Set(retiring.map(({ reason }) => reason).filter((reason) => reason !== ''));
    return { ...tally, kind: 'retire', by: tally.retiring, reason: [...reasons].join('; ') };
  }
  const [rejection] = rejections;
  if (rejection) return { ...tally, kind: 'rejected', by: rejection.approval, reason: rejection.reason };
  if (given.length >= required) return { ...tally, kind: 'approved', by: tally.given };
  const { automatic } = rules;
  const rule = automaticApproval({ ...question, automatic, refusedBefore: notBefore !== undefined });
  if (rule) {
    const words = `rule ${rule.name} of profile ${question.profileOrigin}`;
    return { ...tally, kind: 'approved-by-rule', rule: rule.name, words };
  }
  return { ...tally, kind: given.length > 0 ? 'pending' : 'none' };
}

interface ValidDecision {
  readonly decision: Decision;
  readonly approval: GivenApproval;
  readonly reason: string;
  readonly timeMs: number;
  readonly nonce: string | undefined;
  /** Undefined: it does not lapse. */
  readonly expiryMs: number | undefined;
}

interface CountedDecisions {
  /** In the order of time. */
  readonly valid: readonly ValidDecision[];
  readonly ignored: ApprovalTally['ignored'];
  readonly untilMs: number | undefined;
}

function countedDecisions(question: ApprovalQuestion): CountedDecisions {
  const { namespace, proposal, approvals } = question;
  const found: ValidDecision[] = [];
  const ignored: { approval: string; because: string; forged?: boolean }[] = [];
  const changesMs: number[] = [];
  for (const one of approvals) {
    if (one.metadata.namespace !== namespace || one.spec.proposal !== proposal) continue;
    const judged = judgeOne(one, question);
    if ('because' in judged) {
      const { because, forged } = judged;
      ignored.push({ approval: one.metadata.name, because, ...(forged && { forged }) });
      if (judged.untilMs !== undefined) changesMs.push(judged.untilMs);
    } else {
      found.push(judged);
      if (judged.expiryMs !== undefined) changesMs.push(judged.expiryMs);
    }
  }
  found.sort((a, b) => a.timeMs - b.timeMs || compare(a.approval.approval, b.approval.approval));
  const nonces = new Set<string>();
  const people = new Set<string>();
  const valid = found.filter(({ decision, approval, nonce }) => {
    const person = JSON.stringify([decision, approval.user]);
    const copied = nonce !== undefined && nonces.has(nonce);
    const again = people.has(person);
    if (copied) ignored.push({ approval: approval.approval, because: 'its stamp is copied from another decision' });
    else if (again) ignored.push({ approval: approval.approval, because: againWords(decision, approval.user) });
    if (nonce !== undefined) nonces.add(nonce);
    if (!copied) people.add(person);
    return !copied && !again;
  });
  ignored.sort((a, b) => compare(a.approval, b.approval));
  return { valid, ignored, untilMs: changesMs.length === 0 ? undefined : Math.min(...changesMs) };
}

function againWords(decision: Decision, user: string): string {
  switch (decision) {
    case 'Approve':
      return `${user} approved it already: it takes another person`;
    case 'Retire':
      return `${user} asked to retire it already: it takes another person`;
    case 'Reject':
      return `${user} rejected it already`;
    case 'Rollback':
      return `${user} asked for the rollback already`;
  }
}

interface Ignored {
  readonly because: string;
  /** When that may change. */
  readonly untilMs?: number;
  /** The stamp does not hold: the decision was changed after it was made, or made by nobody. */
  readonly forged?: true;
}

/** Cheap checks first, the signature last: what a stamp says is believed only when all of it holds. */
function judgeOne({ metadata, spec }: PolicyApproval, question: ApprovalQuestion): ValidDecision | Ignored {
  const { rules, nowMs, controllerUser, namespace, verify } = question;
  if (!decisions.includes(spec.decision)) {
    return { because: `${JSON.stringify(spec.decision)} is no decision that nanoseg knows` };
  }
  const misplaced = otherDigest(spec, question);
  if (misplaced !== undefined) return { because: misplaced };

  const identity: ApproverIdentity = spec.stamp === undefined ? 'Claimed' : 'Stamped';
  const approver = spec.stamp ?? (rules.identity === 'claimed' ? spec.claim : undefined);
  if (approver === undefined) {
    return {
      because:
        rules.identity === 'claimed'
          ? 'it does not say who decided'
          : 'nobody checked who decided: the profile asks for decisions that the admission webhook stamped',
    };
  }
  const { user } = approver;
  if (user.trim() === '') return { because: 'it does not say who decided' };
  const own = ownIdentity(user, controllerUser);
  if (own !== undefined) return { because: own };

  const timeMs = instantOf(approver.time);
  if (timeMs === undefined) return { because: `${JSON.stringify(approver.time)} is no time` };
  const untimely = untimeliness(spec.decision, timeMs, approver.time, question);
  if (untimely !== undefined) return untimely;
  const expiry = expiryOf(spec, timeMs, rules);
  if (typeof expiry === 'string') return { because: expiry };
  if (expiry !== undefined && expiry <= nowMs) return { because: `it expired on ${new Date(expiry).toISOString()}` };

  const verified = spec.stamp === undefined ? 'valid' : verify(namespace, spec);
  if (verified !== 'valid') return { because: verified, forged: true };
  return {
    decision: spec.decision,
    approval: { approval: metadata.name, user, time: approver.time, identity },
    reason: spec.reason ?? '',
    timeMs,
    nonce: spec.stamp?.nonce,
    expiryMs: expiry,
  };
}

/** Why a decision is about something else than it could be about now; undefined: it is not. */
function otherDigest({ decision, digest }: ApprovalSpec, question: ApprovalQuestion): string | undefined {
  switch (decision) {
    case 'Approve':
    case 'Reject':
      if (digest !== question.digest) return 'its digest is of another version of the proposal';
      if (decision === 'Approve' || question.enforcedDigest !== digest) return undefined;
      return 'this version is in force already: only a rollback or a retirement takes it back';
    case 'Rollback':
    case 'Retire':
      if (question.enforcedDigest === undefined) return 'nothing of this proposal is in force';
      return digest === question.enforcedDigest ? undefined : 'its digest is not of the version that is in force';
  }
}

const serviceAccount = /^system:serviceaccount:[^:]*:([^:]*)$/;
const controllerAccount = 'nanoseg-controller';

/**
 * nanoseg does not decide about itself. Where it does not know who it is, it may be any service account, so that none
 * of them decides; a controller that runs with a person's own credentials cannot be told from that person then.
 */
function ownIdentity(user: string, controllerUser: string | undefined): string | undefined {
  const account = serviceAccount.exec(user)?.[1];
  if (user === controllerUser || account === controllerAccount) return `${user} is nanoseg itself`;
  if (controllerUser !== undefined || account === undefined) return undefined;
  return `${user} is a service account, and nanoseg does not know which of them it is itself`;
}

function untimeliness(
  decision: Decision,
  timeMs: number,
  time: string,
  question: ApprovalQuestion,
): Ignored | undefined {
  const { nowMs, notBefore, createdMs, knownSinceMs, digest, enforcedDigest, enforcedSinceMs } = question;
  if (timeMs > nowMs + clockSkewMs) {
    const now = new Date(nowMs).toISOString();
    const because = `it was given on ${time}, and it is ${now}: a clock is wrong by more than ${clockSkewMs / 60_000} minutes`;
    return { because, untilMs: timeMs - clockSkewMs };
  }
  // the API server's clock says when a proposal was made, and the webhook's when it was decided about
  if (createdMs !== undefined && timeMs < createdMs - creationSkewMs) {
    const because = `it was given on ${time}, before the proposal was made on ${new Date(createdMs).toISOString()}`;
    return { because };
  }
  // it may have been taken back meanwhile
  if (knownSinceMs !== undefined && timeMs <= knownSinceMs) {
    const since = new Date(knownSinceMs).toISOString();
    return { because: `it was given on ${time}, and what became of the proposal is only known since ${since}` };
  }
  if (
    decision === 'Approve' &&
    enforcedSinceMs !== undefined &&
    timeMs < enforcedSinceMs &&
    digest !== enforcedDigest
  ) {
    const since = new Date(enforcedSinceMs).toISOString();
    return { because: `it was given on ${time}, and another version came into force since, on ${since}` };
  }
  const takesBack = decision === 'Rollback' || decision === 'Retire';
  if (takesBack && enforcedSinceMs !== undefined && timeMs < enforcedSinceMs) {
    const since = new Date(enforcedSinceMs).toISOString();
    return { because: `it was given on ${time}, before what it would take back came into force on ${since}` };
  }
  if (notBefore === undefined) return undefined;
  const notBeforeMs = instantOf(notBefore);
  if (notBeforeMs === undefined)
    return { because: `the proposal's notBefore, ${JSON.stringify(notBefore)}, is no time` };
  if (timeMs > notBeforeMs) return undefined;
  return { because: `it was given on ${time}, before the proposal was rejected or taken back on ${notBefore}` };
}

/**
 * When a decision lapses, in milliseconds since 1970, or why nobody can say. That an old yes counts for nothing keeps
 * people from being surprised by it; an old no surprises nobody, and lapses only when its author said so.
 */
function expiryOf(spec: ApprovalSpec, timeMs: number, { expiryMs }: ApprovalRules): number | string | undefined {
  const own = spec.expiresAt === undefined ? undefined : instantOf(spec.expiresAt);
  if (spec.expiresAt !== undefined && own === undefined)
    return `${JSON.stringify(spec.expiresAt)} is no time to expire`;
  if (spec.decision === 'Reject') return own;
  const age = timeMs + expiryMs;
  if (Number.isNaN(age)) return 'the profile does not say how long a decision counts';
  return own === undefined ? age : Math.min(own, age);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
