import type { HostPlan, NodePlan, ServicePlan } from './network-node.ts';
import type { KubeApi } from './kube-api.ts';

/** The shop as hosts of a test network, and as the objects that an API server has of the same pods. */
export interface ShopWorkload {
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  /** Where its pods listen. */
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface ShopPod extends HostPlan {
  readonly workload: ShopWorkload;
}

const workload = (
  namespace: string,
  name: string,
  replicas: number,
  tcp: readonly number[] = [],
  udp: readonly number[] = [],
  labels: Readonly<Record<string, string>> = { app: name },
): ShopWorkload => ({ namespace, name, replicas, tcp, udp, labels });

export const shopWorkloads = [
  workload('shop', 'web', 2, [8080]),
  workload('shop', 'cart', 2, [8080]),
  workload('shop', 'checkout', 1),
  workload('data', 'db', 1, [5432]),
  workload('data', 'cache', 1, [7000], [11211]),
  workload('data', 'reports', 1),
  workload('kube-system', 'dns', 1, [53], [53], { 'k8s-app': 'kube-dns' }),
];

export const shopPods: readonly ShopPod[] = shopWorkloads
  .flatMap((of) => Array.from({ length: of.replicas }, (_, i) => ({ of, name: `${of.name}-${i + 1}` })))
  .map(({ of, name }, i) => ({
    name,
    ipv4: `10.244.1.${10 + i}`,
    ipv6: `fd00:10:244:1::${10 + i}`,
    workload: of,
  }));

export const shopNode = { name: 'worker', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10', tcp: [9100, 10250] };

/** Two addresses of the world: one is talked with, its neighbour is not. */
export const shopOutside = [
  { name: 'far', ipv4: '203.0.113.10', ipv6: '2001:db8:113::10' },
  { name: 'neighbour', ipv4: '203.0.113.11', ipv6: '2001:db8:113::11' },
];
export const outsidePorts = { tcp: [443], udp: [] };

export interface ShopService extends Omit<ServicePlan, 'backends'> {
  readonly workload: string;
  readonly namespace: string;
}

/** A port of the node that leads to the shop from outside. */
export const nodePort = 30080;

/** Service addresses, and the node's where a Service has a port there; those of IPv6 only the node knows, because the API server of these tests has one family. */
export const shopServices: readonly ShopService[] = [
  { namespace: 'shop', workload: 'cart', address: '10.96.0.50', protocol: 'TCP', port: 80, targetPort: 8080 },
  { namespace: 'shop', workload: 'cart', address: 'fd00:10:96::50', protocol: 'TCP', port: 80, targetPort: 8080 },
  {
    namespace: 'shop',
    workload: 'cart',
    address: shopNode.ipv4,
    protocol: 'TCP',
    port: nodePort,
    targetPort: 8080,
    isNodePort: true,
  },
  { namespace: 'data', workload: 'db', address: '10.96.0.60', protocol: 'TCP', port: 5432, targetPort: 5432 },
  { namespace: 'kube-system', workload: 'dns', address: '10.96.0.10', protocol: 'UDP', port: 53, targetPort: 53 },
  { namespace: 'kube-system', workload: 'dns', address: '10.96.0.10', protocol: 'TCP', port: 53, targetPort: 53 },
];

export const shopPlan: NodePlan = {
  node: shopNode,
  pods: shopPods,
  outside: shopOutside,
  services: shopServices.map((service) => ({
    ...service,
    backends: podsOf(service.workload).map(({ ipv4, ipv6 }) => (service.address.includes(':') ? ipv6 : ipv4)),
  })),
};

export function podsOf(name: string): readonly ShopPod[] {
  return shopPods.filter((pod) => pod.workload.name === name);
}

/** Everything that controllers and kubelets would have written about these pods by now. */
export async function createShop(api: KubeApi): Promise<void> {
  const post = async (path: string, body: object) => {
    const { status, body: reply } = await api.request('admin', 'POST', path, body);
    if (status !== 201) throw new Error(`${path}: ${JSON.stringify(reply)}`);
    return reply;
  };
  for (const name of ['shop', 'data']) await api.createNamespace(name);
  await api.kubectl('admin', 'label', 'namespace', 'kube-system', 'kubernetes.io/metadata.name=kube-system');
  await post('/api/v1/nodes', {
    metadata: { name: shopNode.name },
    spec: { podCIDRs: ['10.244.1.0/24'], podCIDR: '10.244.1.0/24' },
    status: { addresses: [shopNode.ipv4, shopNode.ipv6].map((address) => ({ type: 'InternalIP', address })) },
  });
  await Promise.all(
    shopWorkloads.map(async (of) => {
      const path = `/apis/apps/v1/namespaces/${of.namespace}`;
      const template = templateOf(of);
      const selector = { matchLabels: of.labels };
      const spec = { replicas: of.replicas, selector, template };
      const deployment = await post(`${path}/deployments`, { metadata: { name: of.name }, spec });
      const replicaSet = await post(`${path}/replicasets`, {
        metadata: {
          name: `${of.name}-5d4f8c`,
          labels: of.labels,
          ownerReferences: [ownerReference('Deployment', deployment)],
        },
        spec,
      });
      for (const pod of podsOf(of.name)) {
        const pods = `/api/v1/namespaces/${of.namespace}/pods`;
        const made = await post(pods, {
          metadata: {
            name: pod.name,
            labels: { ...of.labels, 'pod-template-hash': '5d4f8c' },
            ownerReferences: [ownerReference('ReplicaSet', replicaSet)],
          },
          spec: { ...template.spec, nodeName: shopNode.name },
        });
        const { status, body } = await api.request('admin', 'PUT', `${pods}/${pod.name}/status`, {
          ...made,
          status: statusOf(pod),
        });
        if (status !== 200) throw new Error(JSON.stringify(body));
      }
    }),
  );
  await Promise.all(['cart', 'db', 'dns'].map((name) => createService(post, name)));
}

function templateOf({ labels, tcp, udp }: ShopWorkload) {
  const ports = [
    ...tcp.map((containerPort) => ({ containerPort, protocol: 'TCP' })),
    ...udp.map((containerPort) => ({ containerPort, protocol: 'UDP' })),
  ];
  return { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'main', ports }] } };
}

