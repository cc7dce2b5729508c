import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import fc from 'fast-check';
import { clusterFromObjects } from '../../../controller/adapters/inventory/cluster-from-objects.ts';
import { keepFields } from '../../../controller/adapters/inventory/keep-fields.ts';
import type { LocatedObject } from '../../../controller/adapters/inventory/located-object.ts';
import { parseManifests } from '../../../controller/adapters/workspace/parse-manifests.ts';
import type { KubernetesObject } from '../../../controller/model/kubernetes-object.ts';
import { kubernetesObjects } from '../../support/worlds/kubernetes-objects.ts';
import { worldArbitrary } from '../../support/worlds/world.ts';

function located(object: KubernetesObject): LocatedObject {
  const { apiVersion, kind, metadata } = object;
  const body = object as unknown as LocatedObject['body'];
  return { apiVersion, kind, namespace: metadata.namespace ?? '', name: metadata.name, body, where: '' };
}

function kept(object: LocatedObject): LocatedObject {
  return {
    ...object,
    body: keepFields(object.body as unknown as KubernetesObject) as unknown as LocatedObject['body'],
  };
}

/** What a real object carries beside what we read, in every place where objects carry it. */
function withNoise(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withNoise);
  if (typeof value !== 'object' || value === null) return value;
  const noisy = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withNoise(item)]));
  if (Array.isArray(noisy['containers'])) {
    noisy['volumes'] = [{ name: 'v', emptyDir: {} }];
    noisy['containers'] = noisy['containers'].map((container: object) => ({
      ...container,
      env: [{ name: 'A', value: 'b' }],
      command: ['/serve'],
      args: ['--verbose'],
    }));
  }
  if (noisy['kind'] !== undefined && noisy['metadata'] !== undefined) {
    const metadata = noisy['metadata'] as Record<string, unknown>;
    noisy['metadata'] = {
      ...metadata,
      managedFields: [{ manager: 'kubectl', fieldsV1: { 'f:spec': {} } }],
      annotations: { ...(metadata['annotations'] as object), 'example.org/noise': 'x'.repeat(100) },
    };
  }
  if (noisy['phase'] === 'Running') {
    noisy['conditions'] = [
      { type: 'PodScheduled', status: 'True', lastProbeTime: null },
      { type: 'Ready', status: 'True', lastProbeTime: null },
    ];
  }
  return noisy;
}

test('the cluster is the same with and without the fields that are not kept', (t) => {
  fc.assert(
    fc.property(worldArbitrary, ({ deployed }) => {
      const objects = kubernetesObjects(deployed).map(withNoise) as KubernetesObject[];
      const whole = clusterFromObjects(objects.map(located));
      t.deepEqual(clusterFromObjects(objects.map(located).map(kept)), whole);
      const running = whole.cluster.pods.filter(({ phase, virtual }) => phase === 'Running' && !virtual);
      t.true(running.every(({ ready }) => ready === true));
    }),
    { numRuns: 30 },
  );
});

test('the cluster of the example is the same from what is kept of its objects', async (t) => {
  const directory = fileURLToPath(new URL('../../../examples/shop/cluster/', import.meta.url));
  const files = await readdir(directory);
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')));
  const objects = texts.flatMap((text, i) => parseManifests(text, files[i] ?? '').objects);
  t.true(objects.length > 20);
  t.deepEqual(clusterFromObjects(objects.map(kept)), clusterFromObjects(objects));
});

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    namespace: 'shop',
    name: 'web-1',
    resourceVersion: '7',
    managedFields: [{ manager: 'kubelet' }],
    annotations: { 'prometheus.io/port': '9090', 'cni.projectcalico.org/podIP': '10.0.0.1/32' },
  },
  spec: {
    volumes: [{ name: 'secret' }],
    containers: [
      { name: 'main', image: 'x', env: [{ name: 'A', value: 'b' }], ports: [{ containerPort: 80 }], args: ['-v'] },
    ],
  },
  status: {
    phase: 'Running',
    conditions: [
      { type: 'Initialized', status: 'True' },
      { type: 'Ready', status: 'False', message: 'no' },
    ],
    containerStatuses: [{ restartCount: 4, state: { running: {} } }],
  },
};

test('environment, volumes, managed fields and the course of containers are not kept', (t) => {
  t.deepEqual(keepFields(pod) as unknown, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'shop',
      name: 'web-1',
      resourceVersion: '7',
      annotations: { 'prometheus.io/port': '9090' },
    },
    spec: { containers: [{ ports: [{ containerPort: 80 }] }] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] },
  });
});

test('what is kept is kept again as it is', (t) => {
  const once = keepFields(pod);
  t.deepEqual(keepFields(once), once);
});

test('command lines are kept where the control plane tells the ranges of the cluster by them', (t) => {
  const system = keepFields({ ...pod, metadata: { ...pod.metadata, namespace: 'kube-system' } });
  t.deepEqual((system as unknown as typeof pod).spec.containers, [
    { args: ['-v'], ports: [{ containerPort: 80 }] },
  ] as unknown as typeof pod.spec.containers);
});

test('NetworkPolicies and resources of nanoseg stay whole but for managed fields', (t) => {
  for (const apiVersion of ['networking.k8s.io/v1', 'nanoseg.io/v1alpha1']) {
    const metadata = { name: 'a', namespace: 'shop', annotations: { 'example.org/any': '1' } };
    const object = {
      apiVersion,
      kind: 'NetworkPolicy',
      metadata,
      spec: { podSelector: {}, other: [1] },
      status: { a: 1 },
    };
    t.deepEqual(keepFields({ ...object, metadata: { ...metadata, managedFields: [] } as typeof metadata }), object);
  }
});
