import { wholeHubbleLines } from '../../controller/adapters/flow-file/hubble-line.ts';
import { defaultFlowLimits } from '../../controller/adapters/flow-file/flow-limits.ts';
import { hubbleSource } from '../../controller/adapters/hubble/hubble-source.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { Flow } from '../../controller/model/flow.ts';
import type { FlowSource, SourcePosition } from '../../controller/ports.ts';
import { type HubbleRecord, HubbleServer, type HubbleServerOptions } from './hubble-server.ts';
import { TcpLink } from './tcp-link.ts';
import { TestAuthority, testFiles } from './test-certificates.ts';

const readLine = wholeHubbleLines(defaultFlowLimits);

/** What a file reader makes of the record, which a stream must make of it too. */
export function flowOf(record: HubbleRecord): Flow {
  const outcome = readLine(JSON.stringify(record), undefined);
  if (outcome.kind !== 'flow') throw new Error(`not a flow: ${JSON.stringify(outcome)}`);
  return outcome.flow;
}

/** Makes records of connections that a node reports, each another one and 150 µs later. */
export class HubbleRecords {
  readonly #startMs: number;
  #made = 0;

  constructor(startMs = Date.now()) {
    this.#startMs = startMs;
  }

  next(node: string, change: HubbleRecord = {}, delayMs = 0): HubbleRecord {
    const n = this.#made++;
    const time = this.time(n * 150 + delayMs * 1000);
    const client = n % 7;
    const flow = {
      time,
      uuid: `${n.toString(16).padStart(8, '0')}-1b2c-4d3e-8f90-${(n * 7919).toString(16).padStart(12, '0')}`,
      verdict: 'FORWARDED',
      ethernet: { source: '0a:00:00:00:00:01', destination: '0a:00:00:00:00:02' },
      IP: { source: `10.0.1.${client + 1}`, destination: '10.0.2.7', ipVersion: 'IPv4' },
      l4: { TCP: { source_port: 32_768 + (n % 28_000), destination_port: 6379, flags: { SYN: true } } },
      source: {
        identity: 24_753,
        cluster_name: 'default',
        namespace: 'shop',
        labels: ['k8s:app=cart', 'k8s:io.kubernetes.pod.namespace=shop'],
        pod_name: `cart-5f6c9d7b8-abcd${client}`,
      },
      destination: {
        ID: 423,
        identity: 24_075,
        namespace: 'shop',
        labels: ['k8s:app=redis'],
        pod_name: 'redis-0',
        workloads: [{ name: 'redis', kind: 'StatefulSet' }],
      },
      Type: 'L3_L4',
      node_name: `default/${node}`,
      event_type: { type: 4, sub_type: 0 },
      traffic_direction: 'INGRESS',
      trace_observation_point: 'TO_ENDPOINT',
      trace_reason: 'NEW',
      is_reply: false,
      interface: { index: 42, name: 'lxc8f2b1c9d0e3a' },
      Summary: 'TCP Flags: SYN',
      ...change,
    };
    return { flow, node_name: `default/${node}`, time: flow.time };
  }

  /** RFC 3339, so many microseconds after the start. */
  time(us: number): string {
    const text = new Date(this.#startMs + Math.floor(us / 1000)).toISOString();
    return text.replace('Z', `${(us % 1000).toString().padStart(3, '0')}123Z`);
  }
}

/** A relay of two nodes behind a link that can be cut, for one test. */
export class HubbleWorld {
  readonly server: HubbleServer;
  readonly records = new HubbleRecords();
  readonly resumes = true;
  readonly #link: TcpLink;
  readonly #closers: (() => void | Promise<void>)[] = [];

  private constructor(server: HubbleServer, link: TcpLink) {
    this.server = server;
    this.#link = link;
  }

  static async open(options: HubbleServerOptions = {}): Promise<HubbleWorld> {
    const server = await HubbleServer.start({ ring: 200_000, ...options });
    return new HubbleWorld(server, await TcpLink.to(server.port));
  }

  source(position?: SourcePosition): FlowSource {
    return hubbleSource({ address: `127.0.0.1:${this.#link.port}`, position, clock: systemClock });
  }

  readers(): number {
    return this.server.readers;
  }

  play(count: number, node: string): readonly Flow[] {
    const played = Array.from({ length: count }, () => this.records.next(node));
    this.server.report(...played);
    return played.map(flowOf);
  }

  breakConnections(): void {
    this.#link.cut();
    this.#link.mend();
  }

  flood(count: number, node: string): { readonly sent: () => number } {
    const before = this.server.sent;
    this.server.flood(this.records.next(node), count);
    return { sent: () => this.server.sent - before };
  }

  lose(node: string) {
    const lost = { source: 'PERF_EVENT_RING_BUFFER', num_events_lost: '7', cpu: 1 };
    this.server.report({ lost_events: lost, node_name: `default/${node}`, time: this.records.time(0) });
    return { source: 'hubble', node, events: 7, kind: 'lost' } as const;
  }

  sendMalformed(): void {
    this.server.reportBytes(Buffer.from([0x0a, 0x7f, 0x01]));
  }

  async untrusted(): Promise<FlowSource> {
    const [ours, theirs] = await Promise.all([TestAuthority.create(), TestAuthority.create()]);
    const server = await HubbleServer.start({ tls: await theirs.issue(['127.0.0.1']) });
    const files = testFiles({ ca: ours.certificate });
    this.#closers.push(
      () => server.kill(),
      () => files.remove(),
    );
    return hubbleSource({ address: server.address, tls: { ca: files.paths.ca }, clock: systemClock });
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.#link.close();
    for (const close of this.#closers) await close();
  }
}
