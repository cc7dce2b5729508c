import test from 'ava';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { ShopInCluster } from '../support/shop-in-cluster.ts';

const api = kubeApiOfFile();
const ports = [7000, 7001, 7002, 7003, 7004];

let shop: ShopInCluster;

test.after.always(() => shop?.close());

clusterTest('neighbouring ports are a range only where the API server stores ranges', async (t) => {
  const { minor } = JSON.parse((await api().kubectl('admin', 'get', '--raw', '/version')).out) as { minor: string };
  const hasRanges = Number.parseInt(minor, 10) >= 22;
  shop = await ShopInCluster.open(api(), ['server', 'client']);
  await shop.seen(...ports.map((port) => `client > server ${port}`));
  const controller = await ControllerProcess.start({
    name: 'controller',
    directory: shop.directory,
    kubeconfig: api().kubeconfig('controller'),
    flows: [shop.flowFile],
  });
  shop.controllers.push(controller);
  const { digest } = await shop.until(t, 'server', 'Ready');
  t.is((await shop.decideOn('alice', 'server', 'Approve', digest)).status, 201);
  await shop.until(t, 'server', 'Enforced');
  const stored = await api().asAdmin.get<NetworkPolicy>({
    kind: 'NetworkPolicy',
    namespace: 'shop',
    name: 'nanoseg-server',
  });
  t.deepEqual(
    stored?.spec.ingress?.flatMap((rule) => rule.ports ?? []),
    hasRanges
      ? [{ protocol: 'TCP', port: 7000, endPort: 7004 }]
      : ports.map((port) => ({ protocol: 'TCP' as const, port })),
  );
});
