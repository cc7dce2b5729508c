import { z } from 'zod';
import { parseCidr } from '../../model/cidr.ts';
import {
  annotationsField,
  ipText,
  labelsField,
  namespaceName,
  objectNameText,
  portName,
  portNumber,
  protocolText,
  selectorField,
} from './field-schemas.ts';

/**
 * The fields of Kubernetes objects that the inventory needs, and no other: what is not read cannot be wrong. A null is a
 * field that is not there, as it is for the API server.
 */
const text = z.string().nullish();
const instant = z
  .string()
  .transform((value) => Date.parse(value))
  .refine((ms) => !Number.isNaN(ms), 'not a point in time')
  .nullish();
/** Older dumps and some tools write an address that is not there yet as empty text. */
const address = z.union([z.literal(''), ipText], 'not an IP address').nullish();
const kindText = z.string().regex(/^[A-Za-z][A-Za-z0-9]*$/, 'not a kind');
const cidrText = z.string().refine((value) => parseCidr(value) !== undefined, 'not a CIDR');

export const metadataFields = z.object({
  labels: labelsField.nullish(),
  annotations: annotationsField.nullish(),
  uid: text,
  resourceVersion: text,
  creationTimestamp: instant,
  deletionTimestamp: instant,
  ownerReferences: z
    .array(z.object({ kind: kindText, name: objectNameText, controller: z.boolean().nullish() }))
    .nullish(),
});

const container = z.object({
  restartPolicy: text,
  command: z.array(z.string()).nullish(),
  args: z.array(z.string()).nullish(),
  ports: z
    .array(
      z.object({
        name: z.union([z.literal(''), portName]).nullish(),
        containerPort: portNumber,
        hostPort: z.union([z.literal(0), portNumber]).nullish(),
        protocol: protocolText.nullish(),
      }),
    )
    .nullish(),
});

const podSpecFields = z.object({
  containers: z.array(container).min(1),
  initContainers: z.array(container).nullish(),
  hostNetwork: z.boolean().nullish(),
  serviceAccountName: text,
  automountServiceAccountToken: z.boolean().nullish(),
  nodeName: text,
});
export type PodSpecFields = z.infer<typeof podSpecFields>;

const podTemplateFields = z.object({
  metadata: z.object({ labels: labelsField.nullish(), annotations: annotationsField.nullish() }).nullish(),
  spec: podSpecFields,
});
export type PodTemplateFields = z.infer<typeof podTemplateFields>;

const containerStatus = z.object({
  state: z.object({ terminated: z.object({ finishedAt: instant }).nullish() }).nullish(),
});

export const podFields = z.object({
  metadata: metadataFields,
  spec: podSpecFields,
  status: z
    .object({
      phase: z.enum(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']).nullish(),
      podIP: address,
      podIPs: z.array(z.object({ ip: address })).nullish(),
      hostIP: address,
      startTime: instant,
      containerStatuses: z.array(containerStatus).nullish(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish(),
    })
    .nullish(),
});
export type PodFields = z.infer<typeof podFields>;

const flatSelector = z.record(z.string(), z.string());
const replicas = z.int().min(0).nullish();

/** Deployment, StatefulSet, DaemonSet, ReplicaSet, and custom owners of the same shape (Argo's Rollout). */
export const selectingOwnerFields = z.object({
  metadata: metadataFields,
  spec: z.object({ selector: selectorField, template: podTemplateFields, replicas }),
});

/** ReplicationController and OpenShift's DeploymentConfig: the selector is a bare map, by default the template's labels. */
export const mapSelectingOwnerFields = z.object({
  metadata: metadataFields,
  spec: z.object({ selector: flatSelector.nullish(), template: podTemplateFields, replicas }),
});

/** A Rollout that takes its template from a Deployment. */
export const referringOwnerFields = z.object({
  metadata: metadataFields,
  spec: z.object({ workloadRef: z.object({ kind: kindText, name: objectNameText }), replicas }),
});

export const jobFields = z.object({
  metadata: metadataFields,
  spec: z.object({ template: podTemplateFields, parallelism: replicas }),
});

export const cronJobFields = z.object({
  metadata: metadataFields,
  spec: z.object({
    schedule: z.string(),
    timeZone: text,
    suspend: z.boolean().nullish(),
    jobTemplate: z.object({ spec: z.object({ template: podTemplateFields }) }),
  }),
});

export const namespaceFields = z.object({ metadata: metadataFields });

export const nodeFields = z.object({
  metadata: metadataFields,
  spec: z.object({ podCIDR: text, podCIDRs: z.array(cidrText).nullish() }).nullish(),
  status: z.object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })).nullish() }).nullish(),
});

