import {
  type Flow,
  type FlowLoss,
  type FlowPeer,
  flowSourceKinds,
  type FlowVerdict,
  type ObservedTime,
} from '../../model/flow.ts';

/** What one shard gets of a batch. */
export interface ShardPart {
  readonly flows: readonly Flow[];
  readonly losses: readonly FlowLoss[];
  readonly observed?: readonly ObservedTime[];
}

/** As they stand in a text, by position: only append. */
const verdicts: readonly FlowVerdict[] = ['allowed', 'denied', 'audited', 'none'];
const answers = [undefined, false, true] as const;
/** Directed, then answered, then verdict. */
const answerUnit = 2;
const verdictUnit = answerUnit * answers.length;

/**
 * Numbers of a flow, one after the other: its time from the first one's on, how long it took, client and server among the
 * peers, the client's port, the server's, protocol, kind, connections, bytes, source, node.
 */
const flowNumbers = 12;

/** One that only has an address is the address, of IPv4 as a number. */
type StoredPeer = number | string | Partial<FlowPeer>;
type RareParts = Pick<Flow, 'addressed' | 'translatedClient' | 'serverNode'>;

type StoredPart = readonly [
  peers: readonly StoredPeer[],
  nodes: readonly string[],
  firstMs: number,
  numbers: readonly number[],
  /** Of flows that have some, by position. */
  rare: readonly (readonly [position: number, parts: Partial<RareParts>])[],
  losses: readonly (Omit<FlowLoss, 'events'> & { readonly events?: number | undefined })[],
  /** Where there are some; an older version does not look at them. */
  observed?: readonly ObservedTime[],
];

/** JSON with everything that many flows share told once: most of what a worker does is to read it. */
export function encodePart({ flows, losses, observed = [] }: ShardPart): string {
  const peers = new Peers();
  const nodes = new Distinct<string>();
  const firstMs = flows[0]?.timeMs ?? 0;
  const numbers: number[] = [];
  const rare: StoredPart[4][number][] = [];
  for (let i = 0, at = 0; i < flows.length; i++, at += flowNumbers) {
    const flow = flows[i] as Flow;
    const { timeMs } = flow;
    numbers[at] = timeMs - firstMs;
    numbers[at + 1] = flow.endMs - timeMs;
    numbers[at + 2] = peers.position(flow.client);
    numbers[at + 3] = peers.position(flow.server);
    numbers[at + 4] = flow.clientPort;
    numbers[at + 5] = flow.port;
    numbers[at + 6] = flow.protocol;
    numbers[at + 7] =
      (flow.directed ? 1 : 0) +
      answerUnit * answers.indexOf(flow.answered) +
      verdictUnit * verdicts.indexOf(flow.verdict);
    numbers[at + 8] = flow.connections;
    numbers[at + 9] = flow.bytes;
    numbers[at + 10] = flowSourceKinds.indexOf(flow.source);
    numbers[at + 11] = nodes.position(flow.node);
    const { addressed, translatedClient, serverNode } = flow;
    if (addressed === undefined && translatedClient === undefined && serverNode === undefined) continue;
    rare.push([i, { addressed, ...(translatedClient && { translatedClient }), ...(serverNode && { serverNode }) }]);
  }
  const told: StoredPart = [peers.stored, nodes.all, firstMs, numbers, rare, losses];
  // in one piece: what is put together is kept in its pieces
  return JSON.stringify(observed.length === 0 ? told : [...told, observed]);
}

/**
 * Throws SyntaxError or TypeError for what `encodePart` did not write. `addresses`: peers that only have an address, by it;
 * who reads many keeps it.
 */
export function decodePart(text: string, addresses: AddressPeers = new AddressPeers()): ShardPart {
  const [stored, nodes, firstMs, numbers, rare, losses, observed] = JSON.parse(text) as StoredPart;
  const peers = stored.map((peer) => (typeof peer === 'object' ? wholePeer(peer) : addresses.of(peer)));
  const flows: Flow[] = [];
  for (let at = 0; at < numbers.length; at += flowNumbers) flows.push(flowAt(numbers, at, firstMs, peers, nodes));
  for (const [position, parts] of rare) flows[position] = { ...(flows[position] as Flow), ...parts };
  // JSON leaves out what is not defined
  return {
    flows,
    losses: losses.map((loss): FlowLoss => ({ ...loss, events: loss.events })),
    ...(observed && { observed }),
  };
}

