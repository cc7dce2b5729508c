import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal, Revision } from '../model/policy-proposal.ts';
import { renderYamlDocuments } from '../policy/render-yaml.ts';
import type { Clock, ObjectStore } from '../ports.ts';
import { adoptedRevision } from '../reconcile/adopted-revision.ts';
import { belongsTo, driftOf, type PolicyWriter } from '../reconcile/apply-policies.ts';
import type { InForce, StandingText } from '../reconcile/proposal-facts.ts';
import type { SealedProposals } from './sealed-proposals.ts';

export interface InForceParts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly sealed: SealedProposals;
  readonly reading: Pick<PolicyWriter, 'read' | 'same'>;
}

/** Compares the policies that are stored for a proposal with those that should be. */
export class PoliciesInForce {
  readonly #parts: InForceParts;

  constructor(parts: InForceParts) {
    this.#parts = parts;
  }

  /** By the view, which may be late: before it becomes news, what looks wrong is looked up. */
  async of(proposal: PolicyProposal, policies: readonly NetworkPolicy[], standing: StandingText): Promise<InForce> {
    const seen = this.#inForceBy(proposal, policies, standing);
    const known = proposal.status?.drift?.message;
    const isNews = seen.adopted !== undefined || (seen.drift !== undefined && seen.drift.message !== known);
    if (!isNews) return seen;
    const stored = await this.#parts.store.list<NetworkPolicy>('NetworkPolicy', proposal.metadata.namespace);
    return this.#inForceBy(proposal, stored, standing);
  }

  #inForceBy(proposal: PolicyProposal, policies: readonly NetworkPolicy[], standing: StandingText): InForce {
    const { namespace, name } = proposal.metadata;
    const { enforced, applying } = proposal.status ?? {};
    const { reading: writer } = this.#parts;
    const known = enforced !== undefined || applying !== undefined || proposal.status?.state === 'RolledBack';
    const found = known ? {} : this.#foundInForce({ namespace, name }, policies);
    const drift =
      enforced &&
      (driftOf(enforced, { namespace, name }, policies, writer)[0] ?? this.#unsealed({ namespace, name }, policies));
    // the baseline is lost with a status, but known again for the very text that stands there
    const baseline = found.adopted?.digest === standing.digest ? standing.baseline : [];
    return {
      drift: drift ?? found.forged,
      applyingDone:
        applying?.kind === 'Apply' &&
        policies.some((policy) => policy.metadata.namespace === namespace && belongsTo(policy, name)) &&
        driftOf(applying.target, { namespace, name }, policies, writer).length === 0,
      adopted: found.adopted && { ...found.adopted, baseline },
    };
  }

  /** What policies that are marked as those of a proposal prove: that it was approved, or that somebody else wrote them. */
  #foundInForce(
    proposal: { readonly namespace: string; readonly name: string },
    policies: readonly NetworkPolicy[],
  ): {
    readonly adopted?: Revision | undefined;
    readonly forged?: { readonly policy: string; readonly message: string };
  } {
    const unsealed = this.#unsealed(proposal, policies);
    if (unsealed !== undefined) {
      const message = `${unsealed.message}; nobody is known to have approved it as it is: approve the proposal to have it replaced, or delete it`;
      return { forged: { ...unsealed, message } };
    }
    const { clock } = this.#parts;
    return { adopted: adoptedRevision(proposal, policies, clock.now(), (all) => renderYamlDocuments(all)) };
  }

  /** A policy that says whose it is, without proof: marks that somebody changed, or a seal of keys that are lost. */
  #unsealed(
    proposal: { readonly namespace: string; readonly name: string },
    policies: readonly NetworkPolicy[],
  ): { readonly policy: string; readonly message: string } | undefined {
    for (const policy of policies) {
      if (policy.metadata.namespace !== proposal.namespace || !belongsTo(policy, proposal.name)) continue;
      const fault = this.#parts.sealed.policyFault(proposal, policy);
      if (fault === undefined) continue;
      const { name } = policy.metadata;
      return { policy: name, message: `NetworkPolicy ${name} does not prove that it was approved: ${fault}` };
    }
    return undefined;
  }
}
