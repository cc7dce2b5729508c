import test from 'ava';
import fc from 'fast-check';
import { CORE_SCHEMA, load, YAML11_SCHEMA } from 'js-yaml';
import { splitYamlDocuments } from '../../controller/adapters/workspace/kubernetes-yaml.ts';
import { renderYaml, renderYamlDocuments, type YamlComments } from '../../controller/policy/render-yaml.ts';

/** Words that one version of YAML or another does not read as text. */
const treacherous = [
  'y',
  'N',
  'yes',
  'No',
  'on',
  'OFF',
  'true',
  'False',
  'null',
  'Null',
  '~',
  '',
  ' ',
  '=',
  '<<',
  '.inf',
  '-.INF',
  '.nan',
  '0',
  '-1',
  '+1',
  '0o7',
  '010',
  '0x1F',
  '0b11',
  '1_000',
  '1e3',
  '1.5e+3',
  '.5',
  '5.',
  '1:20',
  '190:20:30.15',
  '12e03',
  '2001-01-01',
  '2001-12-14t21:59:43.10-05:00',
  '2026-11-01T10:00Z',
  '1.2.3.4',
  '10.0.0.0/8',
  '::1/128',
  'fd00::/8',
  '- a',
  '-',
  '?',
  '? a',
  ':',
  ': a',
  'a: b',
  'a:',
  'a #b',
  '#a',
  '&a',
  '*a',
  '!a',
  '|',
  '>',
  '%a',
  '@a',
  '`a`',
  '{a}',
  '[a]',
  "'a'",
  '"a"',
  'a\nb',
  'a\n---\nb',
  '...',
  '---',
  'a\tb',
  'a\\b',
  '\u0085',
  '\u2028',
  '\u00e9',
  '\ufeff',
  '\u{1f600}',
  '\u007f',
];
const word = fc.oneof(fc.constantFrom(...treacherous), fc.string(), fc.string({ unit: 'binary' }));
const scalar = fc.oneof(word, fc.integer(), fc.boolean());
const { document } = fc.letrec<{ document: Record<string, unknown>; value: unknown }>((tie) => ({
  document: fc.dictionary(word, tie('value'), { noNullPrototype: true, maxKeys: 6 }),
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    tie('document'),
  ),
}));

const written = (value: object) => JSON.parse(JSON.stringify(value)) as unknown;

test('YAML 1.1 and YAML 1.2 readers both read back exactly what was written', (t) => {
  fc.assert(
    fc.property(document, (value) => {
      const text = renderYaml(value);
      for (const schema of [YAML11_SCHEMA, CORE_SCHEMA])
        t.deepEqual(written(load(text, { schema }) as object), written(value));
    }),
    { numRuns: 1000 },
  );
});

test('every treacherous word survives as text, as key, value and list item', (t) => {
  for (const text of treacherous) {
    const value = { [text]: text, list: [text, { [text]: [text] }] };
    for (const schema of [YAML11_SCHEMA, CORE_SCHEMA]) {
      t.deepEqual(written(load(renderYaml(value), { schema }) as object), written(value), JSON.stringify(text));
    }
  }
});

test('no comment changes what is read', (t) => {
  fc.assert(
    fc.property(document, fc.array(word), (value, lines) => {
      const comments = new Map<object, readonly string[]>([[value, lines]]);
      const visit = (part: unknown): void => {
        if (typeof part !== 'object' || part === null) return;
        comments.set(part, lines);
        for (const inner of Object.values(part)) visit(inner);
      };
      visit(value);
      t.deepEqual(written(load(renderYaml(value, comments), { schema: YAML11_SCHEMA }) as object), written(value));
    }),
    { numRuns: 500 },
  );
});

test('a comment cannot be left: line breaks of every kind stay inside of it', (t) => {
  const item = { port: 80 };
  const comments: YamlComments = new Map([[item, ['x\ny: 1', 'a\r\nb', 'c\u2028d\u0085e', '\u001b[2J']]]);
  const text = renderYaml({ ports: [item] }, comments);
  t.is(text, 'ports:\n  # x?y: 1\n  # a??b\n  # c?d?e\n  # ?[2J\n  - port: 80\n');
});

test('ordinary names, label keys, versions and IPv4 blocks are written without quotes', (t) => {
  t.is(
    renderYaml({
      apiVersion: 'networking.k8s.io/v1',
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'nanoseg', 'k8s:app': 'web' } },
      blocks: ['10.0.0.0/8', { cidr: '2001:db8::/32', except: [] }],
      rules: [{}],
      left: undefined,
    }),
    [
      'apiVersion: networking.k8s.io/v1',
      'metadata:',
      '  labels:',
      '    app.kubernetes.io/managed-by: nanoseg',
      '    k8s:app: web',
      'blocks:',
      '  - 10.0.0.0/8',
      '  - cidr: "2001:db8::/32"',
      '    except: []',
      'rules:',
      '  - {}',
      '',
    ].join('\n'),
  );
});

const line = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '  indented: yes',
    '# a comment',
    '---',
    '...',
    '- item',
    'a: |',
    'trailing ',
    'größer ✓',
    '\t',
  ),
  word,
);

test('text of several lines reads back exactly, wherever it stands', (t) => {
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (lines) => {
      const text = lines.join('\n');
      const value = {
        spec: { policies: text, list: [text, { inner: text, after: 1 }, [text]], after: 'x' },
        last: text,
      };
      const rendered = renderYaml(value);
      for (const schema of [YAML11_SCHEMA, CORE_SCHEMA])
        t.deepEqual(written(load(rendered, { schema }) as object), value);
      t.deepEqual(splitYamlDocuments(rendered).length, 1);
    }),
    { numRuns: 1000 },
  );
});

test('text of several visible lines can be read and edited where it stands', (t) => {
  const text = '# größer\nkind: NetworkPolicy\nspec:\n  ingress:\n\n    - {}\n---\na: b\n';
  t.is(
    renderYaml({ spec: { policies: text, list: ['a\nb'] } }),
    [
      'spec:',
      '  policies: |',
      '    # größer',
      '    kind: NetworkPolicy',
      '    spec:',
      '      ingress:',
      '',
      '        - {}',
      '    ---',
      '    a: b',
      '  list:',
      '    - |-',
      '      a',
      '      b',
      '',
    ].join('\n'),
  );
});

test('text that hides or reorders characters is quoted', (t) => {
  t.is(renderYaml({ a: 'x\n\u202ey\n' }), 'a: "x\\n\\u202ey\\n"\n');
});

test('documents are separated, and each can be read alone', (t) => {
  t.is(renderYamlDocuments([{ a: 1 }, { b: 'x' }]), 'a: 1\n---\nb: x\n');
});
