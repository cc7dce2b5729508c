import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { renderYamlDocuments } from '../../controller/policy/render-yaml.ts';
import { policiesIn } from '../support/watched-namespace.ts';
import type { LoopContract } from './controller-loop.ts';

/** A person may change what is proposed: it is proved like nanoseg's own. */
export function editClaims({ claim }: LoopContract): void {
  claim(
    'an edit that narrows says what it denies, and is applied exactly when it is approved itself',
    async (t, shop) => {
      await shop.deploy('web', 'cart');
      await shop.profile({ mode: 'enforce' });
      await shop.observe('web > cart 8080', 'web > cart 9090');
      const own = await shop.ready('cart', 2);
      await shop.edit('cart', withIngressPorts(8080));
      const edited = await shop.until('cart', ({ status }) => status.author === 'edited');
      t.is(edited.status.state, 'Ready');
      t.not(edited.status.digest, own.status.digest);
      t.is(edited.status.proposedDigest, own.status.digest);
      t.true(edited.status.proof.valid);
      t.is(edited.status.proof.wouldDeny.count, 1);
      t.regex(edited.status.proof.wouldDeny.items[0]?.connection ?? '', /9090/);
      t.deepEqual((await shop.actions('cart')).slice(-1), ['Edited']);

      t.like(await shop.answerTo(await shop.approve('alice', own)), { counted: false });
      await shop.world.rounds(1);
      t.deepEqual(await shop.policies(), []);
      await shop.approve('alice', edited);
      const { status } = await shop.inState('cart', 'Enforced');
      t.is(status.enforced?.policies, edited.spec.policies);
      t.true(await shop.isStored(edited.spec.policies));
      // the baseline is what the edited text lets pass
      t.deepEqual(
        status.enforced?.baseline.map((id) => /\d+$/.exec(id)?.[0]),
        ['8080'],
      );
    },
  );

  claim('an edit that would let everything pass is Invalid, and nobody can approve it', async (t, shop) => {
    await shop.deploy('web', 'cart');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080');
    await shop.ready('cart', 1);
    await shop.edit(
      'cart',
      changed((spec) => ({ ...spec, ingress: [{}] })),
    );
    const invalid = await shop.inState('cart', 'Invalid');
    t.false(invalid.status.proof.valid);
    t.regex(invalid.status.message, /^its proof failed: .*nanoseg-cart/);
    await shop.approve('alice', invalid);
    await shop.world.rounds(1);
    t.is((await shop.proposal('cart'))?.status?.state, 'Invalid');
    t.deepEqual(await shop.policies(), []);
  });

  claim(
    'an edit that is no YAML is Invalid and names the line; an emptied text asks for nanoseg’s own again',
    async (t, shop) => {
      await shop.deploy('web', 'cart');
      await shop.profile({ mode: 'enforce' });
      await shop.observe('web > cart 8080');
      const own = await shop.ready('cart', 1);
      await shop.edit('cart', () => 'apiVersion: networking.k8s.io/v1\nkind: [NetworkPolicy\n');
      const broken = await shop.inState('cart', 'Invalid');
      t.regex(broken.status.message, /line [23]/);
      await shop.edit('cart', () => '');
      const reset = await shop.until('cart', ({ spec, status }) => status.state === 'Ready' && spec.policies !== '');
      t.is(reset.status.author, 'nanoseg');
      t.is(reset.status.digest, own.status.digest);
      t.is(reset.spec.policies, own.spec.policies);
    },
  );

  claim('new evidence does not touch an edit, and is shown beside it', async (t, shop) => {
    await shop.deploy('web', 'cart', 'db');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080', 'web > cart 9090');
    await shop.ready('cart', 2);
    await shop.edit('cart', withIngressPorts(8080));
    const edited = await shop.until('cart', ({ status }) => status.author === 'edited');
    await shop.observe('cart > db 5432');
    const { spec, status } = await shop.until('cart', (one) => /5432/.test(one.status.newer?.policies ?? ''));
    t.deepEqual(spec, edited.spec);
    t.is(status.digest, edited.status.digest);
    t.is(status.state, 'Ready');

    await shop.edit('cart', () => '');
    const reset = await shop.until('cart', (one) => one.spec.policies !== '' && one.status.author === 'nanoseg');
    t.deepEqual(policiesIn(reset.spec.policies), policiesIn(status.newer?.policies ?? ''));
    t.is(reset.status.newer, undefined);
  });
}

function changed(change: (spec: NetworkPolicy['spec']) => NetworkPolicy['spec']): (text: string) => string {
  return (text) => renderYamlDocuments(policiesIn(text).map((policy) => ({ ...policy, spec: change(policy.spec) })));
}

function withIngressPorts(port: number): (text: string) => string {
  return changed(({ ingress = [], ...rest }) => ({
    ...rest,
    ingress: ingress.map(({ ports = [], ...rule }) => ({ ...rule, ports: ports.filter((one) => one.port === port) })),
  }));
}
