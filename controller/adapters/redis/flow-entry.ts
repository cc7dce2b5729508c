import {
  type Flow,
  type FlowLoss,
  type FlowPeer,
  flowSourceKinds,
  type FlowVerdict,
  unnamedPeer,
} from '../../model/flow.ts';

/** What one shard gets of a batch. */
export interface ShardPart {
  readonly flows: readonly Flow[];
  readonly losses: readonly FlowLoss[];
}

/** As they stand in an entry, by position: only append. */
const verdicts: readonly FlowVerdict[] = ['allowed', 'denied', 'audited', 'none'];
const answers = [undefined, false, true] as const;

type FlowRow = readonly [
  timeMs: number,
  /** From `timeMs` on. */
  durationMs: number,
  client: number,
  server: number,
  clientPort: number,
  port: number,
  protocol: number,
  /** Directed, then answered, then verdict: 1 + 3 x 4 combinations by position. */
  kind: number,
  connections: number,
  bytes: number,
  source: number,
  node: number,
  rest?: Pick<Flow, 'addressed' | 'translatedClient' | 'serverNode'>,
];

type Entry = readonly [
  peers: readonly Partial<FlowPeer>[],
  nodes: readonly string[],
  flows: readonly FlowRow[],
  losses?: readonly (Omit<FlowLoss, 'events'> & { readonly events?: number })[],
];

/** JSON: an array of the peers, of the nodes, of the flows that name both by position, and of the losses where there are some. */
export function encodeEntry({ flows, losses }: ShardPart): string {
  const peers = new Table();
  const nodes = new Table();
  const rows = flows.map((flow) => encodeFlow(flow, peers, nodes)).join(',');
  const lost = losses.length === 0 ? '' : `,${JSON.stringify(losses)}`;
  return `[[${peers.text}],[${nodes.text}],[${rows}]${lost}]`;
}

/** Throws SyntaxError or TypeError for what `encodeEntry` did not write. */
export function decodeEntry(text: string): ShardPart {
  const [peers, nodes, rows, losses = []] = JSON.parse(text) as Entry;
  const whole = peers.map((peer): FlowPeer => ({ ...unnamedPeer, ...peer }));
  // JSON leaves out what is not defined
  const lost = losses.map((loss): FlowLoss => ({ ...loss, events: loss.events }));
  return { flows: rows.map((row) => decodeFlow(row, whole, nodes)), losses: lost };
}

function encodeFlow(flow: Flow, peers: Table, nodes: Table): string {
  const { timeMs, endMs, clientPort, port, protocol, connections, bytes } = flow;
  const kind =
    (flow.directed ? 1 : 0) + 2 * (answers.indexOf(flow.answered) + answers.length * verdicts.indexOf(flow.verdict));
  const client = peers.position(JSON.stringify(flow.client));
  const server = peers.position(JSON.stringify(flow.server));
  const source = flowSourceKinds.indexOf(flow.source);
  const node = nodes.position(JSON.stringify(flow.node));
  const { addressed, translatedClient, serverNode } = flow;
  const isPlain = addressed === undefined && translatedClient === undefined && serverNode === undefined;
  const rest = isPlain ? '' : `,${JSON.stringify({ addressed, translatedClient, serverNode })}`;
  return `[${timeMs},${endMs - timeMs},${client},${server},${clientPort},${port},${protocol},${kind},${connections},${bytes},${source},${node}${rest}]`;
}

function decodeFlow(row: FlowRow, peers: readonly FlowPeer[], nodes: readonly string[]): Flow {
  const [timeMs, durationMs, client, server, clientPort, port, protocol, kind, connections, bytes, source, node, rest] =
    row;
  const [peer, other, of] = [peers[client], peers[server], flowSourceKinds[source]];
  const verdict = verdicts[Math.floor(kind / (2 * answers.length))];
  if (peer === undefined || other === undefined || of === undefined || verdict === undefined) {
    throw new TypeError('a flow names what is not there');
  }
  return {
    timeMs,
    endMs: timeMs + durationMs,
    client: peer,
    server: other,
    clientPort,
    port,
    addressed: undefined,
    protocol,
    directed: (kind & 1) === 1,
    verdict,
    answered: answers[(kind >>> 1) % answers.length],
    connections,
    bytes,
    source: of,
    node: nodes[node] ?? '',
    ...rest,
  };
}

/** Texts of JSON, each once, by position. */
class Table {
  readonly #positions = new Map<string, number>();
  text = '';

  position(text: string): number {
    const known = this.#positions.get(text);
    if (known !== undefined) return known;
    const position = this.#positions.size;
    this.#positions.set(text, position);
    this.text += position === 0 ? text : `,${text}`;
    return position;
  }
}
