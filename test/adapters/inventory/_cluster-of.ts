import { clusterFromObjects } from '../../../controller/adapters/inventory/cluster-from-objects.ts';
import { parseManifests } from '../../../controller/adapters/workspace/parse-manifests.ts';
import type { Cluster } from '../../../controller/model/cluster.ts';
import type { ClusterReading } from '../../../controller/ports.ts';

/** What the inventory makes of YAML manifests, problems included. */
export function readingOf(...manifests: readonly string[]): ClusterReading {
  const { objects, problems } = parseManifests(manifests.join('\n---\n'), 'test.yaml');
  const reading = clusterFromObjects(objects);
  return { ...reading, problems: [...problems, ...reading.problems] };
}

/** The cluster of manifests that must be without fault. */
export function clusterOf(...manifests: readonly string[]): Cluster {
  const { cluster, problems } = readingOf(...manifests);
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'));
  return cluster;
}

interface PodFacts {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** `Kind/name`. */
  readonly owner?: string;
  readonly ips?: readonly string[];
  readonly phase?: string;
  /** Seconds of the minute 2026-01-01T00:00. */
  readonly start?: number;
  readonly finish?: number;
  readonly terminating?: boolean;
  readonly hostNetwork?: boolean;
  readonly node?: string;
  readonly uid?: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly hostPort?: number }[];
  readonly args?: readonly string[];
}

/** The instant so many seconds into the minute in which all test pods live. */
export function at(second: number): number {
  return Date.UTC(2026, 0, 1, 0, 0, second);
}

function text(second: number | undefined): string | undefined {
  return second === undefined ? undefined : new Date(at(second)).toISOString();
}

/** A Pod as a server would dump it, in JSON, which is YAML too. */
export function podManifest(facts: PodFacts): string {
  const [ownerKind, ownerName] = facts.owner?.split('/') ?? [];
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: facts.name,
      namespace: facts.namespace ?? 'shop',
      labels: facts.labels ?? {},
      uid: facts.uid,
      deletionTimestamp: facts.terminating ? text(30) : undefined,
      ownerReferences: facts.owner && [{ apiVersion: 'v1', kind: ownerKind, name: ownerName, controller: true }],
    },
    spec: {
      nodeName: facts.node,
      hostNetwork: facts.hostNetwork,
      containers: [{ name: 'main', ports: facts.ports ?? [], args: facts.args ?? [] }],
    },
    status: {
      phase: facts.phase ?? 'Running',
      startTime: text(facts.start),
      podIP: facts.ips?.[0],
      podIPs: facts.ips?.map((ip) => ({ ip })),
      containerStatuses:
        facts.finish === undefined ? [] : [{ state: { terminated: { finishedAt: text(facts.finish) } } }],
    },
  });
}

/** A Deployment whose pods carry `labels`, by default `app: <name>`, and listen on the ports. */
export function deploymentManifest(
  name: string,
  {
    namespace = 'shop',
    labels = { app: name },
    selector = labels,
    ports = [],
    kind = 'Deployment',
    apiVersion = 'apps/v1',
  }: {
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly hostPort?: number }[];
    readonly kind?: string;
    readonly apiVersion?: string;
  } = {},
): string {
  return JSON.stringify({
    apiVersion,
    kind,
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: selector },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', ports }] } },
    },
  });
}

export function serviceManifest(name: string, spec: Readonly<Record<string, unknown>>, namespace = 'shop'): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec });
}
