import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import { keySealing } from '../../controller/adapters/admission/key-sealing.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyProposal, ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { SealedProposals } from '../../controller/loop/sealed-proposals.ts';
import { digestOf, policyText, proposalOf, revisionOf } from '../support/proposals.ts';

const nowMs = Date.UTC(2026, 10, 1, 10);

function keys(keyId = 'one') {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    stampingKey: () => ({ keyId, key: privateKey }),
    verificationKeys: () => new Map([[keyId, publicKey]]),
  };
}

const sealed = new SealedProposals(keySealing(keys()));
const enforced = revisionOf(2, digestOf('b'), policyText('shop', 'cart', 'web'));
const before = revisionOf(1, digestOf('c'), '');

/** As the controller would have written it. */
function written(status: Partial<ProposalStatus> = {}): PolicyProposal & { readonly status: ProposalStatus } {
  const proposal = proposalOf('shop', 'cart', { state: 'Enforced', enforced, revisions: [before], ...status });
  const stored = { ...proposal, metadata: { ...proposal.metadata, uid: 'u1' } };
  const { status: _, ...fresh } = stored;
  return { ...stored, status: sealed.sealed(fresh, stored.status, nowMs) };
}

test('a status that nanoseg sealed is believed as a whole', (t) => {
  const proposal = written({ applying: { kind: 'Restore', target: before, by: 'bob', reason: '', startedAt: 'x' } });
  t.deepEqual(sealed.checked(proposal), { proposal, broken: undefined });
});

test('no change of what policies are written by goes unnoticed', (t) => {
  const proposal = written();
  const { status } = proposal;
  const other = { ...enforced, policies: 'kind: NetworkPolicy' };
  const operation = { kind: 'Restore', target: other, by: 'x', reason: '', startedAt: 'x' } as const;
  const { enforced: _, ...withoutEnforced } = status;
  const { seal: _seal, ...withoutSeal } = status;
  const forged: ProposalStatus[] = [
    { ...status, enforced: other },
    { ...status, enforced: { ...enforced, baseline: ['a>b:TCP/1'] } },
    { ...status, enforced: { ...enforced, approvedBy: ['carol'] } },
    { ...status, enforced: { ...enforced, digest: digestOf('f') } },
    { ...status, revisions: [] },
    { ...status, revisions: [other] },
    { ...status, revisions: [before, before] },
    { ...status, applying: operation },
    { ...status, notBefore: '2026-11-01T10:00:00.000Z' },
    { ...status, proposedDigest: digestOf('f') },
    { ...status, state: 'RolledBack' },
    withoutEnforced,
    withoutSeal,
    ...(status.seal === undefined
      ? []
      : [
          { ...status, seal: { ...status.seal, since: '2020-01-01T00:00:00.000Z' } },
          { ...status, seal: { ...status.seal, keyId: 'other' } },
          { ...status, seal: { ...status.seal, signature: '' } },
        ]),
  ];
  t.is(forged.length, 16);
  for (const one of forged) {
    const { proposal: believed, broken } = sealed.checked({ ...proposal, status: one });
    t.is(believed.status, undefined, JSON.stringify(one));
    t.is(typeof broken, 'string');
  }
});

test('a seal is worth nothing on another proposal, or on one of the same name that came later', (t) => {
  const proposal = written();
  for (const change of [{ name: 'deployment-db' }, { namespace: 'bank' }, { uid: 'u2' }]) {
    const { broken } = sealed.checked({ ...proposal, metadata: { ...proposal.metadata, ...change } });
    t.regex(broken ?? '', /signature does not fit/);
  }
});

test('what is only found out again needs no new seal', (t) => {
  const proposal = written();
  const again = sealed.sealed(proposal, { ...proposal.status, notes: ['another'], rules: 7 }, nowMs + 5000);
  t.deepEqual(again.seal, proposal.status.seal);
});

