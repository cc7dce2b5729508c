import { type Cidr, cidrContains, formatCidr, parseCidr } from '../../model/cidr.ts';
import type { IpBlock } from '../../model/network-policy.ts';
import type { DraftPeer } from '../../model/policy-draft.ts';

/** What can be written for a peer that is meant by address, and the texts for which nothing can. */
export interface PeerBlocks {
  readonly blocks: readonly IpBlock[];
  readonly lost: readonly string[];
}

/** Blocks of a peer; a text that is no address, or a block that its exceptions cover, is lost and never widens. */
export function peerBlocks(peer: Exclude<DraftPeer, { readonly kind: 'pods' }>): PeerBlocks {
  switch (peer.kind) {
    case 'cidr':
      return blocksOf([peer.cidr], peer.except);
    case 'apiserver':
      return blocksOf(peer.addresses, []);
    case 'nodes':
      return blocksOf(peer.cidrs, []);
    case 'world': {
      const world = blocksOf(['0.0.0.0/0', '::/0'], peer.except);
      // Exceptions may well cover one family; the peer is lost only when they leave nothing at all.
      return world.blocks.length > 0 ? { blocks: world.blocks, lost: [] } : world;
    }
  }
}

function blocksOf(cidrs: readonly string[], except: readonly string[]): PeerBlocks {
  const blocks: IpBlock[] = [];
  const lost: string[] = [];
  for (const cidr of cidrs) {
    const block = ipBlock(cidr, except);
    if (block) blocks.push(block);
    else lost.push(cidr);
  }
  return { blocks, lost };
}

/**
 * An ipBlock as the API server accepts it: canonical text, each exception strictly inside of the block and said once.
 * Exceptions outside of the block say nothing and are left out. Undefined when nothing of the block is left, or when
 * any of the texts is no CIDR: then nothing may be allowed on account of it.
 */
function ipBlock(text: string, except: readonly string[]): IpBlock | undefined {
  const block = parseCidr(text);
  if (!block) return undefined;
  const cidr = formatCidr(block);
  if (except.length === 0) return { cidr };
  const exceptions = except.map(parseCidr);
  if (!exceptions.every((exception): exception is Cidr => exception !== undefined)) return undefined;
  if (exceptions.some((exception) => cidrContains(exception, block))) return undefined;
  const inside = exceptions.filter((exception) => cidrContains(block, exception)).map(formatCidr);
  return inside.length === 0 ? { cidr } : { cidr, except: [...new Set(inside)] };
}
