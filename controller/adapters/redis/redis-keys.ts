/** Version of the keys and of what is in them; it stands in the key `layout`, which has this place in all versions. */
export const layout = 1;

/** Connections are spread over so many hashes, so that each of them is read, written and swept in a short time. */
export const buckets = 256;

/** The keys of one store. They share a hash tag: all of them are in one slot of a Redis Cluster, and one script may use them. */
export interface StoreKeys {
  readonly layout: string;
  /** A hash: who writes, how often was saved, and what is known beside the evidence. */
  readonly meta: string;
  /** The token of whoever writes now; it expires with its owner. */
  readonly writer: string;
  /** Hashes by source, by endpoint id, and by source and node. */
  readonly positions: string;
  readonly endpoints: string;
  readonly flows: string;
  readonly losses: string;
  /** Connections with their evidence, by the numbers of their endpoints, protocol, port and direction. */
  readonly connections: (bucket: number) => string;
  /** The keys of one generation of connections that were counted lately, as pairs of little-endian 32-bit words. */
  readonly recent: (generation: number) => string;
  /** What the save of that revision added, for those who follow; it expires. */
  readonly changes: (revision: number) => string;
  /** A list: part of a save that is too large for one command. */
  readonly staged: (part: number) => string;
  /** Of no meaning: on it is tried what the user may do. */
  readonly rights: string;
}

export function storeKeys(name: string): StoreKeys {
  const prefix = `nanoseg:{${name}}:`;
  return {
    layout: `${prefix}layout`,
    meta: `${prefix}meta`,
    writer: `${prefix}writer`,
    positions: `${prefix}positions`,
    endpoints: `${prefix}endpoints`,
    flows: `${prefix}flows`,
    losses: `${prefix}losses`,
    connections: (bucket) => `${prefix}connections:${bucket}`,
    recent: (generation) => `${prefix}recent:${generation}`,
    changes: (revision) => `${prefix}changes:${revision}`,
    staged: (part) => `${prefix}staged:${part}`,
    rights: `${prefix}rights`,
  };
}

/** As many saves are told apart by a name of their own, which no other save of that revision has, here or in another past. */
const namedSaves = 64;

/** The field of `meta` with the name of the save that made that revision, while it is one of the latest. */
export function saveField(revision: number): string {
  return `save:${revision % namedSaves}`;
}
