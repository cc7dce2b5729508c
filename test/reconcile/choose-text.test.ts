import test from 'ava';
import type { PolicyProposal, Revision } from '../../controller/model/policy-proposal.ts';
import { chooseText, type MadeText, proposedDigestAnnotation } from '../../controller/reconcile/choose-text.ts';

const inForce: Revision = {
  revision: 1,
  digest: 'sha256:a',
  policies: 'a',
  appliedAt: '2026-11-01T10:00:00.000Z',
  approvedBy: ['alice'],
  baseline: [],
};

function stored(
  digest: string,
  {
    proposed = digest,
    policies = 'text',
    enforced,
  }: { proposed?: string; policies?: string; enforced?: Revision } = {},
): { readonly proposal: PolicyProposal; readonly digest: string } {
  const proposal = {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyProposal',
    metadata: { namespace: 'shop', name: 'deployment-cart', annotations: { [proposedDigestAnnotation]: proposed } },
    spec: { scope: 'Workload', workloads: ['Deployment/cart'], policies, evidence: [] },
    ...(enforced && { status: { enforced } }),
  } as unknown as PolicyProposal;
  return { proposal, digest };
}

function made(digest: string, facts: Partial<MadeText> = {}): MadeText {
  const spec = { scope: 'Workload' as const, workloads: ['Deployment/cart'], policies: digest, evidence: [] };
  return { spec, digest, change: () => 'Amend', ready: true, samePolicies: () => false, ...facts };
}

test('what is proposed first is written, and nothing is written for nothing', (t) => {
  t.deepEqual(chooseText(undefined, undefined), { kind: 'none' });
  t.deepEqual(chooseText(undefined, made('sha256:a')), { kind: 'write', because: 'new' });
});

test('the same text is not written again, nor one that only the evidence for it has moved on from', (t) => {
  t.deepEqual(chooseText(stored('sha256:a'), made('sha256:a')), { kind: 'keep', author: 'nanoseg' });
  t.deepEqual(chooseText(stored('sha256:a'), made('sha256:b', { samePolicies: () => true })), {
    kind: 'keep',
    author: 'nanoseg',
  });
  t.deepEqual(chooseText(stored('sha256:a'), undefined), { kind: 'keep', author: 'nanoseg' });
});

test("nanoseg's own text gives way to a newer one", (t) => {
  t.deepEqual(chooseText(stored('sha256:a'), made('sha256:b')), { kind: 'write', because: 'changed' });
});

test('an edit is never overwritten, until its author gives it up', (t) => {
  t.deepEqual(chooseText(stored('sha256:e', { proposed: 'sha256:a' }), made('sha256:b')), {
    kind: 'keep',
    author: 'edited',
  });
  t.deepEqual(chooseText(stored('sha256:e', { proposed: 'sha256:a' }), made('sha256:a')), {
    kind: 'keep',
    author: 'edited',
  });
  const given = stored('sha256:0', { proposed: 'sha256:a', policies: ' \n' });
  t.deepEqual(chooseText(given, made('sha256:b')), { kind: 'write', because: 'reset' });
});

test('what is in force is not replaced by less before enough was seen', (t) => {
  const enforced = stored('sha256:a', { enforced: inForce });
  for (const change of ['Shrink', 'Amend'] as const) {
    t.deepEqual(chooseText(enforced, made('sha256:b', { change: () => change, ready: false })), {
      kind: 'keep',
      author: 'nanoseg',
    });
    t.deepEqual(chooseText(enforced, made('sha256:b', { change: () => change })), {
      kind: 'write',
      because: 'changed',
    });
  }
  t.deepEqual(chooseText(enforced, made('sha256:b', { change: () => 'Grow', ready: false })), {
    kind: 'write',
    because: 'changed',
  });
  t.deepEqual(chooseText(enforced, made('sha256:b', { change: () => 'None' })), { kind: 'keep', author: 'nanoseg' });
});
