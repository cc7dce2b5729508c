import test from 'ava';
import type { WorkloadKey } from '../../../controller/model/workload.ts';
import { at, clusterOf, deploymentManifest, podManifest, readingOf } from './_cluster-of.ts';

const key = (text: string) => text as WorkloadKey;

test('an object without a namespace is in default', (t) => {
  const cluster = clusterOf('apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c}]}');
  t.deepEqual([...cluster.workloads.keys()], [key('default/Pod/web')]);
  t.deepEqual(cluster.namespaces.get('default')?.labels, { 'kubernetes.io/metadata.name': 'default' });
});

test('a namespace manifest gets the label that the API server writes, and keeps its own', (t) => {
  const cluster = clusterOf('apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}');
  t.deepEqual(cluster.namespaces.get('shop')?.labels, { team: 'a', 'kubernetes.io/metadata.name': 'shop' });
});

test('a namespace that a server wrote without its name label stays without it, and so do those merely mentioned', (t) => {
  const cluster = clusterOf(
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, uid: abc, creationTimestamp: "2026-01-01T00:00:00Z"}',
    deploymentManifest('web', { namespace: 'other' }),
  );
  t.deepEqual(cluster.namespaces.get('shop')?.labels, {});
  t.deepEqual(cluster.namespaces.get('other')?.labels, {});
});

test('a workload without pods has exactly one virtual pod with its labels and ports and no address', (t) => {
  const cluster = clusterOf(deploymentManifest('web', { ports: [{ name: 'http', containerPort: 8080 }] }));
  t.is(cluster.pods.length, 1);
  const [pod] = cluster.pods;
  t.true(pod?.virtual);
  t.deepEqual(pod?.labels, { app: 'web' });
  t.deepEqual(pod?.ips, []);
  t.deepEqual(pod?.containerPorts, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
});

test('a workload scaled to zero still has its virtual pod', (t) => {
  const cluster = clusterOf(deploymentManifest('web').replace('"spec":{"selector"', '"spec":{"replicas":0,"selector"'));
  t.is(cluster.workloads.get(key('shop/Deployment/web'))?.replicas, 0);
  t.true(cluster.pods[0]?.virtual);
});

test('pod, ReplicaSet and Deployment fold to the Deployment', (t) => {
  const cluster = clusterOf(
    deploymentManifest('web'),
    JSON.stringify({
      ...JSON.parse(deploymentManifest('web-7c9f8d', { kind: 'ReplicaSet' })),
      metadata: {
        name: 'web-7c9f8d',
        namespace: 'shop',
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', controller: true }],
      },
    }),
    podManifest({ name: 'web-7c9f8d-x', labels: { app: 'web' }, owner: 'ReplicaSet/web-7c9f8d', ips: ['10.0.0.1'] }),
  );
  t.deepEqual([...cluster.workloads.keys()], [key('shop/Deployment/web')]);
  t.deepEqual(
    cluster.pods.map(({ workload, virtual }) => [workload, virtual]),
    [[key('shop/Deployment/web'), false]],
  );
});

test('a ReplicaSet that is not in the inventory folds by its pod-template-hash, and only with it', (t) => {
  const hashed = podManifest({ name: 'a-7c9-x', labels: { 'pod-template-hash': '7c9' }, owner: 'ReplicaSet/a-7c9' });
  const plain = podManifest({ name: 'b-7c9-x', labels: {}, owner: 'ReplicaSet/b-7c9' });
  const rollout = podManifest({
    name: 'c-5d4-x',
    labels: { app: 'c', 'rollouts-pod-template-hash': '5d4' },
    owner: 'ReplicaSet/c-5d4',
  });
  t.deepEqual(
    [...clusterOf(hashed, plain, rollout).workloads.keys()],
    [key('shop/Deployment/a'), key('shop/ReplicaSet/b-7c9'), key('shop/Rollout/c')],
  );
});

test('pod, Job and CronJob fold to the CronJob, with its schedule and without a selector', (t) => {
  const template = '{metadata: {labels: {app: report, job-name: x}}, spec: {containers: [{name: c}]}}';
  const cluster = clusterOf(
    `apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec: {schedule: "0 3 * * *", timeZone: Etc/UTC, jobTemplate: {spec: {template: ${template}}}}`,
    `apiVersion: batch/v1
kind: Job
metadata: {name: report-29, namespace: shop, ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: report, controller: true}]}
spec: {selector: {matchLabels: {controller-uid: u}}, template: ${template}}`,
    podManifest({ name: 'report-29-x', owner: 'Job/report-29', labels: { app: 'report', 'controller-uid': 'u' } }),
    podManifest({ name: 'report-28-x', owner: 'Job/report-28', labels: { app: 'report', 'controller-uid': 'v' } }),
  );
  t.deepEqual([...cluster.workloads.keys()], [key('shop/CronJob/report')]);
  const cronJob = cluster.workloads.get(key('shop/CronJob/report'));
  t.is(cronJob?.selector, undefined);
  t.deepEqual(cronJob?.podLabels, { app: 'report' });
  t.deepEqual(cronJob?.schedule, { expression: '0 3 * * *', timeZone: 'Etc/UTC', suspended: false });
  t.true(cluster.pods.every(({ workload }) => workload === key('shop/CronJob/report')));
});

test('generated labels are no labels of the workload, for a bare pod and a Job alike', (t) => {
  const cluster = clusterOf(
    podManifest({
      name: 'solo',
      labels: { app: 'solo', 'pod-template-hash': 'x', 'batch.kubernetes.io/job-name': 'y' },
    }),
  );
  t.deepEqual(cluster.workloads.get(key('shop/Pod/solo'))?.podLabels, { app: 'solo' });
});

test("an operator's object that is known by name only has the labels that all of its pods share", (t) => {
  const pod = (name: string, role: string) =>
    podManifest({ name, owner: 'Cluster/db', labels: { cluster: 'db', instance: name, role } });
  const cluster = clusterOf(pod('db-1', 'primary'), pod('db-2', 'replica'));
  const owner = cluster.workloads.get(key('shop/Cluster/db'));
  t.deepEqual(owner?.podLabels, { cluster: 'db' });
  t.is(owner?.selector, undefined);
  t.is(owner?.origin, '');
});

test('of a single pod of an unknown owner, the label with its own name is not taken for the owner', (t) => {
  const cluster = clusterOf(
    podManifest({ name: 'db-1', owner: 'Cluster/db', labels: { cluster: 'db', instance: 'db-1' } }),
  );
  t.deepEqual(cluster.workloads.get(key('shop/Cluster/db'))?.podLabels, { cluster: 'db' });
});

test('any object with a selector and a pod template is an owner', (t) => {
  const cluster = clusterOf(deploymentManifest('web', { kind: 'Rollout', apiVersion: 'argoproj.io/v1alpha1' }));
  t.deepEqual(cluster.workloads.get(key('shop/Rollout/web'))?.selector, { matchLabels: { app: 'web' } });
});

test('a Rollout that refers to a Deployment runs in its place', (t) => {
  const cluster = clusterOf(
    deploymentManifest('web'),
    `apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web-rollout, namespace: shop}
spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}}`,
  );
  t.deepEqual([...cluster.workloads.keys()], [key('shop/Rollout/web-rollout')]);
  t.deepEqual(cluster.workloads.get(key('shop/Rollout/web-rollout'))?.selector, { matchLabels: { app: 'web' } });
});

test('a StatefulSet that an operator owns stays a workload of its own', (t) => {
  const owned = JSON.parse(deploymentManifest('prom', { kind: 'StatefulSet' }));
  owned.metadata.ownerReferences = [{ apiVersion: 'm/v1', kind: 'Prometheus', name: 'k8s', controller: true }];
  t.deepEqual([...clusterOf(JSON.stringify(owned)).workloads.keys()], [key('shop/StatefulSet/prom')]);
});

test('a static pod is a pod, although it names its node as owner', (t) => {
  const cluster = clusterOf(podManifest({ name: 'kube-apiserver-n1', owner: 'Node/n1', namespace: 'kube-system' }));
  t.deepEqual([...cluster.workloads.keys()], [key('kube-system/Pod/kube-apiserver-n1')]);
});

test('owners in a circle do not hang', (t) => {
  const owned = (name: string, by: string) => {
    const set = JSON.parse(deploymentManifest(name, { kind: 'ReplicaSet' }));
    set.metadata.ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: by, controller: true }];
    return JSON.stringify(set);
  };
  t.is(clusterOf(owned('a', 'b'), owned('b', 'a')).workloads.size, 2);
});

