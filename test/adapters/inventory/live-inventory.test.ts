import test from 'ava';
import fc from 'fast-check';
import { clusterFromObjects } from '../../../controller/adapters/inventory/cluster-from-objects.ts';
import { LiveInventory } from '../../../controller/adapters/inventory/live-inventory.ts';
import { FlowAttributor } from '../../../controller/attribution/attribute-flow.ts';
import type { Cluster } from '../../../controller/model/cluster.ts';
import { formatCidr, parseCidr } from '../../../controller/model/cidr.ts';
import type { KubernetesObject } from '../../../controller/model/kubernetes-object.ts';
import { problem } from '../../../controller/model/problem.ts';
import type { Clock, ViewChange } from '../../../controller/ports.ts';
import { kubernetesObjects } from '../../support/worlds/kubernetes-objects.ts';
import { worldArbitrary } from '../../support/worlds/world.ts';
import { at, deploymentManifest, podManifest } from './_cluster-of.ts';
import { flow } from '../../support/flows.ts';

interface Live {
  readonly inventory: LiveInventory;
  readonly changes: ViewChange[];
  /** Seconds of the test minute. */
  second: number;
}

function live(...objects: readonly KubernetesObject[]): Live {
  const changes: ViewChange[] = [];
  const clock: Clock = { now: () => at(made.second), sleep: () => Promise.resolve() };
  const inventory = new LiveInventory({ ownNamespace: 'nanoseg-system', clock });
  const made: Live = { inventory, changes, second: 40 };
  for (const object of objects) inventory.sink.upsert(object);
  inventory.subscribe((change) => changes.push(change));
  return made;
}

function object(manifest: string, metadata: object = {}): KubernetesObject {
  const parsed = JSON.parse(manifest) as KubernetesObject;
  return { ...parsed, metadata: { ...parsed.metadata, ...metadata } };
}

const web = object(deploymentManifest('web'));
const webPod = (facts: Partial<Parameters<typeof podManifest>[0]> = {}, metadata: object = {}) =>
  object(
    podManifest({
      name: 'web-7c9-x',
      owner: 'ReplicaSet/web-7c9',
      labels: { app: 'web', 'pod-template-hash': '7c9' },
      uid: 'one',
      start: 1,
      ips: ['10.0.0.1'],
      ...facts,
    }),
    metadata,
  );

const ref = (kind: string, name: string, namespace = 'shop') => ({ kind, namespace, name });

function profile(namespace: string, spec: object, annotations: Record<string, string> = {}): KubernetesObject {
  return {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { name: 'default', namespace, annotations },
    spec,
  } as KubernetesObject;
}

function policy(name: string, metadata: object = {}): KubernetesObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'shop', ...metadata },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  } as KubernetesObject;
}

function located(body: KubernetesObject) {
  const { apiVersion, kind, metadata } = body;
  const fields = body as unknown as Readonly<Record<string, unknown>>;
  return { apiVersion, kind, namespace: metadata.namespace ?? '', name: metadata.name, body: fields, where: '' };
}

/** Where an object was read says nothing about the cluster. */
function withoutOrigins(cluster: Cluster): Cluster {
  return {
    ...cluster,
    workloads: new Map([...cluster.workloads].map(([key, workload]) => [key, { ...workload, origin: '' }])),
  };
}

