import test from 'ava';
import { MemoryConnectionStore } from '../../../controller/adapters/memory/memory-connection-store.ts';
import { connectionStoreContract } from '../../contract/connection-store.ts';

connectionStoreContract(test, 'memory', async () => {
  let store = new MemoryConnectionStore();
  return {
    open: async () => store,
    remove: async () => {
      store = new MemoryConnectionStore();
    },
  };
});
