import { isDeepStrictEqual } from 'node:util';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { ApprovalSpec, PolicyApproval } from '../../controller/model/policy-approval.ts';
import {
  type PolicyProposal,
  type ProposalStatus,
  resourceApiVersion,
} from '../../controller/model/policy-proposal.ts';
import type { ProfileCondition, ProfileStatus } from '../../controller/model/profile.ts';
import { workloadKey } from '../../controller/model/workload.ts';
import { readPolicyText } from '../../controller/loop/policy-text.ts';
import type { AuditEntry } from '../../controller/ports.ts';
import { deploymentSpec } from './cluster-objects.ts';
import { type ControllerWorld, flowAt, minuteMs } from './controller-world.ts';

/** A proposal that the controller has looked at. */
export type Proposal = PolicyProposal & { readonly status: ProposalStatus };

export type FlowFacts = Parameters<typeof flowAt>[2];

/** What keeps the learning of these tests short; all else of a profile is for each test to say. */
export const quickLearning = { window: '10m', coverage: 0, bins: 1, startUps: false, cronJobs: false };

/** One namespace of a running world: what people do in it, and what becomes of it. */
export class WatchedNamespace {
  readonly name: string;
  readonly world: ControllerWorld;

  constructor(world: ControllerWorld, name: string) {
    this.world = world;
    this.name = name;
  }

  /** Deployments `web`, `cart`, … with the label `app`. */
  async deploy(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.put('apps/v1', 'Deployment', name, deploymentSpec(name));
    // flows of the past do not wait for their owners to be known
    const keys = names.map((name) => workloadKey({ namespace: this.name, kind: 'Deployment', name }));
    await this.world.sees(`the Deployments of ${this.name}`, (view) =>
      keys.every((key) => view.cluster().workloads.has(key)),
    );
  }

  /** The namespace's profile; the rest of its fields comes from the cluster's. */
  async profile(spec: object): Promise<void> {
    await this.put(resourceApiVersion, 'SegmentationProfile', 'default', { spec });
  }

  async put(apiVersion: string, kind: string, name: string, rest: object, metadata: object = {}): Promise<void> {
    const object = { apiVersion, kind, metadata: { ...metadata, namespace: this.name, name }, ...rest };
    await this.world.backend.put(object as KubernetesObject);
  }

  /** `web > cart 8080`, so many minutes ago. */
  flow(text: string, minutesAgo: number, facts: FlowFacts = {}): string {
    return this.flowAt(text, Date.now() - minutesAgo * minuteMs, facts);
  }

  flowAt(text: string, timeMs: number, facts: FlowFacts = {}): string {
    const [client = '', , server = '', port = ''] = text.split(' ');
    return flowAt(`${this.name}/${client} > ${this.name}/${server} ${port}`, timeMs, facts);
  }

  /** Connections such as `web > cart 8080`, each seen some times within the last hour. */
  async observe(...connections: readonly string[]): Promise<void> {
    await this.world.observe(
      connections.flatMap((text) => [50, 40, 30, 20, 10].map((minutesAgo) => this.flow(text, minutesAgo))),
    );
  }

  ref(workload: string) {
    return { kind: 'PolicyProposal', namespace: this.name, name: nameOf(workload) };
  }

  async proposal(workload: string): Promise<PolicyProposal | undefined> {
    return this.world.store.get<PolicyProposal>(this.ref(workload));
  }

  /** The proposal of `cart` (or of a name with its kind: `joint-…`, `namespace-…`) as soon as it is like that. */
  async until(workload: string, holds: (proposal: Proposal) => boolean): Promise<Proposal> {
    let last: PolicyProposal | undefined;
    try {
      return await this.world.eventually('', async () => {
        last = await this.proposal(workload);
        return hasStatus(last) && holds(last) ? last : undefined;
      });
    } catch (error) {
      const { state, message } = last?.status ?? {};
      throw new Error(`${this.name}/${workload} ${holds.toString()}: it is ${state}, ${message}`, { cause: error });
    }
  }

  inState(workload: string, state: ProposalStatus['state']): Promise<Proposal> {
    return this.until(workload, (proposal) => proposal.status.state === state && isCurrent(proposal));
  }

  /** Ready with so many connections as its evidence. */
  ready(workload: string, connections: number): Promise<Proposal> {
    return this.until(
      workload,
      (proposal) =>
        proposal.status.state === 'Ready' && isCurrent(proposal) && proposal.spec.evidence.length === connections,
    );
  }

  /** Creates a decision about what is proposed now, or about the digest that `more` says. */
  async decide(
    user: string,
    decision: ApprovalSpec['decision'],
    { metadata, status }: Proposal,
    more: Partial<ApprovalSpec> = {},
  ): Promise<PolicyApproval> {
    const takesBack = decision === 'Rollback' || decision === 'Retire';
    return this.world.backend.decide(user, {
      apiVersion: resourceApiVersion,
      kind: 'PolicyApproval',
      metadata: { namespace: this.name, name: `${user}-${crypto.randomUUID()}` },
      spec: {
        proposal: metadata.name,
        digest: (takesBack ? status.enforced?.digest : status.digest) ?? '',
        decision,
        reason: 'for the test',
        ...more,
      },
    });
  }

