import test from 'ava';
import type { KubernetesObject } from '../../../controller/model/kubernetes-object.ts';
import { renderYaml } from '../../../controller/policy/render-yaml.ts';
import { objectStoreContract } from '../../contract/object-store.ts';
import { openWorkspace } from './open-workspace.ts';

objectStoreContract(test, 'workspace directory', async (t) => {
  const { store, read, write } = await openWorkspace(t);
  return {
    store,
    namespace: 'shop',
    writeForeignPolicy: (policy) => write(`cluster/policies/${policy.metadata.name}.yaml`, renderYaml(policy)),
    editPolicy: async ({ metadata }) => {
      const path = `policies/shop/${metadata.name}.yaml`;
      await write(path, (await read(path)).replace('app: cart', 'app: somebody-else'));
    },
  };
});

test('an edit of a profile is a generation, also across the processes that know of it', async (t) => {
  const { store, openStore, write } = await openWorkspace(t);
  const profile = (mode: string) =>
    `apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nmetadata: { name: default, namespace: shop }\nspec: { mode: ${mode} }\n`;
  const ref = { kind: 'SegmentationProfile', namespace: 'shop', name: 'default' };
  const generation = async (from = store) => (await from.get(ref))?.metadata.generation;
  const take = async (observedGeneration: number) => {
    const known = await store.get<KubernetesObject & { status?: unknown }>(ref);
    if (known !== undefined) await store.updateStatus({ ...known, status: { observedGeneration } });
  };
  await write('profiles/shop.yaml', profile('observe'));
  t.is(await generation(), 1);
  await take(1);
  await write('profiles/shop.yaml', `# a comment is no change\n${profile('observe')}`);
  t.is(await generation(), 1);
  await write('profiles/shop.yaml', profile('propose'));
  t.is(await generation(), 2);
  await take(2);
  t.is(await generation(openStore()), 2);
  await write('profiles/shop.yaml', profile('observe'));
  t.is(await generation(openStore()), 3);
});
