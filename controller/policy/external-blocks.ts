import {
  type Cidr,
  cidrContains,
  cidrSet,
  type CidrSet,
  formatCidr,
  hostCidr,
  intersectAddresses,
  isEmptyAddresses,
  parseCidr,
  parseIp,
} from '../model/cidr.ts';
import type { ExternalPeers } from '../model/profile.ts';

/** One block that stands for some external addresses; `network` is the profile's name for it, if it has one. */
export interface ExternalBlock {
  readonly cidr: string;
  readonly network: string | undefined;
  /** The observed addresses inside, sorted as given. */
  readonly addresses: readonly string[];
}

/**
 * The blocks to write for observed external addresses: a named network of the profile as a whole, else single
 * addresses, joined to a wider block only while it adds at most `addedAddresses` others and none of the cluster's own.
 * Returned by family and address; every address is in exactly one block.
 */
export function externalBlocks(
  addresses: readonly string[],
  { networks, addedAddresses }: ExternalPeers,
  clusterAddresses: CidrSet,
): ExternalBlock[] {
  const blocks = new Map<string, { cidr: Cidr; network: string | undefined; addresses: string[] }>();
  const single: { text: string; cidr: Cidr }[] = [];
  const named = networks.flatMap(({ name, cidrs }) =>
    cidrs.flatMap((text) => {
      const cidr = parseCidr(text);
      return cidr ? [{ name, cidr }] : [];
    }),
  );
  for (const text of addresses) {
    const address = parseIp(text);
    if (!address) continue;
    const cidr = hostCidr(address);
    const network = named.find((candidate) => cidrContains(candidate.cidr, cidr));
    if (!network) {
      single.push({ text, cidr });
      continue;
    }
    const key = formatCidr(network.cidr);
    const block = blocks.get(key) ?? { cidr: network.cidr, network: network.name, addresses: [] };
    block.addresses.push(text);
    blocks.set(key, block);
  }
  for (const family of [4, 6] as const) {
    const members = single.filter(({ cidr }) => cidr.family === family).sort((a, b) => compare(a.cidr, b.cidr));
    for (const { cidr, members: inside } of joinBlocks(members, BigInt(addedAddresses), clusterAddresses)) {
      blocks.set(formatCidr(cidr), { cidr, network: undefined, addresses: inside.map(({ text }) => text) });
    }
  }
  return [...blocks.values()]
    .sort((a, b) => a.cidr.family - b.cidr.family || compare(a.cidr, b.cidr))
    .map(({ cidr, network, addresses: inside }) => ({ cidr: formatCidr(cidr), network, addresses: inside }));
}

function compare(a: Cidr, b: Cidr): number {
  return a.value < b.value ? -1 : a.value > b.value ? 1 : a.prefix - b.prefix;
}

interface Member {
  readonly text: string;
  readonly cidr: Cidr;
}

/** Splits sorted members of one family at the binary tree of addresses until every block keeps within the bound. */
function joinBlocks(
  members: readonly Member[],
  bound: bigint,
  cluster: CidrSet,
): { cidr: Cidr; members: readonly Member[] }[] {
  const first = members[0];
  const last = members.at(-1);
  if (!first || !last) return [];
  const bits = first.cidr.family === 4 ? 32 : 128;
  let size = 0n;
  while (first.cidr.value >> size !== last.cidr.value >> size) size++;
  const cidr: Cidr = {
    family: first.cidr.family,
    value: (first.cidr.value >> size) << size,
    prefix: bits - Number(size),
  };
  const added = (1n << size) - BigInt(new Set(members.map((member) => member.cidr.value)).size);
  if (size === 0n || (added <= bound && isEmptyAddresses(intersectAddresses(cidrSet([cidr]), cluster)))) {
    return [{ cidr, members }];
  }
  const middle = cidr.value + (1n << (size - 1n));
  const cut = members.findIndex((member) => member.cidr.value >= middle);
  return [...joinBlocks(members.slice(0, cut), bound, cluster), ...joinBlocks(members.slice(cut), bound, cluster)];
}
