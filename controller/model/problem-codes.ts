/**
 * Every code that a user of nanoseg can meet, with what it means and what to do about it. A test holds this table and
 * docs/problems.md equal in both directions.
 */
export const problemCodes = {
  InputNotFound: {
    means: 'A file or directory that was named does not exist or cannot be read.',
    fix: 'Check the path and its permissions.',
  },
} as const satisfies Record<string, { readonly means: string; readonly fix: string }>;

export type ProblemCode = keyof typeof problemCodes;
