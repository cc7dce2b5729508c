import type { Announcer } from './announcer.ts';
import { ApiFailure } from './client/api-client.ts';
import { el, fill } from './dom.ts';
import type { DisplayedEdge, DisplayedGraph, DisplayedNode } from './drawing/displayed-graph.ts';
import { effectGraph, overlayLegend } from './drawing/effect-graph.ts';
import { LayoutClient } from './drawing/layout-client.ts';
import { type Emphasis, type HoveredThing, Picture } from './drawing/picture.ts';
import { listenToKeys } from './drawing/picture-keys.ts';
import { type Link, Places } from './drawing/places.ts';
import { stateLooks } from './drawing/state-looks.ts';
import type { PageControl } from './page-control.ts';
import { isFiltered, type PageState, type PageValues } from './page-state.ts';
import { printable, shortened } from './printable.ts';
import { stateMark, stateSwatch } from './state-mark.ts';
import { counted } from './time-words.ts';

const help =
  'Arrow keys go from one to the next, Enter opens a group or shows details, Space shows details, the brackets go along the connections, Backspace closes a group, plus and minus zoom, 0 shows all.';

/** The picture with its tools, and what stands in its place while there is none. Returns how to redraw it in new colours. */
export function showPicture(
  section: HTMLElement,
  workerUrl: string,
  state: PageState,
  control: PageControl,
  announcer: Announcer,
): { readonly restyle: () => void } {
  const canvas = el('div', {
    id: 'canvas',
    class: 'canvas',
    tabindex: 0,
    role: 'application',
    'aria-roledescription': 'graph',
    'aria-label': 'Picture of the traffic graph; the tables tell the same',
    'aria-description': help,
  });
  const tip = el('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
  const notice = el('div', { class: 'notice', hidden: true });
  const stale = el('div', { class: 'stale', hidden: true });
  const tools = el('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Picture' });
  const legend = el('div', { class: 'overlay-legend', hidden: true });
  fill(section, canvas, tools, legend, stale, notice, tip);

  const places = new Places(new LayoutClient(workerUrl));
  const label = (key: string) => labelOf(state.now.displayed, key);
  const pickEdge = ({ source, target }: DisplayedEdge) => control.select({ kind: 'edge', source, target });
  const pickNode = (key: string) => {
    const isGroup = state.now.displayed?.nodes.get(key)?.node === undefined;
    control.select(isGroup ? { kind: 'group', key } : { kind: 'node', key });
  };
  const openNode = (key: string) => {
    const shown = state.now.displayed?.nodes.get(key);
    if (shown === undefined || shown.node !== undefined) return pickNode(key);
    announcer.say(`${shown.label} opened`);
    control.select({ kind: 'group', key });
    void control.open([key], true);
  };
  const closeGroupOf = (key: string) => {
    const group = state.now.displayed?.nodes.get(key)?.group;
    if (group === undefined || !control.isOpen(group)) return;
    void control.open([group], false);
    announcer.say(`${label(group)} closed`);
  };
  let picture: Picture;
  try {
    picture = new Picture(canvas, places, {
      pickNode: (key) => (state.now.displayed?.nodes.get(key)?.node === undefined ? openNode(key) : pickNode(key)),
      openNode,
      pickEdge,
      pickGroup: (key) => control.select({ kind: 'group', key }),
      pickNothing: () => {
        if (state.now.selection?.kind !== 'proposal') control.select(undefined);
      },
      hover: (thing) => showTip(tip, thing, label),
    });
  } catch {
    fill(
      notice,
      el('h2', {}, 'No picture here'),
      el('p', {}, 'This browser draws no WebGL. The tables tell the same.'),
    );
    notice.hidden = false;
    canvas.hidden = true;
    return { restyle: () => undefined };
  }
  const leave = () => control.select(undefined);
  listenToKeys(canvas, picture, {
    pickNode,
    pickEdge,
    openNode,
    closeGroupOf,
    leave,
    say: (text) => announcer.say(text),
    label,
  });

  const tool = (text: string, title: string, act: () => void) =>
    el('button', { type: 'button', class: 'tool', title, 'aria-label': title, onclick: act }, text);
  const rearrange = () => {
    places.clear();
    void draw({ fit: true });
  };
  tools.append(
    tool('+', 'Zoom in', () => picture.zoom(1.4)),
    tool('−', 'Zoom out', () => picture.zoom(1 / 1.4)),
    tool('Fit', 'Fit: show all', () => picture.fit()),
    tool('Open all', 'Open all groups', () => void control.openAll(true)),
    tool('Close all', 'Close all groups', () => void control.openAll(false)),
    tool('Rearrange', 'Rearrange: lay everything out anew', rearrange),
  );

  let asked = 0;
  let drawn: Promise<void> = Promise.resolve();
  const draw = ({ fit = false }: { readonly fit?: boolean } = {}) => {
    const turn = ++asked;
    // one after the other, because each goes on from where the one before has put things
    drawn = drawn.then(() => drawNow(turn, fit));
    return drawn;
  };
  const drawNow = async (turn: number, fit: boolean) => {
    const { displayed } = state.now;
    // what was asked for later draws this too
    if (displayed === undefined || (turn !== asked && !fit)) return;
    await places.complete(displayed, groupLinks(displayed));
    tip.hidden = true;
    picture.show(overlaid(state.now, displayed), { fit });
    picture.emphasise(emphasisOf(state.now, picture.graph));
    showOverlayLegend(legend, state.now, picture.graph);
    canvas.dataset['drawn'] = `${picture.graph.nodes.size} nodes, ${picture.graph.edges.length} edges`;
  };
  state.watch(['displayed', 'overlay', 'detail'], () => void draw());
  state.watch(['opened'], ({ opened }) => {
    if (opened !== undefined) void drawn.then(() => picture.approach(opened));
  });
  state.watch(['selection'], (values) => {
    picture.emphasise(emphasisOf(values, picture.graph));
    const { selection } = values;
    // who was searched for may lie out of view, once it is drawn
    if (selection?.kind === 'node') void drawn.then(() => picture.reveal(selection.key));
  });
  state.watch(['graphState', 'displayed', 'filter'], (values) => showNotice(notice, values, control));
  state.watch(['live', 'graphState'], (values) => {
    const words = staleWords(values);
    stale.hidden = words === undefined;
    stale.textContent = words ?? '';
  });
  return { restyle: () => picture.restyle() };
}

