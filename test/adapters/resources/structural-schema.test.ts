import test from 'ava';
import { z } from 'zod';
import { structuralSchema } from '../../../controller/adapters/resources/structural-schema.ts';

test('what a structural schema cannot say is an error, and not left out', (t) => {
  for (const schema of [
    z.object({ a: z.union([z.string(), z.number()]) }),
    z.object({ a: z.object({ b: z.literal('x').or(z.literal(1)) }) }),
    z.array(z.unknown()),
    z.object({ a: z.number().gt(0) }),
  ]) {
    t.throws(() => structuralSchema(schema));
  }
});

test('an object that allows no other fields is one whose other fields the server drops', (t) => {
  t.deepEqual(structuralSchema(z.strictObject({ a: z.int().describe('How many.'), b: z.string().exactOptional() })), {
    type: 'object',
    required: ['a'],
    properties: { a: { description: 'How many.', type: 'integer', format: 'int64' }, b: { type: 'string' } },
  });
});
