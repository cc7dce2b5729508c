import test from 'ava';
import fc from 'fast-check';
import { eventsOf } from '../../../../controller/adapters/http/page/client/event-stream.ts';

interface Told {
  readonly events: readonly { readonly name: string; readonly data: string }[];
  readonly ids: readonly string[];
}

/** Reads a text that comes in pieces, cut after these numbers of bytes. */
async function told(text: string, cuts: readonly number[] = []): Promise<Told> {
  const bytes = new TextEncoder().encode(text);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let from = 0;
      for (const end of [...ends, bytes.length]) {
        if (end > from) controller.enqueue(bytes.slice(from, end));
        from = Math.max(from, end);
      }
      controller.close();
    },
  });
  const ids: string[] = [];
  const told = { position: (id: string) => void ids.push(id), alive: () => undefined };
  return { events: await Array.fromAsync(eventsOf(new Response(body), told)), ids };
}

const stream =
  ': hello\n\nid: e-1\nevent: graph\ndata: {"a":"ä\u{1F600}"}\n\nid: e-2\ndata: one\ndata:two\n\n: heartbeat\n\n';

test('events have a name, data of one or more lines and a position; comments are no events', async (t) => {
  t.deepEqual(await told(stream), {
    events: [
      { name: 'graph', data: '{"a":"ä\u{1F600}"}' },
      { name: 'message', data: 'one\ntwo' },
    ],
    ids: ['e-1', 'e-2'],
  });
});

test('it does not matter where the network cuts a stream', async (t) => {
  const whole = await told(stream);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(200), { maxLength: 12 }), async (cuts) => {
      t.deepEqual(await told(stream, cuts), whole);
    }),
  );
});

test('an event that was cut off is none', async (t) => {
  t.deepEqual(await told('id: e-1\nevent: graph\ndata: {"a"'), { events: [], ids: ['e-1'] });
});
