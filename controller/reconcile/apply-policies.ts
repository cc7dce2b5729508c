import { ClusterError } from '../model/cluster-error.ts';
import type { KubernetesObject, ObjectRef } from '../model/kubernetes-object.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { Revision } from '../model/policy-proposal.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { ObjectStore } from '../ports.ts';

export const managedByLabel = 'app.kubernetes.io/managed-by';
export const annotations = {
  digest: 'nanoseg.io/digest',
  proposal: 'nanoseg.io/proposal',
  revision: 'nanoseg.io/revision',
  approvedBy: 'nanoseg.io/approved-by',
  seal: 'nanoseg.io/seal',
} as const;

export interface PolicyWriter {
  readonly store: ObjectStore;
  /** Throws unless this process may write at this moment. */
  readonly assertMayWrite: () => void;
  /** Throws for text that was not read and proved before. */
  readonly read: (text: string) => readonly NetworkPolicy[];
  readonly same: (stored: NetworkPolicy, wanted: NetworkPolicy) => boolean;
  /** Whether it may succeed later by itself. */
  readonly isPassing: (error: ClusterError) => boolean;
  /** Shows later that this was written because it was approved; undefined where there are no keys. */
  readonly seal: (
    proposal: { readonly namespace: string; readonly name: string },
    policy: NetworkPolicy,
    revision: Revision,
  ) => string | undefined;
}

/** With what only the server sets. */
type StoredPolicy = NetworkPolicy & KubernetesObject;

/** Whether a stored policy says that it belongs to a proposal of its namespace. */
export function belongsTo({ metadata }: NetworkPolicy, proposal: string): boolean {
  return metadata.annotations?.[annotations.proposal] === proposal;
}

/** The same of a policy that may have lost all its marks: the API server still knows who wrote its fields. */
function isOurs(policy: NetworkPolicy, proposal: string): boolean {
  const { managedFields = [] } = policy.metadata as {
    readonly managedFields?: readonly { readonly manager?: string }[];
  };
  return belongsTo(policy, proposal) || managedFields.some(({ manager }) => manager === 'nanoseg');
}

/** What has to be written and taken away, so that the policies of a revision are those that are stored for a proposal. */
export interface PolicyChange {
  readonly writes: readonly { readonly policy: NetworkPolicy; readonly isNew: boolean }[];
  readonly removals: readonly ObjectRef[];
}

/**
 * What is to be done for a revision to be in force, with each write tried without effect: so that what will be refused is
 * known before anything is written. A refusal is a problem; what may succeed later is thrown as ClusterError.
 */
export async function tryPolicies(
  target: Revision,
  proposal: { readonly namespace: string; readonly name: string },
  writer: PolicyWriter,
): Promise<PolicyChange | Problem> {
  const { namespace, name } = proposal;
  const wanted =
    target.policies === ''
      ? []
      : writer.read(target.policies).map((policy) => stamped(policy, target, proposal, writer));
  const stored = await writer.store.list<NetworkPolicy & { readonly metadata: { readonly name: string } }>(
    'NetworkPolicy',
    namespace,
  );
  const writes: { policy: NetworkPolicy; isNew: boolean }[] = [];
  for (const policy of wanted) {
    const there = stored.find(({ metadata }) => metadata.name === policy.metadata.name);
    if (there !== undefined && !isOurs(there, name)) return nameTaken(policy);
    if (there !== undefined && isAsWanted(there, policy, writer)) continue;
    const isNew = there === undefined;
    const refused = await tryToWrite(policy, isNew, writer);
    if (refused) return refused;
    writes.push({ policy, isNew });
  }
  const removals = stored
    .filter((one) => belongsTo(one, name) && !wanted.some(({ metadata }) => metadata.name === one.metadata.name))
    .map(({ metadata }) => ({ kind: 'NetworkPolicy', namespace, name: metadata.name }));
  return { writes, removals };
}

/** Does what was tried: first the writes, each read back after it, then the removals. Refusals are as of `tryPolicies`. */
export async function putInForce(
  { writes, removals }: PolicyChange,
  writer: PolicyWriter,
): Promise<Problem | undefined> {
  for (const { policy, isNew } of writes) {
    const refused = await write(policy, isNew, writer);
    if (refused) return refused;
  }
  for (const ref of removals) {
    writer.assertMayWrite();
    await writer.store.remove(ref);
  }
  return undefined;
}

