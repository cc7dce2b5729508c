import { z } from 'zod';

/** A schema as a CustomResourceDefinition holds it (apiextensions.k8s.io/v1 JSONSchemaProps). */
export interface StructuralSchema {
  readonly description?: string;
  readonly type: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly items?: StructuralSchema;
  readonly additionalProperties?: StructuralSchema;
  readonly [keyword: string]: unknown;
}

/** What a structural schema may hold as it is, in the order in which it is written. */
const keywords = [
  'nullable',
  'format',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
] as const;

const others = ['description', 'type', 'required', 'properties', 'items', 'additionalProperties', 'propertyNames'];

/**
 * What a client may send, as a structural schema: one type for each value, no unions, no references, and no
 * `additionalProperties: false`, because the API server drops unknown fields by itself and refuses that. Throws for a
 * schema that cannot be written so. Source: the API's rules for structural schemas of CustomResourceDefinitions.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
  });
  return structural(json, '');
}

/** Looser than zod's type, whose parts may be plain booleans. */
type Json = Readonly<Record<string, unknown>>;

function structural(json: Json, path: string): StructuralSchema {
  const { description, type, required, properties, items, additionalProperties } = json;
  const strange = Object.keys(json).find((key) => !others.includes(key) && !keywords.some((known) => known === key));
  if (strange !== undefined) throw new Error(`${path}: ${strange} is not for structural schemas`);
  if (typeof type !== 'string') throw new Error(`${path}: no type`);
  const below = (key: string, part: unknown) => structural(part as Json, `${path}.${key}`);
  const fields = Object.entries((properties ?? {}) as Json).map(([key, part]) => [key, below(key, part)]);
  return {
    ...(typeof description === 'string' && { description }),
    type,
    ...(type === 'integer' && { format: 'int64' }),
    ...Object.fromEntries(
      keywords.flatMap((key) => (key in json && !isBoundOfNumbers(json[key]) ? [[key, json[key]]] : [])),
    ),
    ...(Array.isArray(required) && { required: required as string[] }),
    ...(fields.length > 0 && { properties: Object.fromEntries(fields) as Record<string, StructuralSchema> }),
    ...(items !== undefined && { items: below('items', items) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: below('*', additionalProperties) }),
  };
}

/** zod says of every integer that JavaScript must be able to hold it. */
function isBoundOfNumbers(value: unknown): boolean {
  return value === Number.MAX_SAFE_INTEGER || value === Number.MIN_SAFE_INTEGER;
}
