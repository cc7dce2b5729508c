import type { Layout, LayoutEdge, LayoutNode, LayoutTerms, Point } from './layout.ts';
import type { LayoutResult, LayoutTask } from './layout-worker.ts';

/** Runs layouts beside the page, which stays usable meanwhile. */
export class LayoutClient implements Layout {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (nodes: Float32Array) => void>();
  #last = 0;

  constructor(url: string) {
    this.#worker = new Worker(workerUrl(url), { type: 'module' });
    this.#worker.onmessage = ({ data: { id, nodes } }: MessageEvent<LayoutResult>) => {
      this.#waiting.get(id)?.(nodes);
      this.#waiting.delete(id);
    };
  }

  async run(
    nodes: readonly LayoutNode[],
    edges: readonly LayoutEdge[],
    { iterations, sized }: LayoutTerms,
  ): Promise<Map<string, Point>> {
    const offsets = new Map(nodes.map(({ key }, i) => [key, i * 10]));
    const matrix = new Float32Array(nodes.length * 10);
    for (const [i, { x, y, size, fixed }] of nodes.entries()) {
      matrix.set([x, y, 0, 0, 0, 0, 1, 1, size, fixed === true ? 1 : 0], i * 10);
    }
    const lines: number[] = [];
    for (const { source, target, weight } of edges) {
      const [from, to] = [offsets.get(source), offsets.get(target)];
      if (from === undefined || to === undefined || from === to) continue;
      lines.push(from, to, weight);
      matrix[from + 6] = (matrix[from + 6] ?? 1) + weight;
      matrix[to + 6] = (matrix[to + 6] ?? 1) + weight;
    }
    const placed = await this.#post({ nodes: matrix, edges: new Float32Array(lines), iterations, sized });
    return new Map(nodes.map(({ key }, i) => [key, { x: placed[i * 10] ?? 0, y: placed[i * 10 + 1] ?? 0 }]));
  }

  #post(task: Omit<LayoutTask, 'id'>): Promise<Float32Array> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, ...task }, [task.nodes.buffer, task.edges.buffer]);
    });
  }
}

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string };
}

/** The page's policy lets scripts be loaded only from addresses that were vouched for. */
function workerUrl(url: string): string {
  const trusted = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  const rules = {
    createScriptURL: (asked: string) => {
      if (!asked.startsWith('assets/')) throw new Error(`${asked} is no asset of the page`);
      return asked;
    },
  };
  return trusted === undefined
    ? rules.createScriptURL(url)
    : trusted.createPolicy('nanoseg-worker', rules).createScriptURL(url);
}
