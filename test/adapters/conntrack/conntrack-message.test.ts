import test from 'ava';
import fc from 'fast-check';
import { parseConntrackMessage } from '../../../controller/adapters/conntrack/conntrack-message.ts';
import { netlinkMessages } from '../../../controller/adapters/conntrack/netlink-message.ts';
import { UnusableRecord } from '../../../controller/adapters/flow-file/unusable-record.ts';
import { isIp } from '../../../controller/adapters/flow-file/record-fields.ts';
import { attribute, message, nested, number, tuple, type TupleBytes } from './netlink-bytes.ts';

const [newEntry, deleted, created] = [0x100, 0x102, 0x600];
const ports = (from: number, to: number) =>
  [
    [2, 2, from],
    [3, 2, to],
  ] as const;
const original: TupleBytes = {
  source: [10, 244, 1, 10],
  destination: [10, 96, 0, 50],
  protocol: 6,
  parts: ports(47544, 80),
};
const reply: TupleBytes = {
  source: [10, 244, 2, 20],
  destination: [10, 244, 1, 10],
  protocol: 6,
  parts: ports(8080, 47544),
};
const id = attribute(12, number(4, 938473641));
const tcpState = (state: number) => nested(4, nested(1, attribute(1, number(1, state))));
const status = (bits: number) => attribute(3, number(4, bits));
const tuples = [tuple(1, original), tuple(2, reply)];

function parsed(bytes: Uint8Array, fromTable = false) {
  return [...netlinkMessages(bytes)].map((one) => one && parseConntrackMessage(bytes, one, fromTable));
}

function entry(bytes: Uint8Array, fromTable = false) {
  return parsed(bytes, fromTable)[0]?.entry;
}

test('a message has both directions, the state, whether it was answered, and the bytes where they are counted', (t) => {
  const counters = (type: number, bytes: number) =>
    nested(type, attribute(1, number(8, 6)), attribute(2, number(8, bytes)));
  const bytes = message(
    deleted,
    0,
    ...tuples,
    status(0b10),
    tcpState(7),
    counters(9, 434),
    counters(10, 4049),
    attribute(7, number(4, 120)),
    id,
  );
  const [one] = parsed(bytes);
  t.like(one?.entry, {
    event: 'destroy',
    protocol: 6,
    state: 'TIME_WAIT',
    original: { source: '10.244.1.10', destination: '10.96.0.50', sourcePort: 47544, destinationPort: 80, bytes: 434 },
    reply: { source: '10.244.2.20', destination: '10.244.1.10', sourcePort: 8080, destinationPort: 47544, bytes: 4049 },
    unreplied: false,
  });
  t.is(one?.timeoutSeconds, 120);
});

test('what is made, changed, gone and standing is told apart', (t) => {
  const body = [...tuples, status(0), tcpState(1), id];
  t.is(entry(message(newEntry, created, ...body))?.event, 'new');
  t.is(entry(message(newEntry, 0, ...body))?.event, 'update');
  t.is(entry(message(deleted, 0, ...body))?.event, 'destroy');
  t.is(entry(message(newEntry, 2, ...body), true)?.event, 'snapshot');
  t.is(entry(message(newEntry, created, ...body))?.original.bytes, -1);
  t.true(entry(message(newEntry, created, ...body))?.unreplied);
  t.deepEqual(parsed(message(0x109, 0, ...body)), [undefined], 'another kind of message');
});

