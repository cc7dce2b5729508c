import { protocolNumber } from '../../model/protocol.ts';
import type { FlowLimits } from './flow-limits.ts';
import { hubbleNode, isDeliveredAt, isPolicyVerdictEvent, isReplyOf } from './hubble-fields.ts';
import { hubbleFlow, type TcpFlags } from './hubble-packet.ts';
import {
  type HubbleHints,
  hubbleEndpoint,
  hubbleHints,
  noHints,
  type RememberedEndpoint,
  rememberedPeer,
} from './hubble-peer.ts';
import { isObject, type JsonObject } from './json-record.ts';
import type { LineOutcome } from './line-outcome.ts';
import { parseRfc3339 } from './rfc3339.ts';
import { UnusableRecord } from './unusable-record.ts';

const text = '[^"\\\\\\x00-\\x1f]*';
const port = '(0|[1-9]\\d{0,4})';
const flag = '"[A-Z]{3}":true';

/**
 * The beginning of a line in the order in which Cilium writes it, up to the source endpoint. Whatever it matches is the
 * beginning of valid JSON without escapes, and no key occurs twice in it.
 */
const head = new RegExp(
  `\\{"flow":\\{"time":"(${text})",(?:"uuid":"${text}",)?(?:"emitter":\\{"name":"${text}","version":"${text}"\\},)?` +
    `"verdict":"(?:FORWARDED|REDIRECTED)",(?:"ethernet":\\{"source":"${text}","destination":"${text}"\\},)?` +
    `"IP":\\{"source":"(${text})","destination":"(${text})","ipVersion":"IPv[46]"\\},` +
    `"l4":\\{(?:"UDP":\\{"source_port":${port},"destination_port":${port}\\}|` +
    `"TCP":\\{"source_port":${port},"destination_port":${port}(?:,"flags":\\{(${flag}(?:,${flag})*)\\})?\\})\\},"source":`,
  'y',
);

/** The end of a line; what stands between the destination endpoint and this repeats from line to line. */
const end = /,"time":"[\w:.+-]*"\}\s*$/y;

const beforeDestination = ',"destination":';

/** Keys of a flow that stand before the tail, which must therefore not hold them again. */
const headKeys = ['time', 'uuid', 'emitter', 'verdict', 'ethernet', 'IP', 'l4', 'source', 'destination'];

/** Texts remembered of each kind; when there are more, all are forgotten. */
const remembered = 65_536;
const trialLines = 8192;
/** Texts tried one by one before the long way. */
const candidateLimit = 8;

interface KnownEndpoint extends RememberedEndpoint {
  readonly text: string;
  /** Tails seen after it as the destination. */
  readonly tails: Tail[];
}

interface Tail {
  readonly text: string;
  readonly node: string;
  readonly isReply: boolean | undefined;
  readonly hasReplyBit: boolean;
  readonly isDelivered: boolean;
  readonly isPolicyVerdict: boolean;
  readonly sourceHints: HubbleHints;
  readonly destinationHints: HubbleHints;
}

/**
 * A faster way than JSON.parse for the usual line of a current agent. A line is cut into four: the head, which one regular
 * expression reads; the two endpoints and the tail, which JSON.parse checks and reads the first time that their text occurs
 * and which are remembered by their text. Four valid parts joined are valid JSON with the same meaning. Any line that does
 * not fit is left to the caller, also those that are wrong, so this never rejects.
 */
export class HubbleShortcut {
  readonly #limits: FlowLimits;
  readonly #endpoints = new Map<string, KnownEndpoint>();
  readonly #byAddress = new Map<string, KnownEndpoint[]>();
  readonly #tails = new Map<string, Tail>();
  #lines = 0;
  #misses = 0;

  constructor(limits: FlowLimits) {
    this.#limits = limits;
  }

