import type { Flow, FlowLoss } from '../../model/flow.ts';

/** What tells an event from all others when it is sent again. */
export interface EventMark {
  /** Without the cluster's name; empty when not known. */
  readonly node: string;
  /** Microseconds since 1970. */
  readonly timeUs: number;
  /** 64 bits of what is in it: of its uuid, where it has one. */
  readonly keyHigh: number;
  readonly keyLow: number;
}

/** One message of the stream. */
export type HubbleMessage =
  | { readonly kind: 'flow'; readonly flow: Flow; readonly mark: EventMark }
  | { readonly kind: 'loss'; readonly loss: FlowLoss; readonly mark: EventMark }
  /** The relay's word that it reads these nodes, or not. */
  | {
      readonly kind: 'nodes';
      readonly nodes: readonly string[];
      readonly connected: boolean;
      readonly timeMs: number | undefined;
    }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'rejected'; readonly reason: string };
