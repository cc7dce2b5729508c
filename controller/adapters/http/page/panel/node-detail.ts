import type { GraphEdge, GraphNode } from '../../../../view/graph-shape.ts';
import { el } from '../dom.ts';
import { groupOfNode } from '../drawing/groups.ts';
import type { PageControl } from '../page-control.ts';
import type { PageValues } from '../page-state.ts';
import { printable } from '../printable.ts';
import { proposalMark } from '../state-mark.ts';
import { counted } from '../time-words.ts';
import { pairList } from './pair-list.ts';
import { facts, section } from './section.ts';

const listedPeers = 60;

/** A node: what it is, its proposal, and who it talks to. */
export function nodeDetail(key: string, control: PageControl): HTMLElement {
  const node = control.told.node(key);
  if (node === undefined) return el('p', { class: 'panel-note' }, 'It is not in the graph that the filters leave.');
  const { kind, of, namespace, dnsNames, proposal, exempt } = node.attributes;
  const edges = control.told.edgesOf(key);
  const group = groupOfNode(node);
  return el(
    'div',
    { class: 'node-detail' },
    facts([
      ['Kind', of === '' ? kind : kind === 'workload' ? of : `${kind}, ${of}`],
      namespace === '' ? undefined : ['Namespace', namespace],
      dnsNames === undefined ? undefined : ['DNS names', dnsNames.join(', ')],
      kind === 'external' && of === 'address' ? ['Address', key.slice('external:'.length)] : undefined,
      proposal === undefined ? undefined : ['Proposal', proposalMark(proposal.state)],
      exempt === true ? ['Policies', 'none are proposed here: the namespace is exempt'] : undefined,
    ]),
    el(
      'div',
      { class: 'buttons' },
      proposal !== undefined &&
        el(
          'button',
          {
            type: 'button',
            id: 'to-proposal',
            class: 'button primary',
            onclick: () => control.select({ kind: 'proposal', namespace, name: proposal.name }),
          },
          'Review its proposal',
        ),
      control.isOpen(group) &&
        el(
          'button',
          { type: 'button', id: 'close-group', class: 'button', onclick: () => void control.open([group], false) },
          'Close its group',
        ),
    ),
    peersPart(
      'Talks to',
      edges.filter(({ source, target }) => source === key && target !== key),
      'target',
      control,
    ),
    peersPart(
      'Is talked to by',
      edges.filter(({ source, target }) => target === key && source !== key),
      'source',
      control,
    ),
    peersPart(
      'Its replicas talk to each other',
      edges.filter(({ source, target }) => source === target),
      'target',
      control,
    ),
    edges.length === 0 && el('p', { class: 'panel-note' }, 'It was not seen talking to anybody.'),
  );
}

/** A group: how many are in it, how they are protected, and its members. */
export function groupDetail(key: string, { displayed, session }: PageValues, control: PageControl): HTMLElement {
  const group = displayed?.groups.get(key);
  if (group === undefined) return el('p', { class: 'panel-note' }, 'It is not in the graph that the filters leave.');
  const members = [...control.told.nodes].filter((node) => groupOfNode(node) === key);
  const whole = members.find(({ attributes }) => attributes.kind === 'namespace');
  const namespace = session?.namespaces.find(({ name }) => group.kind === 'namespace' && name === group.label);
  const states = Object.entries(whole?.attributes.proposals ?? countedStates(members));
  const isOpen = control.isOpen(key);
  const edges = [...control.told.edges].filter(({ source, target }) =>
    [source, target].some((end) => members.some((member) => member.key === end)),
  );
  return el(
    'div',
    { class: 'node-detail' },
    facts([
      [group.kind === 'namespace' ? 'Workloads' : 'Members', `${group.size}`],
      namespace === undefined ? undefined : ['Mode', namespace.mode],
      namespace?.stopped ? ['Stopped', namespace.stopped] : undefined,
      states.length === 0 ? undefined : ['Proposals', states.map(([state, count]) => `${count} ${state}`).join(', ')],
      [
        'Connections',
        `${edges.reduce((sum, { attributes }) => sum + attributes.connections, 0).toLocaleString('en')} to, from and within`,
      ],
    ]),
    el(
      'div',
      { class: 'buttons' },
      el(
        'button',
        {
          type: 'button',
          id: 'toggle-group',
          class: 'button primary',
          onclick: () => void control.open([key], !isOpen),
        },
        isOpen ? 'Close this group' : 'Open this group',
      ),
      group.kind === 'namespace' &&
        el(
          'button',
          {
            type: 'button',
            id: 'only-group',
            class: 'button',
            onclick: () => control.filter({ namespaces: [group.label] }),
          },
          'Show only this namespace',
        ),
    ),
    whole === undefined && section(`Members (${members.length})`, memberList(members, control)),
    whole !== undefined &&
      peersPart(
        'Talks to',
        edges.filter(({ source, target }) => source === whole.key && target !== whole.key),
        'target',
        control,
      ),
    whole !== undefined &&
      peersPart(
        'Is talked to by',
        edges.filter(({ source, target }) => target === whole.key && source !== whole.key),
        'source',
        control,
      ),
  );
}

function countedStates(members: readonly GraphNode[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { attributes } of members) {
    if (attributes.proposal) counts[attributes.proposal.state] = (counts[attributes.proposal.state] ?? 0) + 1;
  }
  return counts;
}

function memberList(members: readonly GraphNode[], control: PageControl): HTMLElement {
  const items = members
    .slice(0, listedPeers)
    .map(({ key, attributes }) =>
      el(
        'li',
        {},
        el(
          'button',
          { type: 'button', id: `member-${key}`, class: 'peer', onclick: () => control.select({ kind: 'node', key }) },
          el('span', { class: 'strong' }, printable(attributes.label)),
          attributes.proposal && proposalMark(attributes.proposal.state),
        ),
      ),
    );
  const more = members.length - items.length;
  return el(
    'ul',
    { class: 'peers' },
    ...items,
    more > 0 && el('li', { class: 'quiet' }, `and ${more} more: see the table`),
  );
}

function peersPart(
  title: string,
  edges: readonly GraphEdge[],
  end: 'source' | 'target',
  control: PageControl,
): HTMLElement | undefined {
  if (edges.length === 0) return undefined;
  const name = (key: string) => {
    const peer = control.told.node(key);
    return peer === undefined ? key : nameOf(peer);
  };
  return section(`${title} (${counted(edges.length, 'peer')})`, pairList(edges, name, control, end));
}

function nameOf({ attributes: { namespace, label, kind } }: GraphNode): string {
  return namespace === '' || kind === 'namespace' ? label : `${namespace}/${label}`;
}
