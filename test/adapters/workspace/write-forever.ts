import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { DirectoryStore } from '../../../controller/adapters/workspace/directory-store.ts';
import type { PolicyProposal } from '../../../controller/model/policy-proposal.ts';

/** A process that counts in one proposal until it is killed; each number goes out only after it is stored. */
const [root = '', writer = ''] = process.argv.slice(2);
const store = new DirectoryStore({ root, clock: systemClock, report: () => undefined });
const ref = { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' };
for (let done = 0; ; ) {
  const proposal = await store.get<PolicyProposal>(ref);
  if (proposal === undefined) throw new Error('the proposal is gone');
  const counted = Number(/^count: (\d+)$/m.exec(proposal.spec.policies)?.[1]) + 1;
  const policies = `count: ${counted}\n# ${'long '.repeat(2000)}\nwriter: ${writer}\n`;
  try {
    await store.update({ ...proposal, spec: { ...proposal.spec, policies } });
    process.stdout.write(`${++done}\n`);
  } catch (error) {
    if ((error as { code?: string }).code !== 'Conflict') throw error;
  }
}
