import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import type { Profile } from '../model/profile.ts';
import { parseWorkloadKey, type Workload, type WorkloadKey } from '../model/workload.ts';
import { samePolicySpec } from '../policy/canonical-policy.ts';
import type { ClusterNaming } from '../policy/cluster-naming.ts';
import { expiresAnnotation, learningAllowance } from '../policy/learning-allowance.ts';
import type { AuditRecord, ObjectStore } from '../ports.ts';
import {
  allowanceForAnnotation,
  type AllowancePlan,
  type Newcomers,
  newcomersAnnotation,
  planAllowances,
} from '../reconcile/plan-allowances.ts';

export interface AllowanceRound {
  /** The proposal that closes the namespace, as stored. */
  readonly closing: PolicyProposal;
  readonly profile: Profile;
  readonly naming: ClusterNaming;
  /** Workloads of the namespace with a policy in force. */
  readonly isProtected: (workload: WorkloadKey) => boolean;
  readonly policies: readonly NetworkPolicy[];
  readonly store: ObjectStore;
  readonly assertMayWrite: () => void;
  readonly nowMs: number;
}

/** Gives newcomers of a closed namespace what the profile says, and takes it back on time; answers with what was done. */
export async function tendAllowances(round: AllowanceRound): Promise<AuditRecord[]> {
  const { naming, store, assertMayWrite, nowMs } = round;
  const { namespace, name } = round.closing.metadata;
  const ref = { kind: 'PolicyProposal', namespace, name };
  if (isNothing(planned(round))) return [];
  // the view may not know yet what was done a moment ago
  const fresh = await store.get<PolicyProposal>(ref);
  if (fresh === undefined) return [];
  const closing = { ...round.closing, metadata: fresh.metadata };
  const policies = await store.list<NetworkPolicy>('NetworkPolicy', namespace);
  const { plan, known, own } = planned({ ...round, closing, policies });
  const records: AuditRecord[] = [];
  const record = (subject: string, message: string) =>
    records.push({
      timeMs: nowMs,
      actor: 'nanoseg',
      action: 'LearningAllowance',
      subject: { kind: 'NetworkPolicy', namespace, name: subject },
      message,
    });
  if (known !== undefined && JSON.stringify(plan.newcomers) !== JSON.stringify(known)) {
    assertMayWrite();
    // before anything is opened: a newcomer whose time nobody remembers would begin anew
    await store.annotate(ref, { [newcomersAnnotation]: JSON.stringify(plan.newcomers) });
  }
  for (const [workload, expires] of plan.write) {
    const key = own.find((each) => kindAndName(each.key) === workload)?.key;
    const made = key === undefined ? undefined : learningAllowance(key, naming, expires);
    if (made === undefined || 'problem' in made) continue;
    const { metadata } = made.policy;
    const there = policies.find((policy) => policy.metadata.name === metadata.name);
    // what somebody else wrote under that name stays as it is
    if (there !== undefined && there.metadata.annotations?.[allowanceForAnnotation] !== workload) continue;
    const annotations = { ...metadata.annotations, [allowanceForAnnotation]: workload };
    assertMayWrite();
    const policy = { ...made.policy, metadata: { ...metadata, annotations } };
    const stored = await store.applyPolicy(policy, { dryRun: false, force: true });
    if (!samePolicySpec(stored.spec, policy.spec))
      await store.remove({ kind: 'NetworkPolicy', namespace, name: metadata.name });
    else record(metadata.name, `${workload} is new in a closed namespace and may talk freely until ${expires}`);
  }
  for (const { policy, workload, because } of plan.remove) {
    assertMayWrite();
    await store.remove({ kind: 'NetworkPolicy', namespace, name: policy });
    record(policy, `the learning allowance of ${workload} was removed: ${because}`);
  }
  return records;
}

interface Planned {
  readonly plan: AllowancePlan;
  readonly known: Newcomers | undefined;
  readonly own: readonly Workload[];
}

function planned({ closing, profile, naming, isProtected, policies, nowMs }: AllowanceRound): Planned {
  const { namespace } = closing.metadata;
  const known = newcomersOf(closing);
  const own = [...naming.cluster.workloads.values()].filter((workload) => workload.namespace === namespace);
  const plan = planAllowances({
    closed: known !== undefined && closing.status?.enforced !== undefined && profile.mode === 'enforce',
    rules: profile.closedNamespace,
    unprotected: own
      .filter(({ key, hostNetwork }) => !hostNetwork && !isProtected(key))
      .map(({ key }) => kindAndName(key)),
    newcomers: known ?? {},
    stored: storedAllowances(namespace, policies),
    nowMs,
  });
  return { plan, known, own };
}

function isNothing({ plan, known }: Planned): boolean {
  const isNoted = known === undefined || JSON.stringify(plan.newcomers) === JSON.stringify(known);
  return isNoted && plan.write.size === 0 && plan.remove.length === 0;
}

/** Undefined when somebody broke the note: then nobody may learn, because nobody knows whose time is over. */
function newcomersOf({ metadata }: PolicyProposal): Newcomers | undefined {
  try {
    const known: unknown = JSON.parse(metadata.annotations?.[newcomersAnnotation] ?? '{}');
    return typeof known === 'object' && known !== null ? (known as Newcomers) : undefined;
  } catch {
    return undefined;
  }
}

function storedAllowances(namespace: string, policies: readonly NetworkPolicy[]) {
  return new Map(
    policies.flatMap(({ metadata }) => {
      const workload = metadata.annotations?.[allowanceForAnnotation];
      const expires = metadata.annotations?.[expiresAnnotation];
      if (metadata.namespace !== namespace || workload === undefined || expires === undefined) return [];
      return [[workload, { policy: metadata.name, expires }] as const];
    }),
  );
}

/** Until when the workload of a proposal may talk freely, RFC 3339; undefined: it may not. */
export function allowedUntil(
  { metadata, spec }: PolicyProposal,
  policies: readonly NetworkPolicy[],
): string | undefined {
  const allowances = storedAllowances(metadata.namespace, policies);
  return spec.workloads.map((workload) => allowances.get(workload)?.expires).find((expires) => expires !== undefined);
}

function kindAndName(workload: WorkloadKey): string {
  const { kind, name } = parseWorkloadKey(workload);
  return `${kind}/${name}`;
}
