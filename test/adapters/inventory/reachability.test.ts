import test from 'ava';
import { formatAddresses } from '../../../controller/model/cidr.ts';
import { clusterOf, deploymentManifest, podManifest, serviceManifest } from './_cluster-of.ts';

const web = deploymentManifest('web', { ports: [{ name: 'http', containerPort: 8080 }] });

test("a LoadBalancer Service exposes the selected workload at the pod's port, a named one resolved", (t) => {
  const { exposures } = clusterOf(
    web,
    deploymentManifest('other'),
    serviceManifest('web', {
      type: 'LoadBalancer',
      selector: { app: 'web' },
      ports: [{ port: 80, targetPort: 'http' }],
    }),
  );
  t.deepEqual(exposures, [
    {
      workload: 'shop/Deployment/web' as never,
      protocol: 'TCP',
      port: 8080,
      through: 'LoadBalancer',
      by: 'shop/Service/web',
      hidesClients: true,
    },
  ]);
});

test('externalTrafficPolicy Local shows the clients', (t) => {
  const spec = { type: 'NodePort', externalTrafficPolicy: 'Local', selector: { app: 'web' }, ports: [{ port: 80 }] };
  const { exposures } = clusterOf(web, serviceManifest('web', spec));
  t.deepEqual(
    exposures.map(({ through, port, hidesClients }) => [through, port, hidesClients]),
    [['NodePort', 80, false]],
  );
});

test('a ClusterIP Service exposes nothing', (t) => {
  t.deepEqual(
    clusterOf(web, serviceManifest('web', { selector: { app: 'web' }, ports: [{ port: 80 }] })).exposures,
    [],
  );
});

