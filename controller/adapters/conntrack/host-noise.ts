import { networkInterfaces } from 'node:os';
import { protocolNumber } from '../../model/protocol.ts';
import type { ConntrackEntry } from './conntrack-entry.ts';

/** VXLAN as Linux and as IANA number it, Geneve. */
const tunnelPorts: ReadonlySet<number> = new Set([8472, 4789, 6081]);
/** IPv4 and IPv6 in IP, GRE, ESP. */
const tunnelProtocols: ReadonlySet<number> = new Set([4, 41, protocolNumber.GRE, 50]);

/** `noise`: no traffic of containers. `host`: this node is a side of it. `forwarded`: both sides are others. */
export type Standing = 'noise' | 'host' | 'forwarded';

/** Whether nanoseg itself is reached at this address. */
export type IsOwnTarget = (ip: string, port: number) => boolean;

/** Tells entries of containers from those that the node makes with itself, for tunnels, and for us. */
export function standing(entry: ConntrackEntry, own: ReadonlySet<string>, isOwnTarget: IsOwnTarget): Standing {
  const { original, reply } = entry;
  const clientIsHost = own.has(original.source);
  const serverIsHost = own.has(reply.source);
  if (clientIsHost && serverIsHost) return 'noise';
  if (!clientIsHost && !serverIsHost) return 'forwarded';
  if (isTunnel(entry)) return 'noise';
  if (clientIsHost && isOwnTarget(reply.source, reply.sourcePort)) return 'noise';
  return 'host';
}

/** Canonical addresses of the interfaces of this network namespace that are up. */
export function hostAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address)),
  );
}

function isTunnel({ protocol, original }: ConntrackEntry): boolean {
  return protocol === protocolNumber.UDP ? tunnelPorts.has(original.destinationPort) : tunnelProtocols.has(protocol);
}
