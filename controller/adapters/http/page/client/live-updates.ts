import type { ServerEvents } from '../../../../view/api-shape.ts';
import { type ApiClient, ApiFailure } from './api-client.ts';
import { eventsOf } from './event-stream.ts';

/** How the page stands with the server. */
export type LiveState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** Who they are is asked of the person. */
  | { readonly kind: 'signed-out' }
  /** `since` ms: when the last word came. `because`: one clause. */
  | { readonly kind: 'reconnecting' | 'disconnected'; readonly since: number; readonly because: string };

/** Nothing that is shown is sure to be so still, and nothing can be decided. */
export function isCutOff({ kind }: LiveState): boolean {
  return kind === 'reconnecting' || kind === 'disconnected' || kind === 'signed-out';
}

export type LiveListeners = {
  readonly [Name in keyof ServerEvents]: (data: ServerEvents[Name]) => void;
} & {
  readonly state: (state: LiveState) => void;
  /** Who asks is not let in any more; nothing is followed from then on. */
  readonly refused: (failure: ApiFailure) => void;
};

/** Heartbeats come every 15 s; without any for longer, the connection is taken for dead. */
const silenceMs = 40_000;
const firstDelayMs = 500;
const longestDelayMs = 15_000;
/** After so long without the server the page says that it is disconnected. */
const patienceMs = 10_000;

/** Follows the events of the server until aborted, over breaks of the connection. */
export async function followUpdates(api: ApiClient, listeners: LiveListeners, signal: AbortSignal): Promise<void> {
  let position: string | undefined;
  let brokenSince: number | undefined;
  let delayMs = firstDelayMs;
  listeners.state({ kind: 'connecting' });
  while (!signal.aborted) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener('abort', stop, { once: true });
    let watchdog = setTimeout(stop, silenceMs);
    let because = 'nanoseg does not answer';
    let waitMs = 0;
    try {
      const response = await api.events(position, attempt.signal);
      brokenSince = undefined;
      listeners.state({ kind: 'live' });
      const told = {
        position: (id: string) => {
          position = id;
        },
        alive: () => {
          delayMs = firstDelayMs;
          clearTimeout(watchdog);
          watchdog = setTimeout(stop, silenceMs);
        },
      };
      for await (const { name, data } of eventsOf(response, told)) deliver(listeners, name, data);
    } catch (error) {
      if (error instanceof ApiFailure) {
        if ([401, 403].includes(error.status)) {
          listeners.refused(error);
          return;
        }
        because = error.message;
        waitMs = error.waitMs;
      }
    } finally {
      clearTimeout(watchdog);
      signal.removeEventListener('abort', stop);
    }
    if (signal.aborted) return;
    brokenSince ??= Date.now();
    const isLong = Date.now() - brokenSince >= patienceMs;
    listeners.state({ kind: isLong ? 'disconnected' : 'reconnecting', since: brokenSince, because });
    // many pages that lost the same server do not all come back at the same moment
    await pause(Math.max(waitMs, delayMs * (0.7 + 0.3 * Math.random())), signal);
    delayMs = Math.min(longestDelayMs, delayMs * 1.7);
  }
}

function deliver(listeners: LiveListeners, name: string, data: string): void {
  switch (name) {
    case 'ready':
    case 'reset':
    case 'graph':
    case 'proposal':
    case 'proposal-gone':
    case 'deviation':
    case 'cluster':
      // each name has its own shape, which the server's types say
      (listeners[name] as (data: unknown) => void)(JSON.parse(data));
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
