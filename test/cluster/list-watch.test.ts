import type { ExecutionContext } from 'ava';
import {
  createKubernetesFeed,
  type KubernetesFeedOptions,
  watchedKinds,
} from '../../controller/adapters/kubernetes/object-feed.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { ClusterError } from '../../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { ObjectSink } from '../../controller/ports.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import type { KubeUser } from '../support/kube-api.ts';
import { eventually, RecordingSink } from '../support/recording-sink.ts';

const api = kubeApiOfFile();
const quick = {
  backoff: { firstMs: 50, mostMs: 200 },
  unreadableBackoff: { firstMs: 50, mostMs: 200 },
};

interface Following {
  readonly sink: RecordingSink;
  readonly failures: ClusterError[];
  stop(): Promise<void>;
}

function follow(
  t: ExecutionContext,
  options: Partial<KubernetesFeedOptions>,
  user: KubeUser = 'admin',
  sink: RecordingSink = new RecordingSink(),
): Following {
  const failures: ClusterError[] = [];
  const end = new AbortController();
  const feed = createKubernetesFeed(api().clientOf(user), {
    clock: systemClock,
    random: Math.random,
    onFailure: (_kind, error) => failures.push(error),
    ...options,
    timings: { ...quick, ...options.timings },
  });
  const running = feed.run(sink, end.signal);
  const stop = async () => {
    end.abort();
    await running;
  };
  t.teardown(stop);
  return { sink, failures, stop };
}

async function createMaps(names: readonly string[], namespace = 'default'): Promise<void> {
  for (const name of names) {
    await api().asAdmin.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } });
  }
}

const removeMap = (name: string) => api().asAdmin.remove({ kind: 'ConfigMap', namespace: 'default', name });

clusterTest('all kinds are told once, and what this server does not have is named', async (t) => {
  const { sink } = follow(t, {});
  await eventually(() => sink.isSynced, 'synced');
  t.deepEqual([...sink.problems.keys()].sort(), ['PolicyApproval', 'PolicyProposal', 'SegmentationProfile']);
  t.like(sink.problems.get('PolicyProposal'), { code: 'NotInstalled', message: 'the server has no policyproposals' });
  t.deepEqual([...sink.objects.keys(), ...sink.problems.keys()].sort(), [...watchedKinds].sort());
  t.deepEqual(sink.names('EndpointSlice'), ['default/kubernetes']);
  t.is(sink.calls.filter((call) => call === 'synced').length, 1);
});

clusterTest('changes are told as they happen', async (t) => {
  const { sink } = follow(t, { kinds: ['ConfigMap'] });
  await eventually(() => sink.isSynced, 'synced');
  await createMaps(['told']);
  await eventually(() => sink.names('ConfigMap').includes('default/told'), 'created');
  await api().asAdmin.annotate({ kind: 'ConfigMap', namespace: 'default', name: 'told' }, { seen: 'yes' });
  const told = () => sink.objects.get('ConfigMap')?.get('default/told');
  await eventually(() => told()?.metadata.annotations?.['seen'] === 'yes', 'changed');
  t.false('managedFields' in (told()?.metadata ?? {}));
  await removeMap('told');
  await eventually(() => told() === undefined, 'removed');
});

clusterTest('a kind with more objects than a page is told whole, and pruned page by page', async (t) => {
  const body = (name: string) => ({ metadata: { name, namespace: 'default' } });
  const path = '/api/v1/namespaces/default/serviceaccounts';
  const names = Array.from({ length: 1203 }, (_, i) => `account-${i}`);
  for (let i = 0; i < names.length; i += 100) {
    await Promise.all(names.slice(i, i + 100).map((name) => api().request('admin', 'POST', path, body(name))));
  }
  const kept: string[] = [];
  const keep = (object: KubernetesObject) => {
    kept.push(object.metadata.name);
    return { apiVersion: object.apiVersion, kind: object.kind, metadata: { name: object.metadata.name } };
  };
  const { sink } = follow(t, { kinds: ['ServiceAccount'], keep });
  await eventually(() => sink.isSynced, 'synced');
  t.is(sink.names('ServiceAccount').length, 1203);
  t.deepEqual(sink.calls, ['replace ServiceAccount', 'synced']);
  t.is(kept.length, 1203);
  t.deepEqual(sink.objects.get('ServiceAccount')?.get('/account-7')?.metadata, { name: 'account-7' });
});

