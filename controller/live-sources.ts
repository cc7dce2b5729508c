import type { LiveSourceConfig } from './config.ts';
import type { Clock, FlowSource, SourcePosition } from './ports.ts';

export interface LiveSourcesOptions {
  /** By the names of the sources. */
  readonly positions: ReadonlyMap<string, SourcePosition>;
  readonly clock: Clock;
}

/** The live sources that a configuration names; none of them is connected to before its batches are asked for. */
export function liveSources(_sources: readonly LiveSourceConfig[], _options: LiveSourcesOptions): FlowSource[] {
  return [];
}
