import { formatIp, type IpAddress } from '../../model/cidr.ts';
import { hasConnection } from '../../model/connection-set.ts';
import type { PolicyProtocol } from '../../model/protocol.ts';
import { parseWorkloadKey, type WorkloadRef } from '../../model/workload.ts';
import type { CniFact } from '../cni-profiles.ts';
import type { CompiledPolicy, CompiledRule, Direction } from './compile-policies.ts';
import { type Evaluation, nodeExemption, permitBetween, sidePermit } from './evaluation.ts';
import type { Permit } from './permit-pool.ts';
import { type Party, placesAsPeer, type View } from './views.ts';

export type Verdict = 'allowed' | 'denied' | 'unknown';

/** Why: one part of the answer, with a sentence for a person. Policies are `namespace/name`, rules count from 1. */
type Reason = { readonly direction: Direction; readonly sentence: string } & (
  | { readonly kind: 'rule'; readonly policy: string; readonly rule: number }
  /** These policies isolate the subject, and none of their rules matches. */
  | { readonly kind: 'isolated'; readonly policies: readonly string[] }
  | { readonly kind: 'not-isolated' }
  /** Both sides are one address, which no policy can keep apart. */
  | { readonly kind: 'itself' }
  /** The CNI decides, for all policies, or for one rule of them. */
  | { readonly kind: 'cni'; readonly fact: CniFact; readonly policy?: string; readonly rule?: number }
  /** The rule holds for some addresses that the peer has or may have, and not for others. */
  | { readonly kind: 'address'; readonly policy: string; readonly rule: number }
  /** Pods of a workload that policies treat differently. */
  | { readonly kind: 'pods-differ' }
  | { readonly kind: 'unknown-pod' }
);

export interface Decision {
  readonly verdict: Verdict;
  /** What decided comes first. */
  readonly reasons: readonly Reason[];
}

/** Decides one connection and says why: the reasons come from the very steps that make the verdict. */
export function decide(
  evaluation: Evaluation,
  source: Party,
  destination: Party,
  protocol: PolicyProtocol,
  port: number,
): Decision {
  const { views } = evaluation;
  const own = addressOf(source);
  const asked = addressOf(destination);
  if (own && asked && own.family === asked.family && own.value === asked.value) {
    const sentence = `${partyName(evaluation, source)} reaches itself whatever the policies say`;
    return { verdict: 'allowed', reasons: [{ kind: 'itself', direction: 'egress', sentence }] };
  }
  const sources = views.of(source);
  const destinations = views.of(destination);
  const verdict = verdictOf(permitBetween(evaluation, sources, destinations), protocol, port);
  const question: Question = { evaluation, protocol, port };
  const found: { verdict: Verdict; reason: Reason }[] = [];
  for (const from of sources) {
    for (const to of destinations) {
      found.push(
        ...sideReasons(question, 'egress', { party: source, view: from }, { party: destination, view: to }),
        ...sideReasons(question, 'ingress', { party: destination, view: to }, { party: source, view: from }),
      );
    }
  }
  const bySentence = new Map<string, { verdict: Verdict; reason: Reason }>();
  for (const each of found) if (!bySentence.has(each.reason.sentence)) bySentence.set(each.reason.sentence, each);
  // That a side is free says least.
  const distinct = [...bySentence.values()].sort((a, b) => Number(isFree(a.reason)) - Number(isFree(b.reason)));
  const deciding = distinct.filter((each) => each.verdict === verdict);
  const reasons = [...deciding, ...distinct.filter((each) => each.verdict !== verdict)].map(({ reason }) => reason);
  if (verdict !== 'unknown' || deciding.length > 0) return { verdict, reasons };
  return { verdict, reasons: [...podsDiffer(question, source, sources, destination, destinations), ...reasons] };
}

function addressOf(party: Party): IpAddress | undefined {
  return party.kind === 'address' ? party.ip : party.address;
}

interface Question {
  readonly evaluation: Evaluation;
  readonly protocol: PolicyProtocol;
  readonly port: number;
}

interface Side {
  readonly party: Party;
  readonly view: View;
}

function verdictOf({ certain, possible }: Permit, protocol: PolicyProtocol, port: number): Verdict {
  if (hasConnection(certain, protocol, port)) return 'allowed';
  return hasConnection(possible, protocol, port) ? 'unknown' : 'denied';
}

