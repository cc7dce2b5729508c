import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { KubeApi, KubeReply } from './kube-api.ts';

export interface PolicyEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly policy: NetworkPolicy & {
    readonly metadata: { readonly uid: string; readonly generation: number; readonly resourceVersion: string };
  };
  readonly atMs: number;
}

const path = '/apis/networking.k8s.io/v1/networkpolicies';

/** Every single version of every NetworkPolicy, as the API server tells of it; also those that were there for a moment. */
export class PolicyRecorder {
  readonly events: PolicyEvent[] = [];
  readonly #api: KubeApi;
  readonly #onEvent: (event: PolicyEvent) => void;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** By uid. */
  readonly #stored = new Map<string, PolicyEvent['policy']>();
  #position: string;

  private constructor(api: KubeApi, body: KubeReply['body'], onEvent: (event: PolicyEvent) => void) {
    this.#api = api;
    this.#position = body.metadata.resourceVersion;
    for (const item of body.items as PolicyEvent['policy'][]) this.#stored.set(item.metadata.uid, item);
    this.#onEvent = onEvent;
    this.#running = this.#run();
  }

  /** From now until the end of the test; `onEvent` may throw, and `close` throws it then. */
  static async start(
    t: ExecutionContext,
    api: KubeApi,
    onEvent: (event: PolicyEvent) => void = () => undefined,
  ): Promise<PolicyRecorder> {
    const { body } = await api.request('admin', 'GET', path);
    const recorder = new PolicyRecorder(api, body, onEvent);
    t.teardown(() => recorder.#stop.abort());
    return recorder;
  }

  /** After everything that was written before was told. */
  async close(): Promise<void> {
    const { body } = await this.#api.request('admin', 'GET', path);
    const deadline = Date.now() + 10_000;
    const written = Math.max(
      0,
      ...body.items.map(({ metadata }: PolicyEvent['policy']) => Number(metadata.resourceVersion)),
    );
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
    const stream = await this.#api.stream('admin', `${path}?${query}`, this.#stop.signal);
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
    const { body } = await this.#api.request('admin', 'GET', path);
    const items: PolicyEvent['policy'][] = body.items;
    for (const [uid, known] of this.#stored) {
      if (!items.some(({ metadata }) => metadata.uid === uid)) this.#take('DELETED', known);
    }
    for (const item of items) {
      const known = this.#stored.get(item.metadata.uid)?.metadata.resourceVersion;
      if (known !== item.metadata.resourceVersion) this.#take(known === undefined ? 'ADDED' : 'MODIFIED', item);
    }
    this.#position = body.metadata.resourceVersion;
  }

  #take(type: PolicyEvent['type'], policy: PolicyEvent['policy']): void {
    this.#position = policy.metadata.resourceVersion;
    if (type === 'DELETED') this.#stored.delete(policy.metadata.uid);
    else this.#stored.set(policy.metadata.uid, policy);
    const event = { type, policy, atMs: Date.now() };
    this.events.push(event);
    this.#onEvent(event);
  }
}
