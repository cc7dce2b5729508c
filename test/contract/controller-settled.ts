import type { ControllerWorld } from '../support/controller-world.ts';
import { WatchedNamespace } from '../support/watched-namespace.ts';
import type { LoopContract } from './controller-loop.ts';

const states = {
  web: 'Ready',
  cart: 'Enforced',
  db: 'Rejected',
  mail: 'RolledBack',
  cron: 'Invalid',
  pay: 'Approved',
  old: 'Superseded',
} as const;

/** Looking again changes nothing. */
export function settledClaims({ claimAlone }: LoopContract): void {
  claimAlone('a settled world is not written to, in whatever states its proposals are', async (t, shop, world) => {
    await everyState(shop);
    await settled(world);
    const before = await world.backend.versions();
    await shop.world.rounds(4);
    t.deepEqual(await world.backend.versions(), before);
  });

  claimAlone('a controller that is started again goes on as if it had never ended', async (t, shop, world) => {
    await everyState(shop);
    const learning = new WatchedNamespace(world, `${shop.name}-learning`);
    await world.backend.makeNamespace(learning.name, {});
    await learning.deploy('web', 'cart');
    await learning.profile({ mode: 'enforce', learning: { window: '100d' } });
    await learning.observe('web > cart 8080');
    await learning.inState('cart', 'Learning');
    await settled(world);
    const before = await world.backend.versions();
    await world.restart();
    await shop.world.rounds(3);
    t.deepEqual(await world.backend.versions(), before);

    // what was seen and decided before is still known
    await learning.profile({ mode: 'enforce' });
    await learning.ready('cart', 1);
    await shop.profile({ mode: 'enforce' });
    const pay = await shop.inState('pay', 'Enforced');
    t.is(pay.status.enforced?.revision, 1);
    t.is((await shop.proposal('cart'))?.status?.enforced?.revision, 1);
    t.is((await shop.policies()).length, 3);
  });

  claimAlone('what is decided and changed while no controller runs is done when one does', async (t, shop, world) => {
    await shop.deploy('web', 'cart', 'db');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080', 'cart > db 5432');
    const cart = await shop.enforce('cart', 2);
    const db = await shop.ready('db', 1);
    const web = await shop.ready('web', 1);
    await whileStopped(world, async () => {
      if (!world.backend.stamps) await shop.approve('alice', db);
      await shop.world.store.remove({ kind: 'NetworkPolicy', namespace: shop.name, name: 'nanoseg-cart' });
      await shop.world.observe([10, 20].map((minutesAgo) => shop.flow('web > cart 9090', minutesAgo)));
    });
    if (!world.backend.stamps) await shop.inState('db', 'Enforced');
    await shop.ready('web', 2);
    t.not((await shop.proposal('web'))?.status?.digest, web.status.digest);
    await shop.ready('cart', 3);
    t.deepEqual((await shop.policy('nanoseg-cart'))?.metadata.annotations?.['nanoseg.io/digest'], cart.status.digest);
  });
}

/** Figures that move with every flow follow at a slower pace, which these rounds are longer than. */
async function settled(world: ControllerWorld): Promise<void> {
  await world.rounds(5);
}

async function whileStopped(world: ControllerWorld, act: () => Promise<void>): Promise<void> {
  await world.stop();
  await act();
  await world.run();
}

/** A proposal in each of `states`. */
async function everyState(shop: WatchedNamespace): Promise<void> {
  const names = Object.keys(states) as (keyof typeof states)[];
  await shop.deploy(...names);
  await shop.profile({ mode: 'enforce' });
  await shop.observe(
    'web > cart 8080',
    'web > db 8080',
    'web > mail 8080',
    'web > cron 8080',
    'web > pay 8080',
    'web > old 8080',
  );
  await shop.ready('web', 6);
  await shop.enforce('cart', 1);
  await shop.enforce('old', 1);
  const mail = await shop.enforce('mail', 1);
  await shop.decide('alice', 'Rollback', mail);
  await shop.inState('mail', 'RolledBack');
  await shop.decide('alice', 'Reject', await shop.ready('db', 1));
  await shop.edit('cron', (text) => `${text}unknown: field\n`);
  await shop.world.backend.take({ kind: 'Deployment', namespace: shop.name, name: 'old' });
  await shop.profile({ mode: 'propose' });
  await shop.world.sees('the profile', (view) => view.profileOf(shop.name).profile.mode === 'propose');
  await shop.approve('alice', await shop.ready('pay', 1));
  for (const name of names) await shop.inState(name, states[name]);
}
