import { z } from 'zod';
import { canonicalIp } from '../../model/cidr.ts';
import { isLabelKey, isLabelValue, type Labels } from '../../model/label-selector.ts';
import { highestPort, lowestPort } from '../../model/port-set.ts';
import { policyProtocols } from '../../model/protocol.ts';

/** The API server knows no limit but size; more labels than this on one object is an attack or an accident. */
const mostLabels = 1_000;
/** The API server's own limit on all annotations of an object together, in bytes. */
const annotationBytes = 256 * 1024;

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

export const namespaceName = z.string().regex(dnsLabel, 'not a namespace name');
export const objectNameText = z.string().regex(dnsSubdomain, 'not an object name');

export const portNumber = z.int().min(lowestPort).max(highestPort);
/** IANA service name, as the API server checks it. */
export const portName = z
  .string()
  .max(15)
  .regex(/^(?=.*[a-z])(?!.*--)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/, 'not a port name');
export const protocolText = z.enum(policyProtocols);

export const ipText = z.string().transform((text, context) => {
  const ip = canonicalIp(text);
  if (ip !== undefined) return ip;
  context.addIssue(`not an IP address: ${JSON.stringify(text.slice(0, 80))}`);
  return z.NEVER;
});

/** YAML reads an unquoted `on`, `y` or `1` as something else than text, and the API server then refuses the object. */
const stringMap = z.custom<Labels>().check((context) => {
  const { value, issues } = context;
  const refuse = (message: string) => issues.push({ code: 'custom', message, input: value, continue: false });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse('expected strings by key');
    return;
  }
  const other = Object.entries(value).find(([, item]) => typeof item !== 'string');
  if (other) refuse(`${other[0].slice(0, 80)}: expected text in quotes, got the ${typeof other[1]} ${saw(other[1])}`);
});

function saw(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 80);
}

export const labelsField = stringMap.check((context) => {
  const entries = Object.entries(context.value);
  const refuse = (message: string) => context.issues.push({ code: 'custom', message, input: context.value });
  if (entries.length > mostLabels) refuse(`${entries.length} labels, more than ${mostLabels} (limit: labels)`);
  else {
    for (const [key, value] of entries) {
      if (!isLabelKey(key)) refuse(`${JSON.stringify(key.slice(0, 80))} is not a label key`);
      else if (!isLabelValue(value)) refuse(`${key}: ${JSON.stringify(value.slice(0, 80))} is not a label value`);
    }
  }
});

export const annotationsField = stringMap.check((context) => {
  const size = Object.entries(context.value).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (size > annotationBytes) {
    const message = `${size} bytes, more than ${annotationBytes} (limit: annotations)`;
    context.issues.push({ code: 'custom', message, input: context.value });
  }
});

export const selectorField = z.strictObject({
  matchLabels: stringMap.optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});
