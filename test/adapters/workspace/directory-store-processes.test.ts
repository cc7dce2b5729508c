import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { PolicyProposal } from '../../../controller/model/policy-proposal.ts';
import { proposalIn } from '../../contract/sample-objects.ts';
import { openWorkspace } from './open-workspace.ts';

const writerProgram = fileURLToPath(new URL('write-forever.ts', import.meta.url));

/** How many writes it said to have done when it was killed. */
async function writeAndDie(root: string, writer: string, lifeMs: number): Promise<number> {
  const child = spawn(process.execPath, [writerProgram, root, writer], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child.stdout, 'data');
  setTimeout(() => child.kill('SIGKILL'), lifeMs);
  await once(child, 'close');
  return output.split('\n').length - 1;
}

test('processes that write at the same time and are killed lose no write and leave no broken file', async (t) => {
  const { root, store } = await openWorkspace(t);
  const wanted = proposalIn('shop');
  await store.create({ ...wanted, spec: { ...wanted.spec, policies: 'count: 0\n' } });
  let acknowledged = 0;
  let killed = 0;
  for (let round = 0; round < 3; round++) {
    const lives = [0, 1, 2].map((i) => writeAndDie(root, `${round}-${i}`, 20 + Math.random() * 150));
    for (const done of await Promise.all(lives)) acknowledged += done;
    killed += lives.length;
    const after = await store.get<PolicyProposal>({
      kind: 'PolicyProposal',
      namespace: 'shop',
      name: 'deployment-cart',
    });
    const counted = Number(/^count: (\d+)$/m.exec(after?.spec.policies ?? '')?.[1]);
    t.true(counted >= acknowledged, `${counted} stored, ${acknowledged} acknowledged`);
    t.true(counted <= acknowledged + killed, 'more than one write of each process that was not acknowledged');
    t.is(after?.metadata.generation, counted + 1);
    t.regex(after?.spec.policies ?? '', /\nwriter: \d-\d\n$/);
  }
  t.true(acknowledged > 9);
  const files = await readdir(join(root, 'proposals', 'shop'));
  t.true(files.length <= 2, `no more than the file and one that was not finished: ${files.join(' ')}`);
});

test('the folder of what can be lost keeps itself out of Git', async (t) => {
  const { root, store } = await openWorkspace(t);
  await store.create(proposalIn('shop'));
  t.is(await readFile(join(root, '.nanoseg', '.gitignore'), 'utf8'), '*\n');
});
