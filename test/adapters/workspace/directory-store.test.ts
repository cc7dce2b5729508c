import test from 'ava';
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
