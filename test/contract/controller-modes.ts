import { isDeepStrictEqual } from 'node:util';
import type { LoopContract } from './controller-loop.ts';

/** How far nanoseg may go. */
export function modeClaims({ claim, claimAlone }: LoopContract): void {
  claim('in mode propose decisions are collected, and acted upon once the mode is enforce', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'propose' });
    await shop.observe('web > cart 8080');
    const ready = await shop.ready('cart', 1);
    await shop.approve('alice', ready);
    const approved = await shop.inState('cart', 'Approved');
    t.is(approved.status.message, 'approved, and not applied: the namespace is in mode propose');
    await shop.world.rounds(1);
    t.deepEqual(await shop.policies(), []);
    t.deepEqual((await shop.actions('cart')).slice(-2), ['Proposed', 'Approved']);

    await shop.profile({ mode: 'enforce' });
    await shop.inState('cart', 'Enforced');
    t.true(await shop.isStored(ready.spec.policies));
    t.deepEqual((await shop.actions('cart')).slice(-3), ['Proposed', 'Approved', 'Applied']);
  });

  claim(
    'behind the kill switch of a namespace nothing is written there, and all of it goes on after',
    async (t, shop) => {
      const { store } = shop.world;
      await shop.deploy('web', 'cart', 'db');
      await shop.profile({ mode: 'enforce' });
      await shop.observe('web > cart 8080', 'cart > db 5432');
      const cart = await shop.enforce('cart', 2);
      const db = await shop.ready('db', 1);
      await shop.world.rounds(1);

      const namespace = { kind: 'Namespace', namespace: '', name: shop.name };
      await store.annotate(namespace, { 'nanoseg.io/stop': 'an incident' });
      await shop.world.sees('the switch', (view) => view.stopped(shop.name) === 'an incident');
      await shop.world.rounds(1);
      const [policy] = await shop.policies();
      if (policy === undefined) throw new Error('no policy is stored');
      await shop.world.backend.editPolicy({ ...policy, spec: { ...policy.spec, ingress: [] } });
      await shop.approve('alice', db);
      await shop.observe('web > db 5432');
      const before = await shop.versions();
      await shop.world.rounds(2);
      t.deepEqual(await shop.versions(), before);

      await store.annotate(namespace, { 'nanoseg.io/stop': null });
      await shop.until('cart', ({ status }) => status.state === 'Enforced' && status.drift === undefined);
      await shop.ready('db', 2);
      await shop.world.sees('the repaired policy', (view) =>
        view
          .networkPolicies()
          .some(({ metadata, spec }) => metadata.namespace === shop.name && isDeepStrictEqual(spec, policy.spec)),
      );
      t.true(await shop.isStored(cart.spec.policies));
    },
  );

  claimAlone('behind the kill switch of the cluster nothing at all is written', async (t, shop, { store, backend }) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080');
    const ready = await shop.ready('cart', 1);
    await shop.world.rounds(1);
    const profile = { kind: 'SegmentationProfile', namespace: 'nanoseg-system', name: 'default' };
    await store.annotate(profile, { 'nanoseg.io/stop': 'everything' });
    await shop.world.sees('the switch', (view) => view.stopped() === 'everything');
    await shop.world.rounds(1);
    await shop.approve('alice', ready);
    await shop.observe('web > cart 9090');
    await shop.profile({ mode: 'propose' });
    const before = await backend.versions();
    await shop.world.rounds(2);
    t.deepEqual(await backend.versions(), before);

    await store.annotate(profile, { 'nanoseg.io/stop': null });
    await shop.ready('cart', 2);
    t.deepEqual(await shop.policies(), []);
  });

  claim('a namespace whose profile is broken is only observed, and the profile says why', async (t, shop) => {
    await shop.deploy('web', 'cart');
    // only the profile of the cluster may say which network plugin there is
    await shop.profile({ mode: 'enforce', cni: 'calico' });
    await shop.world.sees('the profile', (view) => view.profileOf(shop.name).problem !== undefined);
    await shop.observe('web > cart 8080');
    await shop.world.rounds(2);
    t.is(await shop.proposal('cart'), undefined);
    const valid = await shop.profileCondition('Valid', 'False');
    t.regex(valid.message, /spec\.cni/);

    await shop.profile({ mode: 'enforce' });
    const cart = await shop.enforce('cart', 1);
    await shop.profileCondition('Valid', 'True');
    await shop.profile({ mode: 'enforce', cni: 'calico' });
    await shop.profileCondition('Valid', 'False');
    await shop.observe('web > cart 9090');
    await shop.world.rounds(1);
    t.is((await shop.proposal('cart'))?.metadata.generation, cart.metadata.generation);
    t.true(await shop.isStored(cart.spec.policies));
  });
}
