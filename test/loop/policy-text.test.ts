import test from 'ava';
import { readPolicyText } from '../../controller/loop/policy-text.ts';

const text = `# what a reviewer reads
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: nanoseg-cart
  namespace: shop
  labels:
    app.kubernetes.io/managed-by: nanoseg
spec:
  podSelector:
    matchLabels: { app: cart }
  policyTypes: [Ingress, Egress]
  ingress:
    # the shop window
    - from:
        - podSelector: { matchLabels: { app: web } }
      ports:
        - port: 8080
`;

const said = (edited: string) =>
  (readPolicyText(edited).problems ?? []).map(({ code, message, where }) => `${code} ${where}: ${message}`);

test('a text is read as it stands, without its comments', (t) => {
  t.deepEqual(
    readPolicyText(`${text}---\n${text.replaceAll('cart', 'redis')}`).policies?.map(({ metadata }) => metadata.name),
    ['nanoseg-cart', 'nanoseg-redis'],
  );
  t.deepEqual(readPolicyText(text).policies?.[0]?.spec.ingress, [
    { from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 8080 }] },
  ]);
});

test('an empty text, or one of comments alone, has no policies', (t) => {
  t.deepEqual([readPolicyText(''), readPolicyText('# gone\n---\n')], [{ policies: [] }, { policies: [] }]);
});

test('nothing that nanoseg does not know is ignored, and the line is named', (t) => {
  t.deepEqual(said(text.replace('- from:', '- _from:')), [
    'PolicyInvalid line 15: NetworkPolicy shop/nanoseg-cart: spec.ingress[0]: unknown field "_from"',
  ]);
  t.deepEqual(said(text.replace('port: 8080', 'prot: 8080')), [
    'PolicyInvalid line 18: NetworkPolicy shop/nanoseg-cart: spec.ingress[0].ports[0]: unknown field "prot"',
  ]);
  t.regex(said(`${text}status: {}\n`)[0] ?? '', /^PolicyInvalid line 19: status: .* no such field$/);
  t.regex(said(text.replace('  labels:', '  finalizers: [x]\n  labels:'))[0] ?? '', /line 7: metadata\.finalizers: /);
});

test('a value that the API would refuse is named with its line', (t) => {
  t.regex(said(text.replace('8080', '80800'))[0] ?? '', /^PolicyInvalid line 18: .*ports\[0\]\.port: Too big/);
});

test('what is no NetworkPolicy has no place in a proposal', (t) => {
  t.regex(said(text.replace('kind: NetworkPolicy', 'kind: Secret'))[0] ?? '', /^PolicyInvalid line 3: .*nothing else$/);
  t.regex(said('- a\n- b\n')[0] ?? '', /^PolicyInvalid line 1: expected a NetworkPolicy/);
  t.regex(said(`${text}---\nvalues: 3\n`)[0] ?? '', /^PolicyInvalid line 20: .*nothing else$/);
});

test('a policy says its namespace itself', (t) => {
  t.regex(
    said(text.replace('  namespace: shop\n', ''))[0] ?? '',
    /^PolicyInvalid line 4: metadata\.namespace is missing$/,
  );
});

test('a text that is no YAML, says a key twice, or ends before its end is a problem with its line', (t) => {
  t.regex(said(text.replace('[Ingress, Egress]', '[Ingress'))[0] ?? '', /^ManifestUnreadable line 1\d: not YAML/);
  t.deepEqual(said(`${text}  podSelector: {}\n`), ['ManifestUnreadable line 19: not YAML: duplicated mapping key']);
  t.regex(said(`${text}...\n${text}`)[0] ?? '', /the marker \.\.\. ends the text/);
});

test('a text of nested aliases is refused by name', (t) => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefgh'.split('').map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[i]}`).join()}]`),
  ];
  t.regex(said(bomb.join('\n'))[0] ?? '', /^LimitExceeded/);
});
