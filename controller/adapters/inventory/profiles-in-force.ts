import { isDeepStrictEqual } from 'node:util';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import type { Problem } from '../../model/problem.ts';
import { defaultProfile } from '../../model/profile.ts';
import type { NamespaceProfile } from '../../ports.ts';
import { parseProfile } from '../resources/parse-resources.ts';
import { type ProfileLayer, resolveProfile } from '../resources/profile-layer.ts';

/** Only a SegmentationProfile of this name counts. */
const countingName = 'default';

const builtIn: NamespaceProfile = { profile: defaultProfile, origin: 'built-in', problem: undefined };

/**
 * Which profile is in force where. What cannot be read narrows: a namespace whose profile is broken is only observed, and
 * so is the whole cluster where its own is broken or profiles cannot be read at all.
 */
export class ProfilesInForce {
  readonly #ownNamespace: string;
  /** By namespace. */
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #layers = new Map<string, ProfileLayer | Problem[]>();
  readonly #inForce = new Map<string, NamespaceProfile>();
  #unreadable: Problem | undefined;

  constructor(ownNamespace: string) {
    this.#ownNamespace = ownNamespace;
  }

  /** False when nothing that counts changed. */
  set(namespace: string, object: KubernetesObject): boolean {
    if (object.metadata.name !== countingName) return false;
    const before = this.#objects.get(namespace);
    if (before !== undefined && isDeepStrictEqual(settingsOf(before), settingsOf(object))) return false;
    this.#objects.set(namespace, object);
    this.#layers.set(namespace, parseProfile(object, namespace === this.#ownNamespace ? 'Cluster' : 'Namespace'));
    this.#inForce.clear();
    return true;
  }

  delete(namespace: string, name: string): boolean {
    if (name !== countingName || !this.#objects.delete(namespace)) return false;
    this.#layers.delete(namespace);
    this.#inForce.clear();
    return true;
  }

  unreadable(problem: Problem | undefined): void {
    this.#unreadable = problem;
    this.#inForce.clear();
  }

  ofCluster(): NamespaceProfile {
    return this.of(this.#ownNamespace);
  }

  of(namespace: string): NamespaceProfile {
    const known = this.#inForce.get(namespace);
    if (known !== undefined) return known;
    const made = this.#resolve(namespace);
    this.#inForce.set(namespace, made);
    return made;
  }

  /** The cluster's own profile as it is stored. */
  get clusterObject(): KubernetesObject | undefined {
    return this.#objects.get(this.#ownNamespace);
  }

  names(): { readonly namespace: string; readonly name: string }[] {
    return [...this.#objects.keys()].map((namespace) => ({ namespace, name: countingName }));
  }

  problems(): Problem[] {
    return [...this.#layers.values()].flatMap((layer) => (Array.isArray(layer) ? layer : []));
  }

  #resolve(namespace: string): NamespaceProfile {
    if (this.#unreadable !== undefined) return { ...observed(), origin: 'built-in', problem: this.#unreadable };
    const cluster = this.#layers.get(this.#ownNamespace);
    const clusterOrigin = `${this.#ownNamespace}/${countingName}`;
    if (Array.isArray(cluster)) return { ...observed(), origin: clusterOrigin, problem: cluster[0] };
    const layer = namespace === this.#ownNamespace ? undefined : this.#layers.get(namespace);
    const origin = `${namespace}/${countingName}`;
    if (Array.isArray(layer)) return { ...observed(cluster), origin, problem: layer[0] };
    if (layer !== undefined) return { profile: resolveProfile(cluster, layer), origin, problem: undefined };
    if (cluster === undefined) return builtIn;
    return { profile: resolveProfile(cluster), origin: clusterOrigin, problem: undefined };
  }
}

/** What a profile says: its status and version say nothing. */
function settingsOf({ apiVersion, metadata, ...object }: KubernetesObject): unknown {
  return [apiVersion, metadata.annotations, 'spec' in object ? object.spec : undefined];
}

function observed(cluster?: ProfileLayer): Pick<NamespaceProfile, 'profile'> {
  return { profile: { ...resolveProfile(cluster), mode: 'observe' } };
}
