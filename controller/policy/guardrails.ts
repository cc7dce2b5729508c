import type { FlowSourceKind } from '../model/flow.ts';
import type { HeldBackReason } from '../model/proposal.ts';
import type { AllowanceName } from '../model/policy-draft.ts';
import { protocolNumber } from '../model/protocol.ts';

/**
 * What nanoseg allows without being asked flow by flow, what it never learns by itself, and how it recognises both.
 * One table, so that a reviewer can read all of it; `docs/guardrails.md` shows the same to users.
 */
export const allowances: Readonly<Record<AllowanceName, string>> = {
  'cluster-dns':
    'A workload that was seen asking the cluster DNS may ask it on UDP and TCP, by its pods and by the node-local cache.',
  'kube-apiserver': 'A client of the API server may reach its endpoint addresses on its real port.',
  'admission-webhook': 'The API server may call a workload that a webhook configuration names, on its backend port.',
  'node-traffic': 'Nodes may reach, or be reached by, a workload on the ports on which that was seen.',
  'open-to-world': 'An exposed workload with many external clients is open to every address outside of the cluster.',
};

/** Link-local addresses on which a node-local DNS cache or a metadata server answers DNS. */
export const nodeLocalDnsAddress = '169.254.20.10';
export const metadataServerAddress = '169.254.169.254';

/** How the workloads of the cluster DNS are recognised: any of these labels on the pods. */
export const clusterDnsLabels: readonly (readonly [key: string, values: readonly string[]])[] = [
  ['k8s-app', ['kube-dns', 'coredns', 'core-dns']],
  ['app.kubernetes.io/name', ['coredns', 'kube-dns', 'rke2-coredns']],
  ['dns.operator.openshift.io/daemonset-dns', ['default']],
];

/** A node-local DNS cache, which answers on `nodeLocalDnsAddress` from the host network. */
export const nodeLocalDnsLabel: readonly [key: string, value: string] = ['k8s-app', 'node-local-dns'];

export const dnsPorts: readonly number[] = [53, 5353];

/** A destination that is never learned by itself: which endpoint, which port, and why. */
export interface SuspiciousDestination {
  readonly addresses: readonly string[] | 'node' | 'any';
  readonly protocol: number;
  readonly ports: readonly number[];
  readonly because: HeldBackReason;
  readonly message: string;
}

export const suspiciousDestinations: readonly SuspiciousDestination[] = [
  {
    addresses: [metadataServerAddress, 'fd00:ec2::254', '100.100.100.200', '168.63.129.16'],
    protocol: protocolNumber.TCP,
    ports: [80],
    because: 'metadata-service',
    message: 'the cloud metadata service hands out the credentials of the node',
  },
  {
    addresses: 'node',
    protocol: protocolNumber.TCP,
    ports: [10_250, 10_255],
    because: 'kubelet-port',
    message: "the kubelet's ports give control over every pod of the node",
  },
  {
    addresses: 'any',
    protocol: protocolNumber.TCP,
    ports: [15_001, 15_006, 15_008],
    because: 'mesh-tunnel',
    message: 'a service mesh tunnel hides the port that is really used',
  },
];

/** An API server client that shows up this long after its workload was first seen is new, and not learned by itself. */
export const newApiServerClientAfterMs = 24 * 3_600_000;

/**
 * A connection from one replica only is suspicious when chance alone would make all of its sightings come from one of
 * the replicas at work less often than this.
 */
export const singleReplicaChance = 0.01;

/** Flow sources that see every node of a cluster; the others see the node that they run on. */
export const clusterWideSources: readonly FlowSourceKind[] = ['hubble', 'goldmane', 'calico'];

/** Kinds whose replicas do different things by design, so that one replica alone having a connection says nothing. */
export const kindsWithUnequalReplicas: readonly string[] = ['StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'Pod'];

/** Template labels that change from release to release; they go into a selector only when nothing else is exact. */
export const volatileLabels: readonly string[] = [
  'version',
  'app.kubernetes.io/version',
  'app.kubernetes.io/managed-by',
  'helm.sh/chart',
  'chart',
  'heritage',
  'release-revision',
  'helm-revision',
];

/** Labels that say who a workload is, the most telling first; ties among others are broken by name. */
export const identityLabels: readonly string[] = [
  'app.kubernetes.io/name',
  'app.kubernetes.io/instance',
  'app.kubernetes.io/component',
  'app',
  'k8s-app',
  'name',
  'component',
  'role',
  'tier',
  'release',
];

/** Address ranges that are never opened to by "the world" while the cluster's own ranges are not all known. */
export const privateRanges: readonly string[] = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];
