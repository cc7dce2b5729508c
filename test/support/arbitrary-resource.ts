import fc from 'fast-check';
import type { StructuralSchema } from '../../controller/adapters/resources/structural-schema.ts';

/** Any value that the schema of a CustomResourceDefinition allows, small ones mostly. */
export function arbitraryOf(schema: StructuralSchema): fc.Arbitrary<unknown> {
  const { type, properties, items, additionalProperties, required = [] } = schema;
  switch (type) {
    case 'object': {
      if (additionalProperties)
        return fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/), arbitraryOf(additionalProperties), {
          noNullPrototype: true,
        });
      const fields = Object.entries(properties ?? {}).map(([name, field]) => [name, arbitraryOf(field)]);
      return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, {
        requiredKeys: [...required],
        noNullPrototype: true,
      });
    }
    case 'array': {
      if (items === undefined) throw new Error('a list without items');
      const bounds = {
        minLength: numberOf(schema, 'minItems', 0),
        maxLength: Math.min(numberOf(schema, 'maxItems', 3), 3),
      };
      const keys = schema['x-kubernetes-list-map-keys'];
      return Array.isArray(keys)
        ? fc.uniqueArray(arbitraryOf(items), {
            ...bounds,
            selector: (item) => (item as Record<string, unknown>)[keys[0]],
          })
        : fc.array(arbitraryOf(items), bounds);
    }
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({
        min: numberOf(schema, 'minimum', 0),
        max: numberOf(schema, 'maximum', Number.MAX_SAFE_INTEGER),
      });
    case 'number':
      return fc.double({ min: numberOf(schema, 'minimum', 0), max: numberOf(schema, 'maximum', 1), noNaN: true });
    case 'string':
      return arbitraryText(schema);
    default:
      throw new Error(`no such type: ${type}`);
  }
}

function arbitraryText(schema: StructuralSchema): fc.Arbitrary<string> {
  const { format, pattern } = schema;
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as string[]));
  if (format === 'date-time') {
    const min = new Date('1000-01-01');
    return fc.date({ min, max: new Date('9999-12-31'), noInvalidDate: true }).map((date) => date.toISOString());
  }
  // some old servers take an empty text for null
  const minLength = numberOf(schema, 'minLength', schema['nullable'] === true ? 0 : 1);
  const maxLength = Math.min(numberOf(schema, 'maxLength', 40), 40);
  if (typeof pattern === 'string') {
    return fc
      .stringMatching(new RegExp(pattern), { size: 'medium' })
      .filter((text) => text.length <= numberOf(schema, 'maxLength', 200));
  }
  return fc.string({ unit: 'binary', minLength, maxLength });
}

function numberOf(schema: StructuralSchema, keyword: string, otherwise: number): number {
  const value = schema[keyword];
  return typeof value === 'number' ? value : otherwise;
}
