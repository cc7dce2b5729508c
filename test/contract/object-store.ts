import type { ExecutionContext } from 'ava';
import { ClusterError, type ClusterErrorCode } from '../../controller/model/cluster-error.ts';
import type { ObjectMeta, ObjectRef } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { fullProposal, fullProposalStatus } from '../support/full-resources.ts';
import { approvalIn, policyIn, proposalIn } from './sample-objects.ts';

/** A store for one test, with a namespace that nothing is in. */
export interface OpenedStore {
  readonly store: ObjectStore;
  readonly namespace: string;
  /** A policy that somebody else wrote there. */
  readonly writeForeignPolicy: (policy: NetworkPolicy) => Promise<void>;
  /** Changes the spec of a stored policy the way people do: not through nanoseg. */
  readonly editPolicy: (policy: NetworkPolicy) => Promise<void>;
}

type Run = (title: string, implementation: (t: ExecutionContext) => Promise<void>) => void;

/** Everything that nanoseg relies on of an ObjectStore, whatever is behind it. */
export function objectStoreContract(run: Run, name: string, open: (t: ExecutionContext) => Promise<OpenedStore>): void {
  const claim = (title: string, check: (t: ExecutionContext, opened: OpenedStore) => Promise<void>) =>
    run(`${name}: ${title}`, async (t) => check(t, await open(t)));

  claim('what was created is read back whole, with what only a server sets', async (t, { store, namespace }) => {
    const wanted = proposalIn(namespace);
    const created = await store.create(wanted);
    t.deepEqual(created.spec, wanted.spec);
    t.truthy(created.metadata.uid);
    t.truthy(created.metadata.resourceVersion);
    t.is(created.metadata.generation, 1);
    t.regex(created.metadata.creationTimestamp ?? '', /^\d{4}-\d\d-\d\dT/);
    t.deepEqual(created.metadata.labels, { team: 'cart' });
    t.deepEqual(created.metadata.annotations, { note: 'für das Team\nzwei Zeilen' });
    t.deepEqual(await store.get<PolicyProposal>(refTo(wanted)), created);
  });

  claim('a status is not created, only updated', async (t, { store, namespace }) => {
    const created = await store.create<PolicyProposal>({ ...proposalIn(namespace), status: fullProposalStatus });
    t.is(created.status, undefined);
  });

  claim(
    'what is not there is undefined, or NotFound to those who want to change it',
    async (t, { store, namespace }) => {
      const absent = proposalIn(namespace, 'absent');
      t.is(await store.get(refTo(absent)), undefined);
      const withVersion = { ...absent, metadata: { ...absent.metadata, resourceVersion: '1' } };
      await refused(t, store.update(withVersion), 'NotFound');
      await refused(t, store.updateStatus({ ...withVersion, status: fullProposalStatus }), 'NotFound');
      await refused(t, store.annotate(refTo(absent), { a: 'b' }), 'NotFound');
    },
  );

  claim('two objects cannot have one name', async (t, { store, namespace }) => {
    await store.create(proposalIn(namespace));
    await refused(t, store.create(proposalIn(namespace)), 'AlreadyExists');
  });

  claim('an object of the wrong form is refused', async (t, { store, namespace }) => {
    const wrong = { ...proposalIn(namespace), spec: { ...fullProposal.spec, scope: 'Everything' } };
    await refused(t, store.create(wrong as unknown as PolicyProposal), 'Invalid');
    t.is(await store.get(refTo(wrong)), undefined);
    const numbered = { ...proposalIn(namespace), metadata: { name: 'Not/A Name', namespace } };
    await refused(t, store.create(numbered), 'Invalid');
  });

  claim('a list has every object of the kind in the namespace, and no other', async (t, { store, namespace }) => {
    for (const each of ['b', 'a', 'c']) await store.create(proposalIn(namespace, each));
    await store.create(approvalIn(namespace));
    const names = (objects: readonly PolicyProposal[]) => objects.map(({ metadata }) => metadata.name).sort();
    t.deepEqual(names(await store.list<PolicyProposal>('PolicyProposal', namespace)), ['a', 'b', 'c']);
    const everywhere = await store.list<PolicyProposal>('PolicyProposal');
    t.deepEqual(names(everywhere.filter(({ metadata }) => metadata.namespace === namespace)), ['a', 'b', 'c']);
    t.deepEqual(await store.list('PolicyProposal', `${namespace}-other`), []);
    const [first] = await store.list<PolicyApproval>('PolicyApproval', namespace);
    t.deepEqual(first?.spec, approvalIn(namespace).spec);
    t.is(first?.kind, 'PolicyApproval');
  });

  claim('an update replaces the spec, counts a generation and leaves the status', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    const judged = await store.updateStatus({ ...created, status: fullProposalStatus });
    const policies = '# by hand\nkind: NetworkPolicy\n';
    const { status: _, ...unjudged } = judged;
    const updated: PolicyProposal = await store.update({ ...unjudged, spec: { ...judged.spec, policies } });
    t.is(updated.spec.policies, policies);
    t.is(updated.metadata.generation, 2);
    t.is(updated.metadata.uid, created.metadata.uid);
    t.is(updated.metadata.creationTimestamp, created.metadata.creationTimestamp);
    t.not(updated.metadata.resourceVersion, judged.metadata.resourceVersion);
    t.deepEqual(updated.status, fullProposalStatus);
    t.deepEqual(await store.get<PolicyProposal>(refTo(created)), updated);
  });

  claim('an update that changes nothing is none', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    const updated = await store.update(created);
    t.is(updated.metadata.resourceVersion, created.metadata.resourceVersion);
    t.is(updated.metadata.generation, 1);
  });

  claim('labels and annotations are replaced without a new generation', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    const { name } = created.metadata;
    const { uid = '', resourceVersion = '' } = created.metadata;
    const metadata = { name, namespace, uid, resourceVersion, labels: { team: 'till' } };
    const updated = await store.update<PolicyProposal>({ ...created, metadata });
    t.deepEqual(updated.metadata.labels, { team: 'till' });
    t.is(updated.metadata.annotations, undefined);
    t.is(updated.metadata.generation, 1);
  });

  claim('a stale version is a Conflict, and changes nothing', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    const updated = await store.update({ ...created, spec: { ...created.spec, policies: 'a: 1\n' } });
    await refused(t, store.update({ ...created, spec: { ...created.spec, policies: 'b: 1\n' } }), 'Conflict');
    await refused(t, store.updateStatus({ ...created, status: fullProposalStatus }), 'Conflict');
    t.deepEqual(await store.get<PolicyProposal>(refTo(created)), updated);
  });

  claim(
    'an update without a version is refused: it could undo what it has not seen',
    async (t, { store, namespace }) => {
      const wanted = proposalIn(namespace);
      await store.create(wanted);
      await refused(t, store.update(wanted), 'Invalid');
    },
  );

  claim('a status is replaced whole, and nothing but the status', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    const judged = await store.updateStatus({
      ...created,
      metadata: { ...created.metadata, labels: { team: 'nobody' } },
      spec: { ...created.spec, policies: 'x: 1\n' },
      status: fullProposalStatus,
    });
    t.deepEqual(judged.status, fullProposalStatus);
    t.deepEqual(judged.spec, created.spec);
    t.deepEqual(judged.metadata.labels, created.metadata.labels);
    t.is(judged.metadata.generation, 1);
    t.not(judged.metadata.resourceVersion, created.metadata.resourceVersion);
    const { newer: _, live: __, ...less } = fullProposalStatus;
    const again = await store.updateStatus({ ...judged, status: less });
    t.deepEqual(again.status, less);
    t.deepEqual((await store.get<PolicyProposal>(refTo(created)))?.status, less);
  });

  claim('of many who change the same version one succeeds', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) =>
        store.update({ ...created, spec: { ...created.spec, policies: `writer: ${i}\n` } }),
      ),
    );
    const kept = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    t.is(kept.length, 1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') t.is(codeOf(outcome.reason), 'Conflict');
    t.deepEqual(await store.get<PolicyProposal>(refTo(created)), kept[0]);
  });

  claim('annotations are set and removed one by one', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    await store.annotate(refTo(created), { note: null, 'nanoseg.io/stop': 'maintenance: until 6' });
    const after = await store.get<PolicyProposal>(refTo(created));
    t.deepEqual(after?.metadata.annotations, { 'nanoseg.io/stop': 'maintenance: until 6' });
    t.deepEqual(after?.spec, created.spec);
    t.deepEqual(after?.metadata.labels, created.metadata.labels);
    await store.annotate(refTo(created), { 'nanoseg.io/stop': null, absent: null });
    t.is((await store.get<PolicyProposal>(refTo(created)))?.metadata.annotations, undefined);
  });

  claim('a policy is applied, and answered as it is stored', async (t, { store, namespace }) => {
    const policy = policyIn(namespace);
    const stored = await store.applyPolicy(policy, { dryRun: false });
    t.deepEqual(stored.spec, policy.spec);
    t.deepEqual(stored.metadata.labels, policy.metadata.labels);
    t.deepEqual(stored.metadata.annotations, policy.metadata.annotations);
    t.deepEqual(await store.get(refTo(policy)), stored);
    t.deepEqual(await store.list('NetworkPolicy', namespace), [stored]);
  });

  claim('applying the same again changes nothing', async (t, { store, namespace }) => {
    const first = await store.applyPolicy(policyIn(namespace), { dryRun: false });
    const second = await store.applyPolicy(policyIn(namespace), { dryRun: false });
    t.deepEqual(second, first);
  });

  claim('what is applied replaces what was applied before, rules and marks', async (t, { store, namespace }) => {
    const first = await store.applyPolicy(policyIn(namespace), { dryRun: false });
    const next = policyIn(namespace, {
      ingress: [{ ports: [{ protocol: 'TCP', port: 9090 }], from: [{ podSelector: {} }] }],
    });
    const annotations = { 'nanoseg.io/revision': '2' };
    const stored = await store.applyPolicy({ ...next, metadata: { ...next.metadata, annotations } }, { dryRun: false });
    t.deepEqual(stored.spec, next.spec);
    t.deepEqual(stored.metadata.annotations, annotations);
    t.is(metadataOf(stored).uid, metadataOf(first).uid);
  });

  claim('a dry run answers and writes nothing', async (t, { store, namespace }) => {
    const policy = policyIn(namespace);
    const answered = await store.applyPolicy(policy, { dryRun: true });
    t.deepEqual(answered.spec, policy.spec);
    t.is(await store.get(refTo(policy)), undefined);
    const stored = await store.applyPolicy(policy, { dryRun: false });
    const other = policyIn(namespace, { ingress: [] });
    t.deepEqual((await store.applyPolicy(other, { dryRun: true })).spec.ingress ?? [], []);
    t.deepEqual(await store.get(refTo(policy)), stored);
  });

  claim('a policy that cannot be is refused, dry or not', async (t, { store, namespace }) => {
    const policy = policyIn(namespace, { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/99' } }] }] });
    for (const dryRun of [true, false]) await refused(t, store.applyPolicy(policy, { dryRun }), 'Invalid');
    t.is(await store.get(refTo(policy)), undefined);
  });

  claim('a policy that somebody else wrote is not taken over', async (t, { store, namespace, writeForeignPolicy }) => {
    const { apiVersion, kind, metadata, spec } = policyIn(namespace, {
      podSelector: { matchLabels: { app: 'theirs' } },
    });
    await writeForeignPolicy({ apiVersion, kind, metadata: { name: metadata.name, namespace }, spec });
    for (const dryRun of [true, false]) {
      await refused(t, store.applyPolicy(policyIn(namespace), { dryRun }), 'Conflict');
    }
    const kept = await store.get<NetworkPolicy>(refTo(policyIn(namespace)));
    t.deepEqual(kept?.spec, spec);
  });

  claim('what somebody changed is taken back only by force', async (t, { store, namespace, editPolicy }) => {
    const policy = policyIn(namespace);
    await store.applyPolicy(policy, { dryRun: false });
    const edited = policyIn(namespace, { podSelector: { matchLabels: { app: 'somebody-else' } } });
    await editPolicy(edited);
    t.deepEqual((await store.get<NetworkPolicy>(refTo(policy)))?.spec, edited.spec);
    await refused(t, store.applyPolicy(policy, { dryRun: false }), 'Conflict');
    const restored = await store.applyPolicy(policy, { dryRun: false, force: true });
    t.deepEqual(restored.spec, policy.spec);
    t.deepEqual((await store.get<NetworkPolicy>(refTo(policy)))?.spec, policy.spec);
  });

  claim('what is removed is gone, and removing it again is fine', async (t, { store, namespace }) => {
    const created = await store.create(proposalIn(namespace));
    const policy = await store.applyPolicy(policyIn(namespace), { dryRun: false });
    for (const ref of [refTo(created), refTo(policy)]) {
      await store.remove(ref);
      t.is(await store.get(ref), undefined);
      await store.remove(ref);
    }
    const again = await store.create(proposalIn(namespace));
    t.not(again.metadata.uid, created.metadata.uid);
    t.is(again.metadata.generation, 1);
  });

  claim('with a uid only that very object is removed', async (t, { store, namespace }) => {
    const first = await store.create(proposalIn(namespace));
    await store.remove(refTo(first), first.metadata.uid);
    const second = await store.create(proposalIn(namespace));
    await store.remove(refTo(second), first.metadata.uid);
    t.deepEqual(await store.get<PolicyProposal>(refTo(second)), second);
  });

  claim('text of every kind survives', async (t, { store, namespace }) => {
    const texts = [
      'a: |\n  b\n',
      '  indented\n',
      '\n\n',
      'tab\there\n',
      'no newline',
      '---\n...\n',
      'ends \n\n\n',
      '\u202e\u2028',
      'yes',
    ];
    for (const [i, policies] of texts.entries()) {
      const wanted = proposalIn(namespace, `text-${i}`);
      const created = await store.create({ ...wanted, spec: { ...wanted.spec, policies } });
      t.is(created.spec.policies, policies);
    }
  });
}

function refTo({
  kind,
  metadata,
}: {
  readonly kind: string;
  readonly metadata: { name: string; namespace?: string };
}): ObjectRef {
  return { kind, namespace: metadata.namespace ?? '', name: metadata.name };
}

function metadataOf(policy: NetworkPolicy): ObjectMeta {
  return policy.metadata;
}

async function refused(t: ExecutionContext, attempt: Promise<unknown>, code: ClusterErrorCode): Promise<void> {
  const error = await t.throwsAsync(attempt);
  t.is(codeOf(error), code, String(error));
}

function codeOf(error: unknown): ClusterErrorCode | undefined {
  return error instanceof ClusterError ? error.code : undefined;
}