test('however its objects came and went, the cluster is the one of the objects that are there', (t) => {
  fc.assert(
    fc.property(worldArbitrary, fc.infiniteStream(fc.nat()), ({ deployed }, picks) => {
      const objects = kubernetesObjects(deployed) as unknown as KubernetesObject[];
      const pick = () => picks.next().value as number;
      const { inventory } = live();
      const gone = objects.filter(() => pick() % 4 === 0);
      const shuffled = objects.map((one) => [pick(), one] as const).sort(([a], [b]) => a - b);
      for (const [, one] of shuffled) {
        inventory.sink.upsert(one);
        if (pick() % 7 === 0) inventory.cluster();
      }
      for (const { kind, metadata } of gone) {
        inventory.sink.remove({ kind, namespace: metadata.namespace ?? '', name: metadata.name });
        if (pick() % 3 === 0) inventory.cluster();
      }
      const stays = objects.filter((one) => !gone.includes(one));
      const expected = clusterFromObjects(stays.map(located)).cluster;
      const { pods, ...rest } = withoutOrigins(inventory.cluster());
      const { pods: expectedPods, ...expectedRest } = withoutOrigins(expected);
      t.deepEqual(rest, expectedRest);
      const names = new Set(expectedPods.map(({ namespace, name, virtual }) => `${namespace}/${name} ${virtual}`));
      t.deepEqual(
        pods.filter(({ namespace, name, virtual }) => names.has(`${namespace}/${name} ${virtual}`)),
        expectedPods,
      );
      const ended = pods.filter(({ namespace, name, virtual }) => !names.has(`${namespace}/${name} ${virtual}`));
      t.true(ended.every(({ phase, endMs }) => endMs !== undefined && phase !== 'Running'));
      t.is(ended.length, gone.filter(({ kind }) => kind === 'Pod').length);

      for (const kind of new Set(objects.map((one) => one.kind))) {
        inventory.sink.replace(
          kind,
          objects.filter((one) => one.kind === kind),
        );
      }
      const whole = clusterFromObjects(objects.map(located)).cluster;
      t.deepEqual(withoutOrigins(inventory.cluster()).workloads, withoutOrigins(whole).workloads);
    }),
    { numRuns: 40 },
  );
});

test('what changes nothing that is read makes no new cluster, and nobody is called', (t) => {
  const served = { ...web, status: {} } as KubernetesObject;
  const { inventory, changes } = live(served, webPod());
  const before = inventory.cluster();
  inventory.sink.upsert(webPod({}, { resourceVersion: '8', annotations: { 'example.org/heartbeat': '9' } }));
  inventory.sink.replace('Pod', [webPod({}, { resourceVersion: '9' })]);
  inventory.sink.upsert({ ...served, status: { observedGeneration: 2 } } as KubernetesObject);
  t.is(inventory.cluster(), before);
  t.deepEqual(changes, []);

  inventory.sink.upsert(webPod({ ips: ['10.0.0.2'] }));
  t.not(inventory.cluster(), before);
  t.deepEqual(changes, [{ kind: 'cluster' }]);
});

test("nanoseg's own resources never make a new cluster", (t) => {
  const { inventory, changes } = live(web);
  const before = inventory.cluster();
  inventory.sink.upsert(profile('shop', { mode: 'observe' }));
  const approval = {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyApproval',
    metadata: { name: 'a', namespace: 'shop' },
    spec: { proposal: 'deployment-web', digest: `sha256:${'0'.repeat(64)}`, decision: 'Approve' },
  } as KubernetesObject;
  inventory.sink.upsert(approval);
  t.deepEqual(
    inventory.approvals().map(({ metadata }) => metadata.name),
    ['a'],
  );
  t.is(inventory.approvals(), inventory.approvals());
  inventory.sink.remove(ref('PolicyApproval', 'a'));
  t.deepEqual(inventory.approvals(), []);
  t.is(inventory.cluster(), before);
  t.deepEqual(changes, [
    { kind: 'profile' },
    { kind: 'approval', namespace: 'shop', name: 'a' },
    { kind: 'approval', namespace: 'shop', name: 'a' },
  ]);
});

test('a resource of ours that is broken is a problem and not among the others', (t) => {
  const { inventory } = live({
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyProposal',
    metadata: { name: 'deployment-web', namespace: 'shop' },
  });
  t.deepEqual(inventory.proposals(), []);
  t.true(inventory.problems().some(({ where }) => where === 'shop/PolicyProposal/deployment-web'));
});

const flowFrom = (client: string, second: number) =>
  flow({ timeMs: at(second), client, server: '192.0.2.1', port: 443, source: 'hubble' });

const whoHad = (cluster: Cluster, ip: string, second: number) =>
  new FlowAttributor(cluster).attribute(flowFrom(ip, second)).client.endpoint;

