import { createKubernetesFeed } from '../../controller/adapters/kubernetes/object-feed.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { objectFeedContract } from '../contract/object-feed.ts';
import { objectStoreContract } from '../contract/object-store.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { installForTest } from '../support/install-for-test.ts';

const api = kubeApiOfFile();
let namespaces = 0;

clusterTest('the custom resources are installed', async (t) => {
  await t.notThrowsAsync(installForTest(api()));
});

objectStoreContract(clusterTest, 'API server', async () => {
  const namespace = `contract-${++namespaces}`;
  await api().createNamespace(namespace);
  const policies = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
  const send = async (method: string, path: string, policy: NetworkPolicy, type?: string) => {
    const { status, body } = await api().request('admin', method, path, policy, type);
    if (status >= 300) throw new Error(JSON.stringify(body));
  };
  return {
    store: api().asAdmin,
    namespace,
    writeForeignPolicy: (policy) => send('POST', `${policies}?fieldManager=somebody`, policy),
    editPolicy: (policy) =>
      send(
        'PATCH',
        `${policies}/${policy.metadata.name}?fieldManager=kubectl-edit`,
        policy,
        'application/merge-patch+json',
      ),
  };
});

objectFeedContract(clusterTest, 'API server', async () => {
  const namespace = `contract-${++namespaces}`;
  await api().createNamespace(namespace);
  const kinds = ['PolicyProposal', 'PolicyApproval', 'SegmentationProfile', 'NetworkPolicy'];
  const feed = createKubernetesFeed(api().clientOf('admin'), { clock: systemClock, random: Math.random, kinds });
  return { store: api().asAdmin, namespace, feed };
});
