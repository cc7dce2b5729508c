import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { policiesIn, specOf, type WatchedNamespace } from '../support/watched-namespace.ts';
import type { LoopContract } from './controller-loop.ts';

/** What is in force stays what was approved, and what others wrote stays theirs. */
export function driftClaims({ claim }: LoopContract): void {
  claim('a managed policy that was edited, lost its marks or was deleted is written again', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce' });
    const foreign = foreignPolicy(shop, 'written-by-hand');
    await shop.world.backend.writeForeignPolicy(foreign);
    const foreignVersion = await shop.policyVersion('written-by-hand');
    await shop.observe('web > cart 8080');
    const cart = await shop.enforce('cart', 1);
    const [wanted] = policiesIn(cart.spec.policies).map(specOf);
    const approved = await storedPolicy(shop);
    const repairs = async () => (await shop.actions('cart')).filter((action) => action === 'DriftRepaired').length;
    const repaired = (count: number) =>
      shop.world.eventually(`repair ${count}`, async () => ((await repairs()) === count ? true : undefined));

    await shop.world.backend.editPolicy({ ...approved, spec: { ...approved.spec, ingress: [{}] } });
    await repaired(1);
    t.deepEqual(specOf(await storedPolicy(shop)), wanted);

    const { labels: _, ...metadata } = approved.metadata;
    await shop.world.backend.editPolicy({ ...approved, metadata: { ...metadata, labels: { stolen: 'yes' } } });
    await repaired(2);
    const marked = await storedPolicy(shop);
    t.deepEqual(specOf(marked), wanted);
    t.like(marked.metadata.labels, approved.metadata.labels ?? {});
    t.like(marked.metadata.annotations, approved.metadata.annotations ?? {});

    await shop.world.store.remove({ kind: 'NetworkPolicy', namespace: shop.name, name: 'nanoseg-cart' });
    await repaired(3);
    t.deepEqual(specOf(await storedPolicy(shop)), wanted);
    await shop.world.rounds(1);
    t.is(await repairs(), 3);
    const { status } = await shop.inState('cart', 'Enforced');
    t.is(status.drift, undefined);
    t.is(status.enforced?.revision, 1);
    t.is(await shop.policyVersion('written-by-hand'), foreignVersion);
  });

  claim('drift is only reported where the profile says so', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce', drift: 'Report' });
    await shop.observe('web > cart 8080');
    await shop.enforce('cart', 1);
    const stored = await storedPolicy(shop);
    await shop.world.backend.editPolicy({ ...stored, spec: { ...stored.spec, ingress: [] } });
    const { status } = await shop.until('cart', (one) => one.status.drift !== undefined);
    t.is(status.drift?.message, 'NetworkPolicy nanoseg-cart was edited');
    t.like(
      status.conditions.find(({ type }) => type === 'Drifted'),
      { status: 'True', reason: 'PolicyDiffers' },
    );
    await shop.world.rounds(1);
    t.deepEqual((await storedPolicy(shop)).spec.ingress ?? [], []);
    t.deepEqual(
      (await shop.actions('cart')).filter((action) => action.startsWith('Drift')),
      ['DriftFound'],
    );
  });

  claim(
    'a policy that somebody else wrote under the name is not touched, and the apply is refused',
    async (t, shop) => {
      await shop.deploy('web', 'cart');
      await shop.profile({ mode: 'enforce' });
      await shop.world.backend.writeForeignPolicy(foreignPolicy(shop, 'nanoseg-cart'));
      const version = await shop.policyVersion('nanoseg-cart');
      await shop.observe('web > cart 8080');
      const ready = await shop.ready('cart', 1);
      await shop.approve('alice', ready);
      const { status } = await shop.until('cart', (one) => /PolicyNameTaken/.test(one.status.message));
      t.is(status.enforced, undefined);
      await shop.world.rounds(1);
      t.is(await shop.policyVersion('nanoseg-cart'), version);
      t.deepEqual(
        (await shop.actions('cart')).filter((action) => action.startsWith('Appl')),
        ['ApplyFailed'],
      );

      await shop.world.backend.take({ kind: 'NetworkPolicy', namespace: shop.name, name: 'nanoseg-cart' });
      await shop.inState('cart', 'Enforced');
      t.true(await shop.isStored(ready.spec.policies));
    },
  );

  claim(
    'a proposal that is deleted leaves its policy in force and is made anew with what is known',
    async (t, shop) => {
      await shop.deploy('web', 'cart');
      await shop.profile({ mode: 'enforce' });
      await shop.observe('web > cart 8080');
      await shop.enforce('cart', 1);
      await shop.observe('web > cart 9090');
      const second = await shop.enforce('cart', 2);
      t.is(second.status.enforced?.revision, 2);
      const version = await shop.policyVersion('nanoseg-cart');
      await shop.world.store.remove(shop.ref('cart'));
      const anew = await shop.until('cart', ({ metadata }) => metadata.uid !== second.metadata.uid);
      t.is(anew.status.state, 'Enforced');
      t.like(anew.status.enforced, { revision: 2, digest: second.status.digest });
      t.is(anew.status.digest, second.status.digest);
      t.is(await shop.policyVersion('nanoseg-cart'), version);

      await shop.decide('alice', 'Rollback', anew);
      const refused = await shop.until('cart', ({ status }) => /cannot be rolled back/.test(status.message));
      t.is(refused.status.state, 'Enforced');
      await shop.world.rounds(1);
      t.is(await shop.policyVersion('nanoseg-cart'), version);
    },
  );
}

function foreignPolicy(shop: WatchedNamespace, name: string): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: shop.name, name, labels: { owner: 'somebody' } },
    spec: { podSelector: { matchLabels: { app: 'other' } }, policyTypes: ['Ingress'] },
  };
}

async function storedPolicy(shop: WatchedNamespace): Promise<NetworkPolicy> {
  const stored = await shop.policy('nanoseg-cart');
  if (stored === undefined) throw new Error('nanoseg-cart is not stored');
  return stored;
}
