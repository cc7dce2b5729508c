import { z } from 'zod';
import type { SourcePosition } from '../../ports.ts';

const positionSchema = z.strictObject({
  /** Beginning of the latest bucket of which something was delivered, in seconds since 1970; all before it was. */
  bucketS: z.int().min(0),
  /** What of that bucket was delivered, as digests of results. */
  delivered: z.array(z.string()),
  /** That the bucket is not there any more was reported as a loss. */
  isLossTold: z.boolean(),
});

/** How far the buckets of a Goldmane were delivered. */
export type GoldmanePosition = z.infer<typeof positionSchema>;

export function encodePosition(position: GoldmanePosition): SourcePosition {
  return JSON.stringify(position);
}

/** Undefined where the text is no position of ours. */
export function decodePosition(text: SourcePosition): GoldmanePosition | undefined {
  try {
    return positionSchema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
