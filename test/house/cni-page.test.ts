import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { cniNames } from '../../controller/model/profile.ts';
import { type CniProfile, cniProfile } from '../../controller/policy/cni-profiles.ts';

const page = new URL('../../docs/cni.md', import.meta.url);

const questions: readonly (readonly [field: Exclude<keyof CniProfile, 'name'>, question: string])[] = [
  ['ipBlockMatchesPods', 'Does an ipBlock match the address of a pod?'],
  ['ipBlockMatchesNodes', 'Does an ipBlock match the address of a node?'],
  ['namedPorts', 'Are named ports resolved on the destination pod?'],
  ['endPort', 'Is endPort honoured?'],
  ['sctp', 'Are SCTP rules honoured?'],
  ['ownNodeExempt', "May a pod's own node always reach it (kubelet probes)?"],
  ['anyNodeExempt', 'May every node reach every pod, whatever the policies say?'],
  ['egressSees', 'Which address do egress rules see for traffic to a Service?'],
  ['dialects', 'Which dialects does it read?'],
];

function expectedPage(): string {
  const cell = (value: CniProfile[keyof CniProfile]) => (typeof value === 'string' ? value : value.join(', '));
  const rows = questions.map(
    ([field, question]) => `| ${question} | ${cniNames.map((name) => cell(cniProfile(name)[field])).join(' | ')} |`,
  );
  return `# Network plugins

Where the NetworkPolicy API leaves plugins free, they differ. \`--cni NAME\`, or \`cni\` in the profile, says which one it is. Without
it, nanoseg promises only what the API promises: an answer that hangs on one of these facts is \`unknown\`, with the reason.
\`controller/policy/cni-profiles.ts\` is the source of this table and says where each fact comes from; \`unknown\` means that it
differs by version or setting, or that no source we trust says it.

| fact | ${cniNames.join(' | ')} |
| --- |${' --- |'.repeat(cniNames.length)}
${rows.join('\n')}
`;
}

test('docs/cni.md shows the facts that decide, and all of them', async (t) => {
  t.deepEqual(
    new Set<string>(questions.map(([field]) => field)),
    new Set(Object.keys(cniProfile('generic')).filter((field) => field !== 'name')),
  );
  if (process.env['NANOSEG_UPDATE_GOLDENS'] === '1') await writeFile(page, expectedPage());
  t.is(await readFile(page, 'utf8'), expectedPage());
});