function podsDiffer(
  { evaluation }: Question,
  source: Party,
  sources: readonly View[],
  destination: Party,
  destinations: readonly View[],
): Reason[] {
  const reason = (direction: Direction, party: Party): Reason => ({
    kind: 'pods-differ',
    direction,
    sentence: `pods of ${partyName(evaluation, party)} differ in labels, ports or addresses (its template counts as one of them), and the policies treat them differently`,
  });
  return [
    ...(sources.length > 1 ? [reason('egress', source)] : []),
    ...(destinations.length > 1 ? [reason('ingress', destination)] : []),
  ];
}

function sideReasons(
  question: Question,
  direction: Direction,
  subject: Side,
  peer: Side,
): { verdict: Verdict; reason: Reason }[] {
  const { evaluation, protocol, port } = question;
  const name = partyName(evaluation, subject.party);
  const verdict = verdictOf(sidePermit(evaluation, direction, subject.view, peer.view), protocol, port);
  switch (subject.view.kind) {
    case 'outside':
      return [{ verdict, reason: free(direction, `${name} is outside of the cluster: no policy governs it`) }];
    case 'hosts':
      return [{ verdict, reason: free(direction, `${name} has a node's address: no policy governs it`) }];
    case 'stray': {
      const sentence = `${name} is an address of the pod network, and no pod of the inventory has it`;
      return [{ verdict, reason: { kind: 'unknown-pod', direction, sentence } }];
    }
    case 'pods':
      break;
  }
  const policies = subject.view.isolatedBy[direction];
  if (policies.length === 0) {
    return [{ verdict, reason: free(direction, `no policy isolates ${name} for ${direction}`) }];
  }
  const reasons = [
    ...exemptionReasons(question, direction, subject, peer),
    ...policies.flatMap((policy) =>
      (policy[direction] ?? []).flatMap((rule) => ruleReasons(question, direction, rule, subject, peer)),
    ),
  ];
  // What surely allows makes the doubts about other rules idle.
  const telling = verdict === 'allowed' ? reasons.filter((each) => each.verdict === 'allowed') : reasons;
  if (telling.length > 0) return telling.map((each) => ({ ...each, verdict }));
  const sentence = isolationSentence(question, direction, subject, policies);
  return [{ verdict, reason: { kind: 'isolated', direction, policies: policies.map(policyName), sentence } }];
}

function free(direction: Direction, sentence: string): Reason {
  return { kind: 'not-isolated', direction, sentence };
}

function isFree({ kind }: Reason): boolean {
  return kind === 'not-isolated';
}

function exemptionReasons(
  { evaluation, protocol, port }: Question,
  direction: Direction,
  subject: Side,
  peer: Side,
): { verdict: Verdict; reason: Reason }[] {
  if (direction === 'egress') return [];
  const verdict = verdictOf(nodeExemption(evaluation, subject.view, peer.view), protocol, port);
  if (verdict === 'denied') return [];
  const { anyNodeExempt, name } = evaluation.cni;
  const fact: CniFact = anyNodeExempt === 'no' ? 'ownNodeExempt' : 'anyNodeExempt';
  const sentence =
    verdict === 'allowed'
      ? `with CNI ${name} a node reaches ${fact === 'ownNodeExempt' ? 'its own pods' : 'every pod'} whatever the policies say`
      : anyNodeExempt === 'unknown'
        ? `it is not known whether CNI ${name} lets every node reach every pod, whatever the policies say`
        : `a node reaches its own pods whatever the policies say, and ${partyName(evaluation, subject.party)} may be on that node or on another`;
  return [{ verdict, reason: { kind: 'cni', direction, fact, sentence } }];
}

function ruleReasons(
  question: Question,
  direction: Direction,
  rule: CompiledRule,
  subject: Side,
  peer: Side,
): { verdict: Verdict; reason: Reason }[] {
  const { evaluation, protocol, port } = question;
  const { matching, cni } = evaluation;
  const destination = direction === 'ingress' ? subject.view : peer.view;
  const open = verdictOf(matching.permitOf(rule, destination), protocol, port);
  const meeting = matching.meet(rule, direction, peer.view);
  if (open === 'denied' || meeting === 'none') return [];
  const at = { direction, policy: policyName(rule.policy), rule: rule.number };
  const place = `policy ${rule.policy.name}, rule ${rule.number}`;
  const other = partyName(evaluation, peer.party);
  const means = `${partyName(evaluation, subject.party)} ${direction === 'ingress' ? 'accepts' : 'may open'} ${protocol} ${port} ${direction === 'ingress' ? 'from' : 'to'} ${other}`;
  if (meeting === 'part') {
    const known = placesAsPeer(direction, peer.view).every(({ address }) => address !== undefined);
    const why = known ? 'for some of its addresses' : 'if its address, which is not known, is in the block';
    return [{ verdict: 'unknown', reason: { kind: 'address', ...at, sentence: `${means} only ${why} (${place})` } }];
  }
  if (meeting === 'unknown') {
    const fact = matching.factBehind(peer.view);
    const sentence =
      peer.view.kind === 'stray'
        ? `${means} only if the pod behind that address is meant (${place})`
        : `${means} only if an ipBlock matches ${fact === 'ipBlockMatchesNodes' ? 'node' : 'pod'} addresses, which is not known of CNI ${cni.name} (${place})`;
    return [{ verdict: 'unknown', reason: { kind: 'cni', fact, ...at, sentence } }];
  }
  if (open === 'unknown') {
    const [fact, doubt] = portDoubt(question, rule, destination);
    return [
      { verdict: 'unknown', reason: { kind: 'cni', fact, ...at, sentence: `${means} only if ${doubt} (${place})` } },
    ];
  }
  return [{ verdict: 'allowed', reason: { kind: 'rule', ...at, sentence: `${means} (${place})` } }];
}

