import { isNetworkPolicy, networkPolicyFromObject } from '../adapters/inventory/network-policy.ts';
import { isRecord } from '../adapters/inventory/located-object.ts';
import { readYamlDocument, splitYamlDocuments, type YamlChunk } from '../adapters/workspace/kubernetes-yaml.ts';
import { yamlLines } from '../adapters/workspace/yaml-lines.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { type Problem, problem } from '../model/problem.ts';

export type PolicyTextReading =
  | { readonly policies: readonly NetworkPolicy[]; readonly problems?: undefined }
  | { readonly problems: readonly Problem[]; readonly policies?: undefined };

/** Of each policy only what the API has, and of its metadata only what nanoseg carries over. */
const topFields = ['apiVersion', 'kind', 'metadata', 'spec'];
const metadataFields = ['name', 'namespace', 'labels', 'annotations'];

/** An end marker would begin a document that nobody reads. */
const endMarker = /^\.\.\.(?=\s|$)/m;

/** Readings of so many texts are kept: those of the proposals that are looked at one after the other. */
const remembered = 16;

/** Reads texts that come several times in a row once. */
export class PolicyTexts {
  /** The one that was asked for last stands last. */
  readonly #known = new Map<string, PolicyTextReading>();

  read(text: string): PolicyTextReading {
    const reading = this.#known.get(text) ?? readPolicyText(text);
    this.#known.delete(text);
    this.#known.set(text, reading);
    const [oldest] = this.#known.keys();
    if (this.#known.size > remembered && oldest !== undefined) this.#known.delete(oldest);
    return reading;
  }
}

/**
 * The NetworkPolicies of a proposal's text, exactly as they stand in it: whatever nanoseg does not know, or would have to
 * leave out, is a problem with its line (`line 12`) and not ignored. An empty text has no policies.
 */
export function readPolicyText(text: string): PolicyTextReading {
  const problems: Problem[] = [];
  const policies = splitYamlDocuments(text).flatMap((chunk) => readPolicy(chunk, problems) ?? []);
  return problems.length > 0 ? { problems } : { policies };
}

function readPolicy(chunk: YamlChunk, problems: Problem[]): NetworkPolicy | undefined {
  const at = (line: number) => `line ${chunk.line + line - 1}`;
  const reading = readYamlDocument(chunk.text);
  if (reading.kind === 'broken') {
    const code = reading.limit ? 'LimitExceeded' : 'ManifestUnreadable';
    problems.push(problem(code, `not YAML: ${reading.reason}`, at(reading.line)));
    return undefined;
  }
  let lines: ReadonlyMap<string, number> | undefined;
  const refuse = (message: string, path: string) => {
    // dear, and nearly never asked for
    lines ??= yamlLines(chunk.text);
    problems.push(problem('PolicyInvalid', message, at(lineOf(lines, path))));
    return undefined;
  };
  if (endMarker.test(chunk.text))
    return refuse('the marker ... ends the text before its end; separate policies by ---', '');
  const { value } = reading;
  if (!isRecord(value)) return refuse('expected a NetworkPolicy', '');
  const { apiVersion, kind, metadata } = value;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !isNetworkPolicy({ apiVersion, kind })) {
    return refuse('a proposal holds NetworkPolicies of networking.k8s.io/v1 and nothing else', 'kind');
  }
  if (!isRecord(metadata)) return refuse('metadata is missing', '');
  const unknown = [
    ...unknownFields(value, topFields),
    ...unknownFields(metadata, metadataFields).map((field) => `metadata.${field}`),
  ];
  for (const path of unknown) refuse(`${path}: a policy of a proposal has no such field`, path);
  const { name, namespace } = metadata;
  if (typeof name !== 'string') return refuse('metadata.name is missing', 'metadata');
  if (typeof namespace !== 'string') return refuse('metadata.namespace is missing', 'metadata');
  if (value['spec'] === undefined || value['spec'] === null) return refuse('spec is missing', '');
  const read = networkPolicyFromObject({ apiVersion, kind, namespace, name, body: value, where: '' });
  if ('policy' in read) return read.policy;
  for (const { message } of read.problems) {
    const fault = message.slice(message.indexOf(': ') + 2);
    refuse(message, /^([\w.[\]]+): /.exec(fault)?.[1] ?? '');
  }
  return undefined;
}

function unknownFields(value: Readonly<Record<string, unknown>>, known: readonly string[]): string[] {
  return Object.keys(value).filter((key) => !known.includes(key));
}

/** The line of a field, or of what it lies in where it has none of its own. */
function lineOf(lines: ReadonlyMap<string, number>, path: string): number {
  for (let at = path; at !== ''; at = at.replace(/(?:^|\.)[^.[]+$|\[\d+\]$/, '')) {
    const line = lines.get(at);
    if (line !== undefined) return line;
  }
  return lines.values().next().value ?? 1;
}
