import { protocolNumber } from '../../../controller/model/protocol.ts';
import type { Site, TrafficEvent } from './traffic.ts';

interface Tuple {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}

/**
 * The event as `conntrack -E -o extended,timestamp,id` prints it on each node that it passes. What a policy dropped
 * leaves no line at all; what leaves the cluster leaves with the node's address.
 */
export function conntrackLines(event: TrafficEvent, id: number): string[] {
  if (event.verdict === 'denied') return [];
  const { client, server, addressed, hiddenClient } = event;
  const lines: string[] = [];
  const clientNode = nodeOf(client);
  if (hiddenClient !== undefined && addressed !== undefined) {
    const original = { src: hiddenClient, dst: addressed.ip, sport: event.clientPort, dport: addressed.port };
    lines.push(...entry(event, original, replyOf(event, server.ip, client.ip), id));
  } else if (clientNode !== undefined || addressed !== undefined) {
    const dialled = addressed ?? { ip: server.ip, port: event.port };
    const original = { src: client.ip, dst: dialled.ip, sport: event.clientPort, dport: dialled.port };
    const masqueraded = client.kind === 'pod' && server.kind === 'external' ? (clientNode?.ips[0] ?? '') : client.ip;
    const sameFamily = masqueraded.includes(':') === client.ip.includes(':');
    lines.push(...entry(event, original, replyOf(event, server.ip, sameFamily ? masqueraded : client.ip), id));
  }
  const serverNode = nodeOf(server);
  if (serverNode !== undefined && (serverNode !== clientNode || lines.length === 0)) {
    const original = { src: client.ip, dst: server.ip, sport: event.clientPort, dport: event.port };
    lines.push(...entry(event, original, replyOf(event, server.ip, client.ip), id + 1));
  }
  return lines;
}

function nodeOf(site: Site) {
  switch (site.kind) {
    case 'pod':
      return site.life.node;
    case 'node':
      return site.node;
    case 'apiserver':
    case 'external':
      return undefined;
  }
}

function replyOf({ port, clientPort }: TrafficEvent, src: string, dst: string): Tuple {
  return { src, dst, sport: port, dport: clientPort };
}

function entry(event: TrafficEvent, original: Tuple, reply: Tuple, id: number): string[] {
  const { protocol, timeMs, answered } = event;
  const family = original.src.includes(':') ? 'ipv6     10' : 'ipv4     2';
  const name = protocol.toLowerCase().padEnd(8);
  const head = (at: number, type: string) => `[${(at / 1000).toFixed(6)}]\t${type} ${family} ${name} ${number(event)}`;
  const tcp = protocol === 'TCP';
  const first = `${text(original)} [UNREPLIED] ${text(reply)} id=${id}`;
  const opening = protocol === 'UDP' ? '30' : tcp ? '120 SYN_SENT' : '3 COOKIE_WAIT';
  const lines = [`${head(timeMs, '    [NEW]')} ${opening} ${first}`];
  if (!answered) return [...lines, `${head(timeMs + 120_000, '[DESTROY]')} ${first}`];
  const both = `${text(original)} ${text(reply)}`;
  if (protocol === 'UDP') lines.push(`${head(timeMs + 1, ' [UPDATE]')} 30 ${both} id=${id}`);
  else if (tcp) {
    lines.push(`${head(timeMs + 1, ' [UPDATE]')} 60 SYN_RECV ${both} id=${id}`);
    lines.push(`${head(timeMs + 1, ' [UPDATE]')} 432000 ESTABLISHED ${both} [ASSURED] id=${id}`);
  } else lines.push(`${head(timeMs + 1, ' [UPDATE]')} 432000 ESTABLISHED ${both} [ASSURED] id=${id}`);
  lines.push(`${head(timeMs + 3000, '[DESTROY]')} ${both} [ASSURED] id=${id}`);
  return lines;
}

function number({ protocol }: TrafficEvent): number {
  return protocolNumber[protocol];
}

function text({ src, dst, sport, dport }: Tuple): string {
  return `src=${src} dst=${dst} sport=${sport} dport=${dport}`;
}
