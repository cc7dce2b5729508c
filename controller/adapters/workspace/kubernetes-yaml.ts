import {
  defineScalarTag,
  floatCoreTag,
  intYaml11Tag,
  loadAll,
  NOT_RESOLVED,
  Schema,
  YAML11_SCHEMA,
  YAMLException,
} from 'js-yaml';
import { manifestLimits } from './limits.ts';

/** Timestamps stay text, `12:30` is no number, `1e3` is one: so do the Go libraries that Kubernetes reads YAML with. */
const kubernetesSchema = new Schema(
  YAML11_SCHEMA.tags.filter(({ tagName }) => !tagName.endsWith(':timestamp')),
).withTags(
  defineScalarTag('tag:yaml.org,2002:int', {
    ...intYaml11Tag,
    resolve: (source, isExplicit, tagName) =>
      source.includes(':') ? NOT_RESOLVED : intYaml11Tag.resolve(source, isExplicit, tagName),
  }),
  floatCoreTag,
);

export type YamlReading =
  | { readonly kind: 'read'; readonly value: unknown }
  /** `line` counts from 1 inside the text. */
  | { readonly kind: 'broken'; readonly reason: string; readonly line: number; readonly limit: boolean };

/** Reads one YAML document the way Kubernetes types it; nothing at all is read as undefined. */
export function readYamlDocument(text: string): YamlReading {
  try {
    const documents = loadAll(text, {
      schema: kubernetesSchema,
      maxDepth: manifestLimits.depth,
      maxAliases: manifestLimits.aliases,
    });
    const value = documents[0];
    if (mayHaveAnchor.test(text) && !expandsWithin(value, manifestLimits.expandedValues)) {
      const reason = `more than ${manifestLimits.expandedValues} values once aliases are written out (limit: aliases)`;
      return { kind: 'broken', reason, line: 1, limit: true };
    }
    return { kind: 'read', value };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return {
      kind: 'broken',
      reason: error.reason,
      line: (error.mark?.line ?? 0) + 1,
      limit: /exceeded max/.test(error.reason),
    };
  }
}

const mayHaveAnchor = /(?:^|[\s[{,])&[^\s&]/;

/** Whether a walk that follows every alias anew ends within so many values. */
function expandsWithin(root: unknown, most: number): boolean {
  const open: unknown[] = [root];
  for (let count = 0; open.length > 0; count++) {
    if (count > most || open.length > most) return false;
    const value = open.pop();
    if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) open.push(item);
  }
  return true;
}

export interface YamlChunk {
  readonly text: string;
  /** Line of the file, from 1, on which it begins. */
  readonly line: number;
}

/**
 * Cuts a stream into its documents at the markers `---`, which YAML forbids inside of any node at the start of a line.
 * So one broken document does not take the others with it.
 */
export function splitYamlDocuments(text: string): YamlChunk[] {
  const chunks: YamlChunk[] = [];
  const marker = /^---(?=[ \t\r\n]|$)/gm;
  let start = 0;
  let line = 1;
  const cut = (end: number) => {
    const chunk = text.slice(start, end);
    if (hasContent.test(chunk)) chunks.push({ text: chunk, line });
    line += countNewlines(text, start, end);
    start = end;
  };
  for (const { index } of text.matchAll(marker)) if (index > 0) cut(index);
  cut(text.length);
  return chunks;
}

/** A line that is more than a comment, a directive or an end marker. */
const hasContent = /^(?!---[ \t]*\r?$|\.\.\.)[ \t]*[^\s#%]/m;

/** Line breaks between two offsets of a text. */
export function countNewlines(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n', start); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
