import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { load } from 'js-yaml';
import { customResourceDefinitions } from '../../controller/adapters/resources/custom-resource-definitions.ts';
import { parseApproval, parseProposal } from '../../controller/adapters/resources/parse-resources.ts';
import type { StructuralSchema } from '../../controller/adapters/resources/structural-schema.ts';
import { profileFromText } from '../../controller/adapters/workspace/read-profile.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import { decisions } from '../../controller/model/policy-approval.ts';
import { conditionTypes, proposalStates } from '../../controller/model/policy-proposal.ts';
import { renderYaml } from '../../controller/policy/render-yaml.ts';

const directory = new URL('../../crds/', import.meta.url);
const note = ['Generated from controller/adapters/resources. Do not edit; npm run crds writes it anew.'];

interface Definition extends KubernetesObject {
  readonly spec: {
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: StructuralSchema } }[];
  };
}

const definitions = customResourceDefinitions() as Definition[];

function expectedFiles(): Map<string, string> {
  const files = definitions.map((definition): [string, string] => [
    `${definition.spec.names.plural}.yaml`,
    renderYaml(definition, new Map([[definition, note]])),
  ]);
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: files.map(([name]) => name).sort(),
  };
  return new Map([...files, ['kustomization.yaml', renderYaml(kustomization, new Map([[kustomization, note]]))]]);
}

test('crds/ is what the schemas in the code say, and nothing else', async (t) => {
  const expected = expectedFiles();
  if (process.env['NANOSEG_UPDATE_GOLDENS'] === '1') {
    await mkdir(directory, { recursive: true });
    for (const [name, text] of expected) await writeFile(new URL(name, directory), text);
  }
  t.deepEqual((await readdir(directory)).sort(), [...expected.keys()].sort());
  for (const [name, text] of expected) t.is(await readFile(new URL(name, directory), 'utf8'), text, name);
});

test('kubectl explain has a sentence for every field', (t) => {
  const mute = definitions.flatMap((definition) =>
    definition.spec.versions.flatMap(({ schema }) =>
      fieldsWithout(schema.openAPIV3Schema, definition.spec.names.plural),
    ),
  );
  t.deepEqual(mute, []);
});

/** Paths of the fields whose description is no sentence. The metadata of objects has Kubernetes' own words. */
function fieldsWithout(schema: StructuralSchema, path: string): string[] {
  const own = path.endsWith('.metadata') || /^[A-Z"a-z].*[.]$/s.test(schema.description ?? '') ? [] : [path];
  const fields = Object.entries(schema.properties ?? {});
  const items = Object.entries(schema.items?.properties ?? {});
  return [...own, ...[...fields, ...items].flatMap(([name, field]) => fieldsWithout(field, `${path}.${name}`))];
}

const page = (name: string) => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

test('docs/profile.md has every field of a profile, and its example is one', async (t) => {
  const text = await page('profile.md');
  const [first] = definitions.flatMap(({ spec }) => spec.versions);
  const spec = first?.schema.openAPIV3Schema.properties?.['spec'];
  const fields = leaves(spec ?? { type: 'object' }, '');
  t.true(fields.includes('guard.duration'));
  t.deepEqual(
    fields.filter((field) => !text.includes(`\`${field}\``) && !text.includes(`\`${field.replace(/^[^.]+/, '')}\``)),
    [],
  );
  const example = /```yaml\n([^]*?)```/.exec(text)?.[1] ?? '';
  t.deepEqual(profileFromText(example, 'profile.md').problems, []);
});

/** `learning.bin`: fields that are no objects themselves; what lists hold is explained with the list. */
function leaves(schema: StructuralSchema, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const own = path === '' ? name : `${path}.${name}`;
    return field.properties ? leaves(field, own) : [own];
  });
}

test('docs/resources.md has every state, condition and decision, and its examples can be read', async (t) => {
  const text = await page('resources.md');
  for (const word of [...proposalStates, ...conditionTypes, ...decisions]) t.true(text.includes(`\`${word}\``), word);
  const [proposal, approval] = [...text.matchAll(/```yaml\n([^]*?)```/g)].map(([, example = '']) =>
    load(example.replace('sha256:…', `sha256:${'0'.repeat(64)}`)),
  );
  t.false(Array.isArray(parseProposal(proposal as KubernetesObject)));
  t.false(Array.isArray(parseApproval(approval as KubernetesObject)));
});
