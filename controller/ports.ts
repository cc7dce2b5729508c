import type { ObservedAddresses } from './attribution/attribute-flow.ts';
import type { GraphDelta } from './graph/graph-delta.ts';
import type { Growth } from './graph/growth.ts';
import type { RecentKeyChunk } from './graph/recent-keys.ts';
import type { Cluster } from './model/cluster.ts';
import type { Flow, FlowLoss, ObservedTime } from './model/flow.ts';
import type { KubernetesObject, ObjectRef } from './model/kubernetes-object.ts';
import type { NetworkPolicy } from './model/network-policy.ts';
import type { PolicyApproval } from './model/policy-approval.ts';
import type { PolicyProposal } from './model/policy-proposal.ts';
import type { Problem } from './model/problem.ts';
import type { Profile } from './model/profile.ts';

/** Time, as an argument of everything that needs it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after so long; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** A record that could not be used: where it stands and why, in words for the person who owns the file. */
export interface RejectedRecord {
  /** `file:line`, or the source's own position. */
  readonly where: string;
  readonly reason: string;
}

/** What a source delivers at once: some flows, and all that it knows about what is missing from them. */
export interface FlowBatch {
  /** Where reading may go on after this batch, in the source's own words; absent where it cannot. */
  readonly position?: SourcePosition;
  /** Who made it, for a source that many deliver to: the position is then this one's, kept as `<source>/<producer>`. */
  readonly producer?: string;
  /** Producers that nobody needs the position of any more. */
  readonly forgotten?: readonly string[];
  /** Called when all of the batch and its position are saved; never for what is lost with the process before. */
  readonly saved?: () => void;
  readonly flows: readonly Flow[];
  readonly losses: readonly FlowLoss[];
  /** When nodes were observed, flows or not. @default only flows say so */
  readonly observed?: readonly ObservedTime[];
  readonly rejected: readonly RejectedRecord[];
  /** Records read for this batch, usable or not (empty lines are no records). */
  readonly records: number;
  /** Records that are fine and no flow (agent events, reports of a connection's end, …). */
  readonly skipped: number;
}

/** A stream of observed traffic. Back-pressure is the consumer's pace of `next()`. */
export interface FlowSource {
  /** For people: a file name, an address. */
  readonly name: string;
  batches(signal: AbortSignal): AsyncIterable<FlowBatch>;
  /** How far it is, for progress; undefined total: not known. */
  progress(): { readonly doneBytes: number; readonly totalBytes: number | undefined };
}

/** Opaque to all but the source that made it; kept by the store in the same step as the evidence that came before it. */
export type SourcePosition = string;

/** A cluster as read from somewhere, with everything in the input that could not be used. */
export interface ClusterReading {
  readonly cluster: Cluster;
  /** Input that is wrong: a broken document, an object that the API server would refuse. */
  readonly problems: readonly Problem[];
  /** Objects read, by kind. */
  readonly objects: ReadonlyMap<string, number>;
  /** Policies of other APIs, which are in force and are not part of `cluster`: how many, by `Kind (group)`. */
  readonly otherPolicies: ReadonlyMap<string, number>;
}

/** Where objects come from: the Kubernetes API or a directory of manifests. */
export interface ObjectFeed {
  /** For people: the server's address, the directory. */
  readonly name: string;
  /** Tells the sink of all objects and of every change until aborted; reconnects by itself. Rejects only for bugs. */
  run(sink: ObjectSink, signal: AbortSignal): Promise<void>;
}

/** What a feed tells. */
export interface ObjectSink {
  /** All objects of a kind as they are now: what is not among them is gone. */
  replace(kind: string, objects: readonly KubernetesObject[]): void;
  upsert(object: KubernetesObject): void;
  remove(ref: ObjectRef): void;
  /**
   * The kind cannot be read (a missing right, a kind that the server does not have): nanoseg goes on without it, until
   * it is told by `replace`. A feed of files says the place of what is broken where the kind is not known.
   */
  unreadable(kind: string, problem: Problem): void;
  /** Every kind was told once, or is unreadable. */
  synced(): void;
}

