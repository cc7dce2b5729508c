import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal, ProposalStatus, Revision } from '../model/policy-proposal.ts';
import type { Sealing } from '../ports.ts';
import { marksOf } from '../reconcile/adopted-revision.ts';
import { annotations } from '../reconcile/apply-policies.ts';
import { proposedDigestAnnotation } from '../reconcile/choose-text.ts';
import {
  appliedPolicyText,
  proposedText,
  readSealValue,
  type SealedProposal,
  sealedStatusText,
  sealValue,
} from '../reconcile/sealed-texts.ts';

const proposedSealAnnotation = 'nanoseg.io/proposed-seal';

/** A proposal without what somebody else may have written into it in nanoseg's name. */
export interface CheckedProposal {
  readonly proposal: PolicyProposal;
  /** Why its status is not believed, as a clause; undefined: it is, or there is none. */
  readonly broken: string | undefined;
}

/** What was last written, of the object with this uid. */
export interface KeptRecord {
  readonly uid: string | undefined;
  readonly status: ProposalStatus;
}

/**
 * Whoever may write the status of proposals could otherwise have the controller write any policy: it repairs, restores
 * and finishes what the status says. Without keys (in a workspace) everything is believed as it is.
 */
export class SealedProposals {
  readonly #sealing: Sealing | undefined;
  readonly #checked = new WeakMap<PolicyProposal, CheckedProposal>();

  constructor(sealing: Sealing | undefined) {
    this.#sealing = sealing;
  }

  checked(proposal: PolicyProposal, kept?: KeptRecord): CheckedProposal {
    if (this.#sealing === undefined) return { proposal, broken: undefined };
    if (kept !== undefined && this.isAsKept(proposal, kept))
      return { proposal: this.#withoutForgedMark(proposal, this.#sealing), broken: undefined };
    let checked = this.#checked.get(proposal);
    if (checked === undefined) {
      const broken = this.#fault(proposal, this.#sealing);
      const { status, ...rest } = proposal;
      const believed = status !== undefined && broken === undefined;
      checked = { proposal: this.#withoutForgedMark(believed ? proposal : rest, this.#sealing), broken };
      this.#checked.set(proposal, checked);
    }
    return checked;
  }

  /** Whether the proposal still says what was written into it last, by whatever keys there are now. */
  isAsKept({ metadata, status }: PolicyProposal, kept: KeptRecord): boolean {
    if (this.#sealing === undefined) return true;
    if (metadata.uid !== kept.uid || status?.seal === undefined || kept.status.seal === undefined) return false;
    return (
      status.seal.signature === kept.status.seal.signature &&
      sealedStatusText(metadata, status, status.seal) === sealedStatusText(metadata, kept.status, kept.status.seal)
    );
  }

  /** Since when it is known what was decided and done about it; undefined: always. */
  knownSinceMs({ status }: PolicyProposal, nowMs: number): number | undefined {
    if (this.#sealing === undefined) return undefined;
    return status?.seal === undefined ? nowMs : Date.parse(status.seal.since);
  }

  /**
   * The status with a seal; the one that it has stays where nothing under it changes. `broken` says what somebody else
   * had written there, and stays for reviewers to read.
   */
  sealed(proposal: PolicyProposal, status: ProposalStatus, nowMs: number, broken?: string): ProposalStatus {
    if (this.#sealing === undefined) return status;
    const { metadata, status: former } = proposal;
    const standing = former?.seal;
    const said = broken ?? standing?.broken;
    const marks = {
      since: standing?.since ?? new Date(nowMs).toISOString(),
      ...(said === undefined ? {} : { broken: said }),
    };
    const noted =
      said === undefined || status.notes.includes(said) ? status : { ...status, notes: [...status.notes, said] };
    const text = sealedStatusText(metadata, noted, marks);
    const same =
      former !== undefined && standing !== undefined && sealedStatusText(metadata, former, standing) === text;
    const seal = same && this.#sealing.verify(text, standing) === 'valid' ? standing : undefined;
    return { ...noted, seal: seal ?? { ...marks, ...this.#sealing.sign(text) } };
  }

  /** Annotations for a spec that nanoseg writes, and only for such. */
  proposedMarks(proposal: { readonly namespace: string; readonly name: string }, digest: string) {
    const mark = { [proposedDigestAnnotation]: digest };
    if (this.#sealing === undefined) return mark;
    return { ...mark, [proposedSealAnnotation]: sealValue(this.#sealing.sign(proposedText(proposal, digest))) };
  }

  /** The value of a policy's seal; undefined without keys. */
  readonly policySeal = (
    proposal: SealedProposal,
    policy: NetworkPolicy,
    revision: Pick<Revision, 'digest' | 'revision' | 'approvedBy'>,
  ): string | undefined =>
    this.#sealing && sealValue(this.#sealing.sign(appliedPolicyText(proposal, policy, revision)));

  /** Why a stored policy is not what nanoseg wrote for the proposal, as a clause; undefined: it is. */
  policyFault(proposal: SealedProposal, policy: NetworkPolicy): string | undefined {
    if (this.#sealing === undefined) return undefined;
    const says = policy.metadata.annotations ?? {};
    const seal = says[annotations.seal];
    if (seal === undefined) return 'it has no seal';
    const text = appliedPolicyText(proposal, policy, marksOf(policy));
    const verdict = this.#sealing.verify(text, readSealValue(seal));
    return verdict === 'valid' ? undefined : verdict;
  }

  #fault({ metadata, status }: PolicyProposal, sealing: Sealing): string | undefined {
    if (status === undefined) return undefined;
    if (status.seal === undefined) return 'it has no seal';
    const verdict = sealing.verify(sealedStatusText(metadata, status, status.seal), status.seal);
    return verdict === 'valid' ? undefined : verdict;
  }

  /** Rules that approve by themselves go further for nanoseg's own text than for what a person wrote. */
  #withoutForgedMark(proposal: PolicyProposal, sealing: Sealing): PolicyProposal {
    const { metadata, status } = proposal;
    const {
      [proposedDigestAnnotation]: digest,
      [proposedSealAnnotation]: seal = '',
      ...others
    } = metadata.annotations ?? {};
    if (digest === undefined || status?.proposedDigest === digest) return proposal;
    const text = proposedText({ namespace: metadata.namespace, name: metadata.name }, digest);
    if (sealing.verify(text, readSealValue(seal)) === 'valid') return proposal;
    return { ...proposal, metadata: { ...metadata, annotations: others } };
  }
}
