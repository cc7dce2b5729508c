import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { controllerLoopContract } from '../contract/controller-loop.ts';
import { clusterTest, clusterTestBeside, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerWorld } from '../support/controller-world.ts';
import { kubeBackend } from '../support/kube-world.ts';
import { quickLearning } from '../support/watched-namespace.ts';

const api = kubeApiOfFile();
let root = '';
let world: ControllerWorld;

clusterTest('the controller starts with its own rights, and its webhook is asked', async (t) => {
  root = await mkdtemp(join(tmpdir(), 'nanoseg-loop-'));
  const backend = await kubeBackend(api(), join(root, 'data'));
  await backend.put({
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { namespace: 'nanoseg-system', name: 'default' },
    spec: { learning: quickLearning, exemptNamespaces: ['pulse'] },
  } as never);
  world = await ControllerWorld.start(backend, join(root, 'flows.jsonl'));
  t.pass();
});

test.after.always(async () => {
  await world?.stop();
  await rm(root, { recursive: true, force: true });
});

controllerLoopContract({ beside: clusterTestBeside, alone: clusterTest }, 'API server', () => world);
