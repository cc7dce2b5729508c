import test from 'ava';
import { proposalName } from '../../controller/view/proposal-names.ts';
import { resolveProposals } from '../../cli/resolve-proposal.ts';
import { InputError } from '../../cli/terminal.ts';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { proposalOf } from '../support/proposals.ts';

const statefulCart: PolicyProposal = {
  ...proposalOf('shop', 'cart', {}, { workloads: ['StatefulSet/cart'] }),
  metadata: { namespace: 'shop', name: 'statefulset-cart' },
};
const joint: PolicyProposal = {
  ...proposalOf('data', 'queue', {}, { scope: 'Joint', workloads: ['Deployment/leader', 'Deployment/worker'] }),
  metadata: { namespace: 'data', name: 'joint-queue' },
};
const closing: PolicyProposal = {
  ...proposalOf('data', 'x', {}, { scope: 'Namespace', workloads: [] }),
  metadata: { namespace: 'data', name: 'namespace-default-deny' },
};
const proposals = [
  proposalOf('shop', 'web'),
  proposalOf('shop', 'cart'),
  statefulCart,
  proposalOf('blog', 'web'),
  proposalOf('data', 'leader', { state: 'Superseded' }),
  joint,
  closing,
];

/** Lists proposals, and only in these namespaces. */
function connection(namespace: string | undefined, permitted?: string) {
  const list = (kind: string, where?: string) => {
    if (permitted !== undefined && where !== permitted) {
      return Promise.reject(new ClusterError('Forbidden', `you may not list ${kind} in ${where}`));
    }
    return Promise.resolve(proposals.filter(({ metadata }) => where === undefined || metadata.namespace === where));
  };
  const store = { name: 'memory', list } as unknown as ObjectStore & { list: () => Promise<KubernetesObject[]> };
  return { store, namespace };
}

async function found(text: string, namespace?: string): Promise<string[]> {
  return (await resolveProposals(connection(namespace), [text])).map(
    ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
  );
}

async function refused(...names: string[]): Promise<string[]> {
  try {
    await resolveProposals(connection(undefined), names);
  } catch (error) {
    if (error instanceof InputError) return error.problems.map(({ code, message }) => `${code}: ${message}`);
    throw error;
  }
  return [];
}

test('a proposal is found by its workload, with or without the kind, and by its own name', async (t) => {
  t.deepEqual(await found('shop/web'), ['shop/deployment-web']);
  t.deepEqual(await found('shop/deployment/cart'), ['shop/deployment-cart']);
  t.deepEqual(await found('shop/sts/cart'), ['shop/statefulset-cart']);
  t.deepEqual(await found('deploy/cart', 'shop'), ['shop/deployment-cart']);
  t.deepEqual(await found('web', 'blog'), ['blog/deployment-web']);
  t.deepEqual(await found('statefulset-cart', 'shop'), ['shop/statefulset-cart']);
  t.deepEqual(await found('data/namespace-default-deny'), ['data/namespace-default-deny']);
});

test('a workload of a joint proposal means that one, not the one that it took the place of', async (t) => {
  t.deepEqual(await found('data/leader'), ['data/joint-queue']);
  t.deepEqual(await found('data/deployment-leader'), ['data/deployment-leader']);
});

test('every name as it is shown finds its proposal', async (t) => {
  const current = proposals.filter(({ status }) => status?.state !== 'Superseded');
  for (const proposal of current) {
    t.deepEqual(await found(proposalName(proposal)), [`${proposal.metadata.namespace}/${proposal.metadata.name}`]);
  }
});

test('a name that fits several lists them, one that fits none names what is near, and all are told at once', async (t) => {
  t.deepEqual(await refused('shop/cart', 'web', 'shop/crat', 'a/b/c/d', '/x'), [
    'ProposalAmbiguous: shop/cart may be any of shop/deployment/cart, shop/statefulset/cart',
    'ProposalAmbiguous: web may be any of blog/deployment/web, shop/deployment/web',
    'ProposalNotFound: no proposal shop/crat; did you mean shop/Deployment/cart, shop/StatefulSet/cart?',
    'ArgumentInvalid: "a/b/c/d" names no proposal: expected namespace/name, namespace/kind/name, or a name with -n',
    'ArgumentInvalid: "/x" names no proposal: expected namespace/name, namespace/kind/name, or a name with -n',
  ]);
});

test('the same proposal under two names is one', async (t) => {
  const both = await resolveProposals(connection('shop'), ['web', 'shop/deployment/web']);
  t.is(both.length, 1);
});

test('kind/name does not ask for a namespace of the name of the kind', async (t) => {
  const [only] = await resolveProposals(connection('shop', 'shop'), ['deployment/cart']);
  t.is(only?.metadata.name, 'deployment-cart');
});
