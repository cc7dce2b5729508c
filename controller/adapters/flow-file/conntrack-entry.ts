import { parseProtocol } from '../../model/protocol.ts';
import { type ConntrackEntry, type ConntrackTuple, protocolsWithPorts } from '../conntrack/conntrack-entry.ts';
import { isIp } from './record-fields.ts';
import { validTime } from './rfc3339.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

interface TupleDraft {
  source: string;
  destination: string | undefined;
  sourcePort: number | undefined;
  destinationPort: number | undefined;
  bytes: number;
  /** ICMP's type, code and identifier, which take the place of ports. */
  icmp: string;
}

const events = { '[NEW]': 'new', '[UPDATE]': 'update', '[DESTROY]': 'destroy' } as const;

/** Reads one line in any of conntrack's text forms (plain, extended, timestamp, id, zones). Throws UnusableRecord. */
export function parseConntrackEntry(line: string): ConntrackEntry {
  const tokens = line.trim().split(/\s+/);
  let at = 0;
  const timeMs = timePrefix(tokens[0] ?? '');
  if (timeMs !== undefined) at++;
  const eventToken = tokens[at] ?? '';
  const event = Object.hasOwn(events, eventToken) ? events[eventToken as keyof typeof events] : 'snapshot';
  if (event !== 'snapshot') at++;
  if ((tokens[at] === 'ipv4' && tokens[at + 1] === '2') || (tokens[at] === 'ipv6' && tokens[at + 1] === '10')) at += 2;
  const protocol = protocolAt(tokens[at], tokens[at + 1]);
  at += 2;
  if (/^\d+$/.test(tokens[at] ?? '')) at++;
  const state = /^[A-Z][A-Z0-9_]*$/.test(tokens[at] ?? '') ? tokens[at] : undefined;

  const tuples: TupleDraft[] = [];
  let unreplied = false;
  let zone = '';
  let id = '';
  for (const token of tokens.slice(at)) {
    if (token === '[UNREPLIED]') unreplied = true;
    const equals = token.indexOf('=');
    if (equals < 0) continue;
    const value = token.slice(equals + 1);
    const tuple = tuples.at(-1);
    switch (token.slice(0, equals)) {
      case 'src':
        if (tuples.length === 2) throw new UnusableRecord('more than two tuples');
        tuples.push(startTuple(value));
        break;
      case 'dst':
        if (tuple === undefined || tuple.destination !== undefined) throw new UnusableRecord('dst= without its src=');
        tuple.destination = address(value, 'dst');
        break;
      case 'sport':
        if (tuple) tuple.sourcePort = port(value, 'sport');
        break;
      case 'dport':
        if (tuple) tuple.destinationPort = port(value, 'dport');
        break;
      case 'type':
      case 'code':
        if (tuple) tuple.icmp += `${token} `;
        break;
      case 'bytes':
        if (tuple) tuple.bytes = count(value, 'bytes');
        break;
      case 'zone':
      case 'zone-orig':
      case 'zone-reply':
        zone += `${token} `;
        break;
      case 'id':
        // ICMP has an identifier inside of each tuple; the entry's own comes last.
        if (tuple !== undefined && tuple.icmp !== '' && !tuple.icmp.includes('id=')) tuple.icmp += token;
        else id = value;
        break;
      default:
        break;
    }
  }
  const [original, reply] = tuples;
  if (original === undefined || reply === undefined) throw new UnusableRecord('expected two tuples of src= and dst=');
  const first = finished(original, protocol);
  return {
    event,
    timeMs,
    protocol,
    state,
    original: first,
    reply: finished(reply, protocol),
    unreplied,
    key: [
      protocol,
      first.source,
      first.destination,
      first.sourcePort,
      first.destinationPort,
      original.icmp,
      zone,
      id,
    ].join(' '),
  };
}

/** `[1795433716.452590]`: the time at which conntrack printed the event. */
function timePrefix(token: string): number | undefined {
  const parts = /^\[(\d{1,12})\.(\d{1,9})\]$/.exec(token);
  if (parts === null) return undefined;
  const timeMs = validTime(Number(parts[1]) * 1000 + Number((parts[2] ?? '').padEnd(6, '0').slice(0, 3)));
  if (timeMs === undefined)
    throw new UnusableRecord(`time: expected seconds between 1970 and 2200, got ${shown(token)}`);
  return timeMs;
}

function protocolAt(name: string | undefined, number: string | undefined): number {
  const protocol = /^\d{1,3}$/.test(number ?? '') ? Number(number) : 256;
  if (name === undefined || !/^[a-z][a-z0-9.-]*$/.test(name) || protocol > 255) {
    throw new UnusableRecord(`expected a protocol and its number, got ${shown(`${name ?? ''} ${number ?? ''}`)}`);
  }
  const named = parseProtocol(name);
  if (named !== undefined && named !== protocol) throw new UnusableRecord(`protocol ${name} is not number ${protocol}`);
  return protocol;
}

function startTuple(source: string): TupleDraft {
  return {
    source: address(source, 'src'),
    destination: undefined,
    sourcePort: undefined,
    destinationPort: undefined,
    bytes: -1,
    icmp: '',
  };
}

function finished(draft: TupleDraft, protocol: number): ConntrackTuple {
  const { source, destination, sourcePort, destinationPort, bytes } = draft;
  if (destination === undefined) throw new UnusableRecord('src= without its dst=');
  if (source.includes(':') !== destination.includes(':')) throw new UnusableRecord('src= and dst= of two families');
  if (protocolsWithPorts.has(protocol) && (sourcePort === undefined || destinationPort === undefined)) {
    throw new UnusableRecord('no sport= or dport=');
  }
  return { source, destination, sourcePort: sourcePort ?? 0, destinationPort: destinationPort ?? 0, bytes };
}

function address(text: string, field: string): string {
  if (isIp(text)) return text;
  throw new UnusableRecord(`${field}: expected an IP address, got ${shown(text)}`);
}

function port(text: string, field: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text);
  throw new UnusableRecord(`${field}: expected a port from 0 to 65535, got ${shown(text)}`);
}

function count(text: string, field: string): number {
  if (/^\d{1,20}$/.test(text)) return Number(text);
  throw new UnusableRecord(`${field}: expected a whole number, got ${shown(text)}`);
}