test('states have the names that conntrack prints', (t) => {
  const stateOf = (protocol: number, type: number, state: number) => {
    const sides = [tuple(1, { ...original, protocol }), tuple(2, { ...reply, protocol })];
    const info = nested(4, nested(type, attribute(1, number(1, state))));
    return entry(message(newEntry, created, ...sides, status(0), info, id))?.state;
  };
  t.deepEqual(
    [1, 2, 3, 8].map((state) => stateOf(6, 1, state)),
    ['SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'CLOSE'],
  );
  t.deepEqual([stateOf(132, 3, 2), stateOf(33, 2, 1)], ['COOKIE_WAIT', 'REQUEST']);
  t.is(stateOf(6, 1, 200), undefined);
});

test('who opened a TCP connection is known where the kernel kept what only its first packet says', (t) => {
  const sawOpening = (type: number, ...flags: readonly Uint8Array[]) => {
    const info = nested(4, nested(type, attribute(1, number(1, 3)), ...flags));
    return entry(message(newEntry, 2, ...tuples, status(0), info, id), true)?.sawOpening;
  };
  const flags = (type: number, ...bytes: number[]) => attribute(type, Buffer.from(bytes));
  t.true(sawOpening(1, flags(4, 0x23, 0), flags(5, 0x23, 0)));
  t.is(sawOpening(1, flags(4, 0x2a, 0), flags(5, 0x2a, 0)), undefined, 'picked up in the middle');
  t.is(sawOpening(1, flags(4, 0x2b, 0)), undefined, 'the kernel takes whatever comes');
  t.is(sawOpening(1, flags(4, 0x22, 0), flags(5, 0x23, 0)), undefined, 'without window scaling nothing tells');
  t.is(sawOpening(1), undefined);
  t.is(sawOpening(1, flags(4, 0x23)), undefined, 'cut off');
  t.is(sawOpening(3, flags(4, 0x23, 0)), undefined, 'another protocol');
});

test('IPv6 addresses are written in their canonical form', (t) => {
  const address = (last: number) => [0xfd, ...Array<number>(14).fill(0), last];
  const six = (from: number, to: number) => ({
    ...original,
    source: address(from),
    destination: address(to),
    protocol: 17,
  });
  const one = entry(message(newEntry, created, tuple(1, six(1, 2)), tuple(2, six(2, 1)), status(0), id));
  t.deepEqual([one?.original.source, one?.original.destination, one?.reply.source], ['fd00::1', 'fd00::2', 'fd00::2']);
});

test('ICMP has no ports, and echoes are told apart by their identifier', (t) => {
  const echo = (identifier: number) => {
    const sides = (type: number) => ({
      ...original,
      protocol: 1,
      parts: [
        [4, 2, identifier],
        [5, 1, type],
        [6, 1, 0],
      ] as const,
    });
    return entry(message(newEntry, created, tuple(1, sides(8)), tuple(2, sides(0)), status(0), id));
  };
  t.deepEqual([echo(1)?.original.sourcePort, echo(1)?.reply.sourcePort], [0, 0]);
  t.not(echo(1)?.key, echo(2)?.key);
  t.is(echo(1)?.key, echo(1)?.key);
});

test('the key is the same for all events of an entry, and another for another zone, tuple or entry', (t) => {
  const keyOf = (sides: readonly Uint8Array[], ...more: readonly Uint8Array[]) =>
    entry(message(newEntry, 0, ...sides, status(0), ...more))?.key;
  const zoned = (zone: number) => [tuple(1, { ...original, zone }), tuple(2, reply)];
  const other = [tuple(1, { ...original, parts: ports(47545, 80) }), tuple(2, reply)];
  const plain = keyOf(tuples, id);
  t.is(keyOf(tuples, id, tcpState(3)), plain);
  const keys = [
    plain,
    keyOf(tuples, id, attribute(18, number(2, 7))),
    keyOf(zoned(9), id),
    keyOf(zoned(7), id),
    keyOf(other, id),
    keyOf(tuples, attribute(12, number(4, 1))),
  ];
  t.is(new Set(keys).size, keys.length);
});

test('what cannot be used says why', (t) => {
  const reasonOf = (...body: readonly Uint8Array[]) =>
    t.throws(() => entry(message(newEntry, 0, ...body)), { instanceOf: UnusableRecord }).message;
  t.is(reasonOf(tuple(1, original), status(0)), 'expected two tuples');
  t.is(reasonOf(...tuples), 'no status');
  t.is(reasonOf(...tuples, attribute(3, number(2, 0))), 'expected a number of 4 bytes, got 2');
  t.is(reasonOf(tuple(1, { ...original, parts: [] }), tuple(2, reply), status(0)), 'a tuple without ports');
  t.is(reasonOf(tuple(1, original), tuple(2, { ...reply, protocol: 17 }), status(0)), 'tuples of two protocols');
  t.is(
    reasonOf(tuple(1, { ...original, destination: [1, 2] }), tuple(2, reply), status(0)),
    'a tuple without two addresses of one family',
  );
  t.is(reasonOf(...tuples, Buffer.from([200, 0, 3, 0])), 'an attribute does not fit into its message');
  t.is(reasonOf(...tuples, Buffer.from([0, 0, 3, 0])), 'an attribute does not fit into its message');
});

test('messages that come together are read one by one, up to one that does not fit', (t) => {
  const one = message(newEntry, created, ...tuples, status(0), id);
  t.is(parsed(Buffer.concat([one, one, one])).length, 3);
  const cut = Buffer.concat([one, one.subarray(0, 40)]);
  t.deepEqual(
    parsed(cut).map((each) => each === undefined),
    [false, true],
  );
  t.deepEqual(parsed(Buffer.alloc(5)), [undefined]);
  t.deepEqual(parsed(Buffer.alloc(64)), [undefined], 'a length of nothing ends it');
});

const whole = message(newEntry, created, ...tuples, status(0b10), tcpState(3), attribute(7, number(4, 5)), id);

test('whatever comes is an entry or a reason, never a crash or a loop', (t) => {
  const mutated = fc
    .array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 })
    .map((changes) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    mutated,
    fc.nat(whole.length).map((length) => whole.subarray(0, length)),
    fc.array(mutated, { maxLength: 4 }).map((many) => Buffer.concat(many)),
  );
  fc.assert(
    fc.property(anything, fc.boolean(), (bytes, fromTable) => {
      let messages = 0;
      for (const one of netlinkMessages(bytes)) {
        messages++;
        if (one === undefined) continue;
        try {
          const read = parseConntrackMessage(bytes, one, fromTable);
          if (read === undefined) continue;
          const { original: first, reply: second, protocol } = read.entry;
          for (const side of [first, second]) {
            if (!isIp(side.source) || !isIp(side.destination)) return false;
            if (!(side.sourcePort >= 0 && side.sourcePort <= 65_535)) return false;
            if (!(side.bytes >= -1 && Number.isSafeInteger(side.bytes))) return false;
          }
          if (!(protocol >= 0 && protocol <= 255)) return false;
        } catch (error) {
          if (!(error instanceof UnusableRecord)) throw error;
        }
      }
      return messages <= bytes.length / 16 + 1;
    }),
    { numRuns: 20_000 },
  );
  t.pass();
});
