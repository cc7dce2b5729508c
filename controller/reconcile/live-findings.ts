import { type Deviation, listedItems, type ProposalLive } from '../model/policy-proposal.ts';
import type { FlowFindings } from './flow-judge.ts';
import type { FoundConnection } from './found-connections.ts';

/** The shadow as a status shows it; the former value itself while nothing was judged since. */
export function liveOf(
  former: ProposalLive | undefined,
  shadow: FlowFindings | undefined,
  digest: string,
  nowMs: number,
): ProposalLive | undefined {
  const known = former?.digest === digest ? former : undefined;
  if (shadow === undefined || shadow.digest !== digest) return known;
  const { judged, wouldDeny, sinceMs } = shadow;
  // after a restart the judge begins at nothing, while what it found before still holds
  if (known !== undefined && judged <= known.judged && wouldDeny.count <= known.wouldDeny) return known;
  return {
    digest,
    since: known?.since ?? iso(sinceMs),
    updatedAt: iso(nowMs),
    judged: Math.max(judged, known?.judged ?? 0),
    wouldDeny: Math.max(wouldDeny.count, known?.wouldDeny ?? 0),
    samples: wouldDeny.samples
      .slice(0, listedItems)
      .map(({ connection, message, times, lastSeenMs }) => ({ connection, message, times, lastSeen: iso(lastSeenMs) })),
  };
}

/** The deviations from one revision, those found before and those found now; the latest, at most `listedItems`. */
export function mergedDeviations(former: readonly Deviation[], watched: FlowFindings | undefined): Deviation[] {
  const merged = new Map(former.map((deviation) => [deviation.connection, deviation]));
  const add = (verdict: Deviation['verdict']) => (found: FoundConnection) => {
    const known = merged.get(found.connection);
    const firstSeen = iso(found.firstSeenMs);
    const lastSeen = iso(found.lastSeenMs);
    merged.set(found.connection, {
      connection: found.connection,
      verdict,
      firstSeen: known !== undefined && known.firstSeen < firstSeen ? known.firstSeen : firstSeen,
      lastSeen: known !== undefined && known.lastSeen > lastSeen ? known.lastSeen : lastSeen,
      times: Math.max(found.times, known?.times ?? 0),
      message: found.message,
    });
  };
  watched?.denied.samples.forEach(add('denied'));
  watched?.passed.samples.forEach(add('passed'));
  const latest = [...merged.values()].sort((a, b) => compare(b.lastSeen, a.lastSeen)).slice(0, listedItems);
  return latest.sort((a, b) => compare(a.connection, b.connection));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
