/** What one file of a workspace may ask of us; a file beyond it is refused with the limit's name, never half read. */
export const manifestLimits = {
  /** Strings of V8 end at 512 MiB; a dump of 100,000 pods has some 250. */
  fileBytes: 400 * 1024 * 1024,
  /** Schemas inside of CustomResourceDefinitions are the deepest that real manifests have, at about 50. */
  depth: 100,
  /** Per document; manifests have none or a few. */
  aliases: 100,
  /** Values of a document with aliases once every alias is written out; an alias bomb has billions, a cycle no end. */
  expandedValues: 1_000_000,
  /** Lists inside of Lists. */
  nestedLists: 3,
} as const;
