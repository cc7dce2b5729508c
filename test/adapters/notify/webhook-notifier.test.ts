import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { recordId } from '../../../controller/adapters/audit/hash-chain.ts';
import { allNotifiers } from '../../../controller/adapters/notify/notifiers.ts';
import { outputNotifier } from '../../../controller/adapters/notify/output-notifier.ts';
import { WebhookNotifier, type WebhookOptions } from '../../../controller/adapters/notify/webhook-notifier.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import type { Clock } from '../../../controller/ports.ts';
import { recordOf } from '../../contract/audit-log.ts';
import { eventually } from '../../support/recording-sink.ts';
import { type Received, startReceiver } from './receiver.ts';

function notifierFor(t: ExecutionContext, url: string, options: Partial<WebhookOptions> = {}) {
  const reports: string[] = [];
  const notifier = new WebhookNotifier({
    url,
    secret: 'shared',
    source: '/nanoseg/test',
    clock: systemClock,
    random: Math.random,
    report: (message) => reports.push(message),
    firstPauseMs: 5,
    ...options,
  });
  t.teardown(() => notifier.close(Date.now()));
  return { notifier, reports };
}

const actors = (received: readonly { readonly event: { readonly data: { readonly actor: string } } }[]) =>
  received.map(({ event }) => event.data.actor);

test('a record is sent as a CloudEvent that a receiver can prove to be ours', async (t) => {
  const { url, received } = await startReceiver(t);
  const { notifier } = notifierFor(t, url);
  const record = { ...recordOf(2), message: 'größer\n"quoted"' };
  notifier.notify(record);
  await notifier.close(Date.now() + 5_000);
  t.is(received.length, 1);
  const { headers, body, event } = received[0] as Received;
  t.is(headers['content-type'], 'application/cloudevents+json; charset=utf-8');
  t.deepEqual(event, {
    specversion: '1.0',
    id: recordId(record),
    source: '/nanoseg/test',
    type: 'io.nanoseg.Approved',
    subject: 'PolicyProposal/shop/deployment-cart',
    time: '2026-01-31T00:00:00.002Z',
    datacontenttype: 'application/json',
    data: {
      actor: 'user-2',
      action: 'Approved',
      subject: record.subject,
      digest: `sha256:${'2'.repeat(64)}`,
      message: 'größer\n"quoted"',
    },
  });
  const [, time = '', signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-nanoseg-signature'])) ?? [];
  t.is(signature, createHmac('sha256', 'shared').update(`${time}.${body}`).digest('hex'));
  t.true(Math.abs(Number(time) - Date.now() / 1000) < 60);
});

test('a receiver that fails, resets and hangs gets every event in its order once it recovers', async (t) => {
  const { url, received } = await startReceiver(t, 500, 'reset', 'hang', 429, 503);
  const { notifier, reports } = notifierFor(t, url, { timeoutMs: 100 });
  for (let i = 0; i < 4; i++) notifier.notify(recordOf(i));
  await eventually(() => notifier.counts.waiting === 0, 'all are delivered');
  t.deepEqual(actors(received), [
    'user-0',
    'user-0',
    'user-0',
    'user-0',
    'user-0',
    'user-0',
    'user-1',
    'user-2',
    'user-3',
  ]);
  t.is(new Set(received.slice(0, 6).map(({ event }) => event.id)).size, 1);
  t.deepEqual(notifier.counts, { delivered: 4, refused: 0, dropped: 0, waiting: 0 });
  t.is(reports.length, 1, 'told once, not at each attempt');
  t.false(reports.join().includes('hidden'), 'the address may hold a secret');
});

test('a receiver that is not there yet gets what happened meanwhile', async (t) => {
  const { url, received, server } = await startReceiver(t);
  const { port } = new URL(url);
  server.close();
  await once(server, 'close');
  const { notifier } = notifierFor(t, url);
  for (let i = 0; i < 3; i++) notifier.notify(recordOf(i));
  await systemClock.sleep(30, AbortSignal.timeout(5_000));
  t.is(notifier.counts.waiting, 3);
  server.listen(Number(port), '127.0.0.1');
  await eventually(() => received.length === 3, 'all are delivered');
  t.deepEqual(actors(received), ['user-0', 'user-1', 'user-2']);
});

test('an event that is refused is counted and not sent again, and a redirect is not followed', async (t) => {
  const elsewhere = await startReceiver(t);
  const moved = { status: 307, headers: { location: elsewhere.url } };
  const { url, received } = await startReceiver(t, 400, moved);
  const { notifier, reports } = notifierFor(t, url);
  for (let i = 0; i < 3; i++) notifier.notify(recordOf(i));
  await eventually(() => notifier.counts.waiting === 0, 'all were sent');
  t.deepEqual(actors(received), ['user-0', 'user-1', 'user-2']);
  t.deepEqual(notifier.counts, { delivered: 1, refused: 2, dropped: 0, waiting: 0 });
  t.deepEqual(elsewhere.received, []);
  t.regex(reports.join('\n'), /status 400[^]*status 307/);
});

test('pauses grow, and are as long as the receiver asks', async (t) => {
  const asked = { status: 503, headers: { 'retry-after': '120' } };
  const date = { status: 429, headers: { 'retry-after': new Date(Date.now() + 3_600_000 * 5).toUTCString() } };
  const { url } = await startReceiver(t, 500, 500, 500, 500, asked, date);
  const pauses: number[] = [];
  const clock: Clock = {
    now: () => Date.now(),
    sleep: async (ms) => {
      pauses.push(ms);
    },
  };
  const { notifier } = notifierFor(t, url, { clock, random: () => 0, firstPauseMs: 1_000 });
  notifier.notify(recordOf(0));
  await eventually(() => notifier.counts.delivered === 1, 'it is delivered');
  t.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 120_000, 3_600_000]);
});

