import { ConntrackConnections } from '../conntrack/conntrack-connections.ts';
import { parseConntrackEntry } from './conntrack-entry.ts';
import { type LineOutcome, type LineReader, outcomeOf, skipped } from './line-outcome.ts';

/**
 * Reads `conntrack -E` and `-L` in any text form, and /proc/net/nf_conntrack. Entries without a time of their own
 * have that of the last event before them in the file, or `fallbackMs` where there is none.
 */
export function conntrackLines(fallbackMs: number): LineReader {
  const connections = new ConntrackConnections();
  let lastMs = fallbackMs;
  return (line, loggedMs) =>
    outcomeOf(() => {
      const message = messageOf(line, loggedMs ?? lastMs);
      if (message !== undefined) return message;
      const entry = parseConntrackEntry(line);
      lastMs = entry.timeMs ?? loggedMs ?? lastMs;
      const flow = connections.flow(entry, lastMs);
      return flow === undefined ? skipped : { kind: 'flow', flow };
    });
}

/** What conntrack itself says on standard error, which often ends up in the same file. */
function messageOf(line: string, timeMs: number): LineOutcome | undefined {
  if (line.includes('ENOBUFS')) {
    return { kind: 'losses', losses: [{ timeMs, source: 'conntrack', node: '', events: undefined, kind: 'lost' }] };
  }
  return /^conntrack v\S+ \(conntrack-tools\):/.test(line) ? skipped : undefined;
}
