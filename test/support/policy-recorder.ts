import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { KubeApi } from './kube-api.ts';

export interface PolicyEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly policy: NetworkPolicy & {
    readonly metadata: { readonly uid: string; readonly generation: number; readonly resourceVersion: string };
  };
  readonly atMs: number;
}

/** Every single version of every NetworkPolicy, as the API server tells of it; also those that were there for a moment. */
export class PolicyRecorder {
  readonly events: PolicyEvent[] = [];
  readonly #api: KubeApi;
  readonly #onEvent: (event: PolicyEvent) => void;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #position: string;

  private constructor(api: KubeApi, position: string, onEvent: (event: PolicyEvent) => void) {
    this.#api = api;
    this.#position = position;
    this.#onEvent = onEvent;
    this.#running = this.#run();
  }

  /** From now on; `onEvent` may throw, and `close` throws it then. */
  static async start(api: KubeApi, onEvent: (event: PolicyEvent) => void = () => undefined): Promise<PolicyRecorder> {
    const { body } = await api.request('admin', 'GET', '/apis/networking.k8s.io/v1/networkpolicies');
    return new PolicyRecorder(api, body.metadata.resourceVersion, onEvent);
  }

  /** After everything that was written before was told. */
  async close(): Promise<void> {
    const { body } = await this.#api.request('admin', 'GET', '/apis/networking.k8s.io/v1/networkpolicies');
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
        if (!(error instanceof Error) || !('code' in error || error.name === 'TypeError')) throw error;
      }
      await sleep(50);
    }
  }

  async #watch(): Promise<void> {
    const query = `watch=true&resourceVersion=${this.#position}&timeoutSeconds=600`;
    const stream = await this.#api.stream(
      'admin',
      `/apis/networking.k8s.io/v1/networkpolicies?${query}`,
      this.#stop.signal,
    );
    let rest = '';
    for await (const chunk of stream) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(JSON.parse(line));
    }
  }

  #take({
    type,
    object,
  }: {
    readonly type: PolicyEvent['type'] | 'ERROR';
    readonly object: PolicyEvent['policy'];
  }): void {
    if (type === 'ERROR') throw new Error(`the recorder lost its place: ${JSON.stringify(object)}`);
    this.#position = object.metadata.resourceVersion;
    const event = { type, policy: object, atMs: Date.now() };
    this.events.push(event);
    this.#onEvent(event);
  }
}
