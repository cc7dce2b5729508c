import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ExecutionContext } from 'ava';
import { createLeaseLeadership, LeaseLost } from '../../controller/adapters/kubernetes/lease-leadership.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { Leadership } from '../../controller/ports.ts';
import { leadershipContract } from '../contract/leadership.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { eventually } from '../support/recording-sink.ts';

const api = kubeApiOfFile();
const timings = { durationMs: 3000, renewEveryMs: 200, renewDeadlineMs: 2000 };

interface Candidate {
  readonly identity: string;
  readonly leadership: Leadership;
  /** Times of performance.now() at which it began and, when it is over, at which its signal aborted. */
  readonly terms: { readonly fromMs: number; toMs?: number; reason?: unknown }[];
  readonly isLeading: () => boolean;
  stop(): Promise<void>;
}

function compete(t: ExecutionContext, name: string, identity: string): Candidate {
  const leadership = createLeaseLeadership({
    client: api().clientOf('admin'),
    namespace: 'default',
    name,
    identity,
    clock: systemClock,
    random: Math.random,
    ...timings,
  });
  const end = new AbortController();
  const terms: Candidate['terms'] = [];
  const running = leadership.run(async (signal) => {
    const term: Candidate['terms'][number] = { fromMs: performance.now() };
    terms.push(term);
    await once(signal, 'abort');
    term.toMs = performance.now();
    term.reason = signal.reason;
  }, end.signal);
  const stop = async () => {
    end.abort();
    await running;
  };
  t.teardown(stop);
  const isLeading = () => terms.length > 0 && terms.at(-1)?.toMs === undefined;
  return { identity, leadership, terms, isLeading, stop };
}

const leasePath = (name: string) => `/apis/coordination.k8s.io/v1/namespaces/default/leases/${name}`;

function holds({ leadership }: Candidate): boolean {
  try {
    leadership.assertHeld();
    return true;
  } catch {
    return false;
  }
}

clusterTest('only one leads, and it lets the other lead as soon as it stops', async (t) => {
  const one = compete(t, 'clean', 'one');
  await eventually(one.isLeading, 'one leads');
  const two = compete(t, 'clean', 'two');
  await eventually(() => two.leadership.holder === 'one', 'two sees who leads');
  t.notThrows(() => one.leadership.assertHeld());
  t.throws(() => two.leadership.assertHeld(), { instanceOf: LeaseLost, message: /held by one/ });
  await systemClock.sleep(timings.durationMs + 500, AbortSignal.timeout(60_000));
  t.deepEqual([one.isLeading(), two.isLeading()], [true, false], 'it renews what it holds');
  await one.stop();
  const { body } = await api().request('admin', 'GET', leasePath('clean'));
  t.not(body.spec.holderIdentity, 'one');
  const releasedMs = performance.now();
  await eventually(two.isLeading, 'two leads');
  t.true((two.terms[0]?.fromMs ?? 0) - releasedMs < timings.durationMs, 'without waiting for the end of the lease');
  const { body: after } = await api().request('admin', 'GET', leasePath('clean'));
  t.like(after.spec, { holderIdentity: 'two', leaseTransitions: 1, leaseDurationSeconds: 3 });
});

