import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import type { Leadership } from '../../controller/ports.ts';
import { eventually } from '../support/recording-sink.ts';

type Run = (title: string, implementation: (t: ExecutionContext) => Promise<void>) => void;

/** Makes candidates for one and the same leadership, which nobody has yet. */
export type Candidates = (identity: string) => Leadership;

interface Contender {
  readonly leadership: Leadership;
  readonly terms: AbortSignal[];
  readonly isLeading: () => boolean;
  readonly stop: () => Promise<void>;
}

function contend(t: ExecutionContext, leadership: Leadership): Contender {
  const end = new AbortController();
  const terms: AbortSignal[] = [];
  const running = leadership.run(async (signal) => {
    terms.push(signal);
    if (!signal.aborted) await once(signal, 'abort');
  }, end.signal);
  const stop = async () => {
    end.abort();
    await running;
  };
  t.teardown(stop);
  return { leadership, terms, stop, isLeading: () => terms.some((signal) => !signal.aborted) };
}

/** Everything that nanoseg relies on of a Leadership, whatever is behind it. */
export function leadershipContract(run: Run, name: string, open: (t: ExecutionContext) => Promise<Candidates>): void {
  const claim = (title: string, check: (t: ExecutionContext, candidates: Candidates) => Promise<void>) =>
    run(`${name}: ${title}`, async (t) => check(t, await open(t)));

  claim('nobody holds what nobody competes for', async (t, candidates) => {
    t.throws(() => candidates('one').assertHeld(), { instanceOf: ClusterError });
  });

  claim('one of two leads, and both know which', async (t, candidates) => {
    const one = contend(t, candidates('one'));
    await eventually(one.isLeading, 'one leads');
    const two = contend(t, candidates('two'));
    await eventually(() => two.leadership.holder === 'one', 'two sees who leads');
    t.is(one.leadership.holder, 'one');
    t.notThrows(() => one.leadership.assertHeld());
    t.throws(() => two.leadership.assertHeld(), { instanceOf: ClusterError });
    t.is(two.terms.length, 0);
  });

  claim('the other leads when the one stops', async (t, candidates) => {
    const one = contend(t, candidates('one'));
    await eventually(one.isLeading, 'one leads');
    const two = contend(t, candidates('two'));
    await one.stop();
    t.true(one.terms.every((signal) => signal.aborted));
    t.throws(() => one.leadership.assertHeld(), { instanceOf: ClusterError });
    await eventually(two.isLeading, 'two leads');
    t.is(two.leadership.holder, 'two');
  });

  claim('one that stops holds on until its leader has ended', async (t, candidates) => {
    const one = candidates('one');
    const end = new AbortController();
    let finish = () => {};
    let begun = false;
    const running = one.run(async () => {
      begun = true;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    }, end.signal);
    await eventually(() => begun, 'one leads');
    end.abort();
    const two = contend(t, candidates('two'));
    await eventually(() => two.leadership.holder === 'one', 'two sees who leads');
    t.notThrows(() => one.assertHeld());
    t.is(two.terms.length, 0);
    finish();
    await running;
    await eventually(two.isLeading, 'two leads');
  });

  claim('an error of the leader is told, and another one may lead', async (t, candidates) => {
    const broken = candidates('one').run(() => Promise.reject(new RangeError('broken')), new AbortController().signal);
    await t.throwsAsync(broken, { instanceOf: RangeError });
    const two = contend(t, candidates('two'));
    await eventually(two.isLeading, 'two leads');
  });
}
