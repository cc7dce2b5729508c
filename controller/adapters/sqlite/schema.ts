/** `nseg` in ASCII: tells a file of ours from other databases. */
export const applicationId = 0x6e736567;

/**
 * What makes each version of the file out of the one before it; the first makes it out of nothing. Versions that were
 * released are never changed.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE endpoint (
     position INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     endpoint TEXT NOT NULL,
     dns_names TEXT NOT NULL
   ) STRICT;
   CREATE TABLE connection (
     source INTEGER NOT NULL REFERENCES endpoint,
     destination INTEGER NOT NULL REFERENCES endpoint,
     protocol INTEGER NOT NULL,
     port INTEGER NOT NULL,
     directed INTEGER NOT NULL,
     evidence TEXT NOT NULL,
     PRIMARY KEY (source, destination, protocol, port, directed)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE node_flows (source TEXT NOT NULL, node TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (source, node))
     STRICT, WITHOUT ROWID;
   CREATE TABLE node_losses (source TEXT NOT NULL, node TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (source, node))
     STRICT, WITHOUT ROWID;
   CREATE TABLE source_position (source TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  // connections that were counted lately, as pairs of little-endian 32-bit words
  `CREATE TABLE recent_keys (
     generation INTEGER NOT NULL,
     part INTEGER NOT NULL,
     keys BLOB NOT NULL,
     PRIMARY KEY (generation, part)
   ) STRICT, WITHOUT ROWID;`,
  // losses have a time since then; those without one happened just now
  `UPDATE node_losses SET record = json_object(
     'source', source, 'node', node, 'sampling', json_extract(record, '$.sampling'),
     'periods', json_array(json_object(
       'startMs', unixepoch() / 3600 * 3600000,
       'lost', json_extract(record, '$.lost'),
       'uncounted', json_extract(record, '$.uncounted'),
       'unavailable', json_extract(record, '$.unavailable'))));`,
];
