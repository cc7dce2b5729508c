import { deepEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryConnectionStore } from '../../../controller/adapters/memory/memory-connection-store.ts';
import type { RedisConnectionStore } from '../../../controller/adapters/redis/redis-connection-store.ts';
import type { GraphDelta } from '../../../controller/graph/graph-delta.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import type { ConnectionStore, IngestMemory, SourcePositions } from '../../../controller/ports.ts';
import type { Sighting } from '../../../controller/model/sighting.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { anySighting, minuteMs, mondayMs } from '../../support/sightings.ts';

/** What a store in memory makes of the same saves. */
export class MergeModel {
  readonly store = new MemoryConnectionStore();
  generation = 0;
}

interface Real {
  store: RedisConnectionStore;
  readonly open: () => Promise<RedisConnectionStore>;
  readonly server: RedisServer;
}

type Command = fc.AsyncCommand<MergeModel, Real>;
const binMs = 5 * minuteMs;

/** Evidence that is no graph's: another one each time, so that what is replaced differs from what was there. */
function deltaOf(sightings: readonly Sighting[], lost: boolean): GraphDelta {
  const graph = new TrafficGraph({ binMs });
  for (const [i, one] of sightings.entries()) graph.observe(one, `n${i % 2}`);
  if (lost) graph.loss({ timeMs: mondayMs, source: 'hubble', node: 'n1', events: 3, kind: 'lost' });
  return graph.snapshot();
}

async function comparable(store: ConnectionStore): Promise<unknown> {
  const { binMs: stored, evidence, positions, memory } = await store.load();
  const graph = new TrafficGraph({ binMs });
  for (const part of evidence) graph.merge(part);
  const recent = new Map<number, number[]>();
  for (const { generation, keys } of memory.recent) {
    recent.set(generation, [...(recent.get(generation) ?? []), ...keys]);
  }
  return { stored, evidence: graph.snapshot(), positions, recent, held: memory.held, observed: memory.observed };
}

class Save implements Command {
  readonly #delta: GraphDelta;
  readonly #positions: SourcePositions;
  readonly #memory: { readonly isKept: boolean; readonly rotates: boolean; readonly keys: readonly number[] };

  constructor(delta: GraphDelta, positions: SourcePositions, memory: Save['memory']) {
    this.#delta = delta;
    this.#positions = positions;
    this.#memory = memory;
  }

  get memory(): { readonly isKept: boolean; readonly rotates: boolean; readonly keys: readonly number[] } {
    return this.#memory;
  }

  check(): boolean {
    return true;
  }

  async run(model: MergeModel, real: Real): Promise<void> {
    const { isKept, rotates, keys } = this.#memory;
    if (rotates) model.generation++;
    const recent = keys.length === 0 ? [] : [{ generation: model.generation, keys: Uint32Array.from(keys) }];
    const observed = { apiServer: [`192.0.2.${keys.length}`], nodes: [] };
    const memory: IngestMemory | undefined = isKept ? { recent, held: [], observed } : undefined;
    await model.store.save(this.#delta, this.#positions, memory);
    await real.store.save(this.#delta, this.#positions, memory);
  }

  toString(): string {
    return `Save(${JSON.stringify([this.#delta, [...this.#positions], this.#memory])})`;
  }
}

/** Something happens that nothing of the evidence may hang on; then both are compared. */
class Meanwhile implements Command {
  readonly #what: string;
  readonly #act: (real: Real) => Promise<void>;

  constructor(what: string, act: (real: Real) => Promise<void>) {
    this.#what = what;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  async run(model: MergeModel, real: Real): Promise<void> {
    await this.#act(real);
    deepEqual(await comparable(real.store), await comparable(model.store));
  }

  toString(): string {
    return this.#what;
  }
}

const position = fc.option(fc.stringMatching(/^[0-9]{1,3}$/), { nil: undefined });
const saving = fc
  .record({
    sightings: fc.array(anySighting, { maxLength: 12 }),
    lost: fc.boolean(),
    positions: fc.array(fc.tuple(fc.constantFrom('a', 'b/x', '__proto__', 'ü'), position), { maxLength: 3 }),
    isKept: fc.boolean(),
    rotates: fc.boolean(),
    keys: fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { maxLength: 6 }),
  })
  .map(({ sightings, lost, positions, isKept, rotates, keys }) => {
    const pairs = keys.length % 2 === 0 ? keys : keys.slice(1);
    return new Save(deltaOf(sightings, lost), new Map(positions), { isKept, rotates, keys: pairs });
  });

export const mergeCommands = [
  saving,
  fc.constant(new Meanwhile('Nothing', async () => undefined)),
  fc.constant(
    new Meanwhile('Reopen', async (real) => {
      await real.store.close();
      real.store = await real.open();
    }),
  ),
  fc.constant(
    new Meanwhile('ForgetScripts', async ({ server }) => {
      await server.admin.script('FLUSH');
    }),
  ),
  fc.constant(
    new Meanwhile('CutConnections', async ({ server }) => {
      await server.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }),
  ),
];
