import test, { type ExecutionContext } from 'ava';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { samePolicySpec } from '../../controller/policy/canonical-policy.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { readPolicyText } from '../../controller/loop/policy-text.ts';
import { driftOf, type PolicyWriter, putInForce, tryPolicies } from '../../controller/reconcile/apply-policies.ts';
import { digestOf, policyText, revisionOf } from '../support/proposals.ts';
import { workspaceOf } from '../support/workspace.ts';

const proposal = { namespace: 'shop', name: 'deployment-cart' };

async function writerFor(t: ExecutionContext): Promise<PolicyWriter> {
  const { store } = await workspaceOf(t, []);
  return {
    store,
    assertMayWrite: () => undefined,
    read: (text) => readPolicyText(text).policies ?? [],
    same: (stored, wanted) => samePolicySpec(stored.spec, wanted.spec),
    isPassing: ({ retryable }) => retryable,
    seal: () => undefined,
  };
}

async function versions({ store }: PolicyWriter): Promise<(string | undefined)[][]> {
  const all = await store.list<KubernetesObject>('NetworkPolicy', 'shop');
  return all.map(({ metadata }) => [metadata.name, metadata.resourceVersion]);
}

const two = `${policyText('shop', 'cart', 'web')}---\n${policyText('shop', 'cart', 'web').replace('name: nanoseg-cart', 'name: nanoseg-cart-2')}`;

test('trying writes nothing, and doing what was tried leaves nothing to do', async (t) => {
  const writer = await writerFor(t);
  const both = revisionOf(1, digestOf('a'), two);
  const change = await tryPolicies(both, proposal, writer);
  if ('code' in change) return t.fail(change.message);
  t.is(change.writes.length, 2);
  t.deepEqual(await versions(writer), []);
  t.is(await putInForce(change, writer), undefined);
  t.is((await versions(writer)).length, 2);
  t.deepEqual(await tryPolicies(both, proposal, writer), { writes: [], removals: [] });

  const fewer = await tryPolicies(revisionOf(2, digestOf('b'), policyText('shop', 'cart', 'db')), proposal, writer);
  if ('code' in fewer) return t.fail(fewer.message);
  t.deepEqual(
    fewer.removals.map(({ name }) => name),
    ['nanoseg-cart-2'],
  );
  await putInForce(fewer, writer);
  t.deepEqual(
    (await versions(writer)).map(([name]) => name),
    ['nanoseg-cart'],
  );
});

test('where one policy of several is refused none is written', async (t) => {
  const writer = await writerFor(t);
  const foreign: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: 'nanoseg-cart-2' },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  };
  await writer.store.applyPolicy(foreign, { dryRun: false });
  const before = await versions(writer);
  t.like(await tryPolicies(revisionOf(1, digestOf('a'), two), proposal, writer), { code: 'PolicyNameTaken' });
  t.deepEqual(await versions(writer), before);
});

/** A store in which somebody does something right after each policy was written. */
function meddledWith(store: ObjectStore, meddle: (policy: NetworkPolicy) => Promise<unknown>): ObjectStore {
  const applyPolicy: ObjectStore['applyPolicy'] = async (policy, options) => {
    const answer = await store.applyPolicy(policy, options);
    if (!options.dryRun) await meddle(policy);
    return answer;
  };
  return new Proxy(store, {
    get: (target, key) => {
      if (key === 'applyPolicy') return applyPolicy;
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

test('a new policy that somebody edits or deletes at once is not taken away, and is drift', async (t) => {
  for (const deed of ['edited', 'deleted'] as const) {
    const writer = await writerFor(t);
    const { store } = writer;
    const wanted = revisionOf(1, digestOf('a'), policyText('shop', 'cart', 'web'));
    const change = await tryPolicies(wanted, proposal, writer);
    if ('code' in change) return t.fail(change.message);
    const meddled = meddledWith(store, (policy) =>
      deed === 'edited'
        ? store.applyPolicy({ ...policy, spec: { ...policy.spec, ingress: [{}] } }, { dryRun: false, force: true })
        : store.remove({ kind: 'NetworkPolicy', namespace: 'shop', name: policy.metadata.name }),
    );
    t.is(await putInForce(change, { ...writer, store: meddled }), undefined);
    const stored = await store.list<NetworkPolicy & KubernetesObject>('NetworkPolicy', 'shop');
    t.is(stored.length, deed === 'edited' ? 1 : 0);
    t.deepEqual(
      driftOf(wanted, proposal, stored, writer).map(({ message }) => message),
      [`NetworkPolicy nanoseg-cart was ${deed}`],
    );
  }
});
