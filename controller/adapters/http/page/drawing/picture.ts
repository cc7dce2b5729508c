import { MultiDirectedGraph } from 'graphology';
import Sigma from 'sigma';
import type { EdgeDisplayData, NodeDisplayData } from 'sigma/types';
import type { ConnectionState } from '../../../../view/graph-shape.ts';
import type { DisplayedEdge, DisplayedGraph, DisplayedNode } from './displayed-graph.ts';
import { spacing } from './discs.ts';
import { type DrawnEdgeData, StateEdgeProgram } from './edge-program.ts';
import { discOnScreen, drawGroupNames, drawGroups, type GroupName, groupNames } from './group-layer.ts';
import { type Box, type LabelledNode, Labels, radiusOnScreen } from './labels.ts';
import { labelOf, nodeLook } from './node-looks.ts';
import { type DrawnNodeData, ShapeNodeProgram } from './node-program.ts';
import { type Palette, readPalette } from './palette.ts';
import type { Places } from './places.ts';
import { stateLooks } from './state-looks.ts';

export interface PictureListeners {
  readonly pickNode: (key: string) => void;
  readonly openNode: (key: string) => void;
  readonly pickEdge: (edge: DisplayedEdge) => void;
  readonly pickGroup: (group: string) => void;
  readonly pickNothing: () => void;
  readonly hover: (at: HoveredThing | undefined) => void;
}

export type HoveredThing =
  | { readonly node: DisplayedNode; readonly x: number; readonly y: number }
  | { readonly edge: DisplayedEdge; readonly x: number; readonly y: number };

/** What stands out; all else is drawn faint. Undefined: nothing does. */
export interface Emphasis {
  readonly nodes: ReadonlySet<string>;
  /** Keys of edges, or undefined for all between the nodes. */
  readonly edges: ReadonlySet<string>;
}

/** The graph on the screen. It draws what it is told, where `Places` says, and tells what a person points at. */
export class Picture {
  readonly #renderer: Sigma;
  readonly #places: Places;
  readonly #layers: Readonly<Record<'groups' | 'names', CanvasRenderingContext2D>>;
  readonly #labels = new Labels();
  #palette: Palette = readPalette();
  #graph: DisplayedGraph = { groups: new Map(), open: new Set(), nodes: new Map(), edges: [], standsFor: new Map() };
  #edges = new Map<string, DisplayedEdge>();
  #emphasis: Emphasis | undefined;
  #hovered: string | undefined;
  #focused: string | undefined;
  #isShown = false;