  /** Undefined when the line has another layout, or lines of this file repeat too little to gain anything. */
  outcome(line: string): LineOutcome | undefined {
    if (this.#lines > trialLines && this.#misses * 2 > this.#lines) return undefined;
    head.lastIndex = 0;
    const found = head.exec(line);
    if (found === null) return undefined;
    this.#lines++;
    const sourceIp = found[2] as string;
    const destinationIp = found[3] as string;
    const source = this.#endpointAt(line, head.lastIndex, sourceIp, `}${beforeDestination}{`);
    if (source === undefined) return undefined;
    const sourceEnd = head.lastIndex + source.text.length;
    const destinationAt = sourceEnd + beforeDestination.length;
    if (!line.startsWith(beforeDestination, sourceEnd)) return undefined;
    const destination = this.#endpointAt(line, destinationAt, destinationIp, '},"');
    if (destination === undefined) return undefined;
    const tail = this.#tailAt(line, destinationAt + destination.text.length, destination);
    const timeMs = parseRfc3339(found[1] as string);
    if (tail === undefined || timeMs === undefined) return undefined;
    const from = rememberedPeer(source, sourceIp, tail.sourceHints, tail.node);
    const to = rememberedPeer(destination, destinationIp, tail.destinationHints, tail.node);
    const sourcePort = Number(found[4] ?? found[6]);
    const destinationPort = Number(found[5] ?? found[7]);
    if (from === undefined || to === undefined || sourcePort > 65535 || destinationPort > 65535) return undefined;
    const flow = hubbleFlow({
      timeMs,
      node: tail.node,
      verdict: 'allowed',
      protocol: found[4] === undefined ? protocolNumber.TCP : protocolNumber.UDP,
      source: from,
      destination: to,
      sourceIp,
      destinationIp,
      sourcePort,
      destinationPort,
      flags: flagsOf(found[8]),
      isReply: tail.isReply,
      hasReplyBit: tail.hasReplyBit,
      isDelivered: tail.isDelivered,
      isPolicyVerdict: tail.isPolicyVerdict,
    });
    return { kind: 'flow', flow };
  }

  /**
   * The endpoint whose text stands at this place. It is looked for among those seen with the address, because comparing is
   * far cheaper than hashing so long a text; a stranger's end is told by what follows it in the usual layout.
   */
  #endpointAt(line: string, at: number, ip: string, follows: string): KnownEndpoint | undefined {
    const candidates = this.#byAddress.get(ip);
    if (candidates !== undefined) {
      for (const known of candidates) if (line.slice(at, at + known.text.length) === known.text) return known;
    }
    const end = line.indexOf(follows, at) + 1;
    const known = end === 0 ? undefined : this.#endpoint(line.slice(at, end));
    if (known === undefined) return undefined;
    if (candidates !== undefined && candidates.length < candidateLimit) candidates.push(known);
    else {
      if (this.#byAddress.size >= remembered) this.#byAddress.clear();
      this.#byAddress.set(ip, [known]);
    }
    return known;
  }

  #endpoint(text: string): KnownEndpoint | undefined {
    const known = this.#endpoints.get(text);
    if (known !== undefined) return known;
    const kept = ownCopy(text);
    const read = this.#readOnce(text, (value): KnownEndpoint => {
      return {
        text: kept,
        endpoint: hubbleEndpoint(value, 'endpoint', this.#limits),
        tails: [],
        peer: undefined,
        node: '',
      };
    });
    if (read !== undefined) remember(this.#endpoints, kept, read);
    return read;
  }

  /** The tail after the destination, looked for among those seen after this destination before. */
  #tailAt(line: string, commaAt: number, { tails }: KnownEndpoint): Tail | undefined {
    if (!line.startsWith(',"', commaAt)) return undefined;
    const at = commaAt + 1;
    for (const known of tails) {
      if (line.slice(at, at + known.text.length) === known.text && isEndAt(line, at + known.text.length)) return known;
    }
    const tailEnd = line.lastIndexOf(',"time":"');
    if (tailEnd < at || !isEndAt(line, tailEnd)) return undefined;
    const tail = this.#tail(line.slice(at, tailEnd));
    if (tail === undefined) return undefined;
    if (tails.length >= candidateLimit) tails.length = 0;
    tails.push(tail);
    return tail;
  }

  #tail(text: string): Tail | undefined {
    const known = this.#tails.get(text);
    if (known !== undefined) return known;
    // A backslash could hide a key, and a second flow would replace the one that the line begins with.
    if (text.includes('\\') || text.includes('"flow"')) return undefined;
    const kept = ownCopy(text);
    const read = this.#readOnce(`{"flow":{${text}}`, (record) => tailOf(record, kept, this.#limits));
    if (read !== undefined) remember(this.#tails, kept, read);
    return read;
  }

  /** Undefined for what is not valid: the whole line then goes to JSON.parse, which says what is wrong with it. */
  #readOnce<T>(json: string, read: (value: JsonObject) => T | undefined): T | undefined {
    this.#misses++;
    try {
      const value: unknown = JSON.parse(json);
      return isObject(value) && json.length <= 2 * this.#limits.nesting ? read(value) : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof UnusableRecord) return undefined;
      throw error;
    }
  }
}

function remember<T>(known: Map<string, T>, text: string, value: T): void {
  if (known.size >= remembered) known.clear();
  known.set(text, value);
}

/** A part of a string keeps the whole block that it was cut from in memory; this copy does not. */
function ownCopy(text: string): string {
  return Buffer.from(text).toString();
}

function isEndAt(line: string, at: number): boolean {
  end.lastIndex = at;
  return end.test(line);
}

function tailOf(record: JsonObject, text: string, limits: FlowLimits): Tail | undefined {
  const flow = record['flow'];
  if (!isObject(flow) || headKeys.some((key) => key in flow)) return undefined;
  const hasHints = ['source_names', 'destination_names', 'source_service', 'destination_service'].some(
    (key) => key in flow,
  );
  if (flow['node_name'] === undefined && flow['event_type'] === undefined && flow['is_reply'] === undefined) {
    return undefined;
  }
  return {
    text,
    node: hubbleNode(record['node_name'] ?? flow['node_name']),
    isReply: isReplyOf(flow['is_reply'], isObject(flow['extensions'])),
    hasReplyBit: flow['reply'] === true,
    isDelivered: isDeliveredAt(flow['trace_observation_point']),
    isPolicyVerdict: isPolicyVerdictEvent(flow['event_type']),
    sourceHints: hasHints ? hubbleHints(flow['source_names'], flow['source_service'], 'source', limits) : noHints,
    destinationHints: hasHints
      ? hubbleHints(flow['destination_names'], flow['destination_service'], 'destination', limits)
      : noHints,
  };
}

function flagsOf(text: string | undefined): TcpFlags | undefined {
  if (text === undefined) return undefined;
  return { syn: text.includes('"SYN"'), ack: text.includes('"ACK"'), rst: text.includes('"RST"') };
}
