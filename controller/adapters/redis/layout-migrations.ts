import { type RedisScript, script } from './redis-script.ts';
import { layout, type StoreKeys } from './redis-keys.ts';

/**
 * Makes one layout of the one before it, in steps of one atomic script each. A step is done exactly once, whoever goes on
 * with it after a crash; what a step that fails in the middle has changed stays, so that it has to look before it changes.
 */
export interface LayoutMigration {
  readonly to: number;
  readonly step: RedisScript;
  /** Of each step in turn: the keys that it gets after `meta`, as KEYS[2] and on. The steps of a layout never change. */
  readonly steps: (keys: StoreKeys) => readonly (readonly string[])[];
}

/** What can be read, and what can be made of it. The keys `layout`, `meta` and `writer` mean the same in all layouts. */
export interface Layouts {
  readonly current: number;
  /** In any order; together they lead to the current one. */
  readonly migrations: readonly LayoutMigration[];
}

/** Of this nanoseg. Whoever changes the keys or what is in them raises `layout` and adds how the former one is brought over. */
export const layouts: Layouts = { current: layout, migrations: [] };

/**
 * A migration by a piece of Lua. It changes the number of fields that `meta` counts where it adds or removes some
 * (`HINCRBY KEYS[1] fields`).
 */
export function layoutMigration(to: number, lua: string, steps: LayoutMigration['steps']): LayoutMigration {
  return { to, steps, step: script(stepText(lua)) };
}

function stepText(lua: string): string {
  return `
local step = tonumber(ARGV[2])
if redis.call('HGET', KEYS[1], 'writer') ~= ARGV[1] then return 'taken' end
if tonumber(redis.call('HGET', KEYS[1], 'migrated') or '0') > step then return 'done' end
local function migrate()
${lua}
end
migrate()
redis.call('HSET', KEYS[1], 'migrated', step + 1)
return 'done'
`;
}

/**
 * Says which layout there is now. KEYS: layout, meta. ARGV: our token, the layout that it has to be, the one that it
 * becomes. Answers with what it is then, or `taken`.
 */
const turnScript = script(`
if redis.call('HGET', KEYS[2], 'writer') ~= ARGV[1] then return 'taken' end
if redis.call('GET', KEYS[1]) == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[3])
  redis.call('HDEL', KEYS[2], 'migrated')
end
return redis.call('GET', KEYS[1])
`);

interface Scripts {
  run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

/** What the key `layout` says where a migration to that layout has begun: no nanoseg takes it for a whole one. */
function underway(to: number): string {
  return `${to - 1}>${to}`;
}

/** All that the key `layout` may say of evidence that can be brought to the current layout, and of the current one. */
export function readableLayouts({ current, migrations }: Layouts): string[] {
  const from = oldest({ current, migrations });
  const older = Array.from({ length: current - from }, (_, i) => [`${from + i}`, underway(from + i + 1)]);
  return [`${current}`, ...older.flat()];
}

/** The oldest layout from which each step to the current one is known. */
function oldest({ current, migrations }: Layouts): number {
  const targets = new Set(migrations.map(({ to }) => to));
  let from = current;
  while (targets.has(from)) from--;
  return from;
}

/**
 * Brings evidence to the current layout, on from where somebody stopped, and stops where another writer took over.
 * `found`: what the key `layout` says; `token`: of the writer.
 */
export async function migrateLayout(
  { current, migrations }: Layouts,
  found: string,
  { link, keys, token }: { readonly link: Scripts; readonly keys: StoreKeys; readonly token: string },
): Promise<void> {
  const first = Number(found.split('>', 1)[0]) + 1;
  for (let to = first; to <= current; to++) {
    const migration = migrations.find((one) => one.to === to);
    if (migration === undefined) throw new Error(`no migration to layout ${to}`);
    const turn = (from: string, next: string) => link.run(turnScript, [keys.layout, keys.meta], [token, from, next]);
    if ((await turn(`${to - 1}`, underway(to))) === 'taken') return;
    for (const [i, some] of migration.steps(keys).entries()) {
      if ((await link.run(migration.step, [keys.meta, ...some], [token, i])) === 'taken') return;
    }
    if ((await turn(underway(to), `${to}`)) === 'taken') return;
  }
}