/** The cluster and nanoseg's own objects as they are at this moment, kept up to date by a feed. */
export interface ClusterView {
  /** Resolves when everything that can be read was read once. */
  readonly synced: Promise<void>;
  /** The same value until something that it depends on changes; pods that are gone stay in it for a while, ended. */
  cluster(): Cluster;
  /** What of the objects cannot be used, and the kinds that cannot be read. */
  problems(): readonly Problem[];
  /** The profile in force for a namespace, with the problem when its own is broken: then its mode is `observe`. */
  profileOf(namespace: string): NamespaceProfile;
  /** The profile of the whole cluster: `default` in nanoseg's own namespace, or the built-in one. */
  clusterProfile(): NamespaceProfile;
  proposals(): readonly PolicyProposal[];
  proposal(namespace: string, name: string): PolicyProposal | undefined;
  approvals(): readonly PolicyApproval[];
  /** The decisions about one proposal, or about others that had its name. */
  approvalsOf(namespace: string, proposal: string): readonly PolicyApproval[];
  /** Every NetworkPolicy, exactly as stored, annotations and all. */
  networkPolicies(): readonly NetworkPolicy[];
  /** Why nothing may be written now (the kill switch), or undefined; a namespace may have a switch of its own. */
  stopped(namespace?: string): string | undefined;
  /** Calls back after every change with what changed. Returns the end of the subscription. */
  subscribe(listener: (change: ViewChange) => void): () => void;
}

export interface NamespaceProfile {
  readonly profile: Profile;
  /** `namespace/name` of the SegmentationProfile, or `built-in`. */
  readonly origin: string;
  readonly problem: Problem | undefined;
}

export type ViewChange =
  /** Who is where, or which policies there are: `cluster()` is another value. */
  | { readonly kind: 'cluster' }
  | { readonly kind: 'proposal' | 'approval' | 'policy'; readonly namespace: string; readonly name: string }
  /** Profiles or kill switches. */
  | { readonly kind: 'profile' };

/**
 * Objects that nanoseg reads and writes one by one, raw as the server keeps them. All methods reject with ClusterError.
 * Kinds: PolicyProposal, PolicyApproval, SegmentationProfile, NetworkPolicy, Namespace, Secret, ConfigMap, Lease, …
 */
export interface ObjectStore {
  /** For people. */
  readonly name: string;
  get<Type extends KubernetesObject>(ref: ObjectRef): Promise<Type | undefined>;
  list<Type extends KubernetesObject>(kind: string, namespace?: string): Promise<readonly Type[]>;
  create<Type extends KubernetesObject>(object: Type): Promise<Type>;
  /** Replaces all but the status; a stale `resourceVersion` is a Conflict. */
  update<Type extends KubernetesObject>(object: Type): Promise<Type>;
  /** Replaces the status only; a stale `resourceVersion` is a Conflict. */
  updateStatus<Type extends KubernetesObject>(object: Type): Promise<Type>;
  /** Sets annotations (null removes one) and leaves all else as it is. */
  annotate(ref: ObjectRef, annotations: Readonly<Record<string, string | null>>): Promise<void>;
  /**
   * Server-side apply with nanoseg's field manager; answers with what is stored now. `force` takes fields back that
   * others changed, and is only for policies that nanoseg manages.
   */
  applyPolicy(
    policy: NetworkPolicy,
    options: { readonly dryRun: boolean; readonly force?: boolean },
  ): Promise<NetworkPolicy>;
  /** With a `uid`, only that very object; it being gone already is fine. */
  remove(ref: ObjectRef, uid?: string): Promise<void>;
}

/** Who may write. */
export interface Leadership {
  /** Competes until aborted. `lead` is called each time it wins, with a signal that aborts at once when it loses. */
  run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Throws unless the lease is surely held for the next moments: asked right before every write. */
  assertHeld(): void;
  readonly holder: string | undefined;
}

