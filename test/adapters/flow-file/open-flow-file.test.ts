import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { FlowFileError } from '../../../controller/adapters/flow-file/flow-file-error.ts';
import { openFlowFile } from '../../../controller/adapters/flow-file/open-flow-file.ts';
import { textBlocks } from '../../../controller/adapters/flow-file/text-blocks.ts';
import { hubbleLine } from './hubble-record.ts';
import { jsonLines, readAll, readText, withFile } from './read-text.ts';

const usual = jsonLines(hubbleLine());

async function problemOf(t: ExecutionContext, reading: Promise<unknown>) {
  const error = await t.throwsAsync(reading, { instanceOf: FlowFileError });
  return error?.problem;
}

const many = usual.repeat(2000);

for (const [kind, content] of [
  ['plain', Buffer.from(many)],
  ['gzip', gzipSync(many)],
  ['gzip in two members', Buffer.concat([gzipSync(many.slice(0, 5000)), gzipSync(many.slice(5000))])],
  ['zstd', zstdCompressSync(many)],
] as const) {
  test(`a ${kind} file is read whole, with its progress`, async (t) => {
    await withFile(content, async (path) => {
      const source = openFlowFile(path);
      t.deepEqual(source.progress(), { doneBytes: 0, totalBytes: undefined });
      const { flows, rejected, records } = await readAll(source);
      t.deepEqual([flows.length, records, rejected], [2000, 2000, []]);
      t.deepEqual(source.progress(), { doneBytes: content.length, totalBytes: content.length });
    });
  });
}

test('compressed data that ends early gives what it holds and says that it ended', async (t) => {
  const { flows, rejected } = await readText(gzipSync(many).subarray(0, -20));
  t.true(flows.length > 0);
  t.regex(rejected.at(-1)?.reason ?? '', /^the compressed data is damaged or ends early/);
});

test('standard input is read as a file is', async (t) => {
  const script = `
    import { openFlowFile } from './controller/adapters/flow-file/open-flow-file.ts';
    const source = openFlowFile('-');
    for await (const { flows } of source.batches(new AbortController().signal)) console.log(source.name, flows.length);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(gzipSync(usual.repeat(3)));
  t.is(await text(child.stdout), 'standard input 3\n');
});

test('a file that is not there, or is a directory, is named', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-flows-'));
  t.teardown(() => rm(directory, { recursive: true }));
  for (const path of [directory, join(directory, 'missing')]) {
    const found = await problemOf(t, readAll(openFlowFile(path)));
    t.is(found?.code, 'InputNotFound');
    t.is(found?.where, path);
  }
});

test('an empty file and one of blank lines have no usable line', async (t) => {
  t.is((await problemOf(t, readText('')))?.code, 'FlowFileUnusable');
  t.is((await problemOf(t, readText('\n \r\n\n')))?.code, 'FlowFileUnusable');
  t.is((await problemOf(t, readText('{"flow":{"verdict":"FORWARDED","l4":{"TCP":7}}}\n')))?.code, 'FlowFileUnusable');
});

test('a file without a usable line says why and where it begins to be unusable', async (t) => {
  const named = await problemOf(t, readText(`\n${usual}${usual}`, { format: 'calico' }));
  t.regex(named?.message ?? '', /none of its 3 lines can be used; action: expected "allow" or "deny"/);
  t.regex(named?.where ?? '', /:2$/);
  const damaged = await problemOf(t, readText(gzipSync(usual).fill(0xff, 12, 40)));
  t.regex(damaged?.message ?? '', /no usable line: the compressed data is damaged or ends early: /);
});

test('a file of something else is no flow file', async (t) => {
  t.is((await problemOf(t, readText('# Notes\n\nhello\n')))?.code, 'FlowFormatUnknown');
  t.is((await problemOf(t, readText('{"level":"info"}\n'.repeat(5000))))?.code, 'FlowFormatUnknown');
  t.is((await problemOf(t, readText(Buffer.from([0, 1, 2, 3, 255, 254]))))?.code, 'FlowFileUnusable');
});

test('the format shows in the first good record; damage before it is counted and located', async (t) => {
  const { flows, rejected, records } = await readText(`pod_name":"cut off"}\n\n{"flow":\n${usual}`);
  t.deepEqual([flows.length, records], [1, 3]);
  t.deepEqual(rejected, [
    { where: '1', reason: 'not JSON: "pod_name\\":\\"cut off\\"}"' },
    { where: '3', reason: 'not JSON: "{\\"flow\\":"' },
  ]);
});

test('a named format is believed', async (t) => {
  const error = await problemOf(t, readText(usual, { format: 'calico' }));
  t.is(error?.code, 'FlowFileUnusable');
});

test('lines end in LF or CRLF or with the file, and a byte order mark is no part of the first', async (t) => {
  const { flows, records } = await readText(`\ufeff${usual.trim()}\r\n\r\n${usual.trim()}`);
  t.deepEqual([flows.length, records], [2, 2]);
});

test('bytes that are no UTF-8 reject their line and no other', async (t) => {
  const broken = Buffer.from(usual.replace('cart-5f6c9d7b8', 'caf\u0001')).map((byte) => (byte === 1 ? 0xe9 : byte));
  const { flows, rejected } = await readText(Buffer.concat([Buffer.from(usual), broken, Buffer.from(usual)]));
  t.is(flows.length, 2);
  t.deepEqual(rejected, [{ where: '2', reason: 'not UTF-8 text' }]);
});

