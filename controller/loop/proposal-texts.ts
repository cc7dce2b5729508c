import { type MadeProposal, noItems } from './made-proposal.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { ClusterError } from '../model/cluster-error.ts';
import type { PolicyProposal, ProposalProof, ProposalSpec } from '../model/policy-proposal.ts';
import type { Problem } from '../model/problem.ts';
import { canonicalPolicies } from '../policy/canonical-policy.ts';
import { PolicyTexts } from './policy-text.ts';
import type { Making, ProposalStudy } from './proposal-study.ts';
import { type MadeText, proposedDigestAnnotation } from '../reconcile/choose-text.ts';
import { type HashText, proposalDigest } from '../reconcile/digest.ts';
import type { ProposalFacts, StandingText } from '../reconcile/proposal-facts.ts';

/** Reads the texts of proposals: what they mean, their digests, their proofs. */
export class ProposalTexts {
  readonly #texts = new PolicyTexts();
  /** Of specs, whose values are the same ones as long as nobody writes others. */
  readonly #meanings = new WeakMap<ProposalSpec, Meaning>();
  readonly #hash: HashText;

  constructor(hash: HashText) {
    this.#hash = hash;
  }

  /** Throws ClusterError for a text that was not read and proved before. */
  policies(text: string): readonly NetworkPolicy[] {
    const { policies, problems } = this.#texts.read(text);
    if (policies === undefined) throw new ClusterError('Invalid', problems.map(({ message }) => message).join('; '));
    return policies;
  }

  made(made: MadeProposal, stored: PolicyProposal | undefined, study: ProposalStudy): MadeText {
    const policies = () => this.#texts.read(made.spec.policies).policies ?? [];
    const digest = this.digestOf({ metadata: made, spec: made.spec });
    return {
      spec: made.spec,
      digest,
      change: () => study.change({ metadata: made, spec: made.spec }, stored?.status?.enforced, digest, policies),
      ready: made.readiness.state === 'ready',
      samePolicies: () => {
        const standing = stored === undefined ? undefined : this.#texts.read(stored.spec.policies).policies;
        return standing !== undefined && canonicalPolicies(standing) === canonicalPolicies(policies());
      },
    };
  }

  /** The text that stands in the proposal, as it reads and as it is proved at this moment. */
  standing(proposal: PolicyProposal, making: Making, study: ProposalStudy): StandingText {
    const made = making.kind === 'made' ? making.made : undefined;
    const { digest, rules, problems } = this.#meaningOf(proposal);
    const proposedDigest = proposal.metadata.annotations?.[proposedDigestAnnotation] ?? '';
    const own = made !== undefined && this.digestOf({ metadata: made, spec: made.spec }) === digest;
    const policies = () => this.#texts.read(proposal.spec.policies).policies ?? [];
    const proved = own || problems ? undefined : study.prove(proposal, policies());
    const denied = new Set(proved?.wouldDeny.map(({ connection }) => connection));
    const { evidence } = proposal.spec;
    return {
      digest,
      author: digest === proposedDigest ? 'nanoseg' : 'edited',
      proposedDigest,
      change: study.change(proposal, proposal.status?.enforced, digest, policies),
      rules,
      readiness: made?.readiness ?? {
        state: 'learning',
        coverage: 'unknown',
        missing: [{ code: 'no-evidence', message: making.kind === 'none' ? making.because : 'nothing was seen' }],
      },
      proof: proved?.proof ?? (own ? made.proof : unreadable(problems ?? [])),
      baseline: evidence.filter((id) => !denied.has(id)),
      heldBack: made?.heldBack ?? noItems,
      omissions: made?.omissions ?? noItems,
      attempts: own ? made.attempts : [],
      notes: made?.notes ?? [],
    };
  }

  newer(standing: StandingText, making: Making, proposal: PolicyProposal): ProposalFacts['newer'] {
    if (standing.author !== 'edited' || making.kind !== 'made') return undefined;
    const { made } = making;
    const digest = this.digestOf({ metadata: made, spec: made.spec });
    const former = proposal.status?.newer;
    return former?.digest === digest ? former : { digest, policies: made.spec.policies };
  }

  digestOf(text: NamedText): string {
    return this.#meaningOf(text).digest;
  }

  #meaningOf({ metadata, spec }: NamedText): Meaning {
    const known = this.#meanings.get(spec);
    if (known !== undefined) return known;
    const { policies, problems } = this.#texts.read(spec.policies);
    const canonical = policies ? canonicalPolicies(policies) : spec.policies;
    const meaning = {
      digest: proposalDigest(metadata, spec, canonical, this.#hash),
      rules: (policies ?? []).reduce((sum, each) => sum + rulesOf(each), 0),
      problems,
    };
    this.#meanings.set(spec, meaning);
    return meaning;
  }
}

/** A spec with the one proposal that it is of. */
interface NamedText {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: ProposalSpec;
}

interface Meaning {
  readonly digest: string;
  readonly rules: number;
  readonly problems: readonly Problem[] | undefined;
}

function rulesOf({ spec }: NetworkPolicy): number {
  return (spec.ingress?.length ?? 0) + (spec.egress?.length ?? 0);
}

function unreadable(problems: readonly Problem[]): ProposalProof {
  const message = problems.map(({ message: words, where }) => `${where}: ${words}`).join('; ');
  const checks = [{ name: 'read-back', passed: false, message }];
  return { valid: false, checks, overGrants: [], wouldDeny: noItems, reachableBefore: 0, reachableAfter: 0 };
}