clusterTest('pages that expire halfway are read anew and told once', async (t) => {
  let compaction: Promise<void> | undefined;
  let read = 0;
  const keep = (object: KubernetesObject) => {
    if (++read === 100) compaction = api().expirePages();
    return object;
  };
  const client = api().clientOf('admin');
  const waiting = {
    ...client,
    server: client.server,
    stream: client.stream.bind(client),
    request: async (request: Parameters<typeof client.request>[0]) => {
      await compaction;
      return client.request(request);
    },
  } as typeof client;
  const sink = new RecordingSink();
  const end = new AbortController();
  const feed = createKubernetesFeed(waiting, {
    clock: systemClock,
    random: Math.random,
    kinds: ['ServiceAccount'],
    keep,
    timings: { pageSize: 100 },
  });
  const running = feed.run(sink, end.signal);
  await eventually(() => sink.isSynced, 'synced');
  end.abort();
  await running;
  t.is(sink.names('ServiceAccount').length, 1203);
  t.deepEqual(sink.calls, ['replace ServiceAccount', 'synced']);
  t.is(read, 100 + 1203, 'the first page was read twice');
});

clusterTest('a watch that the server ends goes on where it was, without a new list', async (t) => {
  const { sink, failures } = follow(t, { kinds: ['ConfigMap'], timings: { watchMs: 1000 }, random: () => 0 });
  await eventually(() => sink.isSynced, 'synced');
  for (const name of ['during-1', 'during-2', 'during-3', 'during-4', 'during-5', 'during-6']) {
    await createMaps([name]);
    await eventually(() => sink.names('ConfigMap').includes(`default/${name}`), name);
    await systemClock.sleep(400, AbortSignal.timeout(60_000));
  }
  t.is(sink.calls.filter((call) => call === 'replace ConfigMap').length, 1);
  t.is(sink.calls.filter((call) => call.startsWith('upsert ConfigMap during')).length, 6);
  t.deepEqual(failures, []);
});

clusterTest('everything is listed anew after the time of a resync', async (t) => {
  const { sink } = follow(t, { kinds: ['ConfigMap'], timings: { resyncMs: 1000 } });
  await eventually(() => sink.calls.filter((call) => call === 'replace ConfigMap').length >= 3, 'two resyncs');
  t.is(sink.calls.filter((call) => call === 'synced').length, 1);
});

clusterTest('a server that is stopped and started loses no change', async (t) => {
  const { sink, failures } = follow(t, { kinds: ['ConfigMap', 'Namespace'] });
  await eventually(() => sink.isSynced, 'synced');
  await api().stopServer();
  await eventually(() => failures.length >= 2, 'noticed');
  await api().startServer();
  await removeMap('during-1');
  await createMaps(['after-restart']);
  await eventually(() => sink.names('ConfigMap').includes('default/after-restart'), 'created');
  await eventually(() => !sink.names('ConfigMap').includes('default/during-1'), 'removed');
  t.true(failures.every(({ code }) => code === 'Unavailable' || code === 'Expired'));
});

clusterTest('a position that the server forgot (410) means a new list', async (t) => {
  const { sink, failures } = follow(t, { kinds: ['ConfigMap'] });
  await eventually(() => sink.isSynced, 'synced');
  await api().compact();
  await createMaps(['after-compaction']);
  await eventually(() => sink.names('ConfigMap').includes('default/after-compaction'), 'created');
  t.true(failures.some(({ code, status }) => code === 'Expired' && status === 410));
  t.is(sink.calls.filter((call) => call === 'replace ConfigMap').length, 2);
});

clusterTest('a connection that went silent is given up', async (t) => {
  const { sink, failures } = follow(t, { kinds: ['ConfigMap'], timings: { watchMs: 1000, graceMs: 500 } });
  await eventually(() => sink.isSynced, 'synced');
  api().pauseServer();
  t.teardown(() => api().resumeServer());
  await eventually(() => failures.length > 0, 'noticed');
  t.regex(failures[0]?.message ?? '', /the watch did not end in time/);
  api().resumeServer();
  await createMaps(['after-silence']);
  await eventually(() => sink.names('ConfigMap').includes('default/after-silence'), 'created');
});

clusterTest('a kind without rights degrades by name and comes back when they are granted', async (t) => {
  await api().grant('controller', [{ apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] }]);
  const { sink } = follow(t, { kinds: ['Namespace', 'ConfigMap'] }, 'controller');
  await eventually(() => sink.isSynced, 'synced');
  t.true(sink.names('Namespace').includes('/default'));
  t.like(sink.problems.get('ConfigMap'), {
    code: 'NotPermitted',
    message: 'you may not list configmaps in the whole cluster (you are controller)',
  });
  await api().grant('controller', [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch'] }]);
  await eventually(() => sink.names('ConfigMap').includes('default/during-2'), 'readable');
  t.false(sink.problems.has('ConfigMap'));
});

clusterTest('an error of the one who is told ends the feed', async (t) => {
  class Broken extends RecordingSink {
    override replace(): void {
      throw new RangeError('broken');
    }
  }
  const sink: ObjectSink = new Broken();
  const feed = createKubernetesFeed(api().clientOf('admin'), { clock: systemClock, random: Math.random });
  await t.throwsAsync(feed.run(sink, new AbortController().signal), { instanceOf: RangeError });
});
