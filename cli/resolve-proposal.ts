import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import { type Problem, problem } from '../controller/model/problem.ts';
import { proposalName } from '../controller/view/proposal-names.ts';
import type { Connection } from './connection.ts';
import { isKind } from '../controller/view/kind-names.ts';
import { listProposals } from './list-proposals.ts';
import { didYouMean, nearNames } from '../controller/view/near-names.ts';
import { InputError } from './terminal.ts';

/** What people may mean by a name: each part that is absent fits everything. */
interface Wanted {
  readonly namespace: string | undefined;
  readonly kind: string | undefined;
  readonly name: string;
}

/**
 * The proposals that people mean by `shop/cart`, `shop/deployment/cart`, `deployment/cart`, `cart` or the proposal's own
 * name, in the order of the names. Throws InputError with every name that fits none or several.
 */
export async function resolveProposals(
  { store, namespace }: Pick<Connection, 'store' | 'namespace'>,
  names: readonly string[],
): Promise<PolicyProposal[]> {
  const lists = new Map<string | undefined, Promise<PolicyProposal[]>>();
  const proposalsIn = (where: string | undefined) => {
    const list = lists.get(where) ?? listProposals(store, where);
    lists.set(where, list);
    return list;
  };
  const found: PolicyProposal[] = [];
  const problems: Problem[] = [];
  for (const name of names) {
    const result = await resolve(name, namespace, proposalsIn);
    if ('code' in result) problems.push(result);
    else if (!found.some((known) => sameObject(known, result))) found.push(result);
  }
  if (problems.length > 0) throw new InputError(problems);
  return found;
}

async function resolve(
  text: string,
  namespace: string | undefined,
  proposalsIn: (namespace: string | undefined) => Promise<PolicyProposal[]>,
): Promise<PolicyProposal | Problem> {
  const wishes = readings(text, namespace);
  if (wishes.length === 0) {
    return problem(
      'ArgumentInvalid',
      `${JSON.stringify(text)} names no proposal: expected namespace/name, namespace/kind/name, or a name with -n`,
    );
  }
  for (const wanted of wishes) {
    const fitting = fit(await proposalsIn(wanted.namespace), wanted);
    const [only, ...others] = fitting;
    if (only === undefined) continue;
    if (others.length === 0) return only;
    return problem('ProposalAmbiguous', `${text} may be any of ${fitting.map(proposalName).join(', ')}`);
  }
  const first = wishes.at(-1) as Wanted;
  const near = nearNames(
    (await proposalsIn(first.namespace)).flatMap((proposal) => workloadNames(proposal)),
    first.name,
    (name) => name.slice(name.lastIndexOf('/') + 1),
  );
  const where = first.namespace === undefined ? '' : ` in namespace ${first.namespace}`;
  return problem('ProposalNotFound', `no proposal ${text}${where}${didYouMean(near)}`);
}

function readings(text: string, namespace: string | undefined): Wanted[] {
  const parts = text.split('/');
  const [a = '', b = '', c = ''] = parts;
  if (parts.includes('') || parts.length > 3) return [];
  if (parts.length === 1) return [{ namespace, kind: undefined, name: a }];
  if (parts.length === 3) return [{ namespace: a, kind: b, name: c }];
  const inNamespace = { namespace: a, kind: undefined, name: b };
  const ofKind = { namespace, kind: a, name: b };
  // asking for a namespace that does not exist would only say that this is not permitted
  return kinds.some((kind) => isKind(kind, a)) ? [ofKind, inNamespace] : [inNamespace, ofKind];
}

const kinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'CronJob', 'Job', 'Pod'];

/** Of several that fit, the one that has this very name, or the only one that is not superseded. */
function fit(proposals: readonly PolicyProposal[], { kind, name }: Wanted): PolicyProposal[] {
  const named = kind === undefined ? proposals.filter(({ metadata }) => metadata.name === name) : [];
  if (named.length > 0) return named;
  const fitting = proposals.filter(({ spec }) =>
    spec.workloads.some((workload) => {
      const slash = workload.indexOf('/');
      return workload.slice(slash + 1) === name && (kind === undefined || isKind(workload.slice(0, slash), kind));
    }),
  );
  const current = fitting.filter(({ status }) => status?.state !== 'Superseded');
  return current.length === 0 ? fitting : current;
}

function workloadNames({ metadata, spec }: PolicyProposal): string[] {
  const workloads = spec.workloads.map((workload) => `${metadata.namespace}/${workload}`);
  return workloads.length === 0 ? [`${metadata.namespace}/${metadata.name}`] : workloads;
}

function sameObject(a: PolicyProposal, b: PolicyProposal): boolean {
  return a.metadata.namespace === b.metadata.namespace && a.metadata.name === b.metadata.name;
}
