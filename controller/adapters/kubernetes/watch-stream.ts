import type { Readable } from 'node:stream';
import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import { errorOfNetwork, errorOfStatus, isStatus } from './api-error.ts';
import type { KubeClient } from './kube-client.ts';
import { type Resource, resourcePath } from './resource-paths.ts';

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubernetesObject }
  /** Only its resourceVersion means anything: nothing happened up to there. */
  | { readonly type: 'BOOKMARK'; readonly object: KubernetesObject };

export interface WatchOptions {
  readonly namespace: string | undefined;
  /** Where to go on from. */
  readonly resourceVersion: string;
  /** The server ends the watch after so long. */
  readonly durationMs: number;
  /** The connection counts as dead when the server has not ended it so long after it should have. */
  readonly graceMs: number;
  /** The same, without a byte for so long on a connection on which bookmarks come (about one a minute). */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Events as they come, those of one chunk together, until the server ends the watch. Rejects with ClusterError: Expired
 * when the server does not know the resourceVersion any more, Unavailable when the connection is lost or dead.
 */
export async function* watchEvents(
  client: KubeClient,
  resource: Resource,
  options: WatchOptions,
): AsyncGenerator<readonly WatchEvent[]> {
  const dead = new AbortController();
  const fall = (words: string) => dead.abort(new ClusterError('Unavailable', `${client.server}: ${words}`));
  const end = setTimeout(() => fall('the watch did not end in time'), options.durationMs + options.graceMs);
  let silence: NodeJS.Timeout | undefined;
  try {
    const body = await client.stream({
      method: 'GET',
      path: resourcePath(resource, options.namespace),
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: Math.max(1, Math.round(options.durationMs / 1000)),
      },
      signal: AbortSignal.any([options.signal, dead.signal]),
    });
    for await (const lines of linesOf(body, client.server)) {
      const events = lines.map(parseEvent);
      silence?.refresh();
      if (silence === undefined && events.some(({ type }) => type === 'BOOKMARK')) {
        silence = setTimeout(() => fall('the watch went silent'), options.silenceMs);
      }
      yield events;
    }
  } finally {
    clearTimeout(end);
    clearTimeout(silence);
  }
}

/** Whole lines, those that one chunk completes together. */
async function* linesOf(body: Readable, server: string): AsyncGenerator<string[]> {
  body.setEncoding('utf8');
  const chunks: AsyncIterator<string> = body[Symbol.asyncIterator]();
  let rest = '';
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        throw error instanceof ClusterError ? error : errorOfNetwork(server, error);
      });
      if (next.done) return;
      const lines = (rest + next.value).split('\n');
      rest = lines.pop() ?? '';
      if (lines.length > 0) yield lines;
    }
  } finally {
    body.destroy();
  }
}

function parseEvent(line: string): WatchEvent {
  const { type, object } = jsonOf(line);
  if (type === 'ERROR') {
    throw isStatus(object)
      ? errorOfStatus(object)
      : new ClusterError('Unavailable', `the watch ended with ${line.slice(0, 300)}`, { status: 500 });
  }
  return { type, object } as WatchEvent;
}

function jsonOf(line: string): { readonly type: string; readonly object: unknown } {
  try {
    return JSON.parse(line);
  } catch (error) {
    // something in between answered for the server
    throw new ClusterError('Unavailable', `a watch did not answer with JSON: ${line.slice(0, 100)}`, { cause: error });
  }
}
