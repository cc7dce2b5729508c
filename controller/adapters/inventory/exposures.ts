import type { FindServiceTargets } from '../../attribution/service-targets.ts';
import type { Exposure, Service, ServicePort, WebhookBackend } from '../../model/cluster.ts';
import type { Problem } from '../../model/problem.ts';
import { type WorkloadRef, workloadKey } from '../../model/workload.ts';
import { groupOf, type LocatedObject } from './located-object.ts';
import {
  apiServiceFields,
  customResourceDefinitionFields,
  ingressFields,
  webhookConfigurationFields,
} from './object-schemas.ts';
import type { PodShape } from './pod-template.ts';
import { readFields } from './read-fields.ts';

/** By `namespace/name`. */
export type ServicesByName = ReadonlyMap<string, Service>;

/** Every way into a workload from outside of the cluster, in a fixed order, each once. */
export function exposuresOf(
  objects: readonly LocatedObject[],
  services: ServicesByName,
  shapes: Iterable<{ readonly root: WorkloadRef; readonly shape: PodShape }>,
  findTargets: FindServiceTargets,
  problems: Problem[],
): Exposure[] {
  const exposures = [
    ...[...services.values()].flatMap((service) => byService(service, findTargets)),
    ...objects.flatMap((object) => byIngress(object, services, findTargets, problems)),
    ...[...shapes].flatMap(({ root, shape }) => byHostPort(root, shape)),
  ];
  const distinct = new Map(exposures.map((exposure) => [Object.values(exposure).join(' '), exposure]));
  return [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, exposure]) => exposure);
}

function byService(service: Service, findTargets: FindServiceTargets): Exposure[] {
  const { type, namespace, name, externalTrafficPolicy } = service;
  if (type !== 'LoadBalancer' && type !== 'NodePort') return [];
  return service.ports.flatMap((port) =>
    exposed(service, port, findTargets, {
      through: type,
      by: `${namespace}/Service/${name}`,
      hidesClients: externalTrafficPolicy === 'Cluster',
    }),
  );
}

function exposed(
  service: Service,
  port: ServicePort,
  findTargets: FindServiceTargets,
  way: Pick<Exposure, 'through' | 'by' | 'hidesClients'>,
): Exposure[] {
  return findTargets(service, port).flatMap((target) =>
    target.kind === 'workload'
      ? [{ workload: target.workload, protocol: port.protocol, port: target.port, ...way }]
      : [],
  );
}

function byIngress(
  object: LocatedObject,
  services: ServicesByName,
  findTargets: FindServiceTargets,
  problems: Problem[],
): Exposure[] {
  if (object.kind !== 'Ingress' || object.apiVersion !== 'networking.k8s.io/v1') return [];
  const spec = readFields(ingressFields, object, problems)?.spec;
  const backends = [
    spec?.defaultBackend,
    ...(spec?.rules ?? []).flatMap(({ http }) => (http?.paths ?? []).map(({ backend }) => backend)),
  ];
  return backends.flatMap((backend) => {
    const service = services.get(`${object.namespace}/${backend?.service?.name}`);
    const wanted = backend?.service?.port;
    const port = service?.ports.find((one) =>
      wanted?.number ? one.port === wanted.number : one.name === wanted?.name,
    );
    if (!service || !port) return [];
    // Clients reach the ingress controller, which is a workload of the cluster and shows its own address.
    const by = `${object.namespace}/Ingress/${object.name}`;
    return exposed(service, port, findTargets, { through: 'Ingress', by, hidesClients: false });
  });
}

function byHostPort(root: WorkloadRef, { hostPorts, hostNetwork }: PodShape): Exposure[] {
  if (hostNetwork) return [];
  const workload = workloadKey(root);
  return hostPorts.map(({ port, protocol }) => ({
    workload,
    protocol,
    port,
    through: 'HostPort',
    by: workload,
    hidesClients: false,
  }));
}

/** What the API server itself calls: admission webhooks, conversion webhooks and aggregated APIs. */
export function webhooksOf(
  objects: readonly LocatedObject[],
  services: ServicesByName,
  findTargets: FindServiceTargets,
  problems: Problem[],
): WebhookBackend[] {
  const backends = new Map<string, WebhookBackend>();
  for (const object of objects) {
    for (const called of calledServices(object, problems)) {
      const service = services.get(`${called.namespace}/${called.name}`);
      const port = service?.ports.find((one) => one.port === (called.port ?? 443) && one.protocol === 'TCP');
      if (!service || !port) continue;
      const configuration = `${object.kind}/${object.name}`;
      for (const target of findTargets(service, port)) {
        if (target.kind !== 'workload') continue;
        backends.set(`${target.workload} ${target.port} ${configuration}`, {
          workload: target.workload,
          protocol: 'TCP',
          port: target.port,
          configuration,
        });
      }
    }
  }
  return [...backends].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, backend]) => backend);
}

interface CalledService {
  readonly namespace: string;
  readonly name: string;
  readonly port?: number | null | undefined;
}

function calledServices(object: LocatedObject, problems: Problem[]): CalledService[] {
  switch (`${groupOf(object.apiVersion)}/${object.kind}`) {
    case 'admissionregistration.k8s.io/ValidatingWebhookConfiguration':
    case 'admissionregistration.k8s.io/MutatingWebhookConfiguration': {
      const webhooks = readFields(webhookConfigurationFields, object, problems)?.webhooks ?? [];
      return webhooks.flatMap(({ clientConfig }) => clientConfig?.service ?? []);
    }
    case 'apiextensions.k8s.io/CustomResourceDefinition': {
      const conversion = readFields(customResourceDefinitionFields, object, problems)?.spec.conversion;
      const service = conversion?.webhook?.clientConfig?.service;
      return service ? [service] : [];
    }
    case 'apiregistration.k8s.io/APIService': {
      const service = readFields(apiServiceFields, object, problems)?.spec?.service;
      return service ? [service] : [];
    }
    default:
      return [];
  }
}
