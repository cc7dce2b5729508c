import {
  allAddresses,
  type CidrSet,
  cidrSet,
  hostCidr,
  type IpAddress,
  isEmptyAddresses,
  parseIp,
} from '../../model/cidr.ts';
import { type Cluster, hostAddresses, type Pod } from '../../model/cluster.ts';
import { type LabelSelector, type Labels, matchesSelector, selectorKey } from '../../model/label-selector.ts';
import { type ContainerPort, parseWorkloadKey, type WorkloadKey, type WorkloadRef } from '../../model/workload.ts';

/** Ports by `PROTOCOL/name`; one object for equal tables, so that results can be kept by identity. */
export type NamedPorts = ReadonlyMap<string, readonly number[]>;

/** An address that a hostNetwork pod may have, with its node; undefined where not known. */
export interface Place {
  readonly node: string | undefined;
  readonly address: IpAddress | undefined;
}

/**
 * Pods of one workload that no selector and no named port can tell apart. Policies see classes, never single pods;
 * only an ipBlock that cuts through a class looks at its addresses.
 */
export interface PodClass {
  readonly id: number;
  readonly workload: number;
  readonly namespace: string;
  readonly labels: Labels;
  readonly namedPorts: NamedPorts;
  readonly hostNetwork: boolean;
  /** Every known address of every pod. */
  readonly places: readonly Place[];
}

/** What the evaluator needs of a cluster, built once for any number of policy sets. */
export interface ClusterIndex {
  readonly cluster: Cluster;
  /** Ascending by key; everything else names a workload by its position here. */
  readonly workloads: readonly WorkloadRef[];
  readonly keys: readonly WorkloadKey[];
  readonly position: ReadonlyMap<WorkloadKey, number>;
  readonly classes: readonly PodClass[];
  readonly classesOf: readonly (readonly PodClass[])[];
  /** Addresses that a pod of unknown address can have. */
  readonly podNetwork: CidrSet;
  /** Addresses that a node of unknown address can send from. */
  readonly nodeNetwork: CidrSet;
  /** Addresses on which a node of unknown address can answer. */
  readonly answeringNetwork: CidrSet;
  /** Addresses that nodes send from and do not answer on: those of their bridges and tunnels in the pod network. */
  readonly sendingOnly: CidrSet;
  /** Known pod addresses, ascending for each family, with their workload. */
  readonly podAddresses: { readonly 4: readonly OwnedAddress[]; readonly 6: readonly OwnedAddress[] };
  /** Workloads on the pod network with a class whose addresses are not known. */
  readonly unaddressed: readonly number[];
  /** Workloads with hostNetwork pods. */
  readonly onHosts: readonly number[];
  readonly nodeAddresses: ReadonlyMap<string, readonly IpAddress[]>;
  /** Ids of the pod classes that selectors choose, ascending; hostNetwork pods are never among them. */
  selectPods(namespaces: NamespaceChoice, pods: LabelSelector): readonly number[];
}

export interface OwnedAddress {
  readonly value: bigint;
  readonly workload: number;
}

/** One namespace by name, or those whose labels match. */
type NamespaceChoice = { readonly name: string } | { readonly selector: LabelSelector };

/** Pods that exist now; finished ones have given their address back. */
export function isLive({ phase, endMs }: Pod): boolean {
  return phase !== 'Succeeded' && phase !== 'Failed' && endMs === undefined;
}

export function indexCluster(cluster: Cluster): ClusterIndex {
  const keys = [...cluster.workloads.keys()].sort();
  const position = new Map(keys.map((key, i) => [key, i]));
  const nodeAddresses = new Map(cluster.nodes.map(({ name, ips }) => [name, parseAll(ips)]));
  const classes = podClasses(cluster, keys, position, nodeAddresses);
  const classesOf: PodClass[][] = keys.map(() => []);
  for (const each of classes) (classesOf[each.workload] as PodClass[]).push(each);
  const { complete, pods, nodes } = cluster.cidrs;
  const hosts = hostAddresses(cluster);
  const sending = parseAll(cluster.nodes.flatMap(({ ips, hostIps }) => ips.filter((ip) => !hostIps.includes(ip))));
  return {
    cluster,
    workloads: keys.map(parseWorkloadKey),
    keys,
    position,
    classes,
    classesOf,
    podNetwork: complete && !isEmptyAddresses(pods) ? pods : allAddresses,
    nodeNetwork: complete && !isEmptyAddresses(nodes) ? nodes : allAddresses,
    answeringNetwork: complete && !isEmptyAddresses(hosts) ? hosts : allAddresses,
    sendingOnly: cidrSet(sending.map(hostCidr)),
    podAddresses: { 4: ownedAddresses(classes, 4), 6: ownedAddresses(classes, 6) },
    unaddressed: workloadsWhere(classesOf, ({ hostNetwork, places }) => !hostNetwork && hasUnknownAddress(places)),
    onHosts: workloadsWhere(classesOf, ({ hostNetwork }) => hostNetwork),
    nodeAddresses,
    selectPods: podSelection(cluster, classes),
  };
}

