import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';

/** What one who pushes is believed. */
export interface PushTerms {
  /** The only node that it may speak for; undefined: any. */
  readonly node: string | undefined;
  /** In words, for reasons. */
  readonly pushedBy: string;
  readonly nowMs: number;
  /** How far the sender's clock is ahead of ours, where it says what time it has. */
  readonly clockAheadMs: number | undefined;
}

/** Clocks that differ by less tell nobody's flow from another's; NTP keeps them within milliseconds. */
const clockToleranceMs = 5 * 60_000;

/** Why a flow is not believed, or the flow as it is taken. */
export type JudgedFlow =
  | { readonly kind: 'taken'; readonly flow: Flow }
  /** `lost`: it happened, and is missing from what is known of its node. */
  | { readonly kind: 'refused'; readonly reason: string; readonly lost: boolean };

/**
 * Who had an address is looked up by the flow's time, so that a wrong clock would make a flow somebody else's. A flow that
 * comes late is fine, and can be told from one of a clock that runs behind only by what the sender takes for now.
 */
export function judgeFlow(flow: Flow, { node, pushedBy, nowMs, clockAheadMs }: PushTerms): JudgedFlow {
  if (node !== undefined && flow.node !== '' && flow.node !== node) {
    const reason = `node: ${pushedBy} speaks for node ${JSON.stringify(node)} only, got ${JSON.stringify(flow.node)}`;
    return { kind: 'refused', reason, lost: false };
  }
  if (clockAheadMs !== undefined && Math.abs(clockAheadMs) > clockToleranceMs) {
    const reason = `time: the sender's clock is ${inWords(clockAheadMs)} of the controller's: set one of them right (NTP)`;
    return { kind: 'refused', reason, lost: true };
  }
  const aheadMs = flow.endMs - nowMs;
  if (aheadMs > clockToleranceMs) {
    const reason = `time: ${inWords(aheadMs)} of the controller's clock: set one of the clocks right (NTP)`;
    return { kind: 'refused', reason, lost: true };
  }
  return { kind: 'taken', flow: node === undefined || flow.node === node ? flow : { ...flow, node } };
}

/** A loss as it is taken, or why it is not. */
export function judgeLoss(loss: FlowLoss, { node, pushedBy, nowMs, clockAheadMs }: PushTerms): FlowLoss | string {
  if (node !== undefined && loss.node !== '' && loss.node !== node) {
    return `node: ${pushedBy} speaks for node ${JSON.stringify(node)} only, got ${JSON.stringify(loss.node)}`;
  }
  const isWrong = clockAheadMs !== undefined && Math.abs(clockAheadMs) > clockToleranceMs;
  const timeMs = isWrong ? loss.timeMs - clockAheadMs : Math.min(loss.timeMs, nowMs);
  return { ...loss, timeMs, node: node ?? loss.node };
}

/** An observed time as it is taken, or why it is not: a clock that is wrong would fill a hole that was there. */
export function judgeObserved(
  time: ObservedTime,
  { node, pushedBy, nowMs, clockAheadMs }: PushTerms,
): ObservedTime | string {
  if (node !== undefined && time.node !== node) {
    return `node: ${pushedBy} speaks for node ${JSON.stringify(node)} only, got ${JSON.stringify(time.node)}`;
  }
  const aheadMs = time.toMs - nowMs;
  const isWrong = clockAheadMs !== undefined && Math.abs(clockAheadMs) > clockToleranceMs;
  if (isWrong || aheadMs > clockToleranceMs) {
    return `time: ${inWords(isWrong ? clockAheadMs : aheadMs)} of the controller's clock: set one of the clocks right (NTP)`;
  }
  return time;
}

/** What nodes saw and we cannot use: it is missing from what is known of them, and of no other node. */
export class MissedFlows {
  readonly #events = new Map<string, Pick<FlowLoss, 'source' | 'node'> & { events: number }>();

  add({ source, node }: Flow): void {
    const key = `${source} ${node}`;
    const known = this.#events.get(key);
    if (known === undefined) this.#events.set(key, { source, node, events: 1 });
    else known.events++;
  }

  losses({ node, nowMs: timeMs }: PushTerms): FlowLoss[] {
    return [...this.#events.values()].map((of) => ({ ...of, node: node ?? of.node, timeMs, kind: 'lost' }));
  }
}

function inWords(aheadMs: number): string {
  const minutes = Math.round(Math.abs(aheadMs) / 60_000);
  return `${minutes} min ${aheadMs > 0 ? 'ahead' : 'behind'}`;
}
