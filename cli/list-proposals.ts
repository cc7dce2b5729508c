import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import type { ObjectStore } from '../controller/ports.ts';

/** The proposals of one or of all namespaces, by namespace and name. */
export async function listProposals(store: ObjectStore, namespace: string | undefined): Promise<PolicyProposal[]> {
  const proposals = await store.list<PolicyProposal>('PolicyProposal', namespace);
  return [...proposals].sort(
    (a, b) => compare(a.metadata.namespace, b.metadata.namespace) || compare(a.metadata.name, b.metadata.name),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
