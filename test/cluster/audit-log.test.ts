import { ConfigMapAuditLog } from '../../controller/adapters/audit/config-map-audit-log.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { auditLogContract, entriesOf, recordOf } from '../contract/audit-log.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';

type ConfigMap = KubernetesObject & { readonly data: Readonly<Record<string, string>> };

const api = kubeApiOfFile();
let namespaces = 0;

async function openLog({ store = api().asAdmin, fullAt = 131_072 }: { store?: ObjectStore; fullAt?: number } = {}) {
  const namespace = `audit-${++namespaces}`;
  await api().createNamespace(namespace);
  const options = { namespace, clock: systemClock, random: Math.random, fullAt };
  const reopen = () => new ConfigMapAuditLog({ ...options, store: api().asAdmin });
  return { namespace, log: new ConfigMapAuditLog({ ...options, store }), reopen };
}

const part = (namespace: string, name: string) => ({ kind: 'ConfigMap', namespace, name });

auditLogContract(clusterTest, 'ConfigMaps', async () => {
  const { namespace, log, reopen } = await openLog();
  const tamper = async (change: (lines: readonly string[]) => readonly string[]) => {
    const stored = await api().asAdmin.get<ConfigMap>(part(namespace, 'nanoseg-audit-0'));
    if (stored === undefined) throw new Error('there is no log');
    const lines = stored.data['entries.jsonl']?.split('\n').slice(0, -1) ?? [];
    const text = change(lines)
      .map((line) => `${line}\n`)
      .join('');
    await api().asAdmin.update<ConfigMap>({ ...stored, data: { 'entries.jsonl': text } });
  };
  return { log, reopen, tamper };
});

clusterTest('the log goes on in another ConfigMap when one is full, and no ConfigMap can be taken out', async (t) => {
  const { namespace, log, reopen } = await openLog({ fullAt: 1_500 });
  const other = new ConfigMapAuditLog({
    store: api().asAdmin,
    namespace,
    clock: systemClock,
    random: Math.random,
    fullAt: 1_500,
  });
  await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? log : other).append(recordOf(i))));
  await log.append(recordOf(40));
  t.like(await reopen().verify(), { intact: true, entries: 41 });
  const parts = (await api().asAdmin.list<ConfigMap>('ConfigMap', namespace)).filter(({ metadata }) =>
    /^nanoseg-audit-\d+$/.test(metadata.name),
  );
  t.true(parts.length > 3);
  for (const { data } of parts) t.true((data['entries.jsonl'] ?? '').length < 3_600);
  for (const name of ['nanoseg-audit-1', `nanoseg-audit-${parts.length - 1}`, 'nanoseg-audit-head']) {
    const taken = await api().asAdmin.get<ConfigMap>(part(namespace, name));
    await api().asAdmin.remove(part(namespace, name));
    t.like(await reopen().verify(), { intact: false }, name);
    await t.throwsAsync(entriesOf(reopen()), { name: 'AuditDamaged' }, name);
    const { metadata, ...rest } = taken as ConfigMap;
    await api().asAdmin.create({ ...rest, metadata: { name, namespace, labels: metadata.labels ?? {} } });
  }
  t.like(await reopen().verify(), { intact: true, entries: 41 });
});

clusterTest(
  'replies that are lost, before or after the server did its work, cost no entry and double none',
  async (t) => {
    const real = api().asAdmin;
    // an entry is given up after many tries: between so many losses, and the next ones, enough comes through for all
    const [lostAtOnce, wellAfter] = [6, 60];
    let lost = 0;
    let well = 0;
    const loses = (when: number): boolean => {
      if (well > 0) {
        well--;
        return false;
      }
      if (when >= 0.3) return false;
      if (++lost % lostAtOnce === 0) well = wellAfter;
      return true;
    };
    const lossy = <Arguments extends unknown[], Result>(call: (...given: Arguments) => Promise<Result>) => {
      return async (...given: Arguments): Promise<Result> => {
        const when = Math.random();
        const isLost = loses(when);
        if (isLost && when < 0.15) throw new ClusterError('Unavailable', 'the request was lost');
        const result = await call(...given);
        if (isLost) throw new ClusterError('Unavailable', 'the reply was lost');
        return result;
      };
    };
    const store: ObjectStore = {
      name: real.name,
      get: lossy(real.get.bind(real)) as ObjectStore['get'],
      list: lossy(real.list.bind(real)) as ObjectStore['list'],
      create: lossy(real.create.bind(real)) as ObjectStore['create'],
      update: lossy(real.update.bind(real)) as ObjectStore['update'],
      updateStatus: lossy(real.updateStatus.bind(real)) as ObjectStore['updateStatus'],
      annotate: lossy(real.annotate.bind(real)),
      applyPolicy: lossy(real.applyPolicy.bind(real)),
      remove: lossy(real.remove.bind(real)),
    };
    const { namespace, log, reopen } = await openLog({ store, fullAt: 4_000 });
    const quick = { now: () => Date.now(), sleep: async () => undefined };
    const second = new ConfigMapAuditLog({ store, namespace, clock: quick, random: Math.random, fullAt: 4_000 });
    for (let i = 0; i < 40; i += 4) {
      const records = [i, i + 1, i + 2, i + 3].map(recordOf);
      await Promise.all(records.map((record, j) => (j % 2 === 0 ? log : second).append(record)));
    }
    const times = (await entriesOf(reopen())).map(({ timeMs }) => timeMs - Date.UTC(2026, 0, 31)).sort((a, b) => a - b);
    t.deepEqual(
      times,
      Array.from({ length: 40 }, (_, i) => i),
    );
    t.like(await reopen().verify(), { intact: true, entries: 40 });
    t.true(lost >= lostAtOnce, `${lost} were lost`);
  },
);

clusterTest(
  'what a controller recorded right before it was killed is not recorded again by the next one',
  async (t) => {
    const { log, reopen } = await openLog({ fullAt: 1_000 });
    for (let i = 0; i < 9; i++) {
      await log.append(recordOf(i));
      const next = reopen();
      await next.append(recordOf(i));
      if (i > 0) await next.append(recordOf(i - 1));
    }
    t.like(await reopen().verify(), { intact: true, entries: 9 });
  },
);

clusterTest('more at once than a ConfigMap holds is written all the same', async (t) => {
  const { log, reopen } = await openLog();
  const message = 'ü'.repeat(1_000);
  await Promise.all(Array.from({ length: 500 }, (_, i) => log.append({ ...recordOf(i), message })));
  t.like(await reopen().verify(), { intact: true, entries: 500 });
});

clusterTest('who may not write any more does not try again, and goes on with nothing', async (t) => {
  const { namespace, log, reopen } = await openLog();
  await log.append(recordOf(0));
  let allowed = 3;
  const assertMayWrite = () => {
    if (allowed-- <= 0) throw new ClusterError('Unavailable', 'the lease is lost');
  };
  const options = { namespace, clock: systemClock, random: Math.random, store: api().asAdmin, assertMayWrite };
  const losing = new ConfigMapAuditLog(options);
  await losing.append(recordOf(1));
  // asked for once before each attempt, and before each of its two writes
  await t.throwsAsync(losing.append(recordOf(2)), { message: 'the lease is lost' });
  allowed = 2;
  await t.throwsAsync(losing.append(recordOf(3)), { message: 'the lease is lost' });
  const times = (await entriesOf(reopen())).map(({ timeMs }) => timeMs);
  t.deepEqual(
    times,
    [0, 1, 3].map((i) => recordOf(i).timeMs),
  );
  t.like(await reopen().verify(), { intact: true, entries: 3 });
});