test('a finished pod ends when its last container did', (t) => {
  const cluster = clusterOf(podManifest({ name: 'job', phase: 'Succeeded', start: 5, finish: 20, ips: ['10.0.0.1'] }));
  t.is(cluster.pods[0]?.startMs, at(5));
  t.is(cluster.pods[0]?.endMs, at(20));
});

test('a finished pod that does not say when owned nothing', (t) => {
  const [pod] = clusterOf(podManifest({ name: 'job', phase: 'Failed', start: 5, ips: ['10.0.0.1'] })).pods;
  t.is(pod?.endMs, pod?.startMs);
});

test('a terminating pod has not ended', (t) => {
  const [pod] = clusterOf(podManifest({ name: 'a', start: 5, terminating: true, ips: ['10.0.0.1'] })).pods;
  t.is(pod?.endMs, undefined);
});

test('of two pods of one name the later ended the earlier', (t) => {
  const { pods } = clusterOf(
    podManifest({ name: 'db-0', uid: 'b', start: 30, ips: ['10.0.0.2'] }),
    podManifest({ name: 'db-0', uid: 'a', start: 5, ips: ['10.0.0.1'] }),
  );
  t.deepEqual(
    pods.map(({ ips, endMs }) => [ips[0], endMs]),
    [
      ['10.0.0.1', at(30)],
      ['10.0.0.2', undefined],
    ],
  );
});

test('addresses of a dual-stack pod are canonical, each once', (t) => {
  const [pod] = clusterOf(podManifest({ name: 'a', ips: ['10.0.0.1', 'FD00:0:0::1'] })).pods;
  t.deepEqual(pod?.ips, ['10.0.0.1', 'fd00::1']);
});

