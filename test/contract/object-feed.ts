import type { ExecutionContext } from 'ava';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import type { ObjectFeed, ObjectStore } from '../../controller/ports.ts';
import { fullProposalStatus } from '../support/full-resources.ts';
import { eventually, RecordingSink } from '../support/recording-sink.ts';
import { policyIn, proposalIn } from './sample-objects.ts';

/** A feed for one test and a store of the same objects, with a namespace that nothing is in. */
export interface OpenedFeed {
  readonly feed: ObjectFeed;
  readonly store: ObjectStore;
  readonly namespace: string;
}

type Run = (title: string, implementation: (t: ExecutionContext) => Promise<void>) => void;

/** Everything that nanoseg relies on of an ObjectFeed, whatever is behind it. */
export function objectFeedContract(run: Run, name: string, open: (t: ExecutionContext) => Promise<OpenedFeed>): void {
  const claim = (title: string, check: (t: ExecutionContext, opened: Watched) => Promise<void>) =>
    run(`${name}: ${title}`, async (t) => {
      const { feed, store, namespace } = await open(t);
      const stop = new AbortController();
      const sink = new RecordingSink();
      let running: Promise<void> = Promise.resolve();
      const start = async () => {
        running = feed.run(sink, stop.signal);
        await eventually(() => sink.isSynced, 'the feed told everything once');
      };
      await check(t, { store, namespace, sink, start });
      stop.abort();
      await t.notThrowsAsync(running, 'a feed that is stopped ends quietly');
    });

  claim('what is there is told before synced', async (t, { store, namespace, sink, start }) => {
    const proposal = await store.create(proposalIn(namespace));
    await store.applyPolicy(policyIn(namespace), { dryRun: false });
    await start();
    t.deepEqual(proposalTold(sink, namespace), proposal);
    t.true(sink.names('NetworkPolicy').includes(`${namespace}/nanoseg-cart`));
    t.true(sink.calls.indexOf('replace PolicyProposal') < sink.calls.indexOf('synced'));
    t.is(sink.calls.filter((call) => call === 'synced').length, 1);
  });

  claim('what is created, updated, judged and removed later is told as it is stored', async (t, opened) => {
    const { store, namespace, sink, start } = opened;
    await start();
    const told = (version: string | undefined) =>
      eventually(() => proposalTold(sink, namespace)?.metadata.resourceVersion === version, 'the change was told');
    const created = await store.create(proposalIn(namespace));
    await told(created.metadata.resourceVersion);
    t.deepEqual(proposalTold(sink, namespace), created);
    const updated = await store.update({ ...created, spec: { ...created.spec, policies: 'a: 1\n' } });
    await told(updated.metadata.resourceVersion);
    t.deepEqual(proposalTold(sink, namespace), updated);
    const judged = await store.updateStatus({ ...updated, status: fullProposalStatus });
    await told(judged.metadata.resourceVersion);
    t.deepEqual(proposalTold(sink, namespace), judged);
    const live = { ...fullProposalStatus.live, judged: 7 };
    const counted = await store.updateStatus({ ...judged, status: { ...fullProposalStatus, live } });
    await told(counted.metadata.resourceVersion);
    t.deepEqual(proposalTold(sink, namespace), counted);
    await store.remove({ kind: 'PolicyProposal', namespace, name: created.metadata.name });
    await eventually(() => proposalTold(sink, namespace) === undefined, 'the removal was told');
  });

  claim('an object that was made anew under its name is another one', async (t, { store, namespace, sink, start }) => {
    const first = await store.create(proposalIn(namespace));
    await start();
    await store.remove({ kind: 'PolicyProposal', namespace, name: first.metadata.name });
    const second = await store.create(proposalIn(namespace));
    await eventually(() => proposalTold(sink, namespace)?.metadata.uid === second.metadata.uid, 'the new one was told');
    t.not(second.metadata.uid, first.metadata.uid);
  });

  claim('what does not change is told once', async (t, { store, namespace, sink, start }) => {
    await store.create(proposalIn(namespace));
    await start();
    await store.create(proposalIn(namespace, 'later'));
    await eventually(() => sink.names('PolicyProposal').includes(`${namespace}/later`), 'the later one was told');
    t.deepEqual(
      sink.calls.filter((call) => call === 'upsert PolicyProposal deployment-cart'),
      [],
    );
  });

  claim('of a hundred changes at once none is missed', async (t, { store, namespace, sink, start }) => {
    await start();
    const names = Array.from({ length: 100 }, (_, i) => `deployment-${String(i).padStart(3, '0')}`);
    await Promise.all(names.map((each) => store.create(proposalIn(namespace, each))));
    await Promise.all(
      names
        .filter((_, i) => i % 2 === 0)
        .map((each) => store.remove({ kind: 'PolicyProposal', namespace, name: each })),
    );
    const expected = names.filter((_, i) => i % 2 === 1).map((each) => `${namespace}/${each}`);
    const present = () => sink.names('PolicyProposal').filter((each) => each.startsWith(`${namespace}/`));
    await eventually(
      () => present().length === expected.length && present()[0] === expected[0],
      'every change was told',
    );
    t.deepEqual(present(), expected);
  });
}

interface Watched {
  readonly store: ObjectStore;
  readonly namespace: string;
  readonly sink: RecordingSink;
  readonly start: () => Promise<void>;
}

function proposalTold(sink: RecordingSink, namespace: string, name = 'deployment-cart'): PolicyProposal | undefined {
  return sink.objects.get('PolicyProposal')?.get(`${namespace}/${name}`) as PolicyProposal | undefined;
}