test('what was written last is known again although its key is lost, and sealed anew', (t) => {
  const proposal = written();
  const other = new SealedProposals(keySealing(keys('two')));
  t.regex(other.checked(proposal).broken ?? '', /no key of nanoseg's/);
  const kept = { uid: 'u1', status: proposal.status };
  t.is(other.checked(proposal, kept).broken, undefined);
  const again = other.sealed(proposal, proposal.status, nowMs);
  t.is(again.seal?.keyId, 'two');
  t.is(other.checked({ ...proposal, status: again }).broken, undefined);
  t.false(other.isAsKept({ ...proposal, status: { ...proposal.status, enforced: before } }, kept));
});

test('what was decided before the record began is not known', (t) => {
  const { status, ...fresh } = written();
  t.is(sealed.knownSinceMs(fresh, nowMs + 7), nowMs + 7);
  t.is(sealed.knownSinceMs({ ...fresh, status }, nowMs + 7), nowMs);
});

test('the mark of own text counts only where nanoseg signed it', (t) => {
  const { status: _, ...proposal } = written();
  const where = { namespace: 'shop', name: proposal.metadata.name };
  const marked = (annotations: Readonly<Record<string, string>>) =>
    sealed.checked({ ...proposal, metadata: { ...proposal.metadata, annotations } }).proposal.metadata.annotations;
  const own = sealed.proposedMarks(where, digestOf('a'));
  t.deepEqual(marked(own), own);
  const digest = 'nanoseg.io/proposed-digest';
  t.is(marked({ ...own, [digest]: digestOf('b') })?.[digest], undefined);
  t.is(marked({ [digest]: digestOf('a') })?.[digest], undefined);
  t.is(marked({ ...own, 'nanoseg.io/proposed-seal': 'one:' })?.[digest], undefined);
  t.is(marked(sealed.proposedMarks({ ...where, name: 'other' }, digestOf('a')))?.[digest], undefined);
});

test('a policy is taken for approved only exactly as it was written', (t) => {
  const where = { namespace: 'shop', name: 'deployment-cart' };
  const revision = { digest: digestOf('a'), revision: 3, approvedBy: ['alice', 'bob'] };
  const spec = { podSelector: { matchLabels: { app: 'cart' } }, policyTypes: ['Ingress'] } as const;
  const bare: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: 'nanoseg-cart' },
    spec: { ...spec, policyTypes: ['Ingress'] },
  };
  const annotations = {
    'nanoseg.io/digest': revision.digest,
    'nanoseg.io/revision': '3',
    'nanoseg.io/approved-by': 'alice, bob',
    'nanoseg.io/seal': sealed.policySeal(where, bare, revision) ?? '',
  };
  const policy = { ...bare, metadata: { ...bare.metadata, annotations } };
  t.is(sealed.policyFault(where, policy), undefined);
  // as the API server fills it in
  t.is(sealed.policyFault(where, { ...policy, spec: { ...policy.spec, ingress: [] } }), undefined);
  t.regex(sealed.policyFault(where, { ...policy, spec: { ...policy.spec, ingress: [{}] } }) ?? '', /does not fit/);
  for (const change of [{ 'nanoseg.io/revision': '4' }, { 'nanoseg.io/approved-by': 'carol' }]) {
    const changed = { ...policy.metadata, annotations: { ...annotations, ...change } };
    t.regex(sealed.policyFault(where, { ...policy, metadata: changed }) ?? '', /does not fit/);
  }
  t.is(sealed.policyFault(where, bare), 'it has no seal');
});

test('without keys everything is believed as it is, and nothing is sealed', (t) => {
  const plain = new SealedProposals(undefined);
  const proposal = proposalOf('shop', 'cart', { enforced });
  t.deepEqual(plain.checked(proposal), { proposal, broken: undefined });
  t.is(plain.sealed(proposal, proposal.status, nowMs), proposal.status);
  t.is(plain.knownSinceMs(proposal, nowMs), undefined);
  t.deepEqual(Object.keys(plain.proposedMarks({ namespace: 'shop', name: 'x' }, 'd')), ['nanoseg.io/proposed-digest']);
});