function statusOf({ ipv4, ipv6 }: ShopPod): object {
  return {
    phase: 'Running',
    podIP: ipv4,
    podIPs: [{ ip: ipv4 }, { ip: ipv6 }],
    hostIP: shopNode.ipv4,
    startTime: new Date(Date.now() - 60_000).toISOString(),
    conditions: [{ type: 'Ready', status: 'True' }],
  };
}

async function createService(post: (path: string, body: object) => Promise<unknown>, name: string): Promise<void> {
  const own = shopServices.filter((service) => service.workload === name && !service.address.includes(':'));
  const services = own.filter(({ isNodePort }) => !isNodePort);
  const onNode = own.find(({ isNodePort }) => isNodePort);
  const [first] = services;
  const of = shopWorkloads.find((one) => one.name === name);
  if (first === undefined || of === undefined) throw new RangeError(`no Service for ${name}`);
  await post(`/api/v1/namespaces/${first.namespace}/services`, {
    metadata: { name },
    spec: {
      type: onNode === undefined ? 'ClusterIP' : 'NodePort',
      clusterIP: first.address,
      selector: of.labels,
      ports: services.map(({ protocol, port, targetPort }) => ({
        name: protocol.toLowerCase(),
        protocol,
        port,
        targetPort,
        ...(onNode === undefined ? {} : { nodePort: onNode.port }),
      })),
    },
  });
  await post(`/apis/discovery.k8s.io/v1beta1/namespaces/${first.namespace}/endpointslices`, {
    metadata: { name: `${name}-ipv4`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: services.map(({ protocol, targetPort }) => ({ name: protocol.toLowerCase(), protocol, port: targetPort })),
    endpoints: podsOf(name).map((pod) => ({
      addresses: [pod.ipv4],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', namespace: first.namespace, name: pod.name },
    })),
  });
}

// oxlint-disable-next-line typescript/no-explicit-any -- what the API server answered
function ownerReference(kind: string, { metadata: { name, uid } }: any): object {
  return { apiVersion: 'apps/v1', kind, name, uid, controller: true };
}
