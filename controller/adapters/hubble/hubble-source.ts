import type { Clock, FlowBatch, FlowSource, RejectedRecord, SourcePosition } from '../../ports.ts';
import type { Flow, FlowLoss } from '../../model/flow.ts';
import { defaultFlowLimits, type FlowLimits } from '../flow-file/flow-limits.ts';
import { parseGrpcAddress } from '../grpc/grpc-address.ts';
import { GrpcError } from '../grpc/grpc-error.ts';
import { openClient, type TlsFiles } from '../grpc/open-client.ts';
import { type StreamMethod, serverStream } from '../grpc/server-stream.ts';
import { encodeGetFlows, getFlowsPath } from './get-flows-request.ts';
import type { HubbleMessage } from './hubble-message.ts';
import { ReadEvents } from './read-events.ts';
import { ResponseReader } from './response-reader.ts';
import { askHoldMs } from './server-status.ts';

export interface HubbleSourceOptions {
  /** `host:port`, `tls://host:port` or `unix:///path` of a relay or of an agent. */
  readonly address: string;
  readonly tls?: TlsFiles;
  /** Where an earlier source of the same address was; without, only what comes from now on is read. */
  readonly position?: SourcePosition | undefined;
  readonly clock: Pick<Clock, 'now'>;
  /**
   * Whether to ask for replies too, and for packets of which the server does not know it: for servers that never know
   * (Retina), from which nothing comes otherwise. @default false
   */
  readonly replies?: boolean;
  readonly limits?: FlowLimits;
}

/** The flows of Hubble as they happen, from a relay for all nodes or from the agent of one. */
export function hubbleSource(options: HubbleSourceOptions): FlowSource {
  return new HubbleSource(options);
}

class HubbleSource implements FlowSource {
  readonly name: string;
  readonly #options: HubbleSourceOptions;
  readonly #read: ReadEvents;
  /** It is not known where reading was. */
  #isLost = false;
  readonly #reader: ResponseReader;
  /** Nodes that the relay said it does not read. */
  readonly #away = new Set<string>();
  #messages = 0;

  constructor(options: HubbleSourceOptions) {
    this.name = `Hubble at ${options.address}`;
    this.#options = options;
    try {
      this.#read = new ReadEvents(options.position);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#read = new ReadEvents();
      this.#isLost = true;
    }
    this.#reader = new ResponseReader(options.limits ?? defaultFlowLimits);
  }

  progress(): { doneBytes: number; totalBytes: undefined } {
    return { doneBytes: 0, totalBytes: undefined };
  }

  async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch, void, undefined> {
    const { address, tls, clock, replies = false } = this.#options;
    const client = await openClient(this.name, parseGrpcAddress(address), tls === undefined ? {} : { tls });
    try {
      const { sinceUs } = this.#read;
      if (sinceUs !== undefined) {
        const holdMs = await askHoldMs(client, this.name, signal);
        this.#read.resume(sinceUs, holdMs, clock.now());
      }
      const method: StreamMethod<HubbleMessage> = {
        path: getFlowsPath,
        read: (bytes, start, end) => this.#reader.read(bytes, start, end),
      };
      const request = encodeGetFlows({ sinceUs, replies });
      for await (const messages of serverStream(client, this.name, method, request, signal)) {
        yield this.#batch(messages);
      }
      if (!signal.aborted) throw new GrpcError(`${this.name}: it ended the stream, as it does when it is restarted`);
    } finally {
      client.close();
    }
  }

  #batch(messages: readonly HubbleMessage[]): FlowBatch {
    const nowMs = this.#options.clock.now();
    const flows: Flow[] = [];
    const losses: FlowLoss[] = [];
    const rejected: RejectedRecord[] = [];
    let skipped = 0;
    if (this.#isLost) losses.push({ timeMs: nowMs, source: 'hubble', node: '', events: undefined, kind: 'lost' });
    this.#isLost = false;
    for (const message of messages) {
      this.#messages++;
      switch (message.kind) {
        case 'flow':
        case 'loss': {
          const { timeMs, node } = message.kind === 'flow' ? message.flow : message.loss;
          const judgement = this.#read.take(node, message, nowMs);
          if (judgement === 'repeated') {
            skipped++;
            break;
          }
          if (judgement !== 'new') {
            losses.push({ timeMs, source: 'hubble', node, events: judgement.lost, kind: 'lost' });
          }
          if (message.kind === 'flow') flows.push(message.flow);
          else losses.push(message.loss);
          break;
        }
        case 'nodes':
          skipped++;
          for (const node of message.nodes) this.#tellNode(node, message, nowMs, losses);
          break;
        case 'skipped':
          skipped++;
          break;
        case 'rejected':
          rejected.push({ where: `${this.name}, message ${this.#messages}`, reason: message.reason });
      }
    }
    const { position } = this.#read;
    return {
      flows,
      losses,
      rejected,
      records: messages.length,
      skipped,
      ...(position !== undefined && { position }),
    };
  }

  /** A node is reported once as it goes away, however often the relay says so. */
  #tellNode(
    node: string,
    { connected, timeMs }: Extract<HubbleMessage, { kind: 'nodes' }>,
    nowMs: number,
    losses: FlowLoss[],
  ): void {
    if (connected) this.#away.delete(node);
    else if (!this.#away.has(node)) {
      this.#away.add(node);
      losses.push({ timeMs: timeMs ?? nowMs, source: 'hubble', node, events: undefined, kind: 'unavailable' });
    }
  }
}
