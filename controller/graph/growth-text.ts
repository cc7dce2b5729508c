import { type Problem, problem } from '../model/problem.ts';
import { type Growth, type SeenConnections, seenVerdicts } from './growth.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';

const format = 'nanoseg-growth';
const version = 1;
/** Position of the connection, of the verdict, whether it was answered (-1: not known), second since 1970, connections. */
type SeenRow = readonly [
  connection: number,
  verdict: number,
  answered: -1 | 0 | 1,
  second: number,
  connections: number,
];

interface Header {
  readonly format: string;
  readonly version: number;
  readonly sightings: readonly SeenRow[];
}

/** JSON lines: one with what was seen, then the delta as `encodeSnapshot` writes it. As large as what grew is. */
export function encodeGrowth({ delta, sightings }: Growth): string {
  const header: Header = { format, version, sightings: sightings.map(encodeSeen) };
  let text = `${JSON.stringify(header)}\n`;
  for (const line of encodeSnapshot(delta)) text += line;
  return text;
}

/** Reads what `encodeGrowth` wrote. Another version, or a text that is cut off, is a problem and not half of what grew. */
export function decodeGrowth(text: string): Growth | Problem {
  const end = text.indexOf('\n');
  const header = parsed(text.slice(0, Math.max(0, end)));
  if (header?.format !== format || header.version !== version) {
    const got = `${header?.format ?? 'no header'} version ${header?.version ?? 'none'}`;
    return problem('SnapshotUnreadable', `expected a growth of format ${format} version ${version}, got ${got}`);
  }
  const delta = decodeSnapshot(
    text
      .slice(end + 1)
      .trimEnd()
      .split('\n'),
  );
  if ('code' in delta) return delta;
  const { sightings } = header as Header;
  return { delta, sightings: sightings.map(decodeSeen) };
}

function encodeSeen({ connection, verdict, answered, timeMs, connections }: SeenConnections): SeenRow {
  const reply = answered === undefined ? -1 : answered ? 1 : 0;
  return [connection, seenVerdicts.indexOf(verdict), reply, timeMs / 1000, connections];
}

function decodeSeen([connection, verdict, reply, second, connections]: SeenRow): SeenConnections {
  return {
    connection,
    verdict: seenVerdicts[verdict] ?? 'none',
    answered: reply < 0 ? undefined : reply === 1,
    timeMs: second * 1000,
    connections,
  };
}

function parsed(line: string): Partial<Header> | undefined {
  try {
    return JSON.parse(line) as Partial<Header>;
  } catch {
    return undefined;
  }
}
