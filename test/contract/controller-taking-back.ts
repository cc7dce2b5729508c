import { annotations } from '../../controller/reconcile/apply-policies.ts';
import { podOf } from '../support/cluster-objects.ts';
import type { LoopContract } from './controller-loop.ts';

const denied = { verdict: 'denied', answered: false } as const;

/** What is in force can be taken back, by people and by itself. */
export function takingBackClaims({ claim }: LoopContract): void {
  claim('a rollback restores exactly the former text, down to none, and old approvals stay void', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080');
    const first = await shop.enforce('cart', 1);
    await shop.observe('web > cart 9090');
    const second = await shop.enforce('cart', 2);
    t.deepEqual(
      [first, second].map(({ status }) => status.enforced?.revision),
      [1, 2],
    );

    await shop.decide('alice', 'Rollback', second);
    const back = await shop.inState('cart', 'RolledBack');
    t.deepEqual(back.status.enforced, first.status.enforced);
    t.true(await shop.isStored(first.spec.policies));
    t.is((await shop.policy('nanoseg-cart'))?.metadata.annotations?.[annotations.revision], '1');
    t.regex(back.status.message, /^taken back to revision 1 by alice.*: for the test$/);

    await shop.decide('alice', 'Rollback', back);
    const none = await shop.until('cart', ({ status }) => status.enforced === undefined);
    t.is(none.status.state, 'RolledBack');
    await shop.world.rounds(1);
    t.deepEqual(await shop.policies(), []);
    t.is((await shop.proposal('cart'))?.status?.state, 'RolledBack');
    t.deepEqual((await shop.actions('cart')).slice(-2), ['RolledBack', 'RolledBack']);

    await shop.approve('bob', none);
    const again = await shop.inState('cart', 'Enforced');
    t.true(await shop.isStored(second.spec.policies));
    t.true((again.status.enforced?.revision ?? 0) > 0);
  });

  claim('a retirement takes the policy away, until it is approved anew', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce', approvals: { required: 2 } });
    await shop.observe('web > cart 8080');
    const ready = await shop.ready('cart', 1);
    for (const user of ['alice', 'bob']) await shop.approve(user, ready);
    const enforced = await shop.inState('cart', 'Enforced');
    await shop.answerTo(await shop.decide('alice', 'Retire', enforced));
    await shop.world.rounds(1);
    t.true(await shop.isStored(ready.spec.policies));

    await shop.decide('carol', 'Retire', enforced);
    const retired = await shop.inState('cart', 'RolledBack');
    t.is(retired.status.enforced, undefined);
    await shop.world.rounds(1);
    t.deepEqual(await shop.policies(), []);
    t.deepEqual((await shop.actions('cart')).slice(-1), ['Retired']);

    for (const user of ['alice', 'bob']) await shop.approve(user, retired);
    await shop.inState('cart', 'Enforced');
    t.true(await shop.isStored(ready.spec.policies));
  });

  claim('denied connections of the baseline within the guard time take the change back', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080');
    await shop.enforce('cart', 1);
    await shop.world.rounds(1);
    await shop.world.observe([shop.flow('web > cart 8080', 0, denied)]);
    const { status } = await shop.inState('cart', 'RolledBack');
    t.regex(
      status.message,
      /^taken back to the state without a policy by nanoseg: 1 connection of the baseline was denied/,
    );
    await shop.world.rounds(1);
    t.deepEqual(await shop.policies(), []);
    const [last] = (await shop.audit('cart')).slice(-1);
    t.like(last, { action: 'RolledBack', actor: 'nanoseg' });
  });

  claim('after the guard time denied connections take nothing back', async (t, shop) => {
    await shop.deploy('web', 'cart', 'db');
    await shop.profile({ mode: 'enforce', guard: { duration: '1s' } });
    await shop.observe('web > cart 8080');
    const { status } = await shop.enforce('cart', 1);
    const endMs = Date.parse(status.enforced?.appliedAt ?? '') + 1000;
    await shop.world.eventually('the end of the guard time', async () => (Date.now() > endMs ? true : undefined));
    await shop.world.rounds(1);
    // the deviation shows that what came before it was judged too
    await shop.world.observe([shop.flow('web > cart 8080', 0, denied), shop.flow('db > cart 8080', 0, denied)]);
    await shop.until('cart', (one) => one.status.deviations.length === 1);
    await shop.world.rounds(1);
    t.is((await shop.proposal('cart'))?.status?.enforced?.revision, 1);
    t.true(await shop.isStored(status.enforced?.policies ?? ''));
  });

  claim('pods that were ready and are not any more take the change back', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.put(...podOf('cart', 'True'));
    await shop.profile({ mode: 'enforce' });
    await shop.world.sees('the pod', (view) =>
      view.cluster().pods.some(({ namespace, ready }) => namespace === shop.name && ready === true),
    );
    await shop.observe('web > cart 8080');
    await shop.enforce('cart', 1);
    await shop.world.rounds(1);
    t.is((await shop.policies()).length, 1);
    await shop.put(...podOf('cart', 'False'));
    const { status } = await shop.inState('cart', 'RolledBack');
    t.regex(status.message, /by nanoseg: 1 pod that was ready before is not ready any more/);
    await shop.world.rounds(1);
    t.deepEqual(await shop.policies(), []);
  });
}