clusterTest('a leader that is killed is followed by another within the time of the lease', async (t) => {
  const modules = new URL('../../controller/adapters/', import.meta.url).href;
  const script = `
    import { createKubeClient } from '${modules}kubernetes/kube-client.ts';
    import { createLeaseLeadership } from '${modules}kubernetes/lease-leadership.ts';
    import { systemClock } from '${modules}system-clock.ts';
    const client = createKubeClient({ kubeconfig: ${JSON.stringify(api().kubeconfig('admin'))}, version: '0' });
    const options = { client, namespace: 'default', name: 'killed', identity: 'child', clock: systemClock };
    const leadership = createLeaseLeadership({ ...options, random: Math.random, ...${JSON.stringify(timings)} });
    await leadership.run(async () => { console.log('leads'); await new Promise(() => {}); }, new AbortController().signal);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(createInterface(child.stdout), 'line');
  const other = compete(t, 'killed', 'other');
  await eventually(() => other.leadership.holder === 'child', 'sees the child');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const killedMs = performance.now();
  await eventually(other.isLeading, 'other leads');
  const waitedMs = (other.terms[0]?.fromMs ?? 0) - killedMs;
  t.true(waitedMs > timings.durationMs - timings.renewDeadlineMs, `not before the lease ended, ${waitedMs}`);
  t.true(waitedMs < timings.durationMs + 5000, `soon after the lease ended, ${waitedMs}`);
});

clusterTest('a leader that cannot renew stops before anybody else may lead', async (t) => {
  const one = compete(t, 'cut-off', 'one');
  await eventually(one.isLeading, 'one leads');
  api().pauseServer();
  t.teardown(() => api().resumeServer());
  await eventually(() => !one.isLeading(), 'one stopped');
  t.true(one.terms[0]?.reason instanceof LeaseLost);
  t.throws(() => one.leadership.assertHeld(), { instanceOf: LeaseLost });
  api().resumeServer();
  await eventually(one.isLeading, 'one leads again');
  t.is(one.terms.length, 2);
});

clusterTest('a lease that was taken away aborts at once', async (t) => {
  const one = compete(t, 'taken', 'one');
  await eventually(one.isLeading, 'one leads');
  const spec = { holderIdentity: 'a-person', leaseDurationSeconds: 60 };
  await api().request('admin', 'PATCH', leasePath('taken'), { spec }, 'application/merge-patch+json');
  await eventually(() => !one.isLeading(), 'one stopped');
  t.regex(String(one.terms[0]?.reason), /taken by a-person/);
});

clusterTest('a lease that is deleted is not taken before its holder knows', async (t) => {
  const one = compete(t, 'deleted', 'one');
  await eventually(one.isLeading, 'one leads');
  const two = compete(t, 'deleted', 'two');
  await eventually(() => two.leadership.holder === 'one', 'two sees who leads');
  await api().request('admin', 'DELETE', leasePath('deleted'));
  await systemClock.sleep(1000, AbortSignal.timeout(60_000));
  t.deepEqual([one.isLeading(), two.isLeading()], [true, false]);
  t.is((await api().request('admin', 'GET', leasePath('deleted'))).body.spec.holderIdentity, 'one');
});

clusterTest('two never lead at once, whatever stops: candidates or the server', async (t) => {
  const candidates = ['a', 'b', 'c'].map((identity) => compete(t, 'contended', identity));
  const running = new Set(candidates);
  const watching = setInterval(() => {
    t.true([...running].filter(holds).length <= 1);
  }, 5);
  t.teardown(() => clearInterval(watching));
  for (let round = 0; round < 4; round++) {
    await eventually(() => [...running].some((candidate) => candidate.isLeading()), 'somebody leads');
    if (round % 2 === 0) {
      api().pauseServer();
      await systemClock.sleep(300 + Math.random() * 2700, AbortSignal.timeout(60_000));
      api().resumeServer();
    } else {
      const leader = [...running].find((candidate) => candidate.isLeading());
      await leader?.stop();
      if (leader !== undefined) running.delete(leader);
    }
  }
  await eventually(() => [...running].some((candidate) => candidate.isLeading()), 'the last one leads');
  await Promise.all(candidates.map((candidate) => candidate.stop()));
  const terms = candidates.flatMap((candidate) => candidate.terms).sort((a, b) => a.fromMs - b.fromMs);
  t.true(terms.length >= 3);
  for (const [i, term] of terms.entries())
    t.true((term.toMs ?? 0) <= (terms[i + 1]?.fromMs ?? Number.POSITIVE_INFINITY));
});

let leases = 0;
leadershipContract(clusterTest, 'a cluster', async () => {
  const name = `contract-${leases++}`;
  return (identity) =>
    createLeaseLeadership({
      client: api().clientOf('admin'),
      namespace: 'default',
      name,
      identity,
      clock: systemClock,
      random: Math.random,
      ...timings,
    });
});
