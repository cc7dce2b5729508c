import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';

// The manifests are our own: their shape is taken as given, and only the parts that the recorder acts on are typed.

export type Labels = Readonly<Record<string, string>>;
type Protocol = 'TCP' | 'UDP';

interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Labels;
}

export interface PodTemplate {
  readonly metadata: { readonly labels: Labels; readonly annotations?: Labels };
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly hostNetwork?: boolean;
    readonly containers: readonly {
      readonly name: string;
      readonly image: string;
      readonly ports?: readonly {
        readonly name: string;
        readonly containerPort: number;
        readonly protocol: Protocol;
      }[];
      readonly readinessProbe?: { readonly tcpSocket: { readonly port: number | string } };
    }[];
  };
}

interface Controller {
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet';
  readonly metadata: Metadata;
  readonly spec: { readonly replicas?: number; readonly template: PodTemplate };
}

interface CronJob {
  readonly kind: 'CronJob';
  readonly metadata: Metadata;
  readonly spec: { readonly jobTemplate: { readonly spec: { readonly template: PodTemplate } } };
}

export interface Service {
  readonly kind: 'Service';
  readonly metadata: Metadata;
  readonly spec: {
    readonly clusterIPs: readonly string[];
    readonly ipFamilies: readonly ('IPv4' | 'IPv6')[];
    readonly selector?: Labels;
    readonly ports: readonly {
      readonly name: string;
      readonly port: number;
      readonly targetPort: number | string;
      readonly protocol: Protocol;
    }[];
  };
  readonly status?: { readonly loadBalancer: { readonly ingress: readonly { readonly ip: string }[] } };
}

export interface IngressPolicy {
  readonly kind: 'NetworkPolicy';
  readonly metadata: Metadata;
  readonly spec: {
    readonly podSelector: { readonly matchLabels: Labels };
    readonly ingress: readonly {
      readonly from: readonly {
        readonly namespaceSelector: { readonly matchLabels: Labels };
        readonly podSelector: { readonly matchLabels: Labels };
      }[];
      readonly ports: readonly { readonly protocol: Protocol; readonly port: number }[];
    }[];
  };
}

interface Namespace {
  readonly kind: 'Namespace';
  readonly metadata: Metadata;
}

type Manifest = Namespace | Controller | CronJob | Service | IngressPolicy | { readonly kind: 'ServiceAccount' };

export interface Workload {
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'CronJob';
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  readonly template: PodTemplate;
}

export interface World {
  /** Labels of each namespace by its name. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** By `namespace/name`, in the order in which they are started. */
  readonly workloads: ReadonlyMap<string, Workload>;
  readonly services: readonly Service[];
  readonly policies: readonly IngressPolicy[];
}

const files = ['default', 'kube-system', 'data', 'shop', 'edge', 'monitoring', 'reporting'];

/** What people wrote into cluster/; the inventory that the recorder writes beside it is not read. */
export function readWorld(directory: string): World {
  const namespaces = new Map<string, Labels>();
  const workloads = new Map<string, Workload>();
  const services: Service[] = [];
  const policies: IngressPolicy[] = [];
  const add = (kind: Workload['kind'], { namespace, name }: Metadata, replicas: number, template: PodTemplate) =>
    workloads.set(`${namespace}/${name}`, { kind, namespace, name, replicas, template });
  for (const file of files) {
    for (const manifest of loadAll(readFileSync(join(directory, `${file}.yaml`), 'utf8')) as Manifest[]) {
      switch (manifest.kind) {
        case 'Namespace':
          namespaces.set(manifest.metadata.name, manifest.metadata.labels ?? {});
          break;
        case 'Deployment':
        case 'StatefulSet':
        case 'DaemonSet':
          add(manifest.kind, manifest.metadata, manifest.spec.replicas ?? 1, manifest.spec.template);
          break;
        case 'CronJob':
          add(manifest.kind, manifest.metadata, 0, manifest.spec.jobTemplate.spec.template);
          break;
        case 'Service':
          services.push(manifest);
          break;
        case 'NetworkPolicy':
          policies.push(manifest);
          break;
        case 'ServiceAccount':
          break;
      }
    }
  }
  return { namespaces, workloads, services, policies };
}

export function matches(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

export function containerPorts(template: PodTemplate) {
  return template.spec.containers.flatMap(({ ports = [] }) => ports);
}

/** The number behind a Service's targetPort or a probe's port; throws when a name is not among the container's ports. */
export function portNumber(port: number | string, template: PodTemplate): number {
  if (typeof port === 'number') return port;
  const found = containerPorts(template).find(({ name }) => name === port);
  if (!found) throw new Error(`no container port is named ${port}`);
  return found.containerPort;
}