/** Why the picture may not be what is so now; undefined: it is. */
function staleWords({ live, graphState }: PageValues): string | undefined {
  if (live.kind === 'reconnecting') return `Reconnecting: ${printable(live.because)}`;
  if (live.kind === 'disconnected')
    return `Not connected: ${printable(live.because)}. This is what was last told; trying again.`;
  if (graphState instanceof ApiFailure) return `Not read anew: ${printable(graphState.message)}. Trying again.`;
  return undefined;
}

/** How strongly groups are drawn to each other, from all that is known. */
function groupLinks({ nodes, edges }: DisplayedGraph): Link[] {
  const groupOf = (key: string) => nodes.get(key)?.group ?? key;
  const sums = new Map<string, { readonly source: string; readonly target: string; connections: number }>();
  for (const { source, target, connections } of edges) {
    const [from, to] = [groupOf(source), groupOf(target)].sort() as [string, string];
    if (from === to) continue;
    const key = `${from} ${to}`;
    const sum = sums.get(key) ?? { source: from, target: to, connections: 0 };
    sum.connections += connections;
    sums.set(key, sum);
  }
  return [...sums.values()].map(({ connections, ...ends }) => ({ ...ends, weight: Math.log2(1 + connections) }));
}

function overlaid({ overlay, detail }: PageValues, displayed: DisplayedGraph): DisplayedGraph {
  const effect = detail !== undefined && !(detail instanceof ApiFailure) ? detail.effect : undefined;
  return overlay === 'off' || effect === undefined ? displayed : effectGraph(displayed, effect, overlay);
}

/** In an overlay the lines mean something else than in the legend above. */
function showOverlayLegend(
  legend: HTMLElement,
  { overlay, selection, proposals }: PageValues,
  { edges }: DisplayedGraph,
): void {
  legend.hidden = overlay === 'off' || edges.length === 0;
  if (overlay === 'off' || selection?.kind !== 'proposal') return;
  const title = proposals.get(`${selection.namespace}/${selection.name}`)?.title ?? selection.name;
  const words = { before: 'Before', after: 'After', both: 'What changes with' }[overlay];
  const there = new Set(edges.map(({ state }) => state));
  const shown = overlayLegend(overlay).filter(([state]) => there.has(state));
  const items = shown.map(([state, text]) => el('li', {}, stateSwatch(state), text));
  fill(legend, el('div', { class: 'strong' }, `${words} ${shortened(title, 50)}`), el('ul', {}, ...items));
}

