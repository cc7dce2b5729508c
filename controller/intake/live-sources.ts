import { goldmaneSource } from '../adapters/goldmane/goldmane-source.ts';
import { hubbleSource } from '../adapters/hubble/hubble-source.ts';
import type { LiveSourceConfig } from '../config.ts';
import type { Clock, FlowSource, SourcePosition, SourcePositions } from '../ports.ts';

export interface LiveSourcesOptions {
  /** Where earlier readings stopped. */
  readonly positions: SourcePositions;
  readonly clock: Clock;
}

/** The live sources that a configuration names; none is connected to before its batches are asked for. */
export function liveSources(
  sources: readonly LiveSourceConfig[],
  { positions, clock }: LiveSourcesOptions,
): FlowSource[] {
  return sources.map((config) => {
    const fresh = opened(config, clock, undefined);
    const position = positions.get(fresh.name);
    return position === undefined ? fresh : opened(config, clock, position);
  });
}

function opened(
  { kind, address, ca, cert, key, serverName, replies }: LiveSourceConfig,
  clock: Clock,
  position: SourcePosition | undefined,
): FlowSource {
  const files = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { serverName }),
  };
  const options = { address, tls: files, position, clock };
  switch (kind) {
    case 'hubble':
      return hubbleSource({ ...options, ...(replies !== undefined && { replies }) });
    case 'goldmane':
      return goldmaneSource(options);
  }
}
