import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { parseProfile } from '../../../controller/adapters/resources/parse-resources.ts';
import { type ProfileLayer, resolveProfile } from '../../../controller/adapters/resources/profile-layer.ts';
import { profileSpecSchema } from '../../../controller/adapters/resources/profile-schema.ts';
import { structuralSchema } from '../../../controller/adapters/resources/structural-schema.ts';
import { resourceApiVersion } from '../../../controller/model/policy-proposal.ts';
import { defaultProfile } from '../../../controller/model/profile.ts';
import { arbitraryOf } from '../../support/arbitrary-resource.ts';
import { fullProfile } from '../../support/full-resources.ts';

function layer(spec: object): ProfileLayer {
  const object = { apiVersion: resourceApiVersion, kind: 'SegmentationProfile', metadata: { name: 'default' }, spec };
  const parsed = parseProfile(object, 'Cluster');
  if (Array.isArray(parsed)) throw new Error(JSON.stringify(parsed));
  return parsed as ProfileLayer;
}

/** Layers with any of the fields that have no further rules than their schema. */
const anyLayer = arbitraryOf(structuralSchema(profileSpecSchema)).map((spec) => {
  const { clusterCidrs: _, external: __, accepted: ___, approvals: ____, ...rest } = spec as Record<string, unknown>;
  return layer(rest);
});

test('without any profile everything has its default', (t) => {
  t.deepEqual(resolveProfile(), defaultProfile);
  t.deepEqual(resolveProfile(layer({}), layer({})), defaultProfile);
});

test('a SegmentationProfile can set every field of a profile', (t) => {
  const set = layer(fullProfile.spec);
  t.deepEqual(Object.keys(set).sort(), Object.keys(defaultProfile).sort());
  for (const group of ['learning', 'external', 'clusterCidrs', 'approvals', 'guard', 'closedNamespace'] as const) {
    t.deepEqual(Object.keys(set[group] ?? {}).sort(), Object.keys(defaultProfile[group]).sort());
  }
});

test("a namespace's fields win over the cluster's, one by one, and what neither sets has its default", (t) => {
  const cluster = layer({
    mode: 'observe',
    drift: 'Report',
    learning: { window: '7d', coverage: 0.9 },
    guard: { unreadyPods: 3 },
  });
  const namespace = layer({ mode: 'enforce', learning: { coverage: 0.5 }, guard: { duration: '1h' } });
  const profile = resolveProfile(cluster, namespace);
  t.is(profile.mode, 'enforce');
  t.is(profile.drift, 'report');
  t.deepEqual(profile.learning, { ...defaultProfile.learning, windowMs: 604_800_000, coverage: 0.5 });
  t.deepEqual(profile.guard, { durationMs: 3_600_000, deniedConnections: 0, unreadyPods: 3 });
  t.deepEqual(profile.closedNamespace, defaultProfile.closedNamespace);
});

test('any field that a namespace sets holds there, but for those of the whole cluster', (t) => {
  const property = fc.property(anyLayer, anyLayer, (cluster, namespace) => {
    const profile = resolveProfile(cluster, namespace);
    const { cni: _, learning: { binMs: __, ...learning } = {}, guard, closedNamespace, ...own } = namespace;
    const again = {
      ...profile,
      ...own,
      learning: { ...profile.learning, ...learning },
      guard: { ...profile.guard, ...guard },
      closedNamespace: { ...profile.closedNamespace, ...closedNamespace },
    };
    deepStrictEqual(profile, again, 'what the namespace sets');
    strictEqual(profile.cni, cluster.cni ?? defaultProfile.cni);
    strictEqual(profile.learning.binMs, cluster.learning?.binMs ?? defaultProfile.learning.binMs);
    strictEqual(profile.guard.unreadyPods, guard?.unreadyPods ?? cluster.guard?.unreadyPods ?? 0);
    deepStrictEqual(Object.keys(profile).sort(), Object.keys(defaultProfile).sort());
  });
  t.notThrows(() => fc.assert(property));
});

test('the ranges of the cluster come from its profile alone', (t) => {
  const ours = layer({ clusterCidrs: { pods: ['10.0.0.0/8'] } });
  t.deepEqual(resolveProfile(ours).clusterCidrs.pods, ours.clusterCidrs?.pods);
  t.deepEqual(resolveProfile(ours, layer({ clusterCidrs: { pods: [] } })).clusterCidrs.pods, ours.clusterCidrs?.pods);
  t.deepEqual(resolveProfile(undefined, ours).clusterCidrs, defaultProfile.clusterCidrs);
});

test('a namespace can say Never where the cluster leaves out unused rules', (t) => {
  const cluster = layer({ unusedAfter: '30d' });
  t.is(resolveProfile(cluster, layer({})).unusedAfterMs, 2_592_000_000);
  t.is(resolveProfile(cluster, layer({ unusedAfter: 'Never' })).unusedAfterMs, undefined);
});