  constructor(container: HTMLElement, places: Places, listeners: PictureListeners) {
    this.#places = places;
    this.#renderer = new Sigma(new MultiDirectedGraph(), container, {
      allowInvalidContainer: true,
      defaultNodeType: 'shape',
      defaultEdgeType: 'state',
      nodeProgramClasses: { shape: ShapeNodeProgram },
      nodeHoverProgramClasses: { shape: ShapeNodeProgram },
      edgeProgramClasses: { state: StateEdgeProgram },
      enableEdgeEvents: true,
      itemSizesReference: 'positions',
      zoomToSizeRatioFunction: (ratio) => ratio,
      labelDensity: 4,
      labelGridCellSize: 80,
      labelRenderedSizeThreshold: 4,
      stagePadding: 42,
      minCameraRatio: 0.02,
      maxCameraRatio: 2.5,
      zIndex: true,
      defaultDrawNodeLabel: (context, data) => this.#labels.draw(context, data as LabelledNode, this.#palette),
      defaultDrawNodeHover: (context, data) => this.#labels.draw(context, data as LabelledNode, this.#palette),
      nodeReducer: (key, data) => ({ ...data, ...this.#nodeLook(key) }),
      edgeReducer: (key) => this.#edgeLook(key),
    });
    this.#layers = { groups: this.#layer('groups', 'edges'), names: this.#layer('names', 'hovers') };
    this.#renderer.resize(true);
    this.#renderer.on('beforeRender', () =>
      this.#labels.begin(
        () => this.#groupNames(),
        () => this.#closedGroups(),
      ),
    );
    this.#renderer.on('afterRender', () => this.#drawLayers());
    new ResizeObserver(() => this.#renderer.resize().scheduleRender()).observe(container);
    this.#listen(listeners);
  }

  get graph(): DisplayedGraph {
    return this.#graph;
  }

  /** Draws another graph. Until the first one with nodes was drawn, and where `fit` asks for it, all of it comes into view. */
  show(graph: DisplayedGraph, { fit = false }: { readonly fit?: boolean } = {}): void {
    this.#graph = graph;
    this.#hovered = undefined;
    this.#edges = new Map(graph.edges.map((edge) => [edge.key, edge]));
    const drawn = new MultiDirectedGraph();
    for (const node of graph.nodes.values()) {
      const { x, y } = this.#places.pointOf(node.key) ?? { x: 0, y: 0 };
      drawn.addNode(node.key, { x, y });
    }
    for (const { key, source, target } of graph.edges) drawn.addDirectedEdgeWithKey(key, source, target);
    const isFirst = !this.#isShown && graph.nodes.size > 0;
    if (isFirst || fit) this.#frame();
    this.#isShown ||= isFirst;
    this.#renderer.setGraph(drawn);
    if (isFirst || fit) this.#renderer.getCamera().setState({ x: 0.5, y: 0.5, ratio: 1, angle: 0 });
  }

  emphasise(emphasis: Emphasis | undefined): void {
    this.#emphasis = emphasis;
    this.#redraw();
  }

  /** The node that the keyboard is at. */
  focus(key: string | undefined): void {
    this.#focused = key;
    if (key !== undefined) this.reveal(key);
    this.#redraw();
  }

  /** Colours are read anew from the style sheet. */
  restyle(): void {
    this.#palette = readPalette();
    this.#redraw();
  }

  fit(): void {
    this.#frame();
    this.#renderer.refresh();
    void this.#renderer.getCamera().animate({ x: 0.5, y: 0.5, ratio: 1 }, { duration: motionMs() });
  }

  /** Goes nearer to a group that is too small to be read where one stands. */
  approach(group: string): void {
    const disc = this.#places.discOf(group);
    if (disc === undefined) return;
    const shown = discOnScreen(this.#renderer, disc);
    const { width, height } = this.#renderer.getDimensions();
    if (shown.radius >= Math.min(110, height / 4)) return;
    const { x, y } = this.#renderer.viewportToFramedGraph(shown);
    const camera = this.#renderer.getCamera();
    const ratio = camera.getBoundedRatio((camera.ratio * shown.radius) / (Math.min(width, height) * 0.3));
    void camera.animate({ x, y, ratio }, { duration: motionMs() });
  }

  zoom(factor: number): void {
    const camera = this.#renderer.getCamera();
    void camera.animate({ ratio: camera.getBoundedRatio(camera.ratio / factor) }, { duration: motionMs() });
  }

  /** By parts of what is in view. */
  pan(right: number, up: number): void {
    const camera = this.#renderer.getCamera();
    const { x, y, ratio } = camera.getState();
    void camera.animate({ x: x + right * ratio, y: y + up * ratio }, { duration: motionMs() });
  }

  /** In pixels from the upper left corner of the picture; undefined: it is not drawn. */
  screenPointOf(key: string): { readonly x: number; readonly y: number } | undefined {
    const point = this.#graph.nodes.has(key) ? this.#places.pointOf(key) : undefined;
    return point && this.#renderer.graphToViewport(point);
  }

  /** So that all groups fit, closed or open: what is opened later lies within. */
  #frame(): void {
    const discs = [...this.#graph.groups.keys()].flatMap((key) => this.#places.discOf(key) ?? []);
    if (discs.length === 0) return;
    const x: [number, number] = [
      Math.min(...discs.map((disc) => disc.x - disc.radius)),
      Math.max(...discs.map((disc) => disc.x + disc.radius)),
    ];
    // the name of a group stands above it
    const y: [number, number] = [
      Math.min(...discs.map((disc) => disc.y - disc.radius)),
      Math.max(...discs.map((disc) => disc.y + disc.radius)) + spacing * 0.5,
    ];
    this.#renderer.setCustomBBox({ x, y });
  }

  /** Moves the view only where the node is out of it. */
  reveal(key: string): void {
    const at = this.screenPointOf(key);
    const { width, height } = this.#renderer.getDimensions();
    if (at === undefined || (at.x > 20 && at.y > 20 && at.x < width - 20 && at.y < height - 20)) return;
    const target = this.#renderer.getNodeDisplayData(key);
    if (target) void this.#renderer.getCamera().animate({ x: target.x, y: target.y }, { duration: motionMs() });
  }

  #redraw(): void {
    this.#renderer.refresh({ skipIndexation: true });
  }

  #nodeLook(key: string): Partial<NodeDisplayData> {
    const shown = this.#graph.nodes.get(key);
    const palette = this.#palette;
    const isFaint = this.#emphasis !== undefined && !this.#emphasis.nodes.has(key);
    const isNear = this.#hovered === key || this.#focused === key;
    const look = shown === undefined ? undefined : nodeLook(shown, this.#graph, palette);
    const drawn: Partial<DrawnNodeData> & { readonly strong: boolean } = {
      type: 'shape',
      label: shown === undefined || (isFaint && !isNear) ? null : labelOf(shown, this.#graph),
      size: shown?.node === undefined ? this.#closedSize(key) : spacing * 0.2,
      shape: look?.shape ?? 0,
      color: isFaint ? palette.background : (look?.color ?? palette.node),
      rim: isFaint ? palette.faint : isNear ? palette.focus : (look?.rim ?? palette.nodeRim),
      forceLabel: isNear || this.#standsForGroup(shown) || (this.#emphasis !== undefined && !isFaint),
      zIndex: isFaint ? 0 : 1,
      strong: isNear || (shown?.node === undefined && this.#graph.groups.size <= 25),
    };
    return drawn;
  }

  /** A group that is closed, or the only member of one. */
  #standsForGroup(shown: DisplayedNode | undefined): boolean {
    return shown?.node === undefined || this.#graph.groups.get(shown.group)?.size === 1;
  }

  /** What names had better not be written over. */
  #closedGroups(): Box[] {
    return [...this.#graph.nodes.values()].flatMap(({ key, node }) => {
      const at = node === undefined ? this.screenPointOf(key) : undefined;
      const radius = radiusOnScreen(this.#renderer.scaleSize(this.#closedSize(key)));
      return at === undefined
        ? []
        : [{ left: at.x - radius, top: at.y - radius, right: at.x + radius, bottom: at.y + radius }];
    });
  }

  #closedSize(group: string): number {
    return (this.#places.discOf(group)?.radius ?? spacing) * 0.45;
  }

  #edgeLook(key: string): Partial<EdgeDisplayData> {
    const edge = this.#edges.get(key);
    if (edge === undefined) return { hidden: true };
    const look = stateLooks[edge.state];
    const isFaint = this.#emphasis !== undefined && !this.#emphasis.edges.has(key);
    const drawn: Partial<DrawnEdgeData> = {
      type: 'state',
      color: isFaint ? this.#palette.faint : this.#edgeColor(edge.state),
      symbolColor: this.#palette.background,
      size: isFaint ? 1 : this.#hovered === key ? look.width + 1.5 : look.width,
      pattern: look.pattern,
      symbol: isFaint ? 0 : look.symbol,
      shift: this.#shiftOf(edge),
      arrow: !edge.undirected,
      zIndex: isFaint ? 0 : 1 + urgency(edge.state),
    };
    return drawn;
  }

  /** Where many lines are drawn, those that need nobody's eyes step back. */
  #edgeColor(state: ConnectionState): string {
    const color = this.#palette.states[state];
    const drawn = this.#emphasis === undefined ? this.#graph.edges.length : this.#emphasis.edges.size;
    return state === 'seen' && drawn > 50 ? `${color}8c` : color;
  }

  /** Lines of the same pair, and of the way back, lie beside each other. */
  #shiftOf({ source, target, state }: DisplayedEdge): number {
    const drawn = this.#renderer.getGraph();
    const same = drawn.directedEdges(source, target).filter((key) => this.#edges.get(key)?.source === source);
    const hasBack = drawn.hasDirectedEdge(target, source);
    const index = same.indexOf(`${source} ${target} ${state}`);
    return hasBack ? 4 + index * 6 : (index - (same.length - 1) / 2) * 6;
  }

  #layer(id: string, beforeLayer: string): CanvasRenderingContext2D {
    const canvas = this.#renderer.createCanvas(id, { beforeLayer });
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('the browser draws no canvas');
    return context;
  }

  #drawLayers(): void {
    const { width, height } = this.#renderer.getDimensions();
    const ratio = window.devicePixelRatio || 1;
    for (const context of Object.values(this.#layers)) {
      const { canvas } = context;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
    }
    const discOf = (group: string) => this.#places.discOf(group);
    drawGroups(this.#layers.groups, this.#renderer, this.#graph, discOf, this.#palette);
    drawGroupNames(this.#layers.names, this.#groupNames(), this.#palette);
    this.#drawFocus(this.#layers.names);
  }

  #groupNames(): GroupName[] {
    const discOf = (group: string) => this.#places.discOf(group);
    return groupNames(this.#layers.names, this.#renderer, this.#graph, discOf, this.#palette);
  }

  #drawFocus(context: CanvasRenderingContext2D): void {
    const at = this.#focused === undefined ? undefined : this.screenPointOf(this.#focused);
    if (at === undefined || this.#focused === undefined) return;
    const shown = this.#renderer.getNodeDisplayData(this.#focused);
    context.beginPath();
    context.arc(at.x, at.y, radiusOnScreen(this.#renderer.scaleSize(shown?.size ?? 1)) + 5, 0, 2 * Math.PI);
    context.lineWidth = 2.5;
    context.strokeStyle = this.#palette.focus;
    context.stroke();
  }

  #listen(listeners: PictureListeners): void {
    const renderer = this.#renderer;
    const node = (key: string) => this.#graph.nodes.get(key);
    renderer.on('enterNode', ({ node: key, event }) => {
      this.#hover(key);
      const found = node(key);
      listeners.hover(found && { node: found, x: event.x, y: event.y });
    });
    renderer.on('enterEdge', ({ edge: key, event }) => {
      this.#hover(key);
      const found = this.#edges.get(key);
      listeners.hover(found && { edge: found, x: event.x, y: event.y });
    });
    for (const name of ['leaveNode', 'leaveEdge'] as const) {
      renderer.on(name, () => {
        this.#hover(undefined);
        listeners.hover(undefined);
      });
    }
    renderer.on('clickNode', ({ node: key }) => listeners.pickNode(key));
    renderer.on('doubleClickNode', ({ node: key, event }) => {
      event.preventSigmaDefault();
      listeners.openNode(key);
    });
    renderer.on('clickEdge', ({ edge: key }) => {
      const found = this.#edges.get(key);
      if (found) listeners.pickEdge(found);
    });
    renderer.on('clickStage', ({ event }) => {
      const group = this.#groupAt(event.x, event.y);
      if (group === undefined) listeners.pickNothing();
      else listeners.pickGroup(group);
    });
  }

  #hover(key: string | undefined): void {
    if (this.#hovered === key) return;
    this.#hovered = key;
    this.#renderer.getContainer().classList.toggle('pointing', key !== undefined);
    this.#redraw();
  }

  #groupAt(x: number, y: number): string | undefined {
    for (const group of this.#graph.open) {
      const disc = this.#places.discOf(group);
      if (disc === undefined) continue;
      const shown = discOnScreen(this.#renderer, disc);
      if (Math.hypot(shown.x - x, shown.y - y) <= shown.radius) return group;
    }
    return undefined;
  }
}

const order = Object.keys(stateLooks) as ConnectionState[];

function urgency(state: ConnectionState): number {
  return order.indexOf(state);
}

/** Who asked the system for less motion gets none. */
function motionMs(): number {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 220;
}
