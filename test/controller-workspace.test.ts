import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { controllerLoopContract } from './contract/controller-loop.ts';
import { ControllerWorld } from './support/controller-world.ts';
import { directoryBackend } from './support/directory-world.ts';
import { quickLearning } from './support/watched-namespace.ts';

let root = '';
let world: ControllerWorld;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'nanoseg-loop-'));
  const backend = directoryBackend(join(root, 'workspace'));
  await backend.put({
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { namespace: 'nanoseg-system', name: 'default' },
    spec: { learning: quickLearning, exemptNamespaces: ['pulse'], approvals: { identity: 'Claimed' } },
  } as never);
  world = await ControllerWorld.start(backend, join(root, 'flows.jsonl'));
});

test.after.always(async () => {
  await world.stop();
  await rm(root, { recursive: true, force: true });
});

controllerLoopContract({ beside: test, alone: test.serial }, 'workspace', () => world);
