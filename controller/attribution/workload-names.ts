import type { Cluster } from '../model/cluster.ts';
import { type LabelSelector, type Labels, matchesSelector } from '../model/label-selector.ts';
import type { Workload, WorkloadKey } from '../model/workload.ts';

/** One workload, or several that fit equally well; undefined when none does. */
export type NameMatch = WorkloadKey | 'ambiguous' | undefined;

/** Letters and digits that Kubernetes makes generated name parts of (its SafeEncodeString). */
const generatedPart = /^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/;

/** Finds the workload that a flow source means by a name, the beginning of a pod's name, or labels. */
export class WorkloadNames {
  /** Namespace, then name: workloads of different kinds may share one. */
  readonly #byName = new Map<string, Map<string, Workload[]>>();
  /** Namespace, then what pod names begin with (`web-7c9f8d-`). */
  readonly #byPrefix = new Map<string, Map<string, NameMatch>>();
  readonly #byLabels = new Map<string, NameMatch>();

  constructor({ workloads, pods }: Cluster) {
    for (const workload of workloads.values()) {
      const names = child(this.#byName, workload.namespace);
      names.set(workload.name, [...(names.get(workload.name) ?? []), workload]);
    }
    for (const { namespace, name, workload, virtual } of pods) {
      const prefix = name.slice(0, name.lastIndexOf('-') + 1);
      if (virtual || prefix === '') continue;
      const prefixes = child(this.#byPrefix, namespace);
      const known = prefixes.get(prefix);
      prefixes.set(prefix, known === undefined || known === workload ? workload : 'ambiguous');
    }
  }

  /** By kind (in any case) and name; a ReplicaSet or Job that is a step to its owner finds the owner. */
  named(namespace: string, kind: string, name: string): NameMatch {
    const wanted = kind.toLowerCase();
    const same = this.#byName.get(namespace)?.get(name) ?? [];
    const exact = same.find((workload) => workload.kind.toLowerCase() === wanted);
    if (exact) return exact.key;
    return wanted === 'replicaset' || wanted === 'job' ? this.beginning(namespace, `${name}-`) : undefined;
  }

  /** By what pod names begin with: as pods of the inventory do, else as the pods of an owner of that name would. */
  beginning(namespace: string, prefix: string): NameMatch {
    const known = this.#byPrefix.get(namespace)?.get(prefix);
    if (known !== undefined) return known;
    const base = prefix.replace(/-$/, '');
    const cut = base.lastIndexOf('-');
    const names = this.#byName.get(namespace);
    const matches = new Set(
      [
        ...(names?.get(base) ?? []).filter(
          ({ kind }) => !hashesItsPods.has(kind) && kind !== 'CronJob' && kind !== 'Pod',
        ),
        ...(names?.get(base.slice(0, Math.max(cut, 0))) ?? []).filter(({ kind }) => {
          const part = base.slice(cut + 1);
          return kind === 'CronJob' ? /^\d+$/.test(part) : hashesItsPods.has(kind) && generatedPart.test(part);
        }),
      ].map(({ key }) => key),
    );
    const [match] = matches;
    const found: NameMatch = matches.size > 1 ? 'ambiguous' : match;
    if (found !== undefined) child(this.#byPrefix, namespace).set(prefix, found);
    return found;
  }

  /** By a pod's labels against the selectors of its namespace's workloads, `key=value` with a source prefix or not. */
  labelled(namespace: string, labels: readonly string[]): NameMatch {
    const key = `${namespace} ${labels.join(' ')}`;
    if (this.#byLabels.has(key)) return this.#byLabels.get(key);
    const split = Object.fromEntries(labels.flatMap(splitLabel));
    const matches = [...(this.#byName.get(namespace)?.values() ?? [])]
      .flat()
      .filter((workload) => selects(workload, split))
      .map((workload) => workload.key);
    const found: NameMatch = matches.length > 1 ? 'ambiguous' : matches[0];
    if (this.#byLabels.size >= mostLabelSets) this.#byLabels.clear();
    this.#byLabels.set(key, found);
    return found;
  }
}

const hashesItsPods: ReadonlySet<string> = new Set(['Deployment', 'Rollout']);
const mostLabelSets = 1 << 16;

function child<Value>(table: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const known = table.get(key);
  if (known) return known;
  const made = new Map<string, Value>();
  table.set(key, made);
  return made;
}

/** Jobs and owners without a selector are recognised by their template's labels; without any, by nothing. */
function selects({ selector, podLabels }: Workload, labels: Labels): boolean {
  const effective: LabelSelector = selector ?? { matchLabels: podLabels };
  if (selector === undefined && Object.keys(podLabels).length === 0) return false;
  return matchesSelector(effective, labels);
}

/** `k8s:app=web` is app=web: a label's own key has no colon. */
function splitLabel(text: string): [string, string][] {
  const cut = text.indexOf('=');
  if (cut < 0) return [];
  const key = text.slice(0, cut);
  return [[key.slice(key.indexOf(':') + 1), text.slice(cut + 1)]];
}
