import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import test from 'ava';
import { type Body, BodyMaker } from '../../../controller/adapters/http/api/body-maker.ts';
import type { Written } from '../../../controller/adapters/http/api/route.ts';

const encodings = ['zstd', 'br', 'gzip', undefined] as const;

function plainOf({ bytes, encoding }: Body): string {
  switch (encoding) {
    case 'zstd':
      return zstdDecompressSync(bytes).toString();
    case 'br':
      return brotliDecompressSync(bytes).toString();
    case 'gzip':
      return gunzipSync(bytes).toString();
    case undefined:
      return bytes.toString();
  }
}

/** Lines with a name and numbers, so that no part of it is like another one. */
function lines(name: string, count: number): { readonly text: string; readonly write: Written } {
  const each = Array.from({ length: count }, (_, i) => `${name} ${i} ${i * 7_919}\n`);
  return {
    text: each.join(''),
    write: function* (room) {
      for (const [i, line] of each.entries()) {
        room.text(line);
        if (i % 1_000 === 0) yield;
      }
    },
  };
}

test('a body is what was written, however large, in every encoding, whoever asks for one at the same time', async (t) => {
  const maker = new BodyMaker();
  const asked = [0, 1, 100, 50_000, 300_000].flatMap((count) =>
    encodings.map((encoding) => ({ ...lines(`${encoding} ${count}`, count), encoding })),
  );
  const bodies = await Promise.all(asked.map(({ write, encoding }) => maker.make(write, encoding)));
  for (const [i, body] of bodies.entries()) {
    const { text, encoding } = asked[i] as (typeof asked)[number];
    t.is(body.encoding, text.length < 1_024 ? undefined : encoding);
    t.true(plainOf(body) === text, `${encoding}, ${text.length} bytes`);
  }
});

test('while a large body is made others have their turn', async (t) => {
  const { write } = lines('long', 300_000);
  let turns = 0;
  const counting = setInterval(() => turns++, 1);
  await new BodyMaker().make(write, 'zstd');
  clearInterval(counting);
  t.true(turns > 1);
});

test('what fails while it is written fails for who asked, and for nobody after them', async (t) => {
  const maker = new BodyMaker();
  const failing: Written = function* (room) {
    for (let i = 0; i < 40; i++) {
      room.text('x'.repeat(100_000));
      yield;
    }
    throw new Error('a fault');
  };
  const { text, write } = lines('after', 100_000);
  const [first, second] = await Promise.allSettled([maker.make(failing, 'gzip'), maker.make(write, 'gzip')]);
  t.is(first.status, 'rejected');
  t.true(second.status === 'fulfilled' && plainOf(second.value) === text);
});
