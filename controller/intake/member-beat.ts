import type { Logger } from 'pino';
import type { MemberReport, Members } from '../adapters/redis/members.ts';
import { RedisStoreError } from '../adapters/redis/redis-store-error.ts';
import type { IngestCounters } from './live-ingest.ts';
import type { UnknownReason } from '../model/endpoint.ts';
import type { Clock } from '../ports.ts';
import type { SourceHealth } from './source-figures.ts';

export interface MemberBeat {
  readonly members: Members;
  readonly report: () => MemberReport;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Says every so often that this process lives, until aborted; then leaves. Rejects only for bugs. */
export async function keepBeating({ members, report, clock, log }: MemberBeat, signal: AbortSignal): Promise<void> {
  let told = '';
  while (!signal.aborted) {
    const failure = await tried(() => members.beat(report()));
    if (failure !== '' && failure !== told) log.warn({ because: failure }, 'other processes cannot be heard of');
    told = failure;
    await clock.sleep(members.beatMs, signal).catch(() => undefined);
  }
  await tried(() => members.leave());
}

async function tried(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    if (!(error instanceof RedisStoreError)) throw error;
    return error.message;
  }
}

/** As reports of members have them. */
export function reportedSource({ lastFlowMs, ...health }: SourceHealth): MemberReport['sources'][number] {
  return { ...health, lastFlowMs: lastFlowMs ?? null };
}

export function reportedCounters({ unattributed, ...counters }: IngestCounters): NonNullable<MemberReport['counters']> {
  return { ...counters, unattributed: Object.fromEntries(unattributed) };
}

/** What members say of their sources; those that several have are one, which runs where any of them does. */
export function sourcesOf(reports: Iterable<MemberReport>): readonly SourceHealth[] {
  const found = new Map<string, SourceHealth>();
  for (const { sources } of reports) {
    for (const { lastFlowMs, ...source } of sources) {
      const one = { ...source, lastFlowMs: lastFlowMs ?? undefined };
      const known = found.get(one.name);
      found.set(one.name, known === undefined ? one : united(known, one));
    }
  }
  return [...found.values()];
}

function united(a: SourceHealth, b: SourceHealth): SourceHealth {
  const { name, state, message } = b.state === 'running' ? b : a;
  const lastFlowMs = Math.max(a.lastFlowMs ?? 0, b.lastFlowMs ?? 0) || undefined;
  const [records, flows, rejected] = [a.records + b.records, a.flows + b.flows, a.rejected + b.rejected];
  return { name, state, message, lastFlowMs, records, flows, rejected };
}

export function countersOf(reports: Iterable<MemberReport>): readonly IngestCounters[] {
  return [...reports].flatMap(({ counters }) => {
    if (counters === null) return [];
    const unattributed = new Map(Object.entries(counters.unattributed) as [UnknownReason, number][]);
    return [{ ...counters, unattributed }];
  });
}
