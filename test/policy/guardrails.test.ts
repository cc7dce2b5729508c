import { readFile } from 'node:fs/promises';
import test from 'ava';
import { allowanceNames } from '../../controller/model/policy-draft.ts';
import { allowances, suspiciousDestinations } from '../../controller/policy/guardrails.ts';

const page = await readFile(new URL('../../docs/guardrails.md', import.meta.url), 'utf8');
const named = (heading: string) => {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);
};

test('every named allowance is documented, and no other', (t) => {
  t.deepEqual(new Set(named('Named allowances')), new Set(Object.keys(allowances)));
  t.deepEqual(new Set<string>(Object.keys(allowances)), new Set<string>(allowanceNames));
});

test('every destination that is never learned by itself is documented', (t) => {
  const documented = named('Held back');
  t.true(suspiciousDestinations.length > 0);
  for (const { because } of suspiciousDestinations) t.true(documented.includes(because), because);
});
