import type { CidrSet } from './cidr.ts';
import type { Labels } from './label-selector.ts';
import type { Condition, ProposalChange } from './policy-proposal.ts';

/** Network plugins whose differences nanoseg knows; `generic` promises only what the API itself promises. */
export const cniNames = [
  'generic',
  'calico',
  'cilium',
  'aws-vpc-cni',
  'azure-npm',
  'gke-dataplane-v2',
  'antrea',
  'kube-router',
] as const;
export type CniName = (typeof cniNames)[number];

/** Other names that people know plugins by. */
const cniAliases: Readonly<Record<string, CniName>> = { 'azure-cni': 'azure-npm', 'azure-cni/npm': 'azure-npm' };

/** Every name that `cniNamed` knows. */
export const cniSpellings: readonly string[] = [...cniNames, ...Object.keys(cniAliases)];

/** The plugin of that name, or undefined for a name that is none. */
export function cniNamed(name: string): CniName | undefined {
  return cniNames.find((known) => known === name) ?? (Object.hasOwn(cniAliases, name) ? cniAliases[name] : undefined);
}

/** How far nanoseg may go in a namespace. */
export const modes = [
  /** Flows are counted; there are no proposals. */
  'observe',
  /** Proposals are made, proved and judged in shadow, decisions are collected; no policy is written. */
  'propose',
  /** What is validly approved is applied. */
  'enforce',
] as const;
export type Mode = (typeof modes)[number];

/** What a person decides once for a namespace or a cluster; every number in it has a default in `defaultProfile`. */
export interface Profile {
  readonly mode: Mode;
  readonly cni: CniName;
  readonly learning: LearningThresholds;
  /** Namespaces that get no proposals; their workloads are still peers. */
  readonly exemptNamespaces: readonly string[];
  readonly external: ExternalPeers;
  /** Ranges of the cluster that the inventory does not tell; added to those it does. */
  readonly clusterCidrs: { readonly pods: CidrSet; readonly services: CidrSet; readonly nodes: CidrSet };
  /** Connections that a person has looked at: accepted ones are learned although suspicious. */
  readonly accepted: readonly ConnectionPattern[];
  /** Connections that are never learned, whatever was seen. */
  readonly refused: readonly ConnectionPattern[];
  /** A client is taken for a scanner from this many unanswered or denied (address, port) targets on. */
  readonly scanTargets: number;
  /** Propose one policy for workloads that no label tells apart, instead of only offering it. */
  readonly jointPolicies: boolean;
  readonly approvals: ApprovalRules;
  /** What happens to a managed policy that was edited, deleted or lost its label. */
  readonly drift: 'repair' | 'report';
  readonly guard: RollbackGuard;
  /** A rule that nothing used for so long is left out of the next proposal; undefined: never. */
  readonly unusedAfterMs: number | undefined;
  readonly closedNamespace: ClosedNamespaceRules;
}

export interface ApprovalRules {
  /** Distinct approvers that a proposal needs. */
  readonly required: number;
  /** An approval that is older than this when it would be acted on counts for nothing. */
  readonly expiryMs: number;
  /** `claimed`: approvers whom nobody authenticated count too, and everything that shows them says so. */
  readonly identity: 'stamped' | 'claimed';
  /** Any of these rules approves by itself; empty: every change needs people. */
  readonly automatic: readonly AutoApprovalRule[];
}

/** All conditions must hold. */
export interface AutoApprovalRule {
  /** For people: it stands in the record of what it approved. */
  readonly name: string;
  readonly changes: readonly Exclude<ProposalChange, 'None'>[];
  /** Labels that the namespace must carry; empty: any namespace that the profile is for. */
  readonly namespaceLabels: Labels;
}

/** When an apply is taken back by itself: within `durationMs` after it, when any of the counts is passed. */
export interface RollbackGuard {
  readonly durationMs: number;
  /** More denied connections of the baseline than this. */
  readonly deniedConnections: number;
  /** More pods of the workload that were ready before and are not any more than this. */
  readonly unreadyPods: number;
}

/** What happens to a namespace of which every workload is enforced. */
export interface ClosedNamespaceRules {
  /** Propose a default-deny for everything that comes later. */
  readonly propose: boolean;
  /** What a new workload gets once that is in force: nothing until reviewed, or everything for `learnForMs`. */
  readonly newWorkloads: 'deny' | 'learn';
  readonly learnForMs: number;
}