export const serviceFields = z.object({
  metadata: metadataFields,
  spec: z.object({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).nullish(),
    selector: flatSelector.nullish(),
    clusterIP: z.union([z.literal('None'), address]).nullish(),
    clusterIPs: z.array(z.union([z.literal('None'), ipText])).nullish(),
    externalIPs: z.array(ipText).nullish(),
    loadBalancerIP: address,
    externalTrafficPolicy: z.enum(['Cluster', 'Local', '']).nullish(),
    ports: z
      .array(
        z.object({
          name: text,
          protocol: protocolText.nullish(),
          port: portNumber,
          targetPort: z
            .union([z.literal(0), z.literal(''), portNumber, portName], 'neither port number nor name')
            .nullish(),
          nodePort: z.union([z.literal(0), portNumber]).nullish(),
        }),
      )
      .nullish(),
  }),
  status: z
    .object({ loadBalancer: z.object({ ingress: z.array(z.object({ ip: address })).nullish() }).nullish() })
    .nullish(),
});

const targetRef = z.object({ kind: z.string(), namespace: namespaceName.nullish(), name: objectNameText }).nullish();
const backendPorts = z
  .array(z.object({ name: text, port: portNumber.nullish(), protocol: protocolText.nullish() }))
  .nullish();

export const endpointSliceFields = z.object({
  metadata: metadataFields,
  addressType: z.string(),
  endpoints: z.array(z.object({ addresses: z.array(z.string()), targetRef })).nullish(),
  ports: backendPorts,
});

const endpointAddresses = z.array(z.object({ ip: ipText, targetRef })).nullish();
export const endpointsFields = z.object({
  metadata: metadataFields,
  subsets: z
    .array(z.object({ addresses: endpointAddresses, notReadyAddresses: endpointAddresses, ports: backendPorts }))
    .nullish(),
});

const ingressBackend = z
  .object({
    service: z
      .object({
        name: objectNameText,
        port: z.object({ name: text, number: z.union([z.literal(0), portNumber]).nullish() }).nullish(),
      })
      .nullish(),
  })
  .nullish();
export const ingressFields = z.object({
  metadata: metadataFields,
  spec: z
    .object({
      defaultBackend: ingressBackend,
      rules: z
        .array(
          z.object({ http: z.object({ paths: z.array(z.object({ backend: ingressBackend })).nullish() }).nullish() }),
        )
        .nullish(),
    })
    .nullish(),
});

const calledService = z
  .object({ namespace: namespaceName, name: objectNameText, port: portNumber.nullish() })
  .nullish();
const webhookClient = z.object({ service: calledService }).nullish();

export const webhookConfigurationFields = z.object({
  webhooks: z.array(z.object({ clientConfig: webhookClient })).nullish(),
});
export const apiServiceFields = z.object({ spec: z.object({ service: calledService }).nullish() });
export const customResourceDefinitionFields = z.object({
  spec: z.object({
    conversion: z.object({ webhook: z.object({ clientConfig: webhookClient }).nullish() }).nullish(),
  }),
});

export const serviceCidrFields = z.object({ spec: z.object({ cidrs: z.array(cidrText) }) });
export const ipPoolFields = z.object({ spec: z.object({ cidr: cidrText }) });
export const ciliumNodeFields = z.object({
  spec: z.object({ ipam: z.object({ podCIDRs: z.array(cidrText).nullish() }).nullish() }).nullish(),
});
export const configMapFields = z.object({ data: z.record(z.string(), z.string()).nullish() });
