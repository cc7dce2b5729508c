import type { NetworkPolicy } from '../model/network-policy.ts';
import type { Revision } from '../model/policy-proposal.ts';
import { annotations, belongsTo } from './apply-policies.ts';

/**
 * What the policies that are stored for a proposal say of themselves, for a proposal whose status was lost with it: so
 * that deleting a proposal never makes nanoseg forget what is in force. `render` writes policies as YAML.
 */
export function adoptedRevision(
  proposal: { readonly namespace: string; readonly name: string },
  stored: readonly NetworkPolicy[],
  nowMs: number,
  render: (policies: readonly NetworkPolicy[]) => string,
): Revision | undefined {
  const own = stored.filter(
    (policy) => policy.metadata.namespace === proposal.namespace && belongsTo(policy, proposal.name),
  );
  const [first] = own;
  if (first === undefined) return undefined;
  return {
    ...marksOf(first),
    policies: render(own.map(withoutMarks)),
    appliedAt: new Date(nowMs).toISOString(),
    baseline: [],
  };
}

/** What a policy says of the decision that it was written for. */
export function marksOf({ metadata }: NetworkPolicy): Pick<Revision, 'revision' | 'digest' | 'approvedBy'> {
  const says = metadata.annotations ?? {};
  return {
    revision: Math.max(1, Number.parseInt(says[annotations.revision] ?? '', 10) || 1),
    digest: says[annotations.digest] ?? '',
    approvedBy: [says[annotations.approvedBy] ?? 'unknown'],
  };
}

/** The policy as it was approved: without what the server and the apply added. */
function withoutMarks({ apiVersion, kind, metadata, spec }: NetworkPolicy): NetworkPolicy {
  const marks = new Set<string>(Object.values(annotations));
  const kept = Object.entries(metadata.annotations ?? {}).filter(([key]) => !marks.has(key));
  return {
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
      ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
    },
    spec,
  };
}
