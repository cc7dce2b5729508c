import { z } from 'zod';
import { cidrContains, parseCidr } from '../../model/cidr.ts';
import { type LabelSelector, selectorFaults } from '../../model/label-selector.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../model/network-policy.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { faultsOf } from './faults.ts';
import {
  annotationsField,
  labelsField,
  namespaceName,
  objectNameText,
  portName,
  portNumber,
  protocolText,
  selectorField,
} from './field-schemas.ts';
import { isRecord, type LocatedObject } from './located-object.ts';

const selector = selectorField.check((context) => {
  for (const message of selectorFaults(context.value as LabelSelector)) {
    context.issues.push({ code: 'custom', message, input: context.value });
  }
});

const ipBlock = z
  .strictObject({ cidr: z.string(), except: z.array(z.string()).optional() })
  .check(({ value: { cidr, except }, issues }) => {
    const refuse = (message: string, path: (string | number)[]) =>
      issues.push({ code: 'custom', message, path, input: cidr });
    const block = cidr.includes('/') ? parseCidr(cidr) : undefined;
    if (block === undefined) refuse(`not a CIDR: ${JSON.stringify(cidr.slice(0, 80))}`, ['cidr']);
    for (const [i, text] of (except ?? []).entries()) {
      const hole = text.includes('/') ? parseCidr(text) : undefined;
      if (hole === undefined) refuse(`not a CIDR: ${JSON.stringify(text.slice(0, 80))}`, ['except', i]);
      else if (block && (!cidrContains(block, hole) || hole.prefix <= block.prefix)) {
        refuse(`${text} does not lie strictly inside of ${cidr}`, ['except', i]);
      }
    }
  });

const peer = z
  .strictObject({
    podSelector: selector.optional(),
    namespaceSelector: selector.optional(),
    ipBlock: ipBlock.optional(),
  })
  .check(({ value, issues }) => {
    const selects = value.podSelector !== undefined || value.namespaceSelector !== undefined;
    const refuse = (message: string) => issues.push({ code: 'custom', message, input: value });
    if (value.ipBlock !== undefined && selects) refuse('ipBlock stands alone, never beside a selector');
    if (value.ipBlock === undefined && !selects)
      refuse('a peer needs a podSelector, a namespaceSelector or an ipBlock');
  });

const port = z
  .strictObject({
    protocol: protocolText.optional(),
    port: z.union([portNumber, portName], 'neither a port number nor a port name').optional(),
    endPort: portNumber.optional(),
  })
  .check(({ value, issues }) => {
    if (value.endPort === undefined) return;
    const refuse = (message: string) => issues.push({ code: 'custom', message, path: ['endPort'], input: value });
    if (typeof value.port !== 'number') refuse('endPort needs a numeric port');
    else if (value.endPort < value.port) refuse(`endPort ${value.endPort} is below port ${value.port}`);
  });

const ports = z.array(port).optional();

const policySchema = z.object({
  metadata: z.object({
    name: objectNameText,
    namespace: namespaceName.optional(),
    labels: labelsField.optional(),
    annotations: annotationsField.optional(),
  }),
  spec: z.strictObject({
    podSelector: selector.optional(),
    policyTypes: z
      .array(z.enum(['Ingress', 'Egress']))
      .max(2)
      .optional(),
    ingress: z.array(z.strictObject({ from: z.array(peer).optional(), ports })).optional(),
    egress: z.array(z.strictObject({ to: z.array(peer).optional(), ports })).optional(),
  }),
});

export type PolicyReading = { readonly policy: NetworkPolicy } | { readonly problems: readonly Problem[] };

/** True for networking.k8s.io NetworkPolicies, not for those of other groups that share the kind. */
export function isNetworkPolicy({ apiVersion, kind }: Pick<LocatedObject, 'apiVersion' | 'kind'>): boolean {
  return kind === 'NetworkPolicy' && /^(?:networking\.k8s\.io|extensions)\//.test(apiVersion);
}

/**
 * The policy as the API server would store it, or everything that it would refuse. Stricter in one thing: a field that
 * does not exist refuses the policy (`_from` would silently mean "from anywhere").
 */
export function networkPolicyFromObject({ apiVersion, body, name, namespace, where }: LocatedObject): PolicyReading {
  const called = `NetworkPolicy ${namespace || 'default'}/${name}`;
  const refuse = (fault: string) => problem('PolicyInvalid', `${called}: ${fault}`, where);
  if (apiVersion !== 'networking.k8s.io/v1') {
    return { problems: [refuse(`apiVersion: ${apiVersion} is not networking.k8s.io/v1`)] };
  }
  const parsed = policySchema.safeParse(withoutNulls(body));
  if (!parsed.success) return { problems: faultsOf(parsed.error).map(refuse) };
  const { metadata, spec } = parsed.data;
  return {
    policy: {
      apiVersion,
      kind: 'NetworkPolicy',
      metadata: {
        name: metadata.name,
        namespace: metadata.namespace ?? 'default',
        ...(metadata.labels && { labels: metadata.labels }),
        ...(metadata.annotations && { annotations: metadata.annotations }),
      },
      spec: {
        ...(spec as NetworkPolicySpec),
        podSelector: (spec.podSelector ?? {}) as NetworkPolicySpec['podSelector'],
      },
    },
  };
}

/** The API server reads a null as a field that is not there. Nesting is bounded by the reader. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === null ? [] : [[key, withoutNulls(item)]])),
  );
}
