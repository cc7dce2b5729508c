import type { Cluster } from '../model/cluster.ts';
import { connectionOf } from '../model/connection-set.ts';
import { type Connection, isEvidence } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import type { LabelSelector } from '../model/label-selector.ts';
import { objectName } from '../model/object-name.ts';
import type { DraftRule, PolicyDraft } from '../model/policy-draft.ts';
import type { Profile } from '../model/profile.ts';
import type { RefusalReason, Refused, SynthesisResult } from '../model/proposal.ts';
import { parseWorkloadKey, type Workload, type WorkloadKey } from '../model/workload.ts';
import type { SelectorChoice } from './choose-selector.ts';
import { type ClusterNaming, clusterNaming } from './cluster-naming.ts';
import type { CniProfile } from './cni-profiles.ts';
import type { PeerFault } from './choose-peers.ts';
import { type DraftingContext, draftPorts, draftRules } from './draft-rules.ts';
import { type Demand, type SortedConnections, sortConnections } from './sort-connections.ts';
import { habitsIn, type SuspicionJudge, suspicionJudge } from './suspicion.ts';

export interface SynthesisInput {
  readonly cluster: Cluster;
  readonly connections: ConnectionSource;
  readonly profile: Profile;
  readonly cni: CniProfile;
}

/** What a synthesizer works with; its parts are for runs with other profiles and other traffic too. */
export interface SynthesizerParts extends Omit<SynthesisInput, 'cluster'> {
  readonly naming: ClusterNaming;
  readonly suspicionOf: SuspicionJudge;
}

/**
 * Makes the draft of one workload at a time; what all workloads share is worked out once. `seen` is what it is made from
 * in place of all connections: with some of them left out, or with denied ones that an amendment asks for.
 */
export type Synthesizer = (workload: WorkloadKey, seen?: ConnectionSource) => SynthesisResult;

/** All workloads outside of exempt namespaces, ascending. */
export function synthesize(input: SynthesisInput): SynthesisResult[] {
  const make = synthesizer(input);
  return subjectsOf(input.cluster, input.profile).map((workload) => make(workload));
}

/** The workloads that proposals are made for, ascending. */
export function subjectsOf({ workloads }: Cluster, { exemptNamespaces }: Profile): WorkloadKey[] {
  return [...workloads.values()]
    .filter(({ namespace }) => !exemptNamespaces.includes(namespace))
    .map(({ key }) => key)
    .sort();
}

export function synthesizer({ cluster, connections, profile, cni }: SynthesisInput): Synthesizer {
  const suspicionOf = suspicionJudge(cluster, habitsIn(connections), profile);
  return synthesizerOf({ naming: clusterNaming(cluster), connections, profile, cni, suspicionOf });
}

export function synthesizerOf({ naming, connections, profile, cni, suspicionOf }: SynthesizerParts): Synthesizer {
  const { cluster, choiceOf, policyNames } = naming;
  const context: DraftingContext = { ...naming, connections, profile, cni };

  return (key, seen = connections) => {
    const sort = (subjects: readonly WorkloadKey[]): SortedConnections => {
      const own = subjects.length === 1 ? seen.connectionsOf(subjects[0] as WorkloadKey) : gather(subjects, seen);
      return sortConnections(new Set(subjects), own, { infrastructure: naming.infrastructure, cni, suspicionOf });
    };
    const sorted = sort([key]);
    const { heldBack, omissions } = sorted;
    const noEvidence = (message: string) => ({
      kind: 'no-evidence' as const,
      workload: key,
      message,
      heldBack,
      omissions,
    });
    const refuse = (because: RefusalReason, message: string, sharedWith: readonly WorkloadKey[] = []): Refused => {
      return { kind: 'refused', workload: key, because, message, sharedWith, joint: undefined, heldBack, omissions };
    };
    const workload = cluster.workloads.get(key);
    if (!workload) return noEvidence('it is not in the inventory');
    if (workload.hostNetwork) {
      return refuse('host-network', 'its pods use the network of their node, where policies do not select them');
    }
    if (!seen.connectionsOf(key).some(isEvidence)) return noEvidence('no flow that passed was seen of it');
    const choice = choiceOf(key);
    switch (choice.kind) {
      case 'none':
        return refuse('no-labels', 'its pods have no lasting label; add one to the pod template');
      case 'shared': {
        const others = choice.selects.filter((other) => other !== key);
        const message = `no label tells its pods from those of ${others.join(', ')}; give each a label of its own`;
        return {
          ...refuse('shared-labels', message, others),
          joint: jointDraft(choice, sort(choice.selects), context),
        };
      }
      case 'exact':
        break;
    }
    if (sorted.demands.length === 0) return noEvidence('all that was seen of it is held back or cannot be written');
    const made = draft([key], choice.selector, policyNames.get(key) as string, sorted.demands, context);
    if ('faults' in made) {
      const [first] = made.faults;
      return refuse(first.because, made.faults.map(({ message }) => message).join('; '), first.sharedWith);
    }
    return { kind: 'synthesised', workload: key, draft: made, heldBack, omissions, notes: notesOn(workload, made) };
  };
}