/** True when the address of any of these pods is not known. */
export function hasUnknownAddress(places: readonly Place[]): boolean {
  return places.some(({ address }) => address === undefined);
}

function parseAll(ips: readonly string[]): IpAddress[] {
  return ips.map(parseIp).filter((address) => address !== undefined);
}

function workloadsWhere(classesOf: readonly PodClass[][], test: (each: PodClass) => boolean): number[] {
  return classesOf.flatMap((classes, workload) => (classes.some(test) ? [workload] : []));
}

interface Shape {
  readonly labels: Labels;
  readonly containerPorts: readonly ContainerPort[];
  readonly hostNetwork: boolean;
  readonly places: readonly Place[];
}

function podClasses(
  cluster: Cluster,
  keys: readonly WorkloadKey[],
  position: ReadonlyMap<WorkloadKey, number>,
  nodeAddresses: ReadonlyMap<string, readonly IpAddress[]>,
): PodClass[] {
  const live: Pod[][] = keys.map(() => []);
  for (const pod of cluster.pods) {
    const workload = position.get(pod.workload);
    if (workload !== undefined && isLive(pod)) (live[workload] as Pod[]).push(pod);
  }
  const tables = new Map<string, NamedPorts>();
  const classes: PodClass[] = [];
  for (const [workload, key] of keys.entries()) {
    const byShape = new Map<string, { shape: Shape; places: Place[] }>();
    for (const shape of shapesOf(cluster, key, live[workload] as Pod[], nodeAddresses)) {
      const text = shapeKey(shape);
      const same = byShape.get(text);
      if (!same) byShape.set(text, { shape, places: [...shape.places] });
      else same.places.push(...shape.places);
    }
    const lists = new Map<string, readonly Place[]>();
    for (const { shape, places } of byShape.values()) {
      classes.push({
        id: classes.length,
        workload,
        namespace: parseWorkloadKey(key).namespace,
        labels: shape.labels,
        namedPorts: namedPorts(shape.containerPorts, tables),
        hostNetwork: shape.hostNetwork,
        places: shared(distinctPlaces(places), lists),
      });
    }
  }
  return classes;
}

/** The same array for all pods of which nothing is known, so that what was found out for one holds for all. */
export function distinctPlaces(places: readonly Place[]): readonly Place[] {
  if (places.every(({ node, address }) => node === undefined && address === undefined)) return anywhere;
  const known = new Map(places.map((place) => [placeText(place), place]));
  return [...known.values()];
}

function placeText({ node, address }: Place): string {
  return `${node} ${address?.family} ${address?.value}`;
}

/** The template of a workload is wherever its pods are: as the same array, nobody has to find that out again. */
function shared(places: readonly Place[], lists: Map<string, readonly Place[]>): readonly Place[] {
  const text = places.map(placeText).join();
  const known = lists.get(text);
  if (known === undefined) lists.set(text, places);
  return known ?? places;
}

/**
 * The shapes that policies may meet: live pods as they are, and the template, which is what the next rollout makes at
 * any place where a pod of the workload is now. Pods of Jobs and bare Pods are never rolled out anew, so there only live pods count, where there are any.
 */
function shapesOf(
  cluster: Cluster,
  key: WorkloadKey,
  live: readonly Pod[],
  nodeAddresses: ReadonlyMap<string, readonly IpAddress[]>,
): Shape[] {
  const known = live.flatMap((pod) => placesOf(pod, nodeAddresses));
  // A pod that has no address yet says nothing about addresses while its siblings do.
  const addressed = known.some(({ address }) => address !== undefined);
  const usable = (places: readonly Place[]) =>
    addressed ? places.filter(({ address }) => address !== undefined) : places;
  const shapes: Shape[] = live.map((pod) => ({
    ...pod,
    places: usable(placesOf(pod, nodeAddresses)),
  }));
  const workload = cluster.workloads.get(key);
  const rolls = workload !== undefined && workload.kind !== 'Job' && workload.kind !== 'Pod';
  if (workload && (live.length === 0 || (rolls && !live.some(({ virtual }) => virtual)))) {
    shapes.push({
      labels: workload.podLabels,
      containerPorts: workload.containerPorts,
      hostNetwork: workload.hostNetwork,
      places: live.length === 0 ? [nowhere] : usable(known),
    });
  }
  return shapes.map((shape) => (shape.places.length === 0 ? { ...shape, places: usable(known) } : shape));
}

const nowhere: Place = { node: undefined, address: undefined };
const anywhere: readonly Place[] = [nowhere];