function flowAt(
  numbers: readonly number[],
  at: number,
  firstMs: number,
  peers: readonly FlowPeer[],
  nodes: readonly string[],
): Flow {
  const timeMs = firstMs + (numbers[at] as number);
  const client = peers[numbers[at + 2] as number];
  const server = peers[numbers[at + 3] as number];
  const kind = numbers[at + 7] as number;
  const source = flowSourceKinds[numbers[at + 10] as number];
  const node = nodes[numbers[at + 11] as number];
  const verdict = verdicts[Math.floor(kind / verdictUnit)];
  if (!client || !server || !source || !verdict || node === undefined) throw new TypeError('a flow lacks a part');
  return {
    timeMs,
    endMs: timeMs + (numbers[at + 1] as number),
    client,
    server,
    clientPort: numbers[at + 4] as number,
    port: numbers[at + 5] as number,
    addressed: undefined,
    protocol: numbers[at + 6] as number,
    directed: (kind & 1) === 1,
    verdict,
    answered: answers[Math.floor(kind / answerUnit) % answers.length],
    connections: numbers[at + 8] as number,
    bytes: numbers[at + 9] as number,
    source,
    node,
  };
}

/** Peers that are known by their address alone, each once while there is room: nearly all of many sources are. */
export class AddressPeers {
  readonly #known = new Map<number | string, FlowPeer>();

  of(address: number | string): FlowPeer {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    if (this.#known.size >= mostAddresses) this.#known.clear();
    const peer = wholePeer({ ip: typeof address === 'number' ? ipv4Text(address) : address });
    this.#known.set(address, peer);
    return peer;
  }
}

const mostAddresses = 1 << 16;

/** Field by field: spreading two objects takes many times as long. */
function wholePeer(peer: Partial<FlowPeer>): FlowPeer {
  return {
    ip: peer.ip,
    namespace: peer.namespace,
    pod: peer.pod,
    podPrefix: peer.podPrefix,
    workload: peer.workload,
    labels: peer.labels,
    reserved: peer.reserved,
    node: peer.node,
    service: peer.service,
    dnsNames: peer.dnsNames,
  };
}

/** Up to so many are found by looking at each of them: a part has but a few, and a table for them takes longer to make. */
const fewTexts = 24;

/** Values, each once, by position. */
class Distinct<Value extends number | string> {
  readonly all: Value[] = [];
  #positions: Map<Value, number> | undefined;

  position(value: Value): number {
    const known = this.#positions === undefined ? this.all.indexOf(value) : (this.#positions.get(value) ?? -1);
    if (known >= 0) return known;
    const position = this.all.push(value) - 1;
    if (this.#positions !== undefined) this.#positions.set(value, position);
    else if (position >= fewTexts) this.#positions = new Map(this.all.map((each, i) => [each, i]));
    return position;
  }
}

/** Peers, each once, by position. */
class Peers {
  readonly #keys = new Distinct<number | string>();
  readonly stored: StoredPeer[] = [];

  position(peer: FlowPeer): number {
    const { ip } = peer;
    const isAddress = ip !== undefined && !isNamed(peer) && !ip.startsWith(namedMark);
    if (!isAddress) return this.#position(JSON.stringify(peer), peer);
    const address = ipv4Number(ip) ?? ip;
    return this.#position(address, address);
  }

  #position(key: number | string, stored: StoredPeer): number {
    const position = this.#keys.position(key);
    if (position === this.stored.length) this.stored.push(stored);
    return position;
  }
}

/** Undefined: no address of IPv4, or not in its shortest spelling. */
function ipv4Number(ip: string): number | undefined {
  let address = 0;
  let part = -1;
  let parts = 0;
  for (let i = 0; i <= ip.length; i++) {
    const code = i === ip.length ? dot : ip.charCodeAt(i);
    if (code === dot) {
      if (part < 0 || part > 255 || ++parts > 4) return undefined;
      address = address * 256 + part;
      part = -1;
    } else if (code >= zero && code <= nine && part !== 0) part = Math.max(part, 0) * 10 + code - zero;
    else return undefined;
  }
  return parts === 4 ? address : undefined;
}

const [dot, zero, nine] = [46, 48, 57];

function ipv4Text(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** No address begins like the text of a peer that has more than one. */
const namedMark = '{';

/** By anything but its address. */
function isNamed({
  namespace,
  pod,
  podPrefix,
  workload,
  labels,
  reserved,
  node,
  service,
  dnsNames,
}: FlowPeer): boolean {
  return (namespace ?? pod ?? podPrefix ?? workload ?? labels ?? reserved ?? node ?? service ?? dnsNames) !== undefined;
}