test('a node was made when its object says so, and at no known time where it does not', (t) => {
  const node = (name: string, more: string) => `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}${more}}`;
  const { nodes } = clusterOf(
    node('n1', ', creationTimestamp: "2026-01-02T03:04:05Z"'),
    node('n2', ', creationTimestamp: null'),
    node('n3', ''),
  );
  t.deepEqual(
    nodes.map(({ createdMs }) => createdMs),
    [Date.UTC(2026, 0, 2, 3, 4, 5), undefined, undefined],
  );
});

test('a hostNetwork pod without addresses has those of its node', (t) => {
  const { pods } = clusterOf(
    'apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 192.168.0.1}]}',
    podManifest({ name: 'agent', hostNetwork: true, node: 'n1' }),
  );
  t.deepEqual(pods[0]?.ips, ['192.168.0.1']);
});

test('the same object twice counts once: what a server wrote wins, whatever the order', (t) => {
  const manifest = deploymentManifest('web');
  const dumped = JSON.stringify({
    ...JSON.parse(deploymentManifest('web', { ports: [{ containerPort: 1 }] })),
    status: {},
  });
  for (const order of [
    [manifest, dumped],
    [dumped, manifest],
  ]) {
    const { cluster, problems } = readingOf(...order);
    t.deepEqual(problems, []);
    t.is(cluster.workloads.get(key('shop/Deployment/web'))?.containerPorts.length, 1);
  }
});

test('two manifests that differ are reported with both places, two equal ones are not', (t) => {
  const other = deploymentManifest('web', { ports: [{ containerPort: 1 }] });
  const { problems } = readingOf(deploymentManifest('web'), other);
  t.deepEqual(
    problems.map(({ code }) => code),
    ['ObjectConflict'],
  );
  t.regex(problems[0]?.message ?? '', /test\.yaml:1/);
  t.deepEqual(readingOf(deploymentManifest('web'), deploymentManifest('web')).problems, []);
});

test('the order of objects does not matter', (t) => {
  const manifests = [
    deploymentManifest('b'),
    deploymentManifest('a'),
    podManifest({ name: 'z' }),
    podManifest({ name: 'y' }),
  ];
  t.deepEqual(clusterOf(...manifests).pods, clusterOf(...manifests.toReversed()).pods);
});

test('a wrong object is named by kind, name, field and place, and the others are read', (t) => {
  const { cluster, problems } = readingOf(
    deploymentManifest('bad', { ports: [{ containerPort: 70_000 }] }),
    deploymentManifest('good'),
  );
  t.deepEqual([...cluster.workloads.keys()], [key('shop/Deployment/good')]);
  t.is(problems[0]?.code, 'ObjectInvalid');
  t.regex(
    problems[0]?.message ?? '',
    /^Deployment shop\/bad: spec\.template\.spec\.containers\[0\]\.ports\[0\]\.containerPort: /,
  );
  t.is(problems[0]?.where, 'test.yaml:1');
});

for (const [fault, manifest] of [
  ['selector does not match the template', deploymentManifest('web', { selector: { app: 'other' } })],
  ['an empty selector', deploymentManifest('web', { selector: {} })],
  ['a label value with spaces', deploymentManifest('web', { labels: { app: 'a b' } })],
  ['a label key that is a prototype', deploymentManifest('web').replaceAll('"app"', '"__proto__"')],
  ['a number as label', deploymentManifest('web').replaceAll('"app":"web"', '"app":1')],
  [
    'too many labels',
    deploymentManifest('web', { labels: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`l${i}`, ''])) }),
  ],
  [
    'too large annotations',
    podManifest({ name: 'a' }).replace('"labels":{}', `"annotations":{"a":"${'x'.repeat(300_000)}"}`),
  ],
  ['an address that is none', podManifest({ name: 'a', ips: ['10.0.0.256'] })],
  ['containers that are no list', '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":{}}}'],
  ['a time that is none', podManifest({ name: 'a', start: 1 }).replace(/"startTime":"[^"]*"/, '"startTime":"soon"')],
] as const) {
  test(`refused with a problem: ${fault}`, (t) => {
    const { cluster, problems } = readingOf(manifest);
    t.is(cluster.workloads.size, 0);
    t.true(problems.length > 0);
    t.true(problems.every(({ code }) => code === 'ObjectInvalid'));
  });
}

test('kinds that say nothing about traffic are counted and left alone', (t) => {
  const { objects, problems, cluster } = readingOf(
    'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: "system:x"}\nrules: 5',
  );
  t.deepEqual([...objects], [['ClusterRole', 1]]);
  t.deepEqual(problems, []);
  t.is(cluster.namespaces.size, 0);
});

test('a label that YAML does not read as text is named with what was read', (t) => {
  const { problems } = readingOf('apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { zone: y } }\n');
  t.deepEqual(
    problems.map(({ message }) => message),
    ['Namespace shop: metadata.labels: zone: expected text in quotes, got the boolean true'],
  );
});
