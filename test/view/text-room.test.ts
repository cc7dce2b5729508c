import test from 'ava';
import fc from 'fast-check';
import { bytesOf, TextRoom } from '../../controller/view/text-room.ts';

const times = fc.oneof(fc.double({ min: -8.64e15, max: 8.64e15, noNaN: true }), fc.integer({ min: 0, max: 4e12 }));
const counts = fc.oneof(fc.nat(2_000), fc.maxSafeNat());
const decoded = (room: TextRoom) => new TextDecoder().decode(room.written);

test('what is written, in whatever small room, stands there in order', (t) => {
  const bit = fc.oneof(
    fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme' }) }),
    fc.record({ kind: fc.constant('count' as const), value: counts }),
    fc.record({ kind: fc.constant('time' as const), value: times }),
    fc.record({ kind: fc.constant('copy' as const), value: fc.string({ unit: 'binary-ascii' }) }),
  );
  fc.assert(
    fc.property(fc.array(bit), (bits) => {
      const room = new TextRoom(8);
      let expected = '';
      for (const { kind, value } of bits) {
        switch (kind) {
          case 'text':
            room.text(value);
            expected += value;
            break;
          case 'count':
            room.count(value);
            expected += `${value}`;
            break;
          case 'time':
            room.time(value);
            expected += new Date(value).toISOString();
            break;
          case 'copy':
            room.copy(bytesOf(`<${value}>`), 1, value.length + 1);
            expected += value;
            break;
        }
      }
      t.is(decoded(room), expected);
      room.clear();
      room.text('again');
      t.is(decoded(room), 'again');
    }),
  );
});

test('a day ends where a Date ends it, and counts where their digits do', (t) => {
  const room = new TextRoom();
  for (const ms of [0, 86_399_999, 86_400_000, -1, Date.UTC(9999, 11, 31, 23, 59, 59, 999), Date.UTC(2024, 1, 29)]) {
    room.clear();
    room.time(ms);
    t.is(decoded(room), new Date(ms).toISOString());
  }
  for (const count of [0, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 2 ** 53 - 1]) {
    room.clear();
    room.count(count);
    t.is(decoded(room), `${count}`);
  }
});
