import type { ExecutionContext } from 'ava';
import { hasRight, missingRights } from '../../controller/adapters/kubernetes/access.ts';
import { createEventRecorder, type EventRecorderOptions } from '../../controller/adapters/kubernetes/event-recorder.ts';
import { ownIdentity } from '../../controller/adapters/kubernetes/own-identity.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { eventually } from '../support/recording-sink.ts';

const api = kubeApiOfFile();

interface StoredEvent {
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly type: string;
  readonly involvedObject: object;
}

async function eventsOf(reason: string, namespace = 'shop'): Promise<StoredEvent[]> {
  const { body } = await api().request('admin', 'GET', `/api/v1/namespaces/${namespace}/events`);
  return body.items.filter((event: StoredEvent) => event.reason === reason);
}

function recorder(t: ExecutionContext, options: Partial<EventRecorderOptions> = {}) {
  const client = options.client ?? api().clientOf('admin');
  const events = createEventRecorder({ client, clock: systemClock, instance: 'test', retryMs: 100, ...options });
  const end = new AbortController();
  const running = events.run(end.signal);
  t.teardown(async () => {
    end.abort();
    await running;
  });
  return events;
}

const cart = { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' };

clusterTest('what happens again is counted on one event', async (t) => {
  await api().createNamespace('shop');
  const events = recorder(t);
  for (let i = 0; i < 5; i++) events.record(cart, 'Normal', 'Applied', 'two policies are in force');
  await eventually(async () => (await eventsOf('Applied'))[0]?.count === 5, 'counted before it was sent');
  for (let i = 0; i < 3; i++) events.record(cart, 'Normal', 'Applied', 'two policies are in force');
  await eventually(async () => (await eventsOf('Applied'))[0]?.count === 8, 'counted after it was sent');
  const [event, ...others] = await eventsOf('Applied');
  t.is(others.length, 0);
  t.like(event, { type: 'Normal', message: 'two policies are in force' });
  t.like(event?.involvedObject, { ...cart, apiVersion: 'nanoseg.io/v1alpha1' });
});

clusterTest('an event that was deleted is made anew', async (t) => {
  const events = recorder(t);
  events.record(cart, 'Warning', 'Drift', 'edited');
  await eventually(async () => (await eventsOf('Drift')).length === 1, 'made');
  await api().request('admin', 'DELETE', '/api/v1/namespaces/shop/events');
  events.record(cart, 'Warning', 'Drift', 'edited');
  await eventually(async () => (await eventsOf('Drift')).length === 1, 'made again');
  t.is(events.dropped, 0);
});

clusterTest('kubectl describe shows the events of an object, also of one without a namespace', async (t) => {
  const namespace = await api().asAdmin.get({ kind: 'Namespace', namespace: '', name: 'shop' });
  if (namespace === undefined) return t.fail();
  recorder(t).record(namespace, 'Warning', 'Stopped', 'a'.repeat(5000));
  await eventually(async () => (await eventsOf('Stopped', 'default')).length === 1, 'made');
  const { out } = await api().kubectl('admin', 'get', 'events', '-n', 'default', '-o', 'wide');
  t.regex(out, /Warning +Stopped +namespace\/shop .*nanoseg-controller/);
});

clusterTest('events never block: what is too much or not permitted is dropped and counted', async (t) => {
  const idle = createEventRecorder({
    client: api().clientOf('admin'),
    clock: systemClock,
    instance: 'test',
    queueLimit: 10,
  });
  for (let i = 0; i < 25; i++) idle.record(cart, 'Normal', 'Flood', `number ${i}`);
  t.is(idle.dropped, 15);
  const forbidden = recorder(t, { client: api().clientOf('dave') });
  forbidden.record(cart, 'Normal', 'Forbidden', 'not permitted');
  await eventually(() => forbidden.dropped === 1, 'dropped');
});

clusterTest('a flood is slowed down', async (t) => {
  const events = recorder(t, { burst: 3, perSecond: 0.001 });
  for (let i = 0; i < 10; i++) events.record(cart, 'Normal', 'Slow', `number ${i}`);
  await eventually(async () => (await eventsOf('Slow')).length === 3, 'the burst');
  await systemClock.sleep(200, AbortSignal.timeout(60_000));
  t.is((await eventsOf('Slow')).length, 3);
});

clusterTest('events wait for a server that is down', async (t) => {
  const events = recorder(t);
  await api().stopServer();
  events.record(cart, 'Normal', 'Later', 'while it was down');
  await systemClock.sleep(300, AbortSignal.timeout(60_000));
  await api().startServer();
  await eventually(async () => (await eventsOf('Later')).length === 1, 'sent');
  t.is(events.dropped, 0);
});

clusterTest('nanoseg knows as whom it acts where the server lets it ask, or its token says so', async (t) => {
  t.is(await ownIdentity(api().clientOf('admin')), 'admin');
  t.is(await ownIdentity(api().clientOf('alice')), undefined);
  const kubeconfig = await api().kubeconfigWith('reader', await api().serviceAccountToken('shop', 'reader'));
  t.is(await ownIdentity(api().clientOf('alice', { kubeconfig })), 'system:serviceaccount:shop:reader');
});

clusterTest('missing rights are named in words', async (t) => {
  const approvals = { apiGroups: ['nanoseg.io'], resources: ['policyapprovals'], verbs: ['create', 'list'] };
  await api().grant('alice', [approvals], 'shop');
  const client = api().clientOf('alice');
  t.true(await hasRight(client, { verb: 'create', kind: 'PolicyApproval', namespace: 'shop' }));
  t.deepEqual(
    await missingRights(client, [
      { verb: 'create', kind: 'PolicyApproval', namespace: 'shop' },
      { verb: 'create', kind: 'PolicyApproval', namespace: 'bank' },
      { verb: 'list', kind: 'PolicyApproval' },
      { verb: 'update', kind: 'PolicyProposal', subresource: 'status', namespace: 'shop' },
      { verb: 'list', kind: 'Namespace' },
    ]),
    [
      'you may not create policyapprovals in namespace bank',
      'you may not list policyapprovals in the whole cluster',
      'you may not update policyproposals/status in namespace shop',
      'you may not list namespaces in the whole cluster',
    ],
  );
});
