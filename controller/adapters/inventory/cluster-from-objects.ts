import { serviceTargetFinder } from '../../attribution/service-targets.ts';
import type { Cluster, Pod } from '../../model/cluster.ts';
import type { NetworkPolicy } from '../../model/network-policy.ts';
import type { Problem } from '../../model/problem.ts';
import { parseWorkloadKey } from '../../model/workload.ts';
import type { ClusterReading } from '../../ports.ts';
import { clusterCidrsOf } from './cluster-cidrs.ts';
import { controllersOf } from './controllers.ts';
import { distinctObjects } from './distinct-objects.ts';
import { exposuresOf, webhooksOf } from './exposures.ts';
import { type LocatedObject, remembered } from './located-object.ts';
import { namespacesOf } from './namespaces.ts';
import { isNetworkPolicy, networkPolicyFromObject } from './network-policy.ts';
import { readNodes, withoutPodAddresses } from './nodes.ts';
import { otherPoliciesIn } from './other-policies.ts';
import { type GonePod, readGonePods, readPods } from './pods.ts';
import { rootFinder } from './root-owner.ts';
import { apiServerBehind, readBackends, readServices } from './services.ts';
import { virtualPod, workloadsOf } from './workloads.ts';

/** The cluster that these objects describe, in an order that does not depend on theirs. */
export function clusterFromObjects(located: readonly LocatedObject[]): ClusterReading {
  const { objects, problems: conflicts } = distinctObjects(located.map(inItsNamespace));
  const problems: Problem[] = [...conflicts];
  const cluster = assembleCluster(objects, [], problems);
  const counts = new Map<string, number>();
  for (const { kind } of located) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return { cluster, problems, objects: counts, otherPolicies: otherPoliciesIn(located) };
}

/**
 * The cluster of objects of which none is there twice, each in its namespace. Pods that are gone are in it as ended ones,
 * and nothing else depends on them.
 */
export function assembleCluster(
  objects: readonly LocatedObject[],
  gone: readonly GonePod[],
  problems: Problem[],
): Cluster {
  const controllers = controllersOf(objects, problems);
  const findRoot = rootFinder(controllers);
  const allNodes = readNodes(objects, problems);
  const nodeIps = new Map(allNodes.map(({ name, ips }) => [name, ips]));
  const podReadings = readPods(objects, findRoot, nodeIps, problems);
  const workloads = workloadsOf(controllers, podReadings, findRoot);
  const peopled = new Set(podReadings.map(({ pod }) => pod.workload));
  const pods = [
    ...podReadings.map(({ pod }) => pod),
    ...[...workloads.values()].filter(({ key }) => !peopled.has(key)).map(virtualPod),
  ].sort(byNameAndStart);
  const nodes = withoutPodAddresses(
    allNodes,
    new Set(pods.flatMap(({ hostNetwork, ips }) => (hostNetwork ? [] : ips))),
  );
  const backends = readBackends(objects, problems);
  const services = readServices(objects, backends, problems).sort(byName);
  const servicesByName = new Map(services.map((service) => [`${service.namespace}/${service.name}`, service]));
  const findTargets = serviceTargetFinder(pods);
  const shapes = [
    ...podReadings,
    ...[...controllers.values()].flatMap(({ ref, template }) =>
      template ? [{ root: findRoot(ref, template.labels), shape: template }] : [],
    ),
  ];
  const policies = policiesOf(objects, problems);
  const ended = readGonePods(gone, findRoot, nodeIps);
  return {
    namespaces: namespacesOf(
      objects,
      [
        ...[...workloads.keys()].map((key) => parseWorkloadKey(key).namespace),
        ...services.map(({ namespace }) => namespace),
        ...policies.map(({ metadata }) => metadata.namespace),
      ],
      problems,
    ),
    workloads,
    pods: ended.length === 0 ? pods : [...pods, ...ended].sort(byNameAndStart),
    nodes: nodes.sort(byName),
    services,
    policies,
    webhooks: webhooksOf(objects, servicesByName, findTargets, problems),
    exposures: exposuresOf(objects, servicesByName, shapes, findTargets, problems),
    apiServer: apiServerBehind(backends),
    cidrs: clusterCidrsOf(objects, nodes, pods, problems),
  };
}

/** The same cluster with the policies that there are now: all else stays the very same value, which is dear to make. */
export function withPoliciesOf(cluster: Cluster, objects: Iterable<LocatedObject>, problems: Problem[]): Cluster {
  return { ...cluster, policies: policiesOf([...objects], problems) };
}

function policiesOf(objects: readonly LocatedObject[], problems: Problem[]): NetworkPolicy[] {
  const policies = objects.filter(isNetworkPolicy).flatMap((object) => {
    const reading = remembered(object, networkPolicyFromObject, () => networkPolicyFromObject(object));
    if ('policy' in reading) return [reading.policy];
    problems.push(...reading.problems);
    return [];
  });
  return policies.sort((a, b) => byName(a.metadata, b.metadata));
}

const clusterScoped: ReadonlySet<string> = new Set([
  'Namespace',
  'Node',
  'ServiceCIDR',
  'IPPool',
  'CiliumNode',
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
  'CustomResourceDefinition',
  'APIService',
]);

function inItsNamespace(object: LocatedObject): LocatedObject {
  const namespace = namespaceOf(object.kind, object.namespace);
  return namespace === object.namespace ? object : { ...object, namespace };
}

/** An object without a namespace is in `default`, unless its kind has none. */
export function namespaceOf(kind: string, namespace: string): string {
  if (clusterScoped.has(kind)) return '';
  return namespace === '' ? 'default' : namespace;
}

function byName(
  a: { readonly namespace?: string; readonly name: string },
  b: { readonly namespace?: string; readonly name: string },
): number {
  const [namespaceA = '', namespaceB = ''] = [a.namespace, b.namespace];
  if (namespaceA !== namespaceB) return namespaceA < namespaceB ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function byNameAndStart(a: Pod, b: Pod): number {
  return byName(a, b) || (a.startMs ?? 0) - (b.startMs ?? 0);
}
