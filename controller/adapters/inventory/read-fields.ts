import type { z } from 'zod';
import { type Problem, problem } from '../../model/problem.ts';
import { faultsOf } from './faults.ts';
import { type LocatedObject, remembered } from './located-object.ts';

/** The fields of one object that a schema asks for; or undefined, with a problem for everything wrong with them. */
export function readFields<Schema extends z.ZodType>(
  schema: Schema,
  object: LocatedObject,
  problems: Problem[],
): z.infer<Schema> | undefined {
  const parsed = remembered(object, schema, () => schema.safeParse(object.body));
  if (parsed.success) return parsed.data;
  const called = [object.namespace, object.name].filter(Boolean).join('/');
  for (const fault of faultsOf(parsed.error)) {
    problems.push(problem('ObjectInvalid', `${object.kind} ${called}: ${fault}`, object.where));
  }
  return undefined;
}
