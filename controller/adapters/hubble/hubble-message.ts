import type { Flow, FlowLoss } from '../../model/flow.ts';

/** What tells an event of a node from its others when it is sent again. */
export interface EventMark {
  /** Microseconds since 1970. */
  readonly timeUs: number;
  /** A whole number of 53 bits that depends on all of its uuid, or on what is in it where it has none. */
  readonly key: number;
}

/** One message of the stream. */
export type HubbleMessage =
  | ({ readonly kind: 'flow'; readonly flow: Flow } & EventMark)
  | ({ readonly kind: 'loss'; readonly loss: FlowLoss } & EventMark)
  /** The relay's word that it reads these nodes, or not. */
  | {
      readonly kind: 'nodes';
      readonly nodes: readonly string[];
      readonly connected: boolean;
      readonly timeMs: number | undefined;
    }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'rejected'; readonly reason: string };