/** The connections of several workloads, each once. */
function gather(subjects: readonly WorkloadKey[], connections: ConnectionSource): Connection[] {
  const byId = new Map(
    subjects.flatMap((key) => connections.connectionsOf(key)).map((connection) => [connection.id, connection]),
  );
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function draft(
  subjects: readonly WorkloadKey[],
  subject: LabelSelector,
  name: string,
  demands: readonly Demand[],
  context: DraftingContext,
): PolicyDraft | { readonly faults: [PeerFault, ...PeerFault[]] } {
  const { namespace } = parseWorkloadKey(subjects[0] as WorkloadKey);
  const webhooks = new Set(
    subjects
      .flatMap((key) => context.infrastructure.webhooksOf(key))
      .map(({ protocol, port }) => `${protocol} ${port}`),
  );
  const isWebhookCall = ({ direction, peer, protocol, port }: Demand) =>
    direction === 'ingress' && peer.kind === 'apiserver' && webhooks.has(`${protocol} ${port}`);
  const of = (direction: 'ingress' | 'egress') =>
    draftRules(
      subjects,
      namespace,
      direction,
      demands.filter((demand) => demand.direction === direction && !isWebhookCall(demand)),
      context,
    );
  const ingress = of('ingress');
  const egress = of('egress');
  const [first, ...others] = [...ingress.faults, ...egress.faults];
  if (first) return { faults: [first, ...others] };
  return {
    namespace,
    name,
    workloads: subjects,
    subject,
    ingress: [...ingress.rules, ...webhookRules(subjects, demands.filter(isWebhookCall), context)],
    egress: egress.rules,
  };
}

/** Webhook calls are rare and their loss stops the cluster, so that they are allowed without having been seen. */
function webhookRules(
  subjects: readonly WorkloadKey[],
  calls: readonly Demand[],
  { infrastructure: known, cni }: DraftingContext,
): DraftRule[] {
  const addresses = known.apiServerAddresses.ingress;
  if (addresses.length === 0) return [];
  const backends = new Map(
    subjects
      .flatMap((key) => known.webhooksOf(key))
      .map(({ protocol, port }) => [`${protocol} ${port}`, { protocol, port }]),
  );
  return [...backends.values()]
    .sort((a, b) => a.port - b.port)
    .map(({ protocol, port }) => ({
      peers: [{ kind: 'apiserver' as const, addresses }],
      ports: draftPorts(connectionOf(protocol, port), cni),
      because: 'admission-webhook' as const,
      evidence: calls
        .filter((call) => call.protocol === protocol && call.port === port)
        .map(({ connection }) => connection.id)
        .sort(),
    }));
}

/**
 * One policy for workloads that no label tells apart: its members are one, so that any of them as a peer means all of
 * them. Undefined where it would still let in others.
 */
function jointDraft(
  { selects, selector }: Extract<SelectorChoice, { kind: 'shared' }>,
  { demands }: SortedConnections,
  context: DraftingContext,
): PolicyDraft | undefined {
  const group: SelectorChoice = { kind: 'shared', selector, selects };
  const spread = demands.flatMap((demand): Demand[] => {
    const { peer } = demand;
    if (peer.kind !== 'workload' || !selects.includes(peer.workload)) return [demand];
    return selects.map((workload) => ({ ...demand, peer: { kind: 'workload', workload } }));
  });
  const name = objectName('nanoseg', ...selects.map((member) => parseWorkloadKey(member).name));
  const choiceOf = (key: WorkloadKey) => (selects.includes(key) ? group : context.choiceOf(key));
  const made = draft(selects, selector, name, spread, { ...context, choiceOf });
  return 'faults' in made ? undefined : made;
}

/** What a reviewer should know about the draft that no rule shows. */
function notesOn({ podAnnotations }: Workload, { ingress, egress }: PolicyDraft): string[] {
  const notes: string[] = [];
  if (egress.length > 0 && !egress.some(({ because }) => because === 'cluster-dns')) {
    notes.push(`no DNS query of it was seen: once this is in force it cannot look up names`);
  }
  const scraped = podAnnotations['prometheus.io/scrape'] === 'true' ? podAnnotations['prometheus.io/port'] : undefined;
  if (scraped !== undefined && !ingress.some(({ ports }) => ports.some(({ port }) => `${port}` === scraped))) {
    notes.push(`its annotations announce metrics on port ${scraped}, but no scraper was seen, so none is allowed`);
  }
  if (ingress.some(({ because }) => because === 'open-to-world')) {
    notes.push(
      `it is open to every address outside of the cluster, because it is exposed and has many external clients`,
    );
  }
  return notes;
}