test('a pod that is gone is still who had the address, until then and for an hour', (t) => {
  const made = live(web, webPod());
  const { inventory } = made;
  inventory.sink.remove(ref('Pod', 'web-7c9-x'));
  made.second = 41;
  inventory.sink.upsert(webPod({ name: 'web-7c9-y', uid: 'two', start: 41 }));
  t.deepEqual(whoHad(inventory.cluster(), '10.0.0.1', 39), { kind: 'workload', workload: 'shop/Deployment/web' });
  t.is(whoHad(inventory.cluster(), '10.0.0.1', 40).kind, 'unknown');
  const gone = inventory.cluster().pods.find(({ name }) => name === 'web-7c9-x');
  t.deepEqual([gone?.endMs, gone?.phase, gone?.ready], [at(40), 'Succeeded', false]);

  made.second = 3641;
  inventory.sink.upsert(webPod({ name: 'web-7c9-y', uid: 'two', start: 41, ips: ['10.0.0.9'] }));
  t.false(inventory.cluster().pods.some(({ name }) => name === 'web-7c9-x'));
});

test('a pod that is gone keeps its workload when its owners go too', (t) => {
  const job = object(podManifest({ name: 'report-1-a', owner: 'Job/report-1', uid: 'j', start: 1, ips: ['10.0.0.7'] }));
  const owner = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: 'report-1',
      namespace: 'shop',
      ownerReferences: [{ kind: 'CronJob', name: 'report', controller: true }],
    },
    spec: { template: { spec: { containers: [{ name: 'c' }] } } },
  } as KubernetesObject;
  const { inventory } = live(owner, job);
  inventory.cluster();
  inventory.sink.remove(ref('Job', 'report-1'));
  inventory.sink.remove(ref('Pod', 'report-1-a'));
  t.deepEqual(whoHad(inventory.cluster(), '10.0.0.7', 5), { kind: 'workload', workload: 'shop/CronJob/report' });
  t.deepEqual([...inventory.cluster().workloads.keys()], []);
});

test('a workload whose pods are all gone has its virtual pod again', (t) => {
  const { inventory } = live(web, webPod());
  t.deepEqual(
    inventory.cluster().pods.map(({ virtual }) => virtual),
    [false],
  );
  inventory.sink.replace('Pod', []);
  t.deepEqual(
    inventory.cluster().pods.map(({ name, virtual, endMs }) => [name, virtual, endMs]),
    [
      ['web', true, undefined],
      ['web-7c9-x', false, at(40)],
    ],
  );
});

test('a new pod with the name of an old one is another tenure', (t) => {
  const pod = { name: 'db-0', owner: 'StatefulSet/db', ips: ['10.0.0.5'] };
  const { inventory } = live(object(podManifest({ ...pod, uid: 'one', start: 1 })));
  inventory.sink.upsert(
    object(podManifest({ ...pod, uid: 'two', start: 31, ips: ['10.0.0.6'] }), {
      creationTimestamp: new Date(at(30)).toISOString(),
    }),
  );
  t.deepEqual(
    inventory.cluster().pods.map(({ ips, startMs, endMs }) => [ips[0], startMs, endMs]),
    [
      ['10.0.0.5', at(1), at(30)],
      ['10.0.0.6', at(31), undefined],
    ],
  );
});

test('pods of one name in dumps of several times stay, each for its time', (t) => {
  const pod = { name: 'db-0', owner: 'StatefulSet/db' };
  const one = object(podManifest({ ...pod, uid: 'one', start: 1, ips: ['10.0.0.5'] }));
  const two = object(podManifest({ ...pod, uid: 'two', start: 31, ips: ['10.0.0.6'] }));
  const { inventory } = live();
  for (const list of [
    [two, one],
    [one, two],
  ]) {
    inventory.sink.replace('Pod', list);
    t.deepEqual(
      inventory.cluster().pods.map(({ ips, endMs }) => [ips[0], endMs]),
      [
        ['10.0.0.5', at(31)],
        ['10.0.0.6', undefined],
      ],
    );
  }
  inventory.sink.remove(ref('Pod', 'db-0'));
  t.true(inventory.cluster().pods.every(({ endMs }) => endMs !== undefined));
});

