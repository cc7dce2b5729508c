import type { PolicyProposal } from '../model/policy-proposal.ts';
import type { DeviationEntry } from './api-shape.ts';
import { connectionIdWords } from './connection-words.ts';

/** The connections of an enforced workload that nobody approved. */
export function deviationsOf({ metadata, spec, status }: PolicyProposal): DeviationEntry[] {
  return (status?.deviations ?? []).map((deviation) => ({
    namespace: metadata.namespace,
    proposal: metadata.name,
    workloads: spec.workloads,
    words: connectionIdWords(deviation.connection),
    ...deviation,
  }));
}