function placesOf(pod: Pod, nodeAddresses: ReadonlyMap<string, readonly IpAddress[]>): Place[] {
  let addresses = parseAll(pod.ips);
  if (pod.hostNetwork && pod.node !== undefined) addresses = [...(nodeAddresses.get(pod.node) ?? addresses)];
  if (addresses.length === 0) return [{ node: pod.node, address: undefined }];
  return addresses.map((address) => ({ node: pod.node, address }));
}

function shapeKey({ labels, containerPorts, hostNetwork }: Shape): string {
  return JSON.stringify([
    Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)),
    containerPorts.map(({ name, port, protocol }) => `${protocol}/${name ?? ''}/${port}`).sort(),
    hostNetwork,
  ]);
}

function namedPorts(ports: readonly ContainerPort[], tables: Map<string, NamedPorts>): NamedPorts {
  const table = new Map<string, number[]>();
  for (const { name, port, protocol } of ports) {
    if (name === undefined) continue;
    const key = `${protocol}/${name}`;
    const numbers = table.get(key) ?? [];
    if (!numbers.includes(port)) numbers.push(port);
    table.set(key, numbers);
  }
  const text = tableText(table);
  const known = tables.get(text);
  if (known) return known;
  tables.set(text, table);
  return table;
}

function tableText(table: NamedPorts): string {
  return JSON.stringify([...table].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The class that a live pod of the cluster belongs to. */
export function classOfPod({ classesOf, position }: ClusterIndex, pod: Pod): PodClass | undefined {
  const ports = tableText(namedPorts(pod.containerPorts, new Map()));
  const labels = Object.entries(pod.labels);
  return classesOf[position.get(pod.workload) ?? -1]?.find(
    (each) =>
      each.hostNetwork === pod.hostNetwork &&
      Object.keys(each.labels).length === labels.length &&
      labels.every(([key, value]) => each.labels[key] === value) &&
      tableText(each.namedPorts) === ports,
  );
}

function ownedAddresses(classes: readonly PodClass[], family: 4 | 6): OwnedAddress[] {
  const owned: OwnedAddress[] = [];
  for (const { hostNetwork, workload, places } of classes) {
    if (hostNetwork) continue;
    for (const { address } of places) if (address?.family === family) owned.push({ value: address.value, workload });
  }
  return owned.sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
}

/** Label postings: the rarest positive requirement is looked up, and only what it yields is looked at. */
function podSelection(cluster: Cluster, classes: readonly PodClass[]): ClusterIndex['selectPods'] {
  const inNamespace = new Map<string, number[]>();
  const withLabel = new Map<string, Map<string, number[]>>();
  const selectable: number[] = [];
  for (const { id, hostNetwork, namespace, labels } of classes) {
    if (hostNetwork) continue;
    selectable.push(id);
    pushTo(inNamespace, namespace, id);
    for (const [key, value] of Object.entries(labels)) {
      let values = withLabel.get(key);
      if (!values) withLabel.set(key, (values = new Map()));
      pushTo(values, value, id);
    }
  }

  const candidates = (pods: LabelSelector, namespaces: readonly string[]): readonly (readonly number[])[] => {
    let best = namespaces.map((name) => inNamespace.get(name) ?? []);
    let size = best.reduce((sum, ids) => sum + ids.length, 0);
    const offer = (lists: readonly (readonly number[])[]) => {
      const count = lists.reduce((sum, ids) => sum + ids.length, 0);
      if (count < size) [best, size] = [lists as number[][], count];
    };
    for (const [key, value] of Object.entries(pods.matchLabels ?? {})) offer([withLabel.get(key)?.get(value) ?? []]);
    for (const { key, operator, values = [] } of pods.matchExpressions ?? []) {
      if (operator === 'In') offer([...new Set(values)].map((value) => withLabel.get(key)?.get(value) ?? []));
    }
    return best;
  };

  const select = (choice: NamespaceChoice, pods: LabelSelector): readonly number[] => {
    const namespaces =
      'name' in choice
        ? [choice.name]
        : [...inNamespace.keys()].filter((name) =>
            matchesSelector(choice.selector, cluster.namespaces.get(name)?.labels ?? {}),
          );
    const wanted = new Set(namespaces);
    return candidates(pods, namespaces)
      .flat()
      .filter((id) => {
        const { namespace, labels } = classes[id] as PodClass;
        return wanted.has(namespace) && matchesSelector(pods, labels);
      })
      .sort((a, b) => a - b);
  };

  // The same selectors come back in every policy set of a proof.
  const known = new Map<string, readonly number[]>();
  return (choice, pods) => {
    const scope = 'name' in choice ? `=${choice.name}` : selectorKey(choice.selector);
    const key = `${scope}\n${selectorKey(pods)}`;
    let ids = known.get(key);
    if (!ids) known.set(key, (ids = select(choice, pods)));
    return ids;
  };
}

function pushTo<Key>(map: Map<Key, number[]>, key: Key, id: number): void {
  const list = map.get(key);
  if (list) list.push(id);
  else map.set(key, [id]);
}
