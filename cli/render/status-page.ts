import { counted } from '../../controller/model/counted.ts';
import type { PodCoverage } from '../../controller/model/profile.ts';
import type { NamespaceCoverage } from '../../controller/reconcile/pod-coverage.ts';
import type { NamespaceStatus, OperationStatus } from '../../controller/view/operation-status.ts';
import { printable } from './printable.ts';
import { sharedLines } from './shared-lines.ts';
import { renderTable } from './table.ts';

/** `nanoseg status` for people. */
export function statusPage(status: OperationStatus): string {
  const { server, controller, stopped, sources, streams, namespaces, problems } = status;
  const head = [
    ['cluster', server],
    ['controller', controller.message],
    ...stopped.map(({ namespace, reason }) => [
      'STOPPED',
      `${namespace === undefined ? 'nothing is written in the whole cluster' : `nothing is written in ${namespace}`}: ${reason}`,
    ]),
    ...namespaces.flatMap(({ namespace, learning }) =>
      learning.map(({ workload, policy, until }) => [
        'LEARNING',
        `${namespace}/${workload} may talk to everybody, and everybody to it, until ${until} (${policy})`,
      ]),
    ),
    ...claimedIn(namespaces),
    ...sources.map(({ name, state, message }) => [
      'flows',
      `${name} ${state.toLowerCase()}: ${withoutName(message, name)}`,
    ]),
    ...(streams === null ? [] : sharedLines(streams)),
    ['pods', totals(namespaces)],
  ];
  const open = namespaces.flatMap(({ namespace, coverage }) =>
    (coverage?.open ?? []).map(
      (entry) => `${namespace}: ${counted(entry.pods, 'pod')}: ${entry.because}${whose(entry)}`,
    ),
  );
  const parts = [
    head.map(([label = '', text]) => `${label.padEnd(12)}${text}\n`).join(''),
    namespaces.length === 0 ? '' : renderTable(columns, namespaces.map(row)),
    list('Not isolated in both directions', open),
    list(
      'Problems',
      problems.map(({ where, message }) => (where === '' ? message : `${where}: ${message}`)),
    ),
  ];
  return printable(parts.filter((part) => part !== '').join('\n'), true);
}

function claimedIn(namespaces: readonly NamespaceStatus[]): string[][] {
  const names = namespaces.filter(({ identity, mode }) => identity === 'Claimed' && mode !== 'exempt');
  if (names.length === 0) return [];
  const where = names.map(({ namespace }) => namespace).join(', ');
  return [['approvals', `(claimed) nobody checks who approves in ${where}`]];
}

const columns = [
  { title: 'NAMESPACE' },
  { title: 'MODE' },
  { title: 'CLOSED' },
  { title: 'PODS', align: 'right' },
  { title: 'INGRESS', align: 'right' },
  { title: 'EGRESS', align: 'right' },
  { title: 'PROPOSALS' },
] as const;

function row({ namespace, mode, closed, coverage, proposals }: NamespaceStatus): string[] {
  const counts = Object.entries(proposals).map(([state, many]) => `${many} ${state}`);
  return [
    namespace,
    mode,
    closed === null ? '-' : closed ? 'yes' : 'no',
    ...(coverage
      ? [`${coverage.pods}`, share(coverage.isolatedIngress, coverage), share(coverage.isolatedEgress, coverage)]
      : ['-', '-', '-']),
    counts.length === 0 ? 'none' : counts.join(', '),
  ];
}

function share(isolated: number, { pods }: PodCoverage): string {
  return pods === 0 ? '-' : `${isolated} (${Math.floor((isolated * 100) / pods)}%)`;
}

function totals(namespaces: readonly NamespaceStatus[]): string {
  const known = namespaces.flatMap(({ coverage }) => coverage ?? []);
  if (known.length === 0) return 'none are known';
  const sum = (field: 'pods' | 'isolatedIngress' | 'isolatedEgress') =>
    known.reduce((total, coverage) => total + coverage[field], 0);
  return `${sum('isolatedIngress')} of ${sum('pods')} isolated for ingress, ${sum('isolatedEgress')} for egress`;
}

function list(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return '';
  return `${title} (${lines.length})\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** Workloads that are named with a reason. */
const named = 5;

/** `, of Deployment/cart, StatefulSet/db and 3 more`, where the workloads are known. */
function whose(open: PodCoverage['open'][number] | NamespaceCoverage['open'][number]): string {
  if (!('workloads' in open) || open.workloads.length === 0) return '';
  const names = open.workloads.slice(0, named).map((workload) => workload.slice(workload.indexOf('/') + 1));
  const rest = open.workloads.length - names.length;
  return `, of ${names.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** Many messages begin with what they are about. */
function withoutName(message: string, name: string): string {
  return message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message;
}