test('the prefix of a container log is no part of the record, and partial lines are joined', async (t) => {
  const line = usual.trim();
  const prefix = '2026-07-31T10:41:02.202450754Z stdout';
  const { flows, rejected, records } = await readText(
    [
      `${prefix} P ${line.slice(0, 300)}`,
      `2026-07-31T10:41:02.3Z stderr F {"agent_event":{}}`,
      `${prefix} P ${line.slice(300, 500)}`,
      `${prefix} F ${line.slice(500)}`,
      `${prefix} F `,
      `2026-07-31T10:41:02+02:00 ${line}`,
      `${prefix} P ${line.slice(0, 10)}`,
    ].join('\n'),
  );
  t.deepEqual([flows.length, records], [2, 4]);
  t.deepEqual(rejected, [{ where: '7', reason: 'a partial line of a container log without its end' }]);
});

test('a container log gives the time of lines that have none', async (t) => {
  const entry =
    '[NEW] tcp 6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1';
  const { flows } = await readText(`2026-07-31T10:41:02.202450754Z stdout F     ${entry}\n`);
  t.is(flows[0]?.timeMs, Date.UTC(2026, 6, 31, 10, 41, 2, 202));
});

test('each limit is named where it is hit, and the rest of the file is read', async (t) => {
  const long = JSON.stringify(hubbleLine({ Summary: 'x'.repeat(400_000) }));
  const deep = JSON.stringify(hubbleLine()).replace('"Type":', `"deep":${'['.repeat(60)}${']'.repeat(60)},"Type":`);
  const labels = JSON.stringify(
    hubbleLine({ source: { labels: Array.from({ length: 11 }, (_, i) => `k8s:l${i}=v`) } }),
  );
  const names = JSON.stringify(
    hubbleLine({ destination_names: Array.from({ length: 11 }, (_, i) => `h${i}.example`) }),
  );
  const prefix = '2026-07-31T10:41:02Z stdout';
  const { flows, rejected } = await readText(
    [
      usual.trim(),
      long,
      deep,
      labels,
      names,
      `${prefix} P ${'x'.repeat(9000)}`,
      `${prefix} F ${'y'.repeat(9000)}`,
      usual,
    ].join('\n'),
    { limits: { lineBytes: 10_000, nesting: 50, labelsPerEndpoint: 10, dnsNamesPerEndpoint: 10 } },
  );
  t.is(flows.length, 2);
  t.deepEqual(rejected, [
    { where: '2', reason: 'longer than 10000 bytes (limit: line length)' },
    { where: '3', reason: 'nested deeper than 50 levels (limit: nesting)' },
    { where: '4', reason: 'source.labels: 11 entries, more than 10 (limit: labels per endpoint)' },
    { where: '5', reason: 'destination_names: 11 entries, more than 10 (limit: DNS names per endpoint)' },
    { where: '6', reason: 'longer than 10000 bytes (limit: line length)' },
  ]);
});

test('a line without an end does not fill the memory', async (t) => {
  async function* endless() {
    for (let i = 0; i < 1000; i++) yield Buffer.alloc(64 * 1024, 'x');
    yield Buffer.from('\nlast');
  }
  const blocks = [];
  for await (const block of textBlocks(endless(), 100_000)) blocks.push(block);
  t.deepEqual(blocks, [
    { text: '', isUtf8: true, tooLong: true, bytes: 65_536_001 },
    { text: 'last', isUtf8: true, tooLong: false, bytes: 4 },
  ]);
});

test('however the bytes arrive, the lines are the same', async (t) => {
  const line = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.constant('ü'.repeat(40)), fc.constant(''));
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      async (lines, sizes) => {
        const clean = lines.map((each) => each.replaceAll('\n', ' '));
        const bytes = Buffer.from(clean.map((each) => `${each}\n`).join(''));
        async function* chunks() {
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] as number;
            yield bytes.subarray(at, at + size);
            at += size;
          }
        }
        const read: string[] = [];
        for await (const { text: block, tooLong } of textBlocks(chunks(), 60)) {
          read.push(
            ...(tooLong
              ? ['too long']
              : block.split('\n').map((each) => (Buffer.byteLength(each) > 60 ? 'too long' : each))),
          );
        }
        t.deepEqual(
          read,
          clean.map((each) => (Buffer.byteLength(each) > 60 ? 'too long' : each)),
        );
      },
    ),
  );
});

test('a named pipe is read as a file is', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-flows-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const path = join(directory, 'pipe');
  execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
  const writer = spawn('sh', ['-c', 'cat > "$0"', path], { stdio: ['pipe', 'ignore', 'inherit'] });
  writer.stdin.end(zstdCompressSync(many));
  const source = openFlowFile(path);
  t.is((await readAll(source)).flows.length, 2000);
  t.is(source.progress().totalBytes, undefined);
});

test('waiting for standard input ends when it is told to', async (t) => {
  const script = `
    import { openFlowFile } from './controller/adapters/flow-file/open-flow-file.ts';
    const batches = openFlowFile('-').batches(AbortSignal.timeout(20));
    await batches.next().catch(({ name }) => console.log(name));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill());
  t.is(await text(child.stdout), 'AbortError\n');
});

test('a file can be read again', async (t) => {
  await withFile(usual, async (path) => {
    const source = openFlowFile(path);
    t.deepEqual(await readAll(source), await readAll(source));
    t.is(source.progress().doneBytes, usual.length);
  });
});

test('reading stops when it is told to', async (t) => {
  await withFile(many.repeat(3), async (path) => {
    const stop = new AbortController();
    const reading = (async () => {
      for await (const { records } of openFlowFile(path).batches(stop.signal)) if (records > 0) stop.abort();
    })();
    await t.throwsAsync(reading, { name: 'AbortError' });
  });
});
