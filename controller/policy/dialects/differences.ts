/**
 * Where two pieces of plain data differ, as paths (`spec.ingress[0].from`); empty when they are the same. Keys whose
 * value is undefined count as absent, and the order of keys does not matter.
 */
export function differences(expected: unknown, actual: unknown): string[] {
  const found: string[] = [];
  compare(expected, actual, [], found);
  return found;
}

/** `path` holds keys and positions from the root, and is made into text only where there is a difference. */
function compare(expected: unknown, actual: unknown, path: (string | number)[], found: string[]): void {
  if (Object.is(expected, actual)) return;
  if (!isObject(expected) || !isObject(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    found.push(pathText(path));
  } else if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length) found.push(pathText(path));
    else for (let i = 0; i < expected.length; i++) compareAt(i, expected[i], actual[i], path, found);
  } else {
    for (const key of Object.keys(expected)) compareAt(key, expected[key], own(actual, key), path, found);
    for (const key of Object.keys(actual)) {
      if (!Object.hasOwn(expected, key) && actual[key] !== undefined) found.push(pathText([...path, key]));
    }
  }
}

function compareAt(
  step: string | number,
  expected: unknown,
  actual: unknown,
  path: (string | number)[],
  found: string[],
): void {
  path.push(step);
  compare(expected, actual, path, found);
  path.pop();
}

function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
