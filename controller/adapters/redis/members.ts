import { z } from 'zod';
import type { RedisLink } from './redis-link.ts';
import { script } from './redis-script.ts';
import type { Shards } from './shards.ts';

const whole = z.number().catch(0);

/** A member of another version may say more, or less. */
const reportSchema = z.object({
  role: z.enum(['ingest', 'decide']),
  /** For people. */
  who: z.string(),
  startedMs: whole,
  /** Those that it counts the flows of. */
  shards: z.array(z.int()).catch([]),
  sources: z
    .array(
      z.object({
        name: z.string(),
        state: z.enum(['running', 'ended', 'failed', 'retrying']),
        message: z.string(),
        lastFlowMs: z.number().nullable(),
        records: whole,
        flows: whole,
        rejected: whole,
      }),
    )
    .catch([]),
  /** Since its start. */
  counters: z
    .object({
      records: whole,
      flows: whole,
      rejected: whole,
      losses: whole,
      unattributed: z.record(z.string(), z.number()).catch({}),
      contradictions: whole,
      held: whole,
      attributions: whole,
    })
    .nullable()
    .catch(null),
  /** What of its work does not work now, in words. */
  problems: z.array(z.string()).catch([]),
});

/** What a process says of itself. */
export type MemberReport = Readonly<z.infer<typeof reportSchema>>;

/** By the id of the process. */
export type LiveMembers = ReadonlyMap<string, MemberReport>;

const mostHeardMs = 10_000;

interface MemberKeys {
  /** A set of ids. */
  readonly members: string;
  /** Its report, which expires. */
  readonly member: (id: string) => string;
}

function memberKeys({ name }: Shards): MemberKeys {
  const prefix = `nanoseg:{${name}}:`;
  return { members: `${prefix}members`, member: (id) => `${prefix}member:${id}` };
}

/** KEYS: members, our report. ARGV: our id, what it says, for how long. Answers with the ids that were there lately. */
const beatScript = script(`
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return redis.call('SMEMBERS', KEYS[1])
`);

/** KEYS: members, reports of those in ARGV. Answers with the reports, empty for who has ended, whose id is taken out. */
const listenScript = script(`
local reports = {}
for i = 1, #ARGV do
  reports[i] = redis.call('GET', KEYS[i + 1]) or ''
  if reports[i] == '' then redis.call('SREM', KEYS[1], ARGV[i]) end
end
return reports
`);

/** KEYS: members, our report. ARGV: our id. */
const leaveScript = script(`
redis.call('SREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])
`);

/** The processes that share one name, as far as they are heard of. Time is the server's. Rejects with RedisStoreError. */
export class Members {
  readonly #link: RedisLink;
  readonly #keys: MemberKeys;
  readonly #id: string;
  readonly #heardMs: number;
  #live: LiveMembers = new Map();

  /** `id`: unique to this process. `leaseMs`: for how long it holds what it holds when it has ended. */
  constructor(link: RedisLink, shards: Shards, id: string, leaseMs = mostHeardMs) {
    this.#link = link;
    this.#keys = memberKeys(shards);
    this.#id = id;
    this.#heardMs = Math.min(leaseMs, mostHeardMs);
  }

  /** So often it has to be said that this process lives; whoever was not heard of for several times as long has ended. */
  get beatMs(): number {
    return this.#heardMs / 5;
  }

  /** As they were heard of last. */
  get live(): LiveMembers {
    return this.#live;
  }

  /** Says that this process lives and how it fares, and hears of all others. */
  async beat(report: MemberReport): Promise<LiveMembers> {
    const { members, member } = this.#keys;
    const args = [this.#id, JSON.stringify(report), this.#heardMs];
    const ids = (await this.#link.run(beatScript, [members, member(this.#id)], args)) as string[];
    ids.sort();
    const reports = (await this.#link.run(listenScript, [members, ...ids.map(member)], ids)) as string[];
    this.#live = new Map(
      ids.flatMap((id, i) => {
        const said = reportOf(reports[i] ?? '');
        return said === undefined ? [] : [[id, said] as const];
      }),
    );
    return this.#live;
  }

  /** The others need not wait until this process is not heard of any more. */
  async leave(): Promise<void> {
    const { members, member } = this.#keys;
    await this.#link.run(leaveScript, [members, member(this.#id)], [this.#id]);
  }
}

function reportOf(text: string): MemberReport | undefined {
  if (text === '') return undefined;
  // who cannot be understood lives all the same, and shares the work of a role that is not known
  const said = reportSchema.safeParse(JSON.parse(text));
  return said.success ? said.data : undefined;
}
