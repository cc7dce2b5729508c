import { type Flow, type FlowPeer, unnamedPeer } from '../../model/flow.ts';
import { parseProtocol } from '../../model/protocol.ts';
import { ipField, portField } from '../flow-file/record-fields.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { CounterGrowth } from './counter-growth.ts';
import type { CounterPoint } from './counter-point.ts';

/** Flow counters of OpenTelemetry eBPF Instrumentation and of Grafana Beyla, which it came from. */
export function isNetworkFlowMetric(name: string): boolean {
  return name === 'obi.network.flow.bytes' || name === 'beyla.network.flow.bytes';
}

/** Whose report of a pair of endpoints carries the numbers; the other node of the path reports the same packets. */
interface Carrier {
  readonly reporter: string;
  readonly lastMs: number;
}

const mostPairs = 100_000;
/** A reporter that says nothing for so long has ended: the other one takes over. */
const carrierSilentMs = 10 * 60_000;
const howTo = 'select it for obi_network_flow_bytes (docs/sources.md#push-endpoint)';
const needed = ['direction', 'transport', 'server.port'] as const;

/**
 * Flows of directed packet counters: one series has what the client sent, one what the server sent, and both nodes of the
 * path may report each. A flow is made whenever a counter has grown.
 */
export class NetworkFlowPoints {
  readonly #growth = new CounterGrowth();
  readonly #carriers = new Map<string, Carrier>();

  /** Undefined: nothing has happened since the last point. Throws UnusableRecord. */
  flowOf(sender: string, point: CounterPoint): Flow | undefined {
    const { attributes, resource, timeMs } = point;
    for (const name of needed)
      if (!attributes.has(name)) throw new UnusableRecord(`the attribute ${name} is missing: ${howTo}`);
    if (timeMs <= 0) throw new UnusableRecord('timeUnixNano is missing');
    const isResponse = attributes.get('direction') === 'response';
    const [source, destination] = [peerOf(attributes, 'src'), peerOf(attributes, 'dst')];
    const [client, server] = isResponse ? [destination, source] : [source, destination];
    const serverPort = portField(attributes.get('server.port'), 'server.port');
    const isOpenerKnown = isResponse || attributes.get('direction') === 'request';
    const port = serverPort === 0 && !isOpenerKnown ? portField(attributes.get('dst.port'), 'dst.port') : serverPort;
    const clientPort = portField(attributes.get('client.port'), 'client.port');
    const protocol = protocolOf(attributes.get('transport') ?? '');
    const grown = this.#growth.of(sender, point);
    if (grown === 0) return undefined;
    const pair = JSON.stringify([client, server, protocol, port, clientPort, isResponse]);
    const carries = this.#carries(pair, reporterOf(sender, point), timeMs);
    const serverNode = attributes.get(isResponse ? 'k8s.src.node.name' : 'k8s.dst.node.name');
    return {
      timeMs,
      endMs: timeMs,
      client,
      server,
      clientPort,
      port,
      addressed: addressedOf(attributes, isResponse ? 'src' : 'dst', port),
      ...(serverNode === undefined || serverNode === '' ? {} : { serverNode }),
      protocol,
      // without the port of the server it is not known what was asked for
      directed: isOpenerKnown && port !== 0,
      verdict: 'none',
      answered: isResponse ? true : undefined,
      // what a client sent may have been dropped on its way: only what came back proves that it passed
      connections: carries && (isResponse || !isOpenerKnown) ? 1 : 0,
      bytes: carries ? grown : 0,
      source: 'opentelemetry',
      node: resource.get('k8s.node.name') ?? '',
    };
  }

  #carries(pair: string, reporter: string, timeMs: number): boolean {
    const carrier = this.#carriers.get(pair);
    const carries = carrier === undefined || carrier.reporter === reporter || timeMs - carrier.lastMs > carrierSilentMs;
    if (!carries) return false;
    this.#carriers.delete(pair);
    this.#carriers.set(pair, { reporter, lastMs: timeMs });
    for (const oldest of this.#carriers.keys()) {
      if (this.#carriers.size <= mostPairs) break;
      this.#carriers.delete(oldest);
    }
    return true;
  }
}

function reporterOf(sender: string, { attributes, resource }: CounterPoint): string {
  const address = attributes.get('obi.ip') ?? attributes.get('beyla.ip');
  return address ?? resource.get('k8s.node.name') ?? resource.get('host.id') ?? resource.get('host.name') ?? sender;
}

type Side = 'src' | 'dst';

function isService(attributes: ReadonlyMap<string, string>, side: Side): boolean {
  return kindOf(attributes, side) === 'Service';
}

function kindOf(attributes: ReadonlyMap<string, string>, side: Side): string {
  return text(attributes, `k8s.${side}.type`) ?? text(attributes, `k8s.${side}.owner.type`) ?? '';
}

function peerOf(attributes: ReadonlyMap<string, string>, side: Side): FlowPeer {
  const ip = ipField(text(attributes, `${side}.address`), `${side}.address`);
  const namespace = text(attributes, `k8s.${side}.namespace`);
  const name = text(attributes, `k8s.${side}.name`);
  const [ownerKind, ownerName] = [
    text(attributes, `k8s.${side}.owner.type`),
    text(attributes, `k8s.${side}.owner.name`),
  ];
  const kind = kindOf(attributes, side);
  if (kind === 'Node') return { ...unnamedPeer, ip, node: name ?? ownerName };
  if (namespace !== undefined && kind === 'Service') {
    const service = name ?? ownerName;
    // the address is the Service's own, and no server's
    if (service !== undefined) return { ...unnamedPeer, service: { namespace, name: service } };
  }
  const workload =
    ownerKind === undefined || ownerName === undefined ? undefined : { kind: ownerKind, name: ownerName };
  if (namespace !== undefined && (name ?? workload) !== undefined) {
    return { ...unnamedPeer, ip, namespace, pod: kind === 'Pod' || kind === '' ? name : undefined, workload };
  }
  if (ip !== undefined) return { ...unnamedPeer, ip };
  throw new UnusableRecord(
    `neither k8s.${side}.owner.name with its namespace nor ${side}.address says who it is: ${howTo}`,
  );
}

/** The Service address that the client used. */
function addressedOf(attributes: ReadonlyMap<string, string>, side: Side, port: number): Flow['addressed'] {
  const ip = isService(attributes, side) ? ipField(text(attributes, `${side}.address`), `${side}.address`) : undefined;
  return ip === undefined ? undefined : { ip, port };
}

/** Exporters write an empty text for what is not known. */
function text(attributes: ReadonlyMap<string, string>, name: string): string | undefined {
  return attributes.get(name) || undefined;
}

function protocolOf(transport: string): number {
  const protocol = parseProtocol(transport);
  if (protocol !== undefined) return protocol;
  throw new UnusableRecord(`transport: expected a name such as "TCP", got ${JSON.stringify(transport)}`);
}
