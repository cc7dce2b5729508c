import { unnamedPeer } from '../../controller/model/flow.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { deploymentSpec, podOf } from '../support/cluster-objects.ts';
import type { WatchedNamespace } from '../support/watched-namespace.ts';
import type { LoopContract } from './controller-loop.ts';

const denied = { verdict: 'denied', answered: false } as const;
const closing = 'namespace-default-deny';

/** A namespace of which every workload is enforced, and workloads that share a policy. */
export function closingClaims({ claim }: LoopContract): void {
  claim('a closed namespace denies what comes later, and proposes what that tries', async (t, shop) => {
    await closed(shop, {});
    t.deepEqual((await shop.policy('nanoseg-default-deny'))?.spec.podSelector, {});
    await shop.deploy('late');
    await shop.world.rounds(1);
    t.is((await shop.policies()).length, 3);
    await shop.world.observe([shop.flow('late > cart 8080', 0, denied), shop.flow('late > cart 8080', 0, denied)]);
    const late = await shop.until('late', ({ status }) => status.attempts.length > 0);
    t.is(late.status.change, 'New');
    t.is(late.spec.evidence.length, 1);
    t.deepEqual(late.status.attempts, late.spec.evidence);
    await shop.world.rounds(1);
    t.is((await shop.policies()).length, 3);
    t.is((await shop.proposal(closing))?.status?.state, 'Enforced');
  });

  claim('a newcomer of a closed namespace may learn for a time that ends and does not begin again', async (t, shop) => {
    await closed(shop, { closedNamespace: { newWorkloads: 'Learn', learnFor: '3s' } });
    await shop.deploy('late');
    const allowances = async () =>
      (await shop.audit()).filter(({ action }) => action === 'LearningAllowance').map(({ message }) => message);
    await shop.world.eventually('the end of the allowance', async () =>
      (await allowances()).length === 2 ? true : undefined,
    );
    const [given = '', taken = ''] = await allowances();
    t.regex(given, /^Deployment\/late is new in a closed namespace and may talk freely until /);
    t.regex(taken, /its time to learn is over$/);
    t.is((await shop.policies()).length, 3);
    await shop.world.rounds(2);
    t.is((await allowances()).length, 2);
    t.is((await shop.policies()).length, 3);
  });

  claim(
    'workloads that no label tells apart share a proposal where the profile says so',
    async (t, shop, { store }) => {
      for (const name of ['blue', 'green']) {
        await shop.put('apps/v1', 'Deployment', name, deploymentSpec('twin'));
        await shop.put(...podOf(name, 'True', 'twin'));
      }
      await shop.deploy('web');
      await shop.profile({ mode: 'enforce', jointPolicies: true });
      await shop.world.sees('the twins', (view) =>
        view.cluster().pods.some(({ namespace, name }) => namespace === shop.name && name.startsWith('green-')),
      );
      const flows = ['blue', 'green'].flatMap((name) => {
        const server = { ...unnamedPeer, namespace: shop.name, pod: `${name}-6d5f7-abcde`, labels: ['app=twin'] };
        return [50, 30, 10].map((minutesAgo) => shop.flow(`web > ${name} 8080`, minutesAgo, { server }));
      });
      await shop.world.observe(flows);
      const joint = await shop.world.eventually('a joint proposal', async () => {
        const all = await store.list<PolicyProposal>('PolicyProposal', shop.name);
        return all.find(
          ({ spec, status }) => spec.scope === 'Joint' && spec.evidence.length === 2 && status !== undefined,
        );
      });
      const { name } = joint.metadata;
      t.deepEqual(joint.spec.workloads, ['Deployment/blue', 'Deployment/green']);
      t.is(await shop.proposal('blue'), undefined);
      const enforced = await shop.enforce(name, 2);
      t.true(await shop.isStored(enforced.spec.policies));
    },
  );

  claim('the proposal of a workload that is gone is Superseded, and its policy stays', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080');
    const { spec } = await shop.enforce('cart', 1);
    await shop.world.backend.take({ kind: 'Deployment', namespace: shop.name, name: 'cart' });
    const gone = await shop.inState('cart', 'Superseded');
    t.is(gone.status.enforced?.revision, 1);
    await shop.world.rounds(1);
    t.true(await shop.isStored(spec.policies));

    await shop.deploy('cart');
    await shop.inState('cart', 'Enforced');
    t.true(await shop.isStored(spec.policies));
  });
}

/** Two workloads, both enforced, and the default-deny over them. */
async function closed(shop: WatchedNamespace, profile: object): Promise<void> {
  await shop.deploy('web', 'cart');
  await shop.profile({ mode: 'enforce', ...profile });
  await shop.observe('web > cart 8080');
  await shop.enforce('web', 1);
  await shop.enforce('cart', 1);
  await shop.enforce(closing, 0);
}
