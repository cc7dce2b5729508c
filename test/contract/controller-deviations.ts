import type { ConditionType, ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { minuteMs } from '../support/controller-world.ts';
import { policiesIn } from '../support/watched-namespace.ts';
import type { LoopContract } from './controller-loop.ts';

const denied = { verdict: 'denied', answered: false } as const;

/** What is in force is watched, and follows what is seen. */
export function deviationClaims({ claim }: LoopContract): void {
  claim('what is tried outside of the baseline is reported once, and proposed to a person', async (t, shop) => {
    await shop.deploy('web', 'cart', 'db');
    const grow = { name: 'grow', changes: ['Grow', 'Amend'], namespaceLabels: { team: 'shop' } };
    await shop.profile({ mode: 'enforce', approvals: { automatic: [grow] } });
    await shop.observe('web > cart 8080');
    const enforced = await shop.enforce('cart', 1);
    await shop.world.rounds(1);
    await shop.world.observe([shop.flow('db > cart 8080', 0, denied)]);

    const amended = await shop.until(
      'cart',
      ({ status }) => status.deviations.length > 0 && status.attempts.length > 0,
    );
    t.like(amended.status.deviations[0], { verdict: 'denied' });
    t.regex(amended.status.deviations[0]?.message ?? '', /db.*cart.*is outside of the baseline and was denied/);
    t.like(condition(amended.status, 'Deviating'), { status: 'True', reason: 'OutsideBaseline' });
    t.is(amended.status.state, 'Ready');
    t.is(amended.status.change, 'Grow');
    t.deepEqual(amended.status.attempts, [amended.status.deviations[0]?.connection ?? '']);
    t.regex(amended.spec.policies, /# .*(?:attempted|tried|denied)/);

    await shop.world.observe([shop.flow('db > cart 8080', 0, denied)]);
    await shop.until('cart', ({ status }) => (status.deviations[0]?.times ?? 0) > 1);
    await shop.world.rounds(1);
    t.deepEqual(
      (await shop.actions('cart')).filter((action) => action === 'Deviation'),
      ['Deviation'],
    );
    // no rule opens what was denied, whatever it says
    const now = await shop.inState('cart', 'Ready');
    t.deepEqual(now.status.enforced, enforced.status.enforced);
    t.true(await shop.isStored(enforced.spec.policies));

    await shop.approve('alice', now);
    await shop.inState('cart', 'Enforced');
    t.true(await shop.isStored(now.spec.policies));
  });

  claim('what passed although the policy denies it says that the policy is not enforced', async (t, shop) => {
    await shop.deploy('web', 'cart', 'db');
    await shop.profile({ mode: 'enforce' });
    await shop.observe('web > cart 8080');
    const enforced = await shop.enforce('cart', 1);
    t.like(condition(enforced.status, 'NotEnforced'), { status: 'False' });
    await shop.world.rounds(1);
    // nodes may take some seconds to act on a policy
    const laterMs = Date.parse(enforced.status.enforced?.appliedAt ?? '') + 6_000;
    await shop.world.observe([shop.flowAt('db > cart 8080', laterMs, { verdict: 'allowed', answered: true })]);
    const { status } = await shop.until('cart', (one) => condition(one.status, 'NotEnforced')?.status === 'True');
    t.like(condition(status, 'NotEnforced'), { reason: 'DeniedTrafficPassed' });
    t.like(status.deviations[0], { verdict: 'passed' });
    await shop.world.rounds(1);
    t.deepEqual(
      (await shop.actions('cart')).filter((action) => action === 'NotEnforced'),
      ['NotEnforced'],
    );
    t.true(await shop.isStored(enforced.spec.policies));
  });

  claim('what nothing uses any more is left out, and a rule for that may approve it', async (t, shop) => {
    await shop.deploy('web', 'cart');
    const automatic = [{ name: 'tidy', changes: ['Shrink'] }];
    await shop.profile({ mode: 'enforce', unusedAfter: '1h', approvals: { automatic } });
    await shop.world.observe([
      ...[180, 150, 120].map((minutesAgo) => shop.flow('web > cart 9090', minutesAgo)),
      ...[180, 90, 30, 5].map((minutesAgo) => shop.flow('web > cart 8080', minutesAgo)),
    ]);
    const first = await shop.enforce('cart', 2).catch(async () => shop.inState('cart', 'Enforced'));
    t.is(first.status.enforced?.revision, 1);
    const second = await shop.until('cart', ({ status }) => status.enforced?.revision === 2);
    const words = `rule tidy of profile ${shop.name}/default`;
    t.is(second.status.state, 'Enforced');
    t.deepEqual(second.status.enforced?.approvedBy, [words]);
    t.true(await shop.isStored(second.spec.policies));
    const ports = policiesIn(second.spec.policies).flatMap(({ spec }) =>
      (spec.ingress ?? []).flatMap((rule) => (rule.ports ?? []).map(({ port }) => port)),
    );
    t.deepEqual(ports, [8080]);
    t.deepEqual(
      (await shop.audit('cart')).slice(-2).map(({ action, actor }) => [action, actor]),
      [
        ['Approved', words],
        ['Applied', words],
      ],
    );
    t.true(Date.parse(second.status.enforced?.appliedAt ?? '') > Date.now() - minuteMs);
  });
}

function condition({ conditions }: ProposalStatus, type: ConditionType) {
  return conditions.find((one) => one.type === type);
}
