/**
 * Where two pieces of plain data differ, as paths (`spec.ingress[0].from`); empty when they are the same. Keys whose
 * value is undefined count as absent, and the order of keys does not matter.
 */
export function differences(expected: unknown, actual: unknown): string[] {
  const found: string[] = [];
  compare(expected, actual, '', found);
  return found;
}

function compare(expected: unknown, actual: unknown, path: string, found: string[]): void {
  if (Object.is(expected, actual)) return;
  if (!isObject(expected) || !isObject(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    found.push(path);
  } else if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length) found.push(path);
    else for (const [i, item] of expected.entries()) compare(item, actual[i], `${path}[${i}]`, found);
  } else {
    const at = path === '' ? '' : `${path}.`;
    for (const key of Object.keys(expected)) compare(expected[key], own(actual, key), at + key, found);
    for (const key of Object.keys(actual)) {
      if (!Object.hasOwn(expected, key) && actual[key] !== undefined) found.push(at + key);
    }
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