test('an edit that leaves the version as it was is a change all the same', (t) => {
  const { inventory } = live(webPod({}, { resourceVersion: '7' }));
  inventory.sink.upsert(webPod({ ips: ['10.0.0.8'] }, { resourceVersion: '7' }));
  t.deepEqual(inventory.cluster().pods[0]?.ips, ['10.0.0.8']);
});

test('a pod that was to be deleted before the deletion was seen ended then', (t) => {
  const { inventory } = live(web, webPod({ terminating: true }));
  inventory.sink.remove(ref('Pod', 'web-7c9-x'));
  t.is(inventory.cluster().pods.find(({ virtual }) => !virtual)?.endMs, at(30));
});

test('a pod says whether it is ready', (t) => {
  const { inventory } = live(web);
  const ready = (status: string | undefined) => {
    const conditions = status === undefined ? [] : [{ type: 'Ready', status }];
    const pod = webPod() as unknown as { readonly status: object };
    inventory.sink.upsert({ ...pod, status: { ...pod.status, conditions } } as unknown as KubernetesObject);
    return inventory.cluster().pods[0]?.ready;
  };
  t.deepEqual(['True', 'False', 'Unknown', undefined].map(ready), [true, false, undefined, undefined]);
});

test('the profile of a namespace takes from the cluster what it does not say', (t) => {
  const { inventory } = live();
  t.deepEqual([inventory.profileOf('shop').origin, inventory.profileOf('shop').profile.mode], ['built-in', 'propose']);
  inventory.sink.upsert(profile('nanoseg-system', { mode: 'enforce', scanTargets: 3 }));
  t.is(inventory.profileOf('shop').origin, 'nanoseg-system/default');
  inventory.sink.upsert(profile('shop', { mode: 'observe' }));
  const { origin, profile: inForce, problem: wrong } = inventory.profileOf('shop');
  t.deepEqual([origin, inForce.mode, inForce.scanTargets, wrong], ['shop/default', 'observe', 3, undefined]);
  t.is(inventory.profileOf('shop'), inventory.profileOf('shop'));
  inventory.sink.remove(ref('SegmentationProfile', 'default'));
  t.is(inventory.profileOf('shop').profile.mode, 'enforce');
});

test('a broken profile means that its namespace is only observed, and that of the cluster that all of it is', (t) => {
  const { inventory } = live(
    profile('nanoseg-system', { mode: 'enforce' }),
    profile('shop', { mode: 'whatever' }),
    profile('bank', { mode: 'enforce' }),
  );
  const modes = () =>
    ['shop', 'bank', 'nanoseg-system'].map((namespace) => inventory.profileOf(namespace).profile.mode);
  t.deepEqual(modes(), ['observe', 'enforce', 'enforce']);
  t.is(inventory.profileOf('shop').problem?.code, 'ProfileInvalid');
  inventory.sink.upsert(profile('nanoseg-system', { mode: 'whatever' }));
  t.deepEqual(modes(), ['observe', 'observe', 'observe']);
  t.is(inventory.profileOf('bank').problem?.code, 'ProfileInvalid');
  t.true(inventory.problems().length >= 2);
});

test('where profiles cannot be read, everything is only observed, and stopped', (t) => {
  const { inventory, changes } = live(profile('shop', { mode: 'enforce' }));
  inventory.sink.unreadable('SegmentationProfile', problem('InputNotFound', 'may not list them'));
  t.is(inventory.profileOf('shop').profile.mode, 'observe');
  t.regex(inventory.stopped() ?? '', /may not list them/);
  t.deepEqual(changes, [{ kind: 'profile' }]);
  inventory.sink.replace('SegmentationProfile', [profile('shop', { mode: 'enforce' })]);
  t.is(inventory.profileOf('shop').profile.mode, 'enforce');
  t.is(inventory.stopped(), undefined);
});

