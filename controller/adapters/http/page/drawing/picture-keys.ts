import type { DisplayedEdge, DisplayedGraph } from './displayed-graph.ts';
import type { Picture } from './picture.ts';
import { stateLooks } from './state-looks.ts';

export interface KeyListeners {
  readonly pickNode: (key: string) => void;
  readonly pickEdge: (edge: DisplayedEdge) => void;
  readonly openNode: (key: string) => void;
  readonly closeGroupOf: (key: string) => void;
  readonly leave: () => void;
  readonly say: (text: string) => void;
  readonly label: (key: string) => string;
}

const directions: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

/** The picture by keys: arrows go from node to node, brackets along the lines of a node, Enter opens, Space tells. */
export function listenToKeys(container: HTMLElement, picture: Picture, listeners: KeyListeners): void {
  let at: string | undefined;
  let edgeAt = -1;
  const goTo = (key: string | undefined) => {
    if (key === undefined) return;
    at = key;
    edgeAt = -1;
    picture.focus(key);
    listeners.say(listeners.label(key));
  };
  container.addEventListener('focus', () => {
    if (!container.matches(':focus-visible')) return;
    if (at === undefined || !picture.graph.nodes.has(at)) goTo(firstOf(picture));
    else goTo(at);
  });
  container.addEventListener('blur', () => picture.focus(undefined));
  container.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (at !== undefined && !picture.graph.nodes.has(at)) at = undefined;
    const direction = directions[event.key];
    if (direction !== undefined) {
      const [right, down] = direction;
      if (event.shiftKey) picture.pan(right * 0.2, -down * 0.2);
      else goTo(at === undefined ? firstOf(picture) : neighbour(picture, at, right, down));
    } else if (event.key === '+' || event.key === '=') picture.zoom(1.4);
    else if (event.key === '-') picture.zoom(1 / 1.4);
    else if (event.key === '0') picture.fit();
    else if (event.key === 'Escape') listeners.leave();
    else if (at === undefined) return;
    else if (event.key === 'Enter') listeners.openNode(at);
    else if (event.key === ' ') listeners.pickNode(at);
    else if (event.key === 'Backspace') listeners.closeGroupOf(at);
    else if (event.key === ']' || event.key === '[') {
      const edges = edgesOf(picture.graph, at);
      if (edges.length === 0) return listeners.say('talks to nobody');
      edgeAt = (edgeAt + (event.key === ']' ? 1 : edges.length - (edgeAt < 0 ? 0 : 1))) % edges.length;
      const edge = edges[edgeAt] as DisplayedEdge;
      listeners.say(edgeWords(edge, listeners.label));
      listeners.pickEdge(edge);
    } else return;
    event.preventDefault();
  });
}

function edgeWords({ source, target, state, ports }: DisplayedEdge, label: (key: string) => string): string {
  return `${label(source)} to ${label(target)}, ${ports}, ${stateLooks[state].label}`;
}

function edgesOf({ edges }: DisplayedGraph, key: string): DisplayedEdge[] {
  return edges.filter(({ source, target }) => source === key || target === key);
}

function firstOf({ graph }: Picture): string | undefined {
  return [...graph.nodes.keys()].sort()[0];
}

/** The nearest node in a direction of the screen; what lies straight ahead counts as nearer. */
function neighbour(picture: Picture, from: string, right: number, down: number): string | undefined {
  const start = picture.screenPointOf(from);
  if (start === undefined) return undefined;
  let best: { readonly key: string; readonly far: number } | undefined;
  for (const key of picture.graph.nodes.keys()) {
    const point = key === from ? undefined : picture.screenPointOf(key);
    if (point === undefined) continue;
    const [dx, dy] = [point.x - start.x, point.y - start.y];
    const ahead = dx * right + dy * down;
    const aside = Math.abs(dx * down) + Math.abs(dy * right);
    if (ahead <= 1 || aside > ahead * 2) continue;
    const far = ahead + aside * 2;
    if (best === undefined || far < best.far) best = { key, far };
  }
  return best?.key;
}