/** Why a port of a rule is only perhaps open. */
function portDoubt({ evaluation, protocol, port }: Question, { ports }: CompiledRule, to: View): [CniFact, string] {
  const { cni } = evaluation;
  if (protocol === 'SCTP' && cni.sctp !== 'yes') {
    return ['sctp', `SCTP rules are honoured, which is not known of CNI ${cni.name}`];
  }
  const named = ports?.find(
    (each) =>
      typeof each.port === 'string' && to.namedPorts.get(`${each.protocol ?? 'TCP'}/${each.port}`)?.includes(port),
  );
  if (!named) return ['endPort', `port ranges (endPort) are honoured, which is not known of CNI ${cni.name}`];
  return cni.namedPorts === 'yes'
    ? ['namedPorts', `the port named ${named.port} means it: several ports of the pod have that name`]
    : ['namedPorts', `named ports (${named.port}) are honoured, which is not known of CNI ${cni.name}`];
}

function isolationSentence(
  { evaluation, protocol, port }: Question,
  direction: Direction,
  subject: Side,
  policies: readonly CompiledPolicy[],
): string {
  const { index, compiled, matching } = evaluation;
  const name = partyName(evaluation, subject.party);
  const verb = direction === 'ingress' ? 'accepts' : 'may open';
  const opening = policies
    .flatMap((policy) => policy[direction] ?? [])
    .filter((rule) => {
      const permit = matching.permitOf(rule, subject.view);
      const named = direction === 'egress' && rule.ports?.some((each) => typeof each.port === 'string');
      return named || hasConnection(permit.possible, protocol, port);
    });
  const peers = new Set<string>();
  for (const { selections, blocks } of opening) {
    for (const selection of selections) {
      for (const id of compiled.selections[selection] ?? []) {
        const workload = index.workloads[index.classes[id]?.workload as number];
        if (workload) peers.add(workloadName(evaluation, workload));
      }
    }
    for (const { cidr, except = [] } of blocks) {
      peers.add(except.length === 0 ? cidr : `${cidr} (except ${except.join(', ')})`);
    }
  }
  const isolating = policies.map((policy) => `policy ${policy.name}`).join(', ');
  if (peers.size === 0) {
    return `${name} ${verb} no ${protocol} ${port}: isolated for ${direction} by ${isolating}, and no rule matches`;
  }
  const listed = [...peers].slice(0, 5).join(', ') + (peers.size > 5 ? ` and ${peers.size - 5} more` : '');
  const places = opening.map((rule) => `policy ${rule.policy.name}, rule ${rule.number}`).join('; ');
  return `${name} ${verb} ${protocol} ${port} only ${direction === 'ingress' ? 'from' : 'to'} ${listed} (${places})`;
}

function policyName({ namespace, name }: CompiledPolicy): string {
  return `${namespace}/${name}`;
}

function partyName(evaluation: Evaluation, party: Party): string {
  const at = 'address' in party && party.address ? ` (${formatIp(party.address)})` : '';
  switch (party.kind) {
    case 'workload':
      return workloadName(evaluation, parseWorkloadKey(party.workload)) + at;
    case 'address':
      return formatIp(party.ip);
    case 'node':
      return party.name === '' ? 'some node' : `node ${party.name}${at}`;
  }
}

/** `namespace/name`, with the kind between them where the namespace has another workload of that name. */
function workloadName({ index }: Evaluation, { namespace, kind, name }: WorkloadRef): string {
  const alike = index.workloads.filter((each) => each.namespace === namespace && each.name === name);
  return alike.length > 1 ? `${namespace}/${kind}/${name}` : `${namespace}/${name}`;
}
