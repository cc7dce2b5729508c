import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import type { KubeApi, KubeReply } from './kube-api.ts';

/** One version of an object, as the API server stored it. */
export interface ObjectEvent<Type extends KubernetesObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Type & {
    readonly metadata: { readonly uid: string; readonly generation: number; readonly resourceVersion: string };
  };
  readonly atMs: number;
}

export type PolicyEvent = ObjectEvent<NetworkPolicy>;

/** Of every NetworkPolicy. */
export function recordPolicies(
  t: Pick<ExecutionContext, 'teardown'>,
  api: KubeApi,
  onEvent: (event: PolicyEvent) => void = () => undefined,
): Promise<ObjectRecorder<NetworkPolicy>> {
  return ObjectRecorder.start(t, api, '/apis/networking.k8s.io/v1/networkpolicies', onEvent);
}

/** Of every PolicyProposal. */
export function recordProposals(t: ExecutionContext, api: KubeApi): Promise<ObjectRecorder<PolicyProposal>> {
  return ObjectRecorder.start(t, api, '/apis/nanoseg.io/v1alpha1/policyproposals');
}

/** Every single version of every object of a kind, as the API server tells of it; also those that were there for a moment. */
export class ObjectRecorder<Type extends KubernetesObject> {
  readonly events: ObjectEvent<Type>[] = [];
  readonly #api: KubeApi;
  readonly #path: string;
  readonly #onEvent: (event: ObjectEvent<Type>) => void;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** By uid. */
  readonly #stored = new Map<string, ObjectEvent<Type>['object']>();
  #position: string;

  private constructor(
    api: KubeApi,
    path: string,
    body: KubeReply['body'],
    onEvent: (event: ObjectEvent<Type>) => void,
  ) {
    this.#api = api;
    this.#path = path;
    this.#position = body.metadata.resourceVersion;
    for (const item of body.items as ObjectEvent<Type>['object'][]) this.#stored.set(item.metadata.uid, item);
    this.#onEvent = onEvent;
    this.#running = this.#run();
  }

  /** From now until the end of the test; `onEvent` may throw, and `close` throws it then. */
  static async start<Type extends KubernetesObject>(
    t: Pick<ExecutionContext, 'teardown'>,
    api: KubeApi,
    path: string,
    onEvent: (event: ObjectEvent<Type>) => void = () => undefined,
  ): Promise<ObjectRecorder<Type>> {
    const { body } = await api.request('admin', 'GET', path);
    const recorder = new ObjectRecorder<Type>(api, path, body, onEvent);
    t.teardown(() => recorder.#stop.abort());
    return recorder;
  }

  /** After everything that was written before was told. */
  async close(): Promise<void> {
    const { body } = await this.#api.request('admin', 'GET', this.#path);
    const deadline = Date.now() + 10_000;
    const versions = body.items.map(({ metadata }: ObjectEvent<Type>['object']) => Number(metadata.resourceVersion));
    const written = Math.max(0, ...versions);
    while (Number(this.#position) < written && Date.now() < deadline) await sleep(20);
    this.#stop.abort();
    await this.#running;
    if (Number(this.#position) < written) throw new Error('the recorder missed what was written last');
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#watch();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        // a server that is not there
        if (!(error instanceof Error) || !('code' in error)) throw error;
      }
      await sleep(50);
    }
  }

  async #watch(): Promise<void> {
    const query = `watch=true&resourceVersion=${this.#position}&timeoutSeconds=600`;
    const stream = await this.#api.stream('admin', `${this.#path}?${query}`, this.#stop.signal);
    let rest = '';
    for await (const chunk of stream) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { type, object } = JSON.parse(line);
        if (type === 'ERROR') return this.#relist();
        this.#take(type, object);
      }
    }
  }

  /** A server that was started anew knows nothing of what was before: uid and generation still tell how often was written. */
  async #relist(): Promise<void> {
    const { body } = await this.#api.request('admin', 'GET', this.#path);
    const items: ObjectEvent<Type>['object'][] = body.items;
    for (const [uid, known] of this.#stored) {
      if (!items.some(({ metadata }) => metadata.uid === uid)) this.#take('DELETED', known);
    }
    for (const item of items) {
      const known = this.#stored.get(item.metadata.uid)?.metadata.resourceVersion;
      if (known !== item.metadata.resourceVersion) this.#take(known === undefined ? 'ADDED' : 'MODIFIED', item);
    }
    this.#position = body.metadata.resourceVersion;
  }

  #take(type: ObjectEvent<Type>['type'], object: ObjectEvent<Type>['object']): void {
    this.#position = object.metadata.resourceVersion;
    if (type === 'DELETED') this.#stored.delete(object.metadata.uid);
    else this.#stored.set(object.metadata.uid, object);
    const event = { type, object, atMs: Date.now() };
    this.events.push(event);
    this.#onEvent(event);
  }
}