/** The differences between what a revision wants and what is stored, in words; empty when there are none. */
export function driftOf(
  enforced: Revision,
  proposal: { readonly namespace: string; readonly name: string },
  stored: readonly NetworkPolicy[],
  writer: Pick<PolicyWriter, 'read' | 'same'>,
): { readonly policy: string; readonly message: string }[] {
  const wanted = enforced.policies === '' ? [] : writer.read(enforced.policies);
  const drifted = wanted.flatMap((policy) => {
    const { name } = policy.metadata;
    const there = stored.find(({ metadata }) => metadata.namespace === proposal.namespace && metadata.name === name);
    if (there === undefined) return [{ policy: name, message: `NetworkPolicy ${name} was deleted` }];
    if (!belongsTo(there, proposal.name) || there.metadata.labels?.[managedByLabel] !== 'nanoseg') {
      return [{ policy: name, message: `NetworkPolicy ${name} lost the marks that say whose it is` }];
    }
    if (!writer.same(there, policy)) return [{ policy: name, message: `NetworkPolicy ${name} was edited` }];
    return [];
  });
  const extra = stored.filter(
    (policy) =>
      policy.metadata.namespace === proposal.namespace &&
      belongsTo(policy, proposal.name) &&
      !wanted.some(({ metadata }) => metadata.name === policy.metadata.name),
  );
  return [
    ...drifted,
    ...extra.map(({ metadata: { name } }) => ({
      policy: name,
      message: `NetworkPolicy ${name} says that it belongs to this proposal, which has no such policy`,
    })),
  ];
}

function stamped(
  policy: NetworkPolicy,
  target: Revision,
  proposal: { readonly namespace: string; readonly name: string },
  writer: PolicyWriter,
): NetworkPolicy {
  const seal = writer.seal(proposal, policy, target);
  return {
    ...policy,
    metadata: {
      ...policy.metadata,
      labels: { ...policy.metadata.labels, [managedByLabel]: 'nanoseg' },
      annotations: {
        ...policy.metadata.annotations,
        [annotations.proposal]: proposal.name,
        [annotations.digest]: target.digest,
        [annotations.revision]: String(target.revision),
        [annotations.approvedBy]: target.approvedBy.join(', '),
        ...(seal === undefined ? {} : { [annotations.seal]: seal }),
      },
    },
  };
}

function isAsWanted(there: NetworkPolicy, wanted: NetworkPolicy, { same }: PolicyWriter): boolean {
  const { annotations: has = {}, labels = {} } = there.metadata;
  const carries = Object.entries(wanted.metadata.annotations ?? {}).every(([key, value]) => has[key] === value);
  const labelled = Object.entries(wanted.metadata.labels ?? {}).every(([key, value]) => labels[key] === value);
  return carries && labelled && same(there, wanted);
}

async function tryToWrite(policy: NetworkPolicy, isNew: boolean, writer: PolicyWriter): Promise<Problem | undefined> {
  return orRefusal(policy, writer, async () => {
    writer.assertMayWrite();
    const echo = await writer.store.applyPolicy(policy, { dryRun: true, force: isForced(isNew) });
    return writer.same(echo, policy) ? undefined : storedDiffers(policy);
  });
}

async function write(policy: NetworkPolicy, isNew: boolean, writer: PolicyWriter): Promise<Problem | undefined> {
  const { store, assertMayWrite, same } = writer;
  const { namespace, name } = policy.metadata;
  return orRefusal(policy, writer, async () => {
    assertMayWrite();
    const answer: StoredPolicy = await store.applyPolicy(policy, { dryRun: false, force: isForced(isNew) });
    const stored = await store.get<StoredPolicy>({ kind: 'NetworkPolicy', namespace, name });
    // what somebody changed since is drift, to be put right, and no reason to take away what was approved
    const isChangedSince = stored?.metadata.resourceVersion !== answer.metadata.resourceVersion;
    if (same(stored === undefined || isChangedSince ? answer : stored, policy)) return undefined;
    if (isNew) await store.remove({ kind: 'NetworkPolicy', namespace, name }, answer.metadata.uid);
    return storedDiffers(policy);
  });
}

/** All fields of a managed policy are nanoseg's own: what somebody changed there is drift, and taken back. */
function isForced(isNew: boolean): boolean {
  return !isNew;
}

async function orRefusal(
  { metadata: { namespace, name } }: NetworkPolicy,
  { isPassing }: PolicyWriter,
  attempt: () => Promise<Problem | undefined>,
): Promise<Problem | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof ClusterError) || isPassing(error)) throw error;
    return problem('ApplyRefused', error.message, `${namespace}/NetworkPolicy/${name}`);
  }
}

function nameTaken({ metadata: { namespace, name } }: NetworkPolicy): Problem {
  return problem(
    'PolicyNameTaken',
    `a NetworkPolicy of this name is there already, and nanoseg did not write it for this proposal`,
    `${namespace}/NetworkPolicy/${name}`,
  );
}

function storedDiffers({ metadata: { namespace, name } }: NetworkPolicy): Problem {
  return problem(
    'StoredDiffers',
    'the API server would store something else than what was approved: a field that it does not know, or a webhook that changes policies',
    `${namespace}/NetworkPolicy/${name}`,
  );
}
