import { canonicalIp } from '../../model/cidr.ts';
import type { ApiServer, Service, ServiceBackend } from '../../model/cluster.ts';
import type { Problem } from '../../model/problem.ts';
import { groupOf, type LocatedObject } from './located-object.ts';
import { endpointSliceFields, endpointsFields, serviceFields } from './object-schemas.ts';
import { readFields } from './read-fields.ts';

/** Backends by Service, `namespace/name`: from EndpointSlices, and from Endpoints where there are none of those. */
export type Backends = ReadonlyMap<string, readonly ServiceBackend[]>;

export function readBackends(objects: readonly LocatedObject[], problems: Problem[]): Backends {
  const fromSlices = new Map<string, ServiceBackend[]>();
  const fromEndpoints = new Map<string, ServiceBackend[]>();
  for (const object of objects) {
    if (object.kind === 'EndpointSlice' && groupOf(object.apiVersion) === 'discovery.k8s.io') {
      const [service, backends] = sliceBackends(object, problems);
      if (service !== undefined) fromSlices.set(service, [...(fromSlices.get(service) ?? []), ...backends]);
    } else if (object.kind === 'Endpoints' && object.apiVersion === 'v1') {
      fromEndpoints.set(`${object.namespace}/${object.name}`, endpointsBackends(object, problems));
    }
  }
  return new Map([...fromEndpoints, ...fromSlices]);
}

function sliceBackends(object: LocatedObject, problems: Problem[]): [string | undefined, ServiceBackend[]] {
  const fields = readFields(endpointSliceFields, object, problems);
  const service = fields?.metadata.labels?.['kubernetes.io/service-name'];
  if (!fields || service === undefined || fields.addressType === 'FQDN') return [undefined, []];
  const backends = (fields.endpoints ?? []).flatMap(({ addresses, targetRef }) =>
    addresses.flatMap((text) => {
      const ip = canonicalIp(text);
      return ip === undefined ? [] : backendsAt(ip, targetRef, fields.ports, object.namespace);
    }),
  );
  return [`${object.namespace}/${service}`, backends];
}

function endpointsBackends(object: LocatedObject, problems: Problem[]): ServiceBackend[] {
  const fields = readFields(endpointsFields, object, problems);
  return (fields?.subsets ?? []).flatMap(({ addresses, notReadyAddresses, ports }) =>
    [...(addresses ?? []), ...(notReadyAddresses ?? [])].flatMap(({ ip, targetRef }) =>
      backendsAt(ip, targetRef, ports, object.namespace),
    ),
  );
}

interface PodTarget {
  readonly kind: string;
  readonly namespace?: string | null | undefined;
  readonly name: string;
}

interface BackendPort {
  readonly name?: string | null | undefined;
  readonly port?: number | null | undefined;
  readonly protocol?: ServiceBackend['protocol'] | null | undefined;
}

function backendsAt(
  ip: string,
  target: PodTarget | null | undefined,
  ports: readonly BackendPort[] | null | undefined,
  namespace: string,
): ServiceBackend[] {
  const pod = target?.kind === 'Pod' ? { namespace: target.namespace ?? namespace, name: target.name } : undefined;
  return (ports ?? []).flatMap(({ name, port, protocol }) =>
    typeof port === 'number' ? [{ ip, port, protocol: protocol ?? 'TCP', portName: name || undefined, pod }] : [],
  );
}

/** Every Service with its addresses and backends; a headless one has no addresses. */
export function readServices(objects: readonly LocatedObject[], backends: Backends, problems: Problem[]): Service[] {
  return objects
    .filter(({ kind, apiVersion }) => kind === 'Service' && apiVersion === 'v1')
    .flatMap((object) => {
      const fields = readFields(serviceFields, object, problems);
      if (!fields) return [];
      const { spec, status } = fields;
      const ips = [
        ...(spec.clusterIPs ?? []),
        spec.clusterIP,
        ...(spec.externalIPs ?? []),
        spec.loadBalancerIP,
        ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip),
      ];
      const selector = spec.selector ?? {};
      return [
        {
          namespace: object.namespace,
          name: object.name,
          type: spec.type ?? ('ClusterIP' as const),
          ips: [...new Set(ips.flatMap((ip) => (ip && ip !== 'None' ? [ip] : [])))],
          selector: Object.keys(selector).length === 0 ? undefined : selector,
          ports: (spec.ports ?? []).map(({ name, protocol, port, targetPort, nodePort }) => ({
            name: name || undefined,
            protocol: protocol ?? 'TCP',
            port,
            targetPort: targetPort || port,
            nodePort: nodePort || undefined,
          })),
          backends: backends.get(`${object.namespace}/${object.name}`) ?? [],
          externalTrafficPolicy: spec.externalTrafficPolicy === 'Local' ? ('Local' as const) : ('Cluster' as const),
        },
      ];
    });
}

/** The API server's own addresses and port: the endpoints behind default/kubernetes. */
export function apiServerBehind(backends: Backends): ApiServer {
  const found = backends.get('default/kubernetes') ?? [];
  return {
    ips: [...new Set(found.map(({ ip }) => ip))],
    port: (found.find(({ portName }) => portName === 'https') ?? found[0])?.port,
  };
}