function emphasisOf({ selection, overlay }: PageValues, graph: DisplayedGraph): Emphasis | undefined {
  if (overlay !== 'off') return around(graph.edges);
  switch (selection?.kind) {
    case undefined:
      return undefined;
    case 'proposal': {
      const own = new Set(
        [...graph.nodes.values()].filter(({ node }) => isAbout(node, selection)).map(({ key }) => key),
      );
      if (own.size === 0) return undefined;
      return around(
        graph.edges.filter(({ source, target }) => own.has(source) || own.has(target)),
        own,
      );
    }
    case 'node':
    case 'group': {
      const inside = new Set(
        [...graph.nodes.values()]
          .filter(({ key, group }) => key === selection.key || group === selection.key)
          .map(({ key }) => key),
      );
      const shown = graph.standsFor.get(selection.key);
      if (shown !== undefined) inside.add(shown);
      if (inside.size === 0) return undefined;
      return around(
        graph.edges.filter(({ source, target }) => inside.has(source) || inside.has(target)),
        inside,
      );
    }
    case 'edge': {
      const shown = (key: string) => graph.standsFor.get(key) ?? key;
      const [from, to] = [shown(selection.source), shown(selection.target)];
      return around(
        graph.edges.filter(({ source, target }) => source === from && target === to),
        new Set([from, to]),
      );
    }
  }
}

function isAbout(
  node: DisplayedNode['node'],
  { namespace, name }: { readonly namespace: string; readonly name: string },
): boolean {
  return node?.attributes.namespace === namespace && node.attributes.proposal?.name === name;
}

function around(edges: readonly DisplayedEdge[], own: ReadonlySet<string> = new Set()): Emphasis {
  return {
    nodes: new Set([...own, ...edges.flatMap(({ source, target }) => [source, target])]),
    edges: new Set(edges.map(({ key }) => key)),
  };
}

function labelOf(displayed: DisplayedGraph | undefined, key: string): string {
  const node = displayed?.nodes.get(key);
  if (node?.node === undefined) {
    const group = displayed?.groups.get(key);
    return group === undefined
      ? shortened(key, 60)
      : `${shortened(group.label, 60)}, ${counted(group.size, 'member')}, closed`;
  }
  const { namespace, of, kind, proposal } = node.node.attributes;
  const where = namespace === '' ? '' : ` in ${namespace}`;
  const state = proposal === undefined ? '' : `, proposal ${proposal.state}`;
  return shortened(`${node.label}, ${of === '' ? kind : of}${where}${state}`, 140);
}

function showTip(tip: HTMLElement, thing: HoveredThing | undefined, label: (key: string) => string): void {
  tip.hidden = thing === undefined;
  if (thing === undefined) return;
  if ('node' in thing) fill(tip, el('div', { class: 'strong' }, label(thing.node.key)));
  else {
    const { source, target, state, ports, connections } = thing.edge;
    fill(
      tip,
      el(
        'div',
        { class: 'strong' },
        `${shortened(source.replace(/^\w+:/, ''), 48)} → ${shortened(target.replace(/^\w+:/, ''), 48)}`,
      ),
      el('div', {}, stateMark(state), ` ${counted(connections, 'connection')}: ${stateLooks[state].meaning}`),
      el('div', { class: 'quiet' }, shortened(ports, 80)),
    );
  }
  const { clientWidth = 0, clientHeight = 0 } = tip.parentElement ?? {};
  tip.style.left = `${Math.max(8, Math.min(thing.x + 14, clientWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(8, Math.min(thing.y + 14, clientHeight - tip.offsetHeight - 8))}px`;
}

/** What stands where the picture would: while it loads, when it fails, and when there is nothing to draw. */
function showNotice(notice: HTMLElement, { graphState, displayed, filter }: PageValues, control: PageControl): void {
  const isEmpty = graphState === 'loaded' && displayed?.nodes.size === 0;
  notice.hidden = graphState === 'loaded' ? !isEmpty : displayed !== undefined && displayed.nodes.size > 0;
  notice.removeAttribute('role');
  if (graphState === 'loading') {
    fill(notice, el('div', { class: 'spinner', 'aria-hidden': 'true' }), el('p', {}, 'Asking for the traffic graph…'));
  } else if (graphState instanceof ApiFailure) {
    notice.setAttribute('role', 'alert');
    fill(
      notice,
      el('h2', {}, graphState.status === 0 ? 'nanoseg does not answer' : 'The graph could not be read'),
      el('p', {}, printable(graphState.message)),
      el('button', { type: 'button', class: 'button', onclick: () => control.retry() }, 'Try again'),
    );
  } else if (isFiltered(filter)) {
    fill(notice, el('h2', {}, 'Nothing fits the filters'), el('p', {}, 'There may be traffic that they leave out.'));
  } else {
    fill(
      notice,
      el('h2', {}, 'No traffic was seen yet'),
      el('p', {}, 'The picture grows as flows come in. nanoseg status tells whether sources deliver any.'),
    );
  }
}
