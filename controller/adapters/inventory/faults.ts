import type { z } from 'zod';

/** What zod found, one sentence each, beginning with the field: `spec.ports[0].port: expected number, received string`. */
export function faultsOf(error: z.ZodError): string[] {
  return error.issues.map((issue) => {
    const at = fieldPath(issue.path);
    if (issue.code === 'unrecognized_keys') {
      const keys = issue.keys.map((key) => JSON.stringify(key.slice(0, 80))).join(', ');
      return `${at === '' ? '' : `${at}: `}unknown field ${keys}`;
    }
    const message = issue.message.replace(/^Invalid input: /, '');
    return at === '' ? message : `${at}: ${message}`;
  });
}

/** `spec.ingress[0].from`. */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : `${text}${text === '' ? '' : '.'}${String(step)}`),
    '',
  );
}
