import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import { ConnectionFileError } from '../../../controller/adapters/sqlite/connection-file-error.ts';
import { SqliteConnectionStore } from '../../../controller/adapters/sqlite/sqlite-connection-store.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import type { ProblemCode } from '../../../controller/model/problem-codes.ts';
import { connectionStoreContract } from '../../contract/connection-store.ts';
import { minuteMs, sighting } from '../../support/sightings.ts';

async function scratch(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'nanoseg-evidence-'));
}

connectionStoreContract(test, 'sqlite', async () => {
  const directory = await scratch();
  const path = join(directory, 'evidence.db');
  return {
    open: async () => new SqliteConnectionStore(path),
    remove: async () => {
      await Promise.all(['', '-wal', '-shm'].map((end) => rm(`${path}${end}`, { force: true })));
    },
  };
});

async function inScratch(t: ExecutionContext): Promise<string> {
  const directory = await scratch();
  t.teardown(() => rm(directory, { recursive: true }));
  return join(directory, 'evidence.db');
}

const newGraph = () => new TrafficGraph({ binMs: 5 * minuteMs, saved: true });

function grown(): TrafficGraph {
  const graph = newGraph();
  for (let port = 1; port <= 300; port++) graph.observe(sighting({ port }), 'n1');
  return graph;
}

async function saved(path: string): Promise<TrafficGraph> {
  const graph = grown();
  const store = new SqliteConnectionStore(path);
  await store.save(graph.takeChanges().delta, new Map([['flows.json', '7']]));
  await store.close();
  return graph;
}

function refused(t: ExecutionContext, path: string, code: ProblemCode, message: RegExp): void {
  const error = t.throws(() => new SqliteConnectionStore(path), { instanceOf: ConnectionFileError });
  t.is(error?.problem.code, code);
  t.is(error?.problem.where, path);
  t.regex(error?.problem.message ?? '', message);
}

test('a file of version 1 is brought to the present version with everything in it', async (t) => {
  const path = await inScratch(t);
  const old = new DatabaseSync(path);
  old.exec(`
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE endpoint (
      position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, endpoint TEXT NOT NULL, dns_names TEXT NOT NULL
    ) STRICT;
    CREATE TABLE connection (
      source INTEGER NOT NULL REFERENCES endpoint, destination INTEGER NOT NULL REFERENCES endpoint,
      protocol INTEGER NOT NULL, port INTEGER NOT NULL, directed INTEGER NOT NULL, evidence TEXT NOT NULL,
      PRIMARY KEY (source, destination, protocol, port, directed)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE node_flows (source TEXT NOT NULL, node TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (source, node))
      STRICT, WITHOUT ROWID;
    CREATE TABLE node_losses (source TEXT NOT NULL, node TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (source, node))
      STRICT, WITHOUT ROWID;
    CREATE TABLE source_position (source TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO setting VALUES ('binMs', '300000');
    INSERT INTO endpoint VALUES
      (1, 'workload:shop/Deployment/web', '{"kind":"workload","workload":"shop/Deployment/web"}', '[]'),
      (2, 'external:192.0.2.1', '{"kind":"external","address":"192.0.2.1"}', '["api.example"]');
    INSERT INTO connection VALUES
      (1, 2, 6, 443, 1, '[5,0,0,100,1767571200000,1767571500000,300000,[5891904],[1,0,0],[7],[],[0],"yes","unknown"]');
    INSERT INTO source_position VALUES ('flows.json', '42');
    INSERT INTO node_losses VALUES
      ('hubble', 'n1', '{"source":"hubble","node":"n1","lost":3,"uncounted":1,"unavailable":0,"sampling":50}');
    PRAGMA application_id = ${0x6e736567};
    PRAGMA user_version = 1;
  `);
  old.close();

  const store = new SqliteConnectionStore(path);
  const { evidence, positions, memory } = await store.load();
  const graph = newGraph();
  graph.restore(evidence, memory.recent);
  t.deepEqual(positions, new Map([['flows.json', '42']]));
  t.deepEqual(
    [...graph.connections()].map(({ id, evidence: { allowed, bins, sources } }) => [id, allowed, bins, sources]),
    [['workload:shop/Deployment/web>external:192.0.2.1:TCP/443', 5, [1_767_571_200_000], ['hubble']]],
  );
  t.deepEqual(graph.dnsNamesOf({ kind: 'external', address: '192.0.2.1' }), ['api.example']);
  const [losses] = graph.observation().losses;
  t.like(losses, { source: 'hubble', node: 'n1', sampling: 50, periods: [{ lost: 3, uncounted: 1, unavailable: 0 }] });
  const missingSinceMs = Date.now() - (losses?.periods[0]?.startMs ?? 0);
  t.true(missingSinceMs >= 0 && missingSinceMs < 2 * 3_600_000);

  graph.observe(sighting());
  const { delta, recent } = graph.takeChanges();
  await store.save(delta, new Map(), { ...memory, recent });
  await store.close();
  const version = new DatabaseSync(path);
  t.is(version.prepare('PRAGMA user_version').get()?.['user_version'], 3);
  version.close();
});

test('a file of a newer version is refused', async (t) => {
  const path = await inScratch(t);
  await saved(path);
  const newer = new DatabaseSync(path);
  newer.exec('PRAGMA user_version = 99');
  newer.close();
  refused(t, path, 'EvidenceNewer', /version 99/);
});

test('a damaged file is named and left as it is', async (t) => {
  const path = await inScratch(t);
  await saved(path);
  const whole = await readFile(path);
  const damages: Record<string, () => Promise<void>> = {
    'cut off': () => truncate(path, whole.length - 5000),
    'a page overwritten': async () => {
      await writeFile(path, Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(4096, 0xa5), whole.subarray(8192)]));
    },
    'no database at all': () => writeFile(path, 'evidence of something else\n'.repeat(100)),
  };
  for (const [title, damage] of Object.entries(damages)) {
    await writeFile(path, whole);
    await damage();
    const before = await readFile(path);
    refused(t, path, 'EvidenceUnreadable', /damaged/);
    t.deepEqual(await readFile(path), before, title);
  }
});

test('a text in the file that is no JSON any more is a damage that is named', async (t) => {
  const path = await inScratch(t);
  await saved(path);
  const database = new DatabaseSync(path);
  database.exec(`UPDATE connection SET evidence = '[1,2' WHERE port = 7`);
  database.close();
  const store = new SqliteConnectionStore(path);
  const { evidence } = await store.load();
  const error = t.throws(() => [...evidence], { instanceOf: ConnectionFileError });
  t.is(error?.problem.code, 'EvidenceUnreadable');
  await store.close();
});

test("another program's database is refused", async (t) => {
  const path = await inScratch(t);
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE notes (text TEXT)');
  other.close();
  refused(t, path, 'EvidenceUnreadable', /something else/);
});

test('a directory that is not there is named', async (t) => {
  refused(t, join(await inScratch(t), 'nowhere', 'evidence.db'), 'EvidenceUnreadable', /cannot be opened/);
});

test('an empty file, as a crash at the very beginning leaves it, is a new one', async (t) => {
  const path = await inScratch(t);
  await writeFile(path, '');
  const graph = await saved(path);
  const store = new SqliteConnectionStore(path);
  const again = newGraph();
  again.restore((await store.load()).evidence, []);
  t.deepEqual(again.snapshot(), graph.snapshot());
  await store.close();
});

test('only one process has the file open', async (t) => {
  const path = await inScratch(t);
  await saved(path);
  const store = new SqliteConnectionStore(path);
  refused(t, path, 'EvidenceInUse', /another process/);
  await store.close();
});
