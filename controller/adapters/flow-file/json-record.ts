import type { FlowLimits } from './flow-limits.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/** A JSON object from outside: nothing is known of its values. */
export type JsonObject = { readonly [key: string]: unknown };

/** Parses one line of JSON within the limit of nesting. Throws UnusableRecord. */
export function parseJson(line: string, limits: FlowLimits): unknown {
  // Each level takes two characters, so short lines cannot be too deep and need no look.
  if (line.length > 2 * limits.nesting && isDeeper(line, limits.nesting)) {
    throw new UnusableRecord(`nested deeper than ${limits.nesting} levels (limit: nesting)`);
  }
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UnusableRecord(`not JSON: ${shown(line.trim())}`);
    throw error;
  }
}

/** Parses one line that must be a JSON object. Throws UnusableRecord. */
export function parseJsonObject(line: string, limits: FlowLimits): JsonObject {
  const value = parseJson(line, limits);
  if (isObject(value)) return value;
  throw new UnusableRecord(`expected a JSON object, got ${shown(value)}`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDeeper(line: string, limit: number): boolean {
  // Most long lines have few brackets: counting them with the native search is much cheaper than reading the line.
  if (occurrences(line, '{', limit) + occurrences(line, '[', limit) <= limit) return false;
  let depth = 0;
  let inText = false;
  for (let i = 0; i < line.length; i++) {
    const character = line[i];
    if (inText) {
      if (character === '\\') i++;
      else if (character === '"') inText = false;
    } else if (character === '"') inText = true;
    else if (character === '{' || character === '[') {
      if (++depth > limit) return true;
    } else if (character === '}' || character === ']') depth--;
  }
  return false;
}

/** How often it occurs; stops counting past `limit`. */
function occurrences(line: string, character: string, limit: number): number {
  let count = 0;
  for (let at = line.indexOf(character); at >= 0 && count <= limit; at = line.indexOf(character, at + 1)) count++;
  return count;
}
