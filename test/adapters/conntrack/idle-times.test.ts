import test from 'ava';
import type { ConntrackMessage } from '../../../controller/adapters/conntrack/conntrack-message.ts';
import { IdleTimes } from '../../../controller/adapters/conntrack/idle-times.ts';

const side = { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 40_000, destinationPort: 80, bytes: -1 };

function message(timeoutSeconds: number, entry: Partial<ConntrackMessage['entry']> = {}): ConntrackMessage {
  return {
    timeoutSeconds,
    entry: {
      event: 'snapshot',
      timeMs: undefined,
      protocol: 6,
      state: 'ESTABLISHED',
      original: side,
      reply: side,
      unreplied: false,
      key: '1',
      ...entry,
    },
  };
}

test('an open connection in a table was silent for what is gone of its time', (t) => {
  const idle = new IdleTimes(86_400, 300);
  t.is(idle.idleMs(message(86_400)), 0);
  t.is(idle.idleMs(message(86_000)), 400_000);
  t.is(idle.idleMs(message(301)), 86_099_000);
});

test('a connection that waits for an acknowledgement is not taken for one that is silent since days', (t) => {
  const idle = new IdleTimes(432_000, 300);
  t.is(idle.idleMs(message(300)), 0);
  t.is(idle.idleMs(message(290)), 10_000);
});

test('events, other states and other protocols are of now, and so is everything where the kernel does not tell its times', (t) => {
  const idle = new IdleTimes(86_400, 300);
  t.is(idle.idleMs(message(100, { event: 'update' })), 0);
  t.is(idle.idleMs(message(100, { state: 'TIME_WAIT' })), 0);
  t.is(idle.idleMs(message(20, { protocol: 17 })), 0);
  t.is(new IdleTimes(undefined).idleMs(message(20)), 0);
});