test('never more than the bound waits: the oldest go, and are counted', async (t) => {
  const { url, received } = await startReceiver(t, 'hang');
  const { notifier, reports } = notifierFor(t, url, { mostWaiting: 3, timeoutMs: 300 });
  for (let i = 0; i < 8; i++) {
    notifier.notify(recordOf(i));
    t.true(notifier.counts.waiting <= 3);
  }
  await eventually(() => notifier.counts.waiting === 0, 'the rest is delivered');
  t.deepEqual(actors(received), ['user-0', 'user-0', 'user-6', 'user-7']);
  t.deepEqual(notifier.counts, { delivered: 3, refused: 0, dropped: 5, waiting: 0 });
  t.is(reports.filter((message) => message.includes('given up')).length, 5);
});

test('closing tries at once what waits for a pause', async (t) => {
  const { url, received } = await startReceiver(t, { status: 503, headers: { 'retry-after': '3600' } });
  const { notifier } = notifierFor(t, url);
  notifier.notify(recordOf(0));
  notifier.notify(recordOf(1));
  await eventually(() => received.length === 1, 'the first attempt');
  await notifier.close(Date.now() + 5_000);
  t.deepEqual(actors(received), ['user-0', 'user-0', 'user-1']);
  notifier.notify(recordOf(2));
  t.deepEqual(notifier.counts, { delivered: 2, refused: 0, dropped: 1, waiting: 0 });
});

test('closing ends at the deadline, whatever the receiver does', async (t) => {
  const { url } = await startReceiver(t, 'hang', 'hang', 'hang');
  const { notifier } = notifierFor(t, url, { timeoutMs: 60_000 });
  for (let i = 0; i < 3; i++) notifier.notify(recordOf(i));
  await notifier.close(Date.now() + 50);
  t.deepEqual(notifier.counts, { delivered: 0, refused: 0, dropped: 3, waiting: 0 });
});

test('several receivers are told, none waits for another', async (t) => {
  const slow = await startReceiver(t, 'hang');
  const { notifier } = notifierFor(t, slow.url, { timeoutMs: 60_000 });
  const lines: string[] = [];
  const all = allNotifiers([notifier, outputNotifier('/nanoseg/test', (text) => lines.push(text))]);
  all.notify(recordOf(0));
  all.notify(recordOf(1));
  t.deepEqual(
    lines.map((line) => JSON.parse(line).data.actor),
    ['user-0', 'user-1'],
  );
  t.true(lines.every((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1));
  await all.close(Date.now() + 20);
  t.is(notifier.counts.waiting, 0);
});
