import { z } from 'zod';

/**
 * Holds a schema and the type of the model together at compile time: `schema` does not compile when a field is missing,
 * additional, differently optional or of another type.
 */
export function schemaOf<Model>() {
  return <Schema extends z.ZodType>(
    schema: Same<Plain<z.output<Schema>>, Plain<Model>> extends true ? Schema : never,
  ) => schema;
}

type Same<A, B> = (<Type>() => Type extends A ? 1 : 2) extends <Type>() => Type extends B ? 1 : 2 ? true : false;

/** The type without intersections and with everything read-only, so that equal shapes are equal types. */
type Plain<Type> = Type extends readonly (infer Item)[]
  ? readonly Plain<Item>[]
  : Type extends object
    ? { readonly [Key in keyof Type]: Plain<Type[Key]> }
    : Type;

/** The largest text of policies that a resource holds, in characters; etcd ends at 1.5 MiB for a whole object. */
const policiesLength = 512 * 1024;
/** Most connections that one workload's policies may cite. */
export const mostEvidence = 20_000;

const dateTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** RFC 3339; the API server knows it as a format and needs no pattern for it. */
export const timeText = z
  .string()
  .refine(
    (text) => dateTime.test(text) && !Number.isNaN(Date.parse(text)),
    'not a time of RFC 3339, 2026-01-31T12:00:00Z',
  )
  .meta({ format: 'date-time' });

export const digestText = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'not a digest; expected sha256: and 64 hex digits');

export const resourceName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/, 'not an object name');

/**
 * A text that may be empty. API servers before 1.21 that were compiled with Go 1.16 or newer take "" for null and refuse
 * it where null is not allowed (kubernetes/kubernetes#99804); and null is what `field:` without a value is in YAML. Only
 * where it is needed: kubectl explain does not tell the type of such a field.
 */
function emptyable(text: z.ZodString) {
  return text.nullable().transform((value) => value ?? '');
}

export const policiesText = emptyable(z.string().max(policiesLength));

export const textOrNone = emptyable(z.string());

export const wholeNumber = z.int().min(0);

/** A list of `metav1.Condition` in which every type is there at most once. */
export function conditionList<Type extends string>(types: readonly Type[]) {
  return z
    .array(
      z.object({
        type: z.enum(types).describe('What the condition is about.'),
        status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
        reason: z.string().describe('Why, as one stable word in CamelCase that scripts may rely on.'),
        message: z.string().describe('Why, in a sentence for people.'),
        lastTransitionTime: timeText.describe('When the status last changed.'),
        observedGeneration: wholeNumber.describe('The generation of the object that the condition is about.'),
      }),
    )
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });
}
