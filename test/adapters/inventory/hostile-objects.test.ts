import fc from 'fast-check';
import test from 'ava';
import { clusterFromObjects } from '../../../controller/adapters/inventory/cluster-from-objects.ts';
import { parseManifests } from '../../../controller/adapters/workspace/parse-manifests.ts';
import { FlowAttributor } from '../../../controller/attribution/attribute-flow.ts';
import { canonicalIp } from '../../../controller/model/cidr.ts';
import { isLabelKey, isLabelValue } from '../../../controller/model/label-selector.ts';
import { isPort } from '../../../controller/model/port-set.ts';
import { deploymentManifest, podManifest, serviceManifest } from './_cluster-of.ts';

const manifests: readonly string[] = [
  deploymentManifest('web', { ports: [{ name: 'http', containerPort: 8080, hostPort: 80 }] }),
  deploymentManifest('roll', { kind: 'Rollout', apiVersion: 'argoproj.io/v1alpha1' }),
  podManifest({
    name: 'web-7c9-x',
    owner: 'ReplicaSet/web-7c9',
    labels: { app: 'web', 'pod-template-hash': '7c9' },
    start: 1,
    ips: ['10.0.0.1', 'fd00::1'],
  }),
  podManifest({ name: 'job', phase: 'Succeeded', start: 1, finish: 5, ips: ['10.0.0.1'] }),
  serviceManifest('web', {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.9',
    selector: { app: 'web' },
    ports: [{ port: 80, targetPort: 'http' }],
  }),
  '{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24"]},"status":{"addresses":[{"type":"InternalIP","address":"192.168.0.1"}]}}',
  '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a"}}}',
  '{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"kubernetes"},"subsets":[{"addresses":[{"ip":"192.168.0.1"}],"ports":[{"name":"https","port":6443}]}]}',
  '{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-1","namespace":"shop","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"targetRef":{"kind":"Pod","name":"web-7c9-x"}}],"ports":[{"port":8080}]}',
  '{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"report","namespace":"shop"},"spec":{"schedule":"0 3 * * *","jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"c"}]}}}}}}',
  '{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"shop"},"spec":{"podSelector":{"matchLabels":{"app":"web"}},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],"ports":[{"port":80,"endPort":90}]}]}}',
  '{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i","namespace":"shop"},"spec":{"defaultBackend":{"service":{"name":"web","port":{"number":80}}}}}',
  '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kubeadm-config","namespace":"kube-system"},"data":{"ClusterConfiguration":"podSubnet: 10.0.0.0/16"}}',
];

/** Every place in a JSON value, as the way to it. */
function places(value: unknown, way: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [way];
  const steps = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return [way, ...steps.flatMap((step) => places((value as Record<string | number, unknown>)[step], [...way, step]))];
}

function replaced(value: unknown, [step, ...rest]: readonly (string | number)[], put: unknown): unknown {
  if (step === undefined) return put;
  if (Array.isArray(value)) return value.map((item, i) => (i === step ? replaced(item, rest, put) : item));
  return Object.fromEntries(
    Object.entries(value as object).map(([key, item]) => [key, key === step ? replaced(item, rest, put) : item]),
  );
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    '-',
    '..',
    'None',
    '10.0.0.1',
    '::',
    '10.0.0.0/33',
    -1,
    0,
    1.5,
    65_536,
    1e300,
    true,
    [],
    {},
    [[]],
    [null],
    '2026-01-01T00:00:00Z',
    'constructor',
  ),
  fc.constant(JSON.parse('{"__proto__":{"app":"web"},"constructor":{"prototype":1}}') as unknown),
  fc.jsonValue({ maxDepth: 2 }),
);

test('a wrong value anywhere in any object is a problem or harmless, and what is taken is well-formed', (t) => {
  const spoiled = fc.nat(manifests.length - 1).chain((index) => {
    const value: unknown = JSON.parse(manifests[index] ?? '{}');
    return fc.record({ index: fc.constant(index), way: fc.constantFrom(...places(value)), put: odd });
  });
  fc.assert(
    fc.property(fc.array(spoiled, { minLength: 1, maxLength: 3 }), (faults) => {
      const items = manifests.map((text): unknown => JSON.parse(text));
      for (const { index, way, put } of faults) {
        if (places(items[index]).some((place) => place.join('/') === way.join('/')))
          items[index] = replaced(items[index], way, put);
      }
      const { objects } = parseManifests(JSON.stringify(items), 'x.json');
      const { cluster } = clusterFromObjects(objects);
      const attributor = new FlowAttributor(cluster);
      return (
        attributor.counters.flows === 0 &&
        cluster.pods.every(
          (pod) => cluster.workloads.has(pod.workload) && pod.ips.every((ip) => canonicalIp(ip) === ip),
        ) &&
        cluster.pods.every(({ labels }) =>
          Object.entries(labels).every(([key, value]) => isLabelKey(key) && isLabelValue(value)),
        ) &&
        cluster.services.every(
          ({ ips, ports }) => ips.every((ip) => canonicalIp(ip) === ip) && ports.every(({ port }) => isPort(port)),
        ) &&
        [...cluster.workloads].every(
          ([key, { namespace, kind, name }]) => key === `${namespace}/${kind}/${name}` && key.split('/').length === 3,
        ) &&
        [...cluster.workloads.values()].every((workload) =>
          workload.containerPorts.every(({ port }) => isPort(port)),
        ) &&
        cluster.exposures.every(({ workload, port }) => cluster.workloads.has(workload) && isPort(port))
      );
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});

test('text that was cut, repeated or sprinkled is read without a crash', (t) => {
  const whole = manifests.slice(0, 6).join('\n---\n');
  const sprinkle = fc.constantFrom(
    '\n---\n',
    '{',
    ']',
    ': ',
    '- ',
    '&a ',
    '*a',
    '\t',
    '\u0000',
    '"',
    '%',
    '!!binary ',
    '|\n',
    '\ud800',
  );
  fc.assert(
    fc.property(fc.nat(whole.length), fc.nat(200), sprinkle, fc.boolean(), (start, length, piece, repeat) => {
      const cut = whole.slice(start, start + length);
      const text = `${whole.slice(0, start)}${piece}${repeat ? cut + cut : ''}${whole.slice(start + length)}`;
      const { objects, problems } = parseManifests(text, 'x.yaml');
      return objects.length + problems.length > 0 && clusterFromObjects(objects).cluster.pods.length >= 0;
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});