export interface LearningThresholds {
  /** Finest time bin of the evidence. */
  readonly binMs: number;
  /** Least time between the first and the last flow before any workload is ready. */
  readonly windowMs: number;
  /** Least sample coverage, 0 to 1. */
  readonly coverage: number;
  /** Least number of bins that a coverage estimate needs. */
  readonly bins: number;
  /** Days that the window must hold, 0 = Sunday; empty: any. */
  readonly weekdays: readonly number[];
  /** Largest share of lost events, 0 to 1, on the nodes that a workload runs on. */
  readonly loss: number;
  readonly startUps: boolean;
  readonly cronJobs: boolean;
}

export interface ExternalPeers {
  /** Known networks by name: an external address inside of one is written as the whole network. */
  readonly networks: readonly NamedNetwork[];
  /** Addresses are widened to common blocks as long as no block adds more addresses than this; 0: never widened. */
  readonly addedAddresses: number;
  /** An exposed workload with more distinct external clients than this is opened to the world outside the cluster. */
  readonly clientsBeforeWorld: number;
}

export interface NamedNetwork {
  readonly name: string;
  readonly cidrs: readonly string[];
}

/** `namespace/name`, `namespace/Kind/name`, an address or CIDR, `node`, `kube-apiserver` or `*`, for either side. */
export interface ConnectionPattern {
  readonly source: string;
  readonly destination: string;
  /** Undefined: every port. */
  readonly port: number | undefined;
  /** `TCP`, `UDP`, `SCTP`; undefined: every protocol. */
  readonly protocol: string | undefined;
}

/** What a SegmentationProfile says back: whether nanoseg can use it, and how far its namespace (or the cluster) is. */
export interface ProfileStatus {
  readonly observedGeneration: number;
  /** Holder of the Lease: the replica that decides. */
  readonly controller?: string;
  readonly coverage?: PodCoverage;
  /** Flow sources; of the cluster's profile only. */
  readonly sources?: readonly { readonly name: string; readonly state: SourceState; readonly message: string }[];
  /** How the work is shared over Redis; of the cluster's profile only. */
  readonly streams?: StreamsStatus;
  readonly conditions: readonly ProfileCondition[];
}

/** The processes that share the work over Redis, and what waits there for them. */
export interface StreamsStatus {
  /** For people; without user and password. */
  readonly server: string;
  /** Of each server that has shards. */
  readonly memory: readonly { readonly usedBytes: number; readonly mostBytes?: number }[];
  /** All of them, in their order. */
  readonly shards: readonly {
    readonly shard: number;
    /** Who counts its flows; absent: nobody at the moment. */
    readonly holder?: string;
    /** Batches that are not counted and saved yet. */
    readonly waiting: number;
    /** RFC 3339. */
    readonly savedAt?: string;
  }[];
  readonly members: readonly {
    readonly who: string;
    readonly role: 'ingest' | 'decide';
    /** How many it holds. */
    readonly shards: number;
    /** RFC 3339. */
    readonly startedAt: string;
    /** What of its work does not work now. */
    readonly problems: readonly string[];
  }[];
}

/** Pods that run, and how many of them a policy isolates in a direction. */
export interface PodCoverage {
  readonly pods: number;
  readonly isolatedIngress: number;
  readonly isolatedEgress: number;
  /** Why the others are not isolated in both directions, with how many pods each reason is for. */
  readonly open: readonly { readonly because: string; readonly pods: number }[];
}

export const sourceStates = ['Connected', 'Waiting', 'Failed'] as const;
export type SourceState = (typeof sourceStates)[number];

export const profileConditionTypes = [
  /** The spec can be used; where it cannot, the namespace is only observed. */
  'Valid',
] as const;

export type ProfileCondition = Omit<Condition, 'type'> & { readonly type: (typeof profileConditionTypes)[number] };

const minuteMs = 60_000;

export const defaultProfile: Profile = {
  mode: 'propose',
  cni: 'generic',
  learning: {
    binMs: 5 * minuteMs,
    windowMs: 24 * 60 * minuteMs,
    coverage: 0.99,
    bins: 10,
    weekdays: [],
    loss: 0.001,
    startUps: true,
    cronJobs: true,
  },
  exemptNamespaces: ['kube-system', 'kube-public', 'kube-node-lease'],
  external: { networks: [], addedAddresses: 0, clientsBeforeWorld: 5 },
  clusterCidrs: { pods: { v4: [], v6: [] }, services: { v4: [], v6: [] }, nodes: { v4: [], v6: [] } },
  accepted: [],
  refused: [],
  scanTargets: 10,
  jointPolicies: false,
  approvals: { required: 1, expiryMs: 7 * 24 * 60 * minuteMs, identity: 'stamped', automatic: [] },
  drift: 'repair',
  guard: { durationMs: 10 * minuteMs, deniedConnections: 0, unreadyPods: 0 },
  unusedAfterMs: undefined,
  closedNamespace: { propose: true, newWorkloads: 'deny', learnForMs: 24 * 60 * minuteMs },
};