  approve(user: string, proposal: Proposal, more: Partial<ApprovalSpec> = {}): Promise<PolicyApproval> {
    return this.decide(user, 'Approve', proposal, more);
  }

  /** Approves what stands there by alice, and waits until it is in force. */
  async enforce(workload: string, connections: number): Promise<Proposal> {
    const proposal = await this.ready(workload, connections);
    await this.approve('alice', proposal);
    return this.until(
      workload,
      ({ status }) => status.state === 'Enforced' && status.enforced?.digest === proposal.status.digest,
    );
  }

  /** What the controller says of a decision. */
  async answerTo({ metadata }: PolicyApproval): Promise<{ readonly counted: boolean; readonly message: string }> {
    const ref = { kind: 'PolicyApproval', namespace: this.name, name: metadata.name };
    return this.world.eventually(`an answer to ${metadata.name}`, async () => {
      return (await this.world.store.get<PolicyApproval>(ref))?.status;
    });
  }

  /** Writes over the text of a proposal as a person does. */
  async edit(workload: string, change: (text: string) => string): Promise<void> {
    await this.world.eventually(`an edit of ${workload}`, async () => {
      const stored = await this.proposal(workload);
      if (stored === undefined) return undefined;
      const spec = { ...stored.spec, policies: change(stored.spec.policies) };
      // the controller may write in between
      return this.world.store.update<PolicyProposal>({ ...stored, spec }).catch(conflictIsUndefined);
    });
  }

  /** What the profile says back about itself. */
  async profileCondition(
    type: ProfileCondition['type'],
    status: ProfileCondition['status'],
  ): Promise<ProfileCondition> {
    const ref = { kind: 'SegmentationProfile', namespace: this.name, name: 'default' };
    return this.world.eventually(`the profile of ${this.name}: ${type} ${status}`, async () => {
      const stored = await this.world.store.get<KubernetesObject & { readonly status?: ProfileStatus }>(ref);
      const { observedGeneration, conditions = [] } = stored?.status ?? {};
      if (observedGeneration !== stored?.metadata.generation) return undefined;
      return conditions.find((one) => one.type === type && one.status === status);
    });
  }

  policies(): Promise<readonly NetworkPolicy[]> {
    return this.world.store.list<NetworkPolicy>('NetworkPolicy', this.name);
  }

  policy(name: string): Promise<NetworkPolicy | undefined> {
    return this.world.store.get<NetworkPolicy>({ kind: 'NetworkPolicy', namespace: this.name, name });
  }

  async policyVersion(name: string): Promise<string | undefined> {
    const ref = { kind: 'NetworkPolicy', namespace: this.name, name };
    return (await this.world.store.get<KubernetesObject>(ref))?.metadata.resourceVersion;
  }

  /** Whether exactly the policies of that text are stored, and no others in the namespace. */
  async isStored(text: string): Promise<boolean> {
    const wanted = policiesIn(text);
    const stored = await this.policies();
    return (
      stored.length === wanted.length &&
      wanted.every((policy) =>
        stored.some(
          ({ metadata, spec }) =>
            metadata.name === policy.metadata.name && isDeepStrictEqual(specOf({ spec }), specOf(policy)),
        ),
      )
    );
  }

  /** What auditors read of the namespace, or of one proposal of it. */
  async audit(workload?: string): Promise<AuditEntry[]> {
    const entries: AuditEntry[] = [];
    for await (const entry of this.world.backend.audit()) {
      const { namespace, name } = entry.subject;
      if (namespace === this.name && (workload === undefined || name === nameOf(workload))) entries.push(entry);
    }
    return entries;
  }

  async actions(workload: string): Promise<string[]> {
    return (await this.audit(workload)).map(({ action }) => action);
  }

  /** A mark of each lasting object of the namespace; live figures are not among them in a workspace. */
  async versions(): Promise<Map<string, string>> {
    const all = await this.world.backend.versions();
    return new Map([...all].filter(([place]) => place.split('/').includes(this.name)));
  }
}

export function isCurrent({ metadata, status }: Proposal): boolean {
  return status.observedGeneration === metadata.generation;
}

export function policiesIn(text: string): readonly NetworkPolicy[] {
  const { policies, problems } = readPolicyText(text);
  if (policies === undefined) throw new Error(problems.map(({ message }) => message).join('; '));
  return policies;
}

/** An API server does not keep empty lists of rules, and a workspace does. */
export function specOf({ spec }: Pick<NetworkPolicy, 'spec'>): Partial<NetworkPolicy['spec']> {
  const { ingress, egress, ...rest } = spec;
  return { ...rest, ...(ingress?.length ? { ingress } : {}), ...(egress?.length ? { egress } : {}) };
}

function hasStatus(proposal: PolicyProposal | undefined): proposal is Proposal {
  return proposal?.status !== undefined;
}

function nameOf(workload: string): string {
  return workload.includes('-') ? workload : `deployment-${workload}`;
}

function conflictIsUndefined(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'Conflict') return undefined;
  throw error;
}