test('one annotation stops a namespace, or the whole cluster', (t) => {
  const stop = (reason: string) => ({ annotations: { 'nanoseg.io/stop': reason } });
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
  const { inventory, changes } = live(namespace);
  const cluster = inventory.cluster();
  t.is(inventory.stopped('shop'), undefined);
  inventory.sink.upsert({ ...namespace, metadata: { ...namespace.metadata, ...stop('incident 7') } });
  t.deepEqual(
    [inventory.stopped('shop'), inventory.stopped('bank'), inventory.stopped()],
    ['incident 7', undefined, undefined],
  );
  t.is(inventory.cluster(), cluster);
  inventory.sink.upsert(profile('nanoseg-system', {}, { 'nanoseg.io/stop': '' }));
  t.deepEqual([inventory.stopped(), inventory.stopped('bank')], ['no reason given', 'no reason given']);
  t.deepEqual(changes, [{ kind: 'profile' }, { kind: 'profile' }]);
  inventory.sink.upsert(profile('nanoseg-system', {}));
  inventory.sink.remove({ kind: 'Namespace', namespace: '', name: 'shop' });
  t.is(inventory.stopped('shop'), undefined);
});

test('where namespaces cannot be read, none of them may be written to', (t) => {
  const { inventory } = live();
  inventory.sink.unreadable('Namespace', problem('InputNotFound', 'may not list them'));
  t.regex(inventory.stopped('shop') ?? '', /may not list them/);
  t.is(inventory.stopped(), undefined);
});

test('policies are told as they are stored, and are in the cluster', (t) => {
  const { inventory, changes } = live();
  const stored = policy('nanoseg-web', { resourceVersion: '1', annotations: { 'nanoseg.io/digest': 'x' } });
  inventory.sink.upsert(stored);
  t.deepEqual(inventory.networkPolicies() as unknown, [stored]);
  t.deepEqual(
    inventory.cluster().policies.map(({ metadata }) => metadata.name),
    ['nanoseg-web'],
  );
  t.deepEqual(changes, [{ kind: 'cluster' }, { kind: 'policy', namespace: 'shop', name: 'nanoseg-web' }]);
  const cluster = inventory.cluster();
  const next = policy('nanoseg-web', { resourceVersion: '2', annotations: { 'nanoseg.io/digest': 'x' } });
  inventory.sink.upsert(next);
  t.is(inventory.cluster(), cluster);
  t.deepEqual(inventory.networkPolicies() as unknown, [next]);
  inventory.sink.remove(ref('NetworkPolicy', 'nanoseg-web'));
  t.deepEqual([inventory.networkPolicies(), inventory.cluster().policies], [[], []]);
});

test('where a policy changes, all else of the cluster is the very same value', (t) => {
  const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as KubernetesObject;
  const { inventory } = live(shop, web, policy('first'));
  const before = inventory.cluster();
  inventory.sink.upsert(policy('second'));
  inventory.sink.remove(ref('NetworkPolicy', 'first'));
  const after = inventory.cluster();
  t.not(after, before);
  const { policies, ...rest } = after;
  const { policies: _, ...former } = before;
  t.deepEqual(
    policies.map(({ metadata }) => metadata.name),
    ['second'],
  );
  for (const [part, value] of Object.entries(rest)) t.is(value, former[part as keyof typeof former], part);
});

test("ranges of the cluster's profile are in the cluster", (t) => {
  const { inventory } = live(web);
  const before = inventory.cluster();
  inventory.sink.upsert(profile('nanoseg-system', { clusterCidrs: { pods: ['10.9.0.0/16'] } }));
  const [from] = inventory.cluster().cidrs.pods.v4[0] ?? [];
  t.is(from, parseCidr('10.9.0.0/16')?.value, formatCidr({ family: 4, value: from ?? 0n, prefix: 16 }));
  t.not(inventory.cluster(), before);
  const after = inventory.cluster();
  inventory.sink.upsert(profile('nanoseg-system', { clusterCidrs: { pods: ['10.9.0.0/16'] }, mode: 'observe' }));
  t.is(inventory.cluster(), after);
  inventory.sink.upsert(profile('nanoseg-system', { clusterCidrs: { pods: 7 } }));
  t.is(inventory.cluster(), after, 'a profile that breaks does not make outside addresses of those of the cluster');
});

test('synced resolves when the feed says so, and a subscription ends', async (t) => {
  const { inventory } = live();
  const seen: ViewChange[] = [];
  const end = inventory.subscribe((change) => seen.push(change));
  end();
  inventory.sink.upsert(web);
  inventory.sink.synced();
  await inventory.synced;
  t.deepEqual(seen, []);
});
