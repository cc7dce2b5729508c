import { type ConnectionSet, equalConnections, formatConnections } from '../model/connection-set.ts';
import type { ConnectionId } from '../model/connection.ts';
import type { LabelSelector } from '../model/label-selector.ts';
import type { DraftPeer } from '../model/policy-draft.ts';
import type { RefusalReason } from '../model/proposal.ts';
import { parseWorkloadKey, type WorkloadKey } from '../model/workload.ts';
import { type NamespaceLabel, namespaceNameLabel, type SelectorChoice } from './choose-selector.ts';
import { mergeNamespaces, mergePodGroups, type PodGroup } from './merge-peers.ts';

/** Connections that one peer workload needs in one direction, and what asks for them. */
export interface PeerNeed {
  readonly workload: WorkloadKey;
  readonly connections: ConnectionSet;
  readonly evidence: readonly ConnectionId[];
}

/** Pods that need the very same connections: together they make the peers of one rule. */
export interface PeerRule {
  readonly connections: ConnectionSet;
  readonly peers: readonly DraftPeer[];
  readonly evidence: readonly ConnectionId[];
}

/** A peer that no label expression can let in without letting in others. */
export interface PeerFault {
  readonly because: RefusalReason;
  readonly message: string;
  readonly sharedWith: readonly WorkloadKey[];
}

export interface PeerChoice {
  readonly rules: readonly PeerRule[];
  readonly faults: readonly PeerFault[];
}

/** How workloads and namespaces can be named. */
interface Selectors {
  readonly choiceOf: (workload: WorkloadKey) => SelectorChoice;
  readonly namespaceLabelOf: (namespace: string) => NamespaceLabel | undefined;
}

/** A selector with the workloads that it selects and what they all need. */
interface Unit extends PodGroup {
  readonly connections: ConnectionSet;
  readonly evidence: readonly ConnectionId[];
}

/**
 * Chooses the peers that let in exactly the workloads with a need: one rule for each set of ports, and in a rule as few
 * selectors as can say it. Workloads that share their labels go together only when each of them needs the same.
 */
export function choosePeers(
  namespace: string,
  needs: readonly PeerNeed[],
  { choiceOf, namespaceLabelOf }: Selectors,
): PeerChoice {
  const faults: PeerFault[] = [];
  const units = selectUnits(needs, choiceOf, faults);
  const labelOf = new Map<string, NamespaceLabel>();
  for (const unit of units) {
    if (unit.namespace === namespace || labelOf.has(unit.namespace)) continue;
    const label = namespaceLabelOf(unit.namespace);
    if (label) labelOf.set(unit.namespace, label);
    else {
      faults.push({
        because: 'no-namespace-label',
        message: `namespace ${unit.namespace} has no label of its own; label it with ${namespaceNameLabel}=${unit.namespace}`,
        sharedWith: [],
      });
    }
  }
  if (faults.length > 0) return { rules: [], faults };
  const rules = groupByConnections(units).map(({ connections, members }) => ({
    connections,
    peers: podPeers(namespace, members, labelOf),
    evidence: [...new Set(members.flatMap(({ evidence }) => evidence))].sort(),
  }));
  return { rules, faults };
}

function selectUnits(
  needs: readonly PeerNeed[],
  choiceOf: (workload: WorkloadKey) => SelectorChoice,
  faults: PeerFault[],
): Unit[] {
  const needOf = new Map(needs.map((need) => [need.workload, need]));
  const units = new Map<string, Unit>();
  for (const need of needs) {
    const { workload, connections } = need;
    const choice = choiceOf(workload);
    const { namespace, name } = parseWorkloadKey(workload);
    if (choice.kind === 'none') {
      faults.push({
        because: 'no-labels',
        message: `the pods of ${namespace}/${name} have no lasting label`,
        sharedWith: [],
      });
      continue;
    }
    if (choice.kind === 'exact') {
      units.set(workload, {
        namespace,
        selector: choice.selector,
        workloads: [workload],
        connections,
        evidence: need.evidence,
      });
      continue;
    }
    const workloads = choice.selects;
    const needy = workloads.flatMap((member) => needOf.get(member) ?? []);
    if (needy.length < workloads.length || !needy.every((each) => equalConnections(each.connections, connections))) {
      const others = workloads.filter((member) => member !== workload);
      faults.push({
        because: 'indistinguishable-peer',
        message: `no label tells ${namespace}/${name} from ${others.join(', ')}, which may not have ${formatConnections(connections)}`,
        sharedWith: others,
      });
      continue;
    }
    units.set(workloads.join(' '), {
      namespace,
      selector: choice.selector,
      workloads,
      connections,
      evidence: needy.flatMap(({ evidence }) => evidence),
    });
  }
  const kept = [...units.values()];
  const wide = kept.filter(({ workloads }) => workloads.length > 1);
  return kept.filter((unit) => !wide.some((wider) => isWithin(unit, wider)));
}

function isWithin(unit: Unit, wider: Unit): boolean {
  return (
    unit.namespace === wider.namespace &&
    wider.workloads.length > unit.workloads.length &&
    unit.workloads.every((workload) => wider.workloads.includes(workload))
  );
}

function groupByConnections(units: readonly Unit[]): { connections: ConnectionSet; members: Unit[] }[] {
  const groups = new Map<string, { connections: ConnectionSet; members: Unit[] }>();
  for (const unit of units) {
    const key = formatConnections(unit.connections);
    const group = groups.get(key);
    if (group) group.members.push(unit);
    else groups.set(key, { connections: unit.connections, members: [unit] });
  }
  return [...groups.values()];
}

function podPeers(own: string, members: readonly Unit[], labelOf: ReadonlyMap<string, NamespaceLabel>): DraftPeer[] {
  const merged = mergePodGroups(
    members.map(({ namespace, selector, workloads }) => ({ namespace, selector, workloads })),
  );
  const byName = merged.filter(
    ({ namespace }) => namespace === own || labelOf.get(namespace)?.[0] === namespaceNameLabel,
  );
  const byOtherLabel = merged.filter((group) => !byName.includes(group));
  const peers = [
    ...mergeNamespaces(byName, own),
    ...byOtherLabel.map(({ namespace, selector, workloads }) => ({ namespaces: [namespace], selector, workloads })),
  ];
  return peers.map(({ namespaces, selector, workloads }) => ({
    kind: 'pods' as const,
    podSelector: selector,
    namespaceSelector: namespaceSelector(own, namespaces, labelOf),
    namespaces,
    workloads,
  }));
}

function namespaceSelector(
  own: string,
  namespaces: readonly string[],
  labelOf: ReadonlyMap<string, NamespaceLabel>,
): LabelSelector | undefined {
  const [first] = namespaces;
  if (first === own || first === undefined) return undefined;
  const [key, value] = labelOf.get(first) as NamespaceLabel;
  if (namespaces.length === 1) return { matchLabels: { [key]: value } };
  return { matchExpressions: [{ key, operator: 'In', values: namespaces }] };
}
