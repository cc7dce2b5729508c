import test from 'ava';
import { parseManifests } from '../../../controller/adapters/workspace/parse-manifests.ts';

function names(text: string, origin = 'm.yaml'): string[] {
  return parseManifests(text, origin).objects.map(({ kind, name }) => `${kind}/${name}`);
}
const codes = (text: string, origin = 'm.yaml') =>
  parseManifests(text, origin).problems.map(({ code, where }) => `${code} ${where}`);
const object = (name: string) => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\n`;

test('every document of a stream is read, each with the line on which it begins', (t) => {
  const { objects, problems } = parseManifests(
    `# head\n${object('a')}---\n# note\n\n${object('b')}...\n--- # tail\n`,
    'm.yaml',
  );
  t.deepEqual(
    objects.map(({ name, where }) => [name, where]),
    [
      ['a', 'm.yaml:2'],
      ['b', 'm.yaml:8'],
    ],
  );
  t.deepEqual(problems, []);
});

test('a broken document is a problem with its line, and the others are read', (t) => {
  const text = `${object('a')}---\nkind: [\n---\n${object('b')}`;
  t.deepEqual(names(text), ['Pod/a', 'Pod/b']);
  t.is(codes(text).length, 1);
  t.regex(codes(text)[0] ?? '', /^ManifestUnreadable m\.yaml:[56]$/);
});

test('a template that was not rendered is a problem and no crash', (t) => {
  t.deepEqual(names(`{{ if .Values.x }}\n${object('a')}{{ end }}`), []);
  t.is(codes(`{{ if .Values.x }}\n${object('a')}{{ end }}`)[0]?.split(' ')[0], 'ManifestUnreadable');
  t.is(
    codes('apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.name }}}\n')[0]?.split(' ')[0],
    'ManifestUnreadable',
  );
});

test('lists are taken apart, typed ones give their items the kind', (t) => {
  t.deepEqual(
    names(
      `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Node, metadata: {name: n1}}`,
    ),
    ['Pod/a', 'Node/n1'],
  );
  t.deepEqual(names(`apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}]`), ['Pod/a']);
  t.deepEqual(names('{"apiVersion":"apps/v1","kind":"DeploymentList","items":null}', 'x.json'), []);
});

test('an item of a list is located by its index', (t) => {
  const text = 'apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: a}}, 5]';
  t.deepEqual(codes(text), ['ManifestUnreadable m.yaml:1 items[1]']);
});

test('JSON is read as JSON, and YAML that begins like it as YAML', (t) => {
  t.deepEqual(names('\ufeff {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}', 'm.json'), ['Pod/a']);
  t.deepEqual(names('{apiVersion: v1, kind: Pod, metadata: {name: a}}'), ['Pod/a']);
  t.deepEqual(codes('{"apiVersion":"v1",', 'm.json'), ['ManifestUnreadable m.json:1']);
});

test('values are typed as Kubernetes types them', (t) => {
  const text = `${object('a')}spec: {a: yes, b: 010, c: 2026-01-01, d: 12:30, e: 1e3, f: "yes", g: ~}\n`;
  const [first] = parseManifests(text, 'm.yaml').objects;
  t.deepEqual(first?.body['spec'], { a: true, b: 8, c: '2026-01-01', d: '12:30', e: 1_000, f: 'yes', g: null });
});

test('what is no object is a problem, nothing at all is none', (t) => {
  t.deepEqual(codes('just text'), ['ManifestUnreadable m.yaml:1']);
  t.deepEqual(codes('apiVersion: v1\nkind: a/b\nmetadata: {name: x}'), ['ManifestUnreadable m.yaml:1']);
  for (const name of ['', '..', 'a/b', '5']) {
    const text = `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}`;
    t.deepEqual(codes(text), ['ObjectInvalid m.yaml:1'], name);
  }
  t.deepEqual(codes('apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: A_b}'), ['ObjectInvalid m.yaml:1']);
  t.deepEqual(codes('# only a comment\n---\n---\n'), []);
  t.deepEqual(codes(''), []);
});

test('a duplicated key is a problem, not the last of both', (t) => {
  t.deepEqual(codes('apiVersion: v1\nkind: Pod\nkind: Node\nmetadata: {name: a}'), ['ManifestUnreadable m.yaml:3']);
});

function limit(text: string, origin = 'm.yaml'): string {
  const { objects, problems } = parseManifests(text, origin);
  return `${objects.length} ${problems.map(({ code, message }) => `${code}: ${message}`).join('\n')}`;
}

test('an alias bomb is refused by name of the limit', (t) => {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`);
  t.regex(limit(`${object('a')}l0: &l0 x\n${levels.join('\n')}\n`), /^0 LimitExceeded: .*aliases/);
});

test('too many aliases are refused by name of the limit', (t) => {
  t.regex(limit(`${object('a')}x: &x 1\ny: [${Array(101).fill('*x').join(', ')}]\n`), /^0 LimitExceeded: .*maxAliases/);
});

test('an alias to itself is refused or read, and never followed for ever', (t) => {
  t.regex(limit(`${object('a')}x: &x {y: *x}\n`), /^0 (?:LimitExceeded|ManifestUnreadable): /);
});

test('nesting too deep is refused by name of the limit, in YAML and in JSON', (t) => {
  t.regex(limit(`${object('a')}x: ${'['.repeat(101)}${']'.repeat(101)}\n`), /^0 LimitExceeded: .*maxDepth/);
  const json = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"x":${'['.repeat(101)}${']'.repeat(101)}}`;
  t.regex(limit(json, 'm.json'), /^0 LimitExceeded: .*depth/);
  t.regex(
    limit(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"x":"\\"${'['.repeat(101)}"}`, 'm.json'),
    /^1 $/,
  );
});

test('lists inside of lists end', (t) => {
  let nested = '{}';
  for (let level = 0; level < 5; level++) nested = `{"apiVersion":"v1","kind":"List","items":[${nested}]}`;
  t.regex(limit(nested, 'm.json'), /^0 LimitExceeded: lists/);
});

test('values files, reports and configurations of tools beside the manifests are passed over', (t) => {
  const other = [
    'replicas: 1',
    '{"schema": "nanoseg.io/report"}',
    'kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1',
  ];
  for (const text of other) t.deepEqual(parseManifests(text, 'm.yaml'), { objects: [], problems: [] });
  t.is(parseManifests('kind: NetworkPolicy\napiVersion: networking.k8s.io/v1', 'm.yaml').problems.length, 1);
});