test('an Ingress exposes its backends by port name and by number', (t) => {
  const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop}
spec:
  defaultBackend: {service: {name: web, port: {number: 80}}}
  rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: plain}}}}]}}]`;
  const service = serviceManifest('web', {
    selector: { app: 'web' },
    ports: [{ name: 'plain', port: 80, targetPort: 'http' }],
  });
  const { exposures } = clusterOf(web, service, ingress);
  t.deepEqual(
    exposures.map(({ through, port, by }) => [through, port, by]),
    [['Ingress', 8080, 'shop/Ingress/front']],
  );
});

test('a hostPort exposes, on a hostNetwork pod it says nothing new', (t) => {
  const ports = [{ containerPort: 53, hostPort: 53 }];
  t.deepEqual(
    clusterOf(podManifest({ name: 'dns', ports })).exposures.map(({ through, port }) => [through, port]),
    [['HostPort', 53]],
  );
  t.deepEqual(clusterOf(podManifest({ name: 'dns', ports, hostNetwork: true })).exposures, []);
});

test('what the API server calls is found behind webhook configurations, conversions and aggregated APIs', (t) => {
  const service = { namespace: 'shop', name: 'web' };
  const { webhooks } = clusterOf(
    web,
    serviceManifest('web', { selector: { app: 'web' }, ports: [{ port: 443, targetPort: 'http' }] }),
    JSON.stringify({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'check' },
      webhooks: [{ clientConfig: { service } }, { clientConfig: { url: 'https://example.org' } }],
    }),
    JSON.stringify({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'things.example.org' },
      spec: { conversion: { strategy: 'Webhook', webhook: { clientConfig: { service } } } },
    }),
    JSON.stringify({
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1.metrics.example.org' },
      spec: { service: { ...service, port: 443 } },
    }),
  );
  t.deepEqual(
    webhooks.map(({ workload, port, configuration }) => `${workload} ${port} ${configuration}`),
    [
      'shop/Deployment/web 8080 APIService/v1.metrics.example.org',
      'shop/Deployment/web 8080 CustomResourceDefinition/things.example.org',
      'shop/Deployment/web 8080 ValidatingWebhookConfiguration/check',
    ],
  );
});

const slice = (service: string, ips: readonly string[], port: number, pod?: string) =>
  JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ips, targetRef: pod && { kind: 'Pod', name: pod } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  });

test('the API server is where the endpoints of default/kubernetes are, not its Service address', (t) => {
  const service = serviceManifest(
    'kubernetes',
    { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, targetPort: 6443 }] },
    'default',
  );
  t.deepEqual(clusterOf(service, slice('kubernetes', ['192.168.0.1', '192.168.0.2'], 6443)).apiServer, {
    ips: ['192.168.0.1', '192.168.0.2'],
    port: 6443,
  });
  t.deepEqual(clusterOf(service).apiServer, { ips: [], port: undefined });
  const endpoints =
    'apiVersion: v1\nkind: Endpoints\nmetadata: {name: kubernetes}\nsubsets: [{addresses: [{ip: 192.168.0.3}], ports: [{name: https, port: 443}]}]';
  t.deepEqual(clusterOf(service, endpoints).apiServer, { ips: ['192.168.0.3'], port: 443 });
});

test('EndpointSlices are believed before Endpoints', (t) => {
  const endpoints =
    'apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets: [{addresses: [{ip: 192.168.0.3}], ports: [{name: https, port: 443}]}]';
  const { services } = clusterOf(
    serviceManifest('db', { ports: [{ port: 1 }] }, 'default'),
    endpoints,
    slice('db', ['10.0.0.9'], 5432, 'db-0'),
  );
  t.deepEqual(services[0]?.backends, [
    { ip: '10.0.0.9', port: 5432, protocol: 'TCP', portName: 'https', pod: { namespace: 'default', name: 'db-0' } },
  ]);
});

test('a headless Service has no address; a load balancer has its own too', (t) => {
  const { services } = clusterOf(
    serviceManifest('headless', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ port: 1 }] }),
    JSON.stringify({
      ...JSON.parse(
        serviceManifest('lb', { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7', 'fd00::7'], ports: [{ port: 1 }] }),
      ),
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.7' }, { hostname: 'lb.example.org' }] } },
    }),
  );
  t.deepEqual(
    services.map(({ name, ips }) => [name, ips]),
    [
      ['headless', []],
      ['lb', ['10.96.0.7', 'fd00::7', '203.0.113.7']],
    ],
  );
});

const node = (podCidrs: readonly string[], annotations = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', annotations },
    spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.168.0.1' },
        { type: 'ExternalIP', address: '203.0.113.1' },
        { type: 'Hostname', address: 'n1' },
      ],
    },
  });

test('a node has its addresses, the foot of its pod ranges and what its plugin notes', (t) => {
  const { nodes } = clusterOf(
    node(['10.244.1.0/24', 'fd00:1::/64'], { 'projectcalico.org/IPv4VXLANTunnelAddr': '10.244.9.5' }),
  );
  t.deepEqual(nodes[0]?.ips, [
    '192.168.0.1',
    '203.0.113.1',
    '10.244.9.5',
    '10.244.1.0',
    '10.244.1.1',
    'fd00:1::',
    'fd00:1::1',
  ]);
  t.deepEqual(nodes[0]?.hostIps, ['192.168.0.1', '203.0.113.1']);
});

test('the address by which Calico knows a node is one of the host', (t) => {
  const { nodes } = clusterOf(node([], { 'projectcalico.org/IPv4Address': '192.168.5.1/24' }));
  t.deepEqual(nodes[0]?.hostIps, ['192.168.0.1', '203.0.113.1', '192.168.5.1']);
});

test('the foot of a pod range that a pod was given is not the node', (t) => {
  const { nodes } = clusterOf(node(['10.244.1.0/24']), podManifest({ name: 'a', ips: ['10.244.1.1'] }));
  t.deepEqual(nodes[0]?.ips, ['192.168.0.1', '203.0.113.1', '10.244.1.0']);
});

test('ranges of nodes are inside and never all there is', (t) => {
  const { cidrs } = clusterOf(
    node(['10.244.1.0/24']),
    'apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: kubernetes}\nspec: {cidrs: [10.96.0.0/16]}',
  );
  t.deepEqual(formatAddresses(cidrs.pods), ['10.244.1.0/24']);
  t.deepEqual(formatAddresses(cidrs.services), ['10.96.0.0/16']);
  t.false(cidrs.complete);
});

for (const [source, manifest] of [
  [
    'kubeadm-config',
    `apiVersion: v1
kind: ConfigMap
metadata: {name: kubeadm-config, namespace: kube-system}
data: {ClusterConfiguration: "networking:\\n  podSubnet: 10.244.0.0/16,fd00:10::/56\\n  serviceSubnet: 10.96.0.0/16\\n"}`,
  ],
  [
    'flags of the control plane',
    podManifest({
      name: 'kube-controller-manager-n1',
      namespace: 'kube-system',
      hostNetwork: true,
      args: ['--cluster-cidr=10.244.0.0/16,fd00:10::/56', '--service-cluster-ip-range', '10.96.0.0/16'],
    }),
  ],
  [
    'Calico pools and ServiceCIDR',
    `apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: a}
spec: {cidr: 10.244.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: b}
spec: {cidr: "fd00:10::/56"}
---
apiVersion: networking.k8s.io/v1beta1
kind: ServiceCIDR
metadata: {name: kubernetes}
spec: {cidrs: [10.96.0.0/16]}`,
  ],
] as const) {
  test(`the cluster's ranges are complete from ${source}`, (t) => {
    const { cidrs } = clusterOf(manifest);
    t.deepEqual(formatAddresses(cidrs.pods), ['10.244.0.0/16', 'fd00:10::/56']);
    t.deepEqual(formatAddresses(cidrs.services), ['10.96.0.0/16']);
    t.true(cidrs.complete);
    t.false(clusterOf(manifest, podManifest({ name: 'elsewhere', ips: ['10.1.0.1'] })).cidrs.complete);
  });
}