/** Evidence that outlives the process. */
export interface ConnectionStore {
  /** Everything that was saved. */
  load(): Promise<StoredEvidence>;
  /**
   * In one atomic step: connections, endpoints and records of nodes in `changes` replace those that were there, positions
   * move on (undefined: is forgotten), and what ingest knows beside replaces what it knew, but for `recent`, which is added.
   * A store that finds that it has lost what was saved rejects once with the problem EvidenceLost: the next save has to
   * carry everything. `growth`, what the changes add to what was there, is for those who follow the store, where it can be.
   */
  save(changes: GraphDelta, positions: SourcePositions, memory?: IngestMemory, growth?: Growth): Promise<void>;
  close(): Promise<void>;
}

/** By source name, or `<source>/<producer>`. */
export type SourcePositions = ReadonlyMap<string, SourcePosition | undefined>;

export interface StoredEvidence {
  /** Width of the finest time bins of the evidence; undefined when nothing was saved. */
  readonly binMs: number | undefined;
  /** In parts of bounded size, to be merged one after the other in any order and before the next save; none before the first. */
  readonly evidence: Iterable<GraphDelta>;
  /** By source name. */
  readonly positions: ReadonlyMap<string, SourcePosition>;
  readonly memory: IngestMemory;
}

/** What ingest knows beside the evidence; saved in the same step, or a restart would lose or repeat some of it. */
export interface IngestMemory {
  /** Connections that were counted lately, so that a second report of them is not. */
  readonly recent: readonly RecentKeyChunk[];
  /** Flows that were read and wait for their owners to be known: not in the evidence yet. */
  readonly held: readonly Flow[];
  /** What sources said about the cluster's own addresses. */
  readonly observed: ObservedAddresses;
}

export const auditActions = [
  'Proposed',
  'Edited',
  'Approved',
  'Rejected',
  'Applied',
  'ApplyFailed',
  'DriftFound',
  'DriftRepaired',
  'RolledBack',
  'Retired',
  'Deviation',
  'NotEnforced',
  'SealBroken',
  'LearningAllowance',
  'ConfigurationChanged',
  'Stopped',
  'Resumed',
] as const;
export type AuditAction = (typeof auditActions)[number];

/** Something that happened, for auditors: who did what to what, why. */
export interface AuditRecord {
  readonly timeMs: number;
  /** A user, `nanoseg`, or `rule <name> of profile <namespace/name>`. */
  readonly actor: string;
  readonly action: AuditAction;
  readonly subject: ObjectRef;
  readonly digest?: string;
  /** One sentence. */
  readonly message: string;
}

/** Signs what nanoseg keeps where others may write too, with a key that is only its own. */
export interface Sealing {
  sign(text: string): TextSignature;
  /** `valid`, or why the signature is worth nothing, as a clause. */
  verify(text: string, signature: TextSignature): string;
}

export interface TextSignature {
  readonly keyId: string;
  /** Base64. */
  readonly signature: string;
}

/** Append-only and hash-chained: each entry carries the hash of the one before it. */
export interface AuditLog {
  append(record: AuditRecord): Promise<void>;
  entries(): AsyncIterable<AuditEntry>;
  verify(): Promise<AuditVerdict>;
}

export interface AuditEntry extends AuditRecord {
  readonly sequence: number;
  readonly previous: string;
  readonly hash: string;
}

export type AuditVerdict =
  | { readonly intact: true; readonly entries: number; readonly head: string }
  /** `where`: file and line, or object and entry, of the first damage. */
  | { readonly intact: false; readonly where: string; readonly message: string };

/** Tells other systems what an audit record says. Never blocks, never fails: what cannot be delivered is retried and counted. */
export interface Notifier {
  notify(record: AuditRecord): void;
  /** Delivers what is waiting, at most until the deadline. */
  close(deadlineMs: number): Promise<void>;
}

/** Kubernetes Events about an object, or their like in a workspace. Best effort. */
export interface EventRecorder {
  record(subject: KubernetesObject | ObjectRef, type: 'Normal' | 'Warning', reason: string, message: string): void;
}
