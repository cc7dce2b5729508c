import { annotations } from '../../controller/reconcile/apply-policies.ts';
import type { WorldBackend } from '../support/controller-world.ts';
import type { LoopContract } from './controller-loop.ts';

const otherDigest = `sha256:${'0'.repeat(64)}`;

/** Nothing is written but what was validly approved. */
export function approvalClaims({ claim }: LoopContract): void {
  claim('what was seen is proposed, and applied exactly as it was approved', async (t, shop, { backend }) => {
    await shop.deploy('web', 'cart', 'db');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080', 'cart > db 5432');
    const ready = await shop.ready('cart', 2);
    t.true(ready.status.proof.valid);
    t.is(ready.status.change, 'New');
    t.deepEqual(await shop.policies(), []);

    const approval = await shop.approve('alice', ready);
    const enforced = await shop.inState('cart', 'Enforced');
    const { digest } = ready.status;
    const by = said(backend, 'alice');
    t.like(enforced.status.enforced, { revision: 1, digest, approvedBy: [by], policies: ready.spec.policies });
    const stored = await shop.policy('nanoseg-cart');
    t.true(await shop.isStored(ready.spec.policies));
    t.like(stored?.metadata.annotations, {
      [annotations.digest]: digest,
      [annotations.proposal]: 'deployment-cart',
      [annotations.revision]: '1',
      [annotations.approvedBy]: by,
    });
    t.like(await shop.answerTo(approval), { counted: true });
    const entries = await shop.world.eventually('the record of the apply', async () => {
      const found = await shop.audit('cart');
      return found.at(-1)?.action === 'Applied' ? found : undefined;
    });
    t.deepEqual(
      entries.slice(-3).map(({ action, actor, digest: of }) => [action, actor, of]),
      [
        ['Proposed', 'nanoseg', digest],
        ['Approved', by, digest],
        ['Applied', by, digest],
      ],
    );
  });

  claim('a decision that is not valid is answered and changes nothing', async (t, shop, { backend }) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce', approvals: { required: 2 } });
    await shop.observe('web > cart 8080');
    const ready = await shop.ready('cart', 1);
    const other = await shop.approve('bob', ready, { digest: otherDigest });
    t.like(await shop.answerTo(other), {
      counted: false,
      message: 'its digest is of another version of the proposal',
    });
    const late = await shop.approve('bob', ready, { expiresAt: new Date(Date.now() - 1000).toISOString() });
    const late1 = await shop.answerTo(late);
    t.false(late1.counted);
    t.regex(late1.message, /^it expired on /);
    t.like(await shop.answerTo(await shop.approve('alice', ready)), { counted: true });
    t.like(await shop.answerTo(await shop.approve('alice', ready)), {
      counted: false,
      message: 'alice approved it already: it takes another person',
    });
    const { status } = await shop.until('cart', (one) => one.status.approvals.ignored.length === 3);
    t.is(status.state, 'Ready');
    t.is(status.message, `approved by ${said(backend, 'alice')}; needs 1 more approver`);
    t.is(status.approvals.required, 2);
    t.deepEqual(await shop.policies(), []);

    await shop.approve('carol', ready);
    await shop.inState('cart', 'Enforced');
    t.true(await shop.isStored(ready.spec.policies));
  });

  claim('one rejection outweighs all approvals that came before or with it', async (t, shop, { store, backend }) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce', approvals: { required: 2 } });
    await shop.observe('web > cart 8080');
    const ready = await shop.ready('cart', 1);
    const namespace = { kind: 'Namespace', namespace: '', name: shop.name };
    // so that all of them are judged at once
    await store.annotate(namespace, { 'nanoseg.io/stop': 'for the test' });
    await shop.world.rounds(1);
    for (const user of ['alice', 'carol']) await shop.approve(user, ready);
    await shop.decide('bob', 'Reject', ready, { reason: 'not before the holidays' });
    await store.annotate(namespace, { 'nanoseg.io/stop': null });
    const { status } = await shop.inState('cart', 'Rejected');
    t.is(status.message, `rejected by ${said(backend, 'bob')}: not before the holidays`);
    await shop.world.rounds(1);
    t.deepEqual(await shop.policies(), []);
    t.deepEqual((await shop.actions('cart')).slice(-2), ['Proposed', 'Rejected']);

    for (const user of ['alice', 'carol']) await shop.approve(user, ready);
    await shop.inState('cart', 'Enforced');
    t.true(await shop.isStored(ready.spec.policies));
  });

  claim('nobody decides in the name of another where stamps are asked for', async (t, shop, { backend }) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce', approvals: { required: 2, identity: 'Stamped' } });
    await shop.observe('web > cart 8080');
    const ready = await shop.ready('cart', 1);
    const own = await shop.approve('alice', ready);
    await shop.answerTo(own);
    const claim = { user: 'bob', time: new Date().toISOString() };
    const forged = await shop.answerTo(await shop.approve('alice', ready, { claim }));
    t.false(forged.counted);
    t.regex(forged.message, backend.stamps ? /^alice approved it already/ : /^nobody checked who decided/);
    await shop.world.rounds(1);
    const { status } = await shop.inState('cart', 'Ready');
    t.deepEqual(
      status.approvals.given.map(({ user }) => user),
      backend.stamps ? ['alice'] : [],
    );
    t.deepEqual(await shop.policies(), []);
  });

  claim('new evidence voids the approval of the old text, which is kept to compare', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'propose' });
    await shop.observe('web > cart 8080');
    const first = await shop.ready('cart', 1);
    const approval = await shop.approve('alice', first);
    await shop.inState('cart', 'Approved');
    await shop.answerTo(approval);

    await shop.observe('web > cart 8080');
    await shop.world.rounds(1);
    const same = await shop.inState('cart', 'Approved');
    t.is(same.metadata.generation, first.metadata.generation);
    t.is(same.status.digest, first.status.digest);

    await shop.observe('web > cart 9090');
    const second = await shop.ready('cart', 2);
    t.not(second.status.digest, first.status.digest);
    t.like(second.status.previous, { digest: first.status.digest, policies: first.spec.policies });
    t.deepEqual(
      second.status.approvals.ignored.map(({ because }) => because),
      ['its digest is of another version of the proposal'],
    );
    await shop.profile({ mode: 'enforce' });
    await shop.world.rounds(1);
    t.is((await shop.proposal('cart'))?.status?.state, 'Ready');
    t.deepEqual(await shop.policies(), []);
  });
}

/** How a user is named in whose name somebody decided. */
function said({ stamps }: WorldBackend, user: string): string {
  return stamps ? user : `${user} (claimed)`;
}
