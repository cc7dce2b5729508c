import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { PushAccess } from './adapters/flow-push/producer-check.ts';
import type { LiveInventory } from './adapters/inventory/live-inventory.ts';
import type { ControllerConfig } from './config.ts';
import type { ApprovalSpec } from './model/policy-approval.ts';
import type { ProposalStatus } from './model/policy-proposal.ts';
import type { Problem } from './model/problem.ts';
import type {
  AuditLog,
  ClusterView,
  ConnectionStore,
  EventRecorder,
  Leadership,
  Notifier,
  ObjectFeed,
  ObjectStore,
  Sealing,
} from './ports.ts';
import type { IngestFigures } from './intake/traffic-observation.ts';

/** Unique to this process: a pod that was started anew is somebody else. */
export const identity = `${hostname()}-${randomUUID().slice(0, 8)}`;

/** What stands behind the ports: a cluster, or a workspace directory. */
export interface Backend {
  readonly feed: ObjectFeed;
  /** Aborting the signal cuts off writes under way. */
  readonly storeFor: (signal: AbortSignal) => ObjectStore;
  readonly leadership: Leadership;
  /** Aborting the signal cuts off writes under way. */
  readonly auditFor: (signal: AbortSignal) => AuditLog;
  readonly events: EventRecorder;
  /** Asks a server that does not answer again until aborted. */
  readonly openEvidence: (signal: AbortSignal) => Promise<ConnectionStore>;
  readonly verifyStamp: (namespace: string, spec: ApprovalSpec) => string;
  /** Undefined: nobody but nanoseg and who is trusted with the files writes here. */
  readonly sealing: Sealing | undefined;
  readonly controllerUser: string | undefined;
  /** Whether what is behind it stores port ranges of policies; undefined: not known. */
  readonly portRanges: boolean | undefined;
  /** What those who push flows are known by; undefined: only what users of the machine can reach is open to them. */
  readonly pushAccess: ((view: ClusterView) => PushAccess) | undefined;
  /** What does not work now, while all else goes on. */
  readonly degraded: () => readonly Problem[];
  /** What runs beside the loop, on every replica. Rejects only for bugs. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** One round of looking at everything. */
export interface Round {
  readonly number: number;
  /** By `namespace/name`. */
  readonly proposals: ReadonlyMap<string, ProposalStatus>;
  readonly view: LiveInventory;
  readonly ingest: IngestFigures;
  readonly connections: number;
  /** All that is in the flow files was read before the round began. */
  readonly caughtUp: boolean;
}

export interface ControllerParts {
  readonly config: ControllerConfig;
  readonly version: string;
  readonly log: Logger;
  readonly notifier: Notifier;
  readonly onRound?: (round: Round) => void;
  /** The address on which probes answer is known. */
  readonly onHealthPort?: (port: number) => void;
  /** Flows can be pushed; the port, where there is one. */
  /** Where the page is: a URL. */
  readonly onPage?: (url: string) => void;
  readonly onPushPort?: (port: number | undefined) => void;
}

/** A fault that ends the controller before it began: a problem that a person can repair. */
export class ControllerProblem extends Error {
  readonly problem: Problem;

  constructor(found: Problem) {
    super(found.message);
    this.name = 'ControllerProblem';
    this.problem = found;
  }
}
