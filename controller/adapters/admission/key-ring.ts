import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import { type Problem, problem } from '../../model/problem.ts';
import type { Clock, ObjectStore } from '../../ports.ts';
import type { StampingKey, VerificationKeys } from './approval-stamp.ts';
import { authorityBundle } from './certificates.ts';
import { type KeyMaterial, parseKeyMaterial, renewKeyMaterial } from './key-material.ts';
import { stampingKey, verificationKeys } from './signing-keys.ts';

const keySecretName = 'nanoseg-keys';
const entry = 'keys.json';
const attempts = 20;

interface Secret extends KubernetesObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface KeyRingOptions {
  readonly store: ObjectStore;
  /** nanoseg's own namespace: the Secret `nanoseg-keys` is there. */
  readonly namespace: string;
  /** DNS names and addresses that the API server calls the webhook by; `serviceHosts` has those of the Service. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
}

export type KeyRingOpening =
  | { readonly kind: 'open'; readonly keys: KeyRing }
  | { readonly kind: 'failed'; readonly problem: Problem };

/** The names under which others call a Service. */
export function serviceHosts(service: string, namespace: string): readonly string[] {
  return [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`];
}

/**
 * Signing keys, certificates and webhook token as all replicas share them in one Secret: whoever finds something due
 * makes it anew and writes it by compare-and-swap; the others take over what won.
 */
export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #listeners = new Set<() => void>();
  #material: KeyMaterial;
  #verificationKeys: VerificationKeys;
  #reloading: Promise<void> | undefined;

  private constructor(options: KeyRingOptions, material: KeyMaterial) {
    this.#options = options;
    this.#material = material;
    this.#verificationKeys = verificationKeys(material.signingKeys);
  }

  /** Reads the Secret, or makes it where there is none. Rejects with a ClusterError that is worth trying again. */
  static async open(options: KeyRingOptions): Promise<KeyRingOpening> {
    try {
      const material = await currentMaterial(options);
      if (isProblem(material)) return { kind: 'failed', problem: material };
      return { kind: 'open', keys: new KeyRing(options, material) };
    } catch (error) {
      if (!(error instanceof ClusterError) || error.retryable) throw error;
      const message = `the Secret ${keySecretName} cannot be read or written: ${error.message}`;
      return { kind: 'failed', problem: problem('KeysUnusable', message, secretPath(options.namespace)) };
    }
  }

  /** Signs at this moment. */
  stampingKey(): StampingKey {
    return stampingKey(this.#material.signingKeys, this.#options.clock.now());
  }

  verificationKeys(): VerificationKeys {
    return this.#verificationKeys;
  }

  servingCertificate(): { readonly cert: string; readonly key: string } {
    const { certificate, privateKey } = this.#material.certificates.serving;
    return { cert: certificate, key: privateKey };
  }

  /** PEM of every authority that callers are to trust. */
  authorityBundle(): string {
    return authorityBundle(this.#material.certificates);
  }

  /** Newest first; the last part of the paths that the webhook answers on. */
  webhookTokens(): readonly string[] {
    return this.#material.webhookTokens;
  }

  /** Calls back after every change of keys or certificates. Returns the end of the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes over what is stored and renews what is due; calls at the same time share one. */
  reload(): Promise<void> {
    this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined));
    return this.#reloading;
  }

  /** Reloads at this pace until aborted; `failed` hears of every time that it was not possible, in words. */
  async run(signal: AbortSignal, failed: (message: string) => void, paceMs = 60_000): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#options.clock.sleep(paceMs, signal);
        await this.reload();
      } catch (error) {
        if (signal.aborted) return;
        failed(error instanceof Error ? error.message : String(error));
      }
    }
  }

  async #reload(): Promise<void> {
    const material = await currentMaterial(this.#options);
    // what is in memory goes on working while somebody repairs the Secret
    if (isProblem(material)) throw new Error(material.message);
    if (JSON.stringify(material) === JSON.stringify(this.#material)) return;
    this.#material = material;
    this.#verificationKeys = verificationKeys(material.signingKeys);
    for (const listener of this.#listeners) listener();
  }
}

async function currentMaterial({ store, namespace, hosts, clock }: KeyRingOptions): Promise<KeyMaterial | Problem> {
  for (let attempt = 1; ; attempt++) {
    const stored = await store.get<Secret>({ kind: 'Secret', namespace, name: keySecretName });
    const json = stored?.data?.[entry];
    const current = json === undefined ? undefined : parseKeyMaterial(Buffer.from(json, 'base64').toString());
    if (json !== undefined && current === undefined) {
      const message = `the entry ${entry} of the Secret ${keySecretName} is nothing that this version of nanoseg wrote`;
      return problem('KeysUnusable', message, secretPath(namespace));
    }
    const renewed = await renewKeyMaterial(current, hosts, clock.now());
    if (renewed === current) return current;
    try {
      await write(store, namespace, stored, renewed);
      return renewed;
    } catch (error) {
      if (!lostRace(error) || attempt === attempts) throw error;
    }
  }
}

async function write(
  store: ObjectStore,
  namespace: string,
  stored: Secret | undefined,
  material: KeyMaterial,
): Promise<void> {
  const data = { ...stored?.data, [entry]: Buffer.from(JSON.stringify(material)).toString('base64') };
  if (stored !== undefined) {
    await store.update<Secret>({ ...stored, data });
    return;
  }
  const metadata = { name: keySecretName, namespace, labels: { 'app.kubernetes.io/managed-by': 'nanoseg' } };
  await store.create<Secret>({ apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data });
}

function lostRace(error: unknown): boolean {
  if (!(error instanceof ClusterError)) return false;
  return error.code === 'Conflict' || error.code === 'AlreadyExists' || error.code === 'NotFound';
}

function isProblem(value: KeyMaterial | Problem): value is Problem {
  return 'code' in value;
}

function secretPath(namespace: string): string {
  return `${namespace}/Secret/${keySecretName}`;
}
