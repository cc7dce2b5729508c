import type { NetworkPolicy } from '../../model/network-policy.ts';
import type { DraftRule, PolicyDraft } from '../../model/policy-draft.ts';
import type { Problem } from '../../model/problem.ts';
import type { CniProfile } from '../cni-profiles.ts';
import type { DialectCapabilities } from './capabilities.ts';
import type { CiliumNetworkPolicy } from './cilium-policy.ts';

export const dialectNames = ['kubernetes', 'cilium'] as const;
export type DialectName = (typeof dialectNames)[number];

/** A language in which a policy draft can be written down, and read back for the proof. */
export interface Dialect {
  readonly name: DialectName;
  readonly capabilities: DialectCapabilities;
  render(draft: PolicyDraft, cni: CniProfile): Rendering;
  /** `documents` are what a YAML reader makes of the rendered text: plain data, trusted in nothing. */
  readBack(documents: readonly unknown[], rendering: Rendering): ReadBack;
}

type DialectObject = NetworkPolicy | CiliumNetworkPolicy;

/** A draft in the words of one dialect. */
export interface Rendering {
  readonly draft: PolicyDraft;
  readonly objects: readonly DialectObject[];
  readonly rules: readonly RenderedRule[];
  /** Parts of the draft that are not in the objects; any of them makes the proof fail. */
  readonly inexpressible: readonly Problem[];
  /** Where the objects say a part of the draft by other means than it was meant, in one sentence each. */
  readonly notes: readonly string[];
}

/** Which part of which draft rule a rendered rule stands for. */
export interface RenderedRule {
  readonly direction: 'ingress' | 'egress';
  /** The rule inside of the objects, by identity. */
  readonly rendered: object;
  /** The draft's rule, reduced to the peers and ports that this rendered rule holds. */
  readonly rule: DraftRule;
}

/** What the rendered text means when it is read again, as policies that the evaluator understands. */
export interface ReadBack {
  readonly policies: readonly NetworkPolicy[];
  /** Policies whose blocks stand for nodes and the API server by identity: they mean them on every network plugin. */
  readonly identityPolicies: readonly NetworkPolicy[];
  /** Every difference between what was read and what was rendered or drafted, in words; empty when there is none. */
  readonly faults: readonly string[];
}
