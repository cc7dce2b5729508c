import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { pino } from 'pino';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { Round } from '../../controller/backend.ts';
import { runController } from '../../controller/compose.ts';
import { controllerConfig } from '../../controller/config.ts';
import { liveSources } from '../../controller/intake/live-sources.ts';
import { GoldmaneWorld } from '../support/goldmane-world.ts';
import { eventually } from '../support/recording-sink.ts';
import { directoryOf } from '../support/run-cli.ts';
import { deployment } from '../support/tiny-shop.ts';

test('a controller counts the flows of a live source, and goes on after a restart where it was', async (t) => {
  const world = await GoldmaneWorld.open();
  t.teardown(() => world.close());
  const workspace = await directoryOf(t, {});
  await mkdir(join(workspace, 'cluster'));
  await writeFile(join(workspace, 'cluster', 'shop.yaml'), deployment('shop', 'web') + deployment('shop', 'client'));
  const { ca, cert, key } = world.files.paths;
  const config = controllerConfig({
    workspace,
    sources: [{ kind: 'goldmane', address: world.address, ca, cert, key }],
    refreshMs: 100,
    flushMs: 100,
    logLevel: 'silent',
  });
  const notifier = { notify: () => undefined, close: async () => undefined };
  const run = () => {
    const stop = new AbortController();
    let last: Round | undefined;
    const onRound = (round: Round) => void (last = round);
    const parts = { config, version: '0.0.0-test', log: pino({ level: 'silent' }), notifier, onRound };
    const running = runController(parts, stop.signal);
    return {
      round: () => last,
      flows: () => last?.ingest.health.find(({ name }) => name === `Goldmane at ${world.address}`)?.flows ?? 0,
      end: async () => {
        stop.abort();
        await running;
        await eventually(() => world.server.readers === 0, 'nobody reads any more');
      },
    };
  };

  const first = run();
  await eventually(() => world.server.readers === 1, 'the source is read');
  await eventually(() => first.round()?.caughtUp === true, 'no proposal waits for a live source');
  world.play(20);
  await eventually(() => first.flows() === 20, 'its flows are counted');
  await first.end();

  world.play(5);
  const second = run();
  await eventually(() => second.flows() === 5, 'what came meanwhile, and nothing twice');
  world.play(1);
  await eventually(() => second.flows() === 6, 'what is new');
  t.deepEqual(second.round()?.ingest.counters.losses, 0);
  await second.end();
});

test('each source that is configured has a name of its own', (t) => {
  const tls = { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' };
  const { sources } = controllerConfig({
    sources: [
      { kind: 'hubble', address: 'relay:4245' },
      { kind: 'goldmane', address: 'goldmane:7443', ...tls, serverName: 'goldmane' },
    ],
  });
  const opened = liveSources(sources, { positions: new Map(), clock: systemClock });
  t.deepEqual(
    opened.map(({ name }) => name),
    ['Hubble at relay:4245', 'Goldmane at goldmane:7443'],
  );
});

test('a source without an address, with half a certificate, or twice is no configuration', (t) => {
  const address = 'relay:4245';
  for (const [sources, message] of [
    [[{ kind: 'hubble', address: '' }], /address/],
    [[{ kind: 'calico', address }], /kind/],
    [[{ kind: 'hubble', address, cert: 'tls.crt' }], /go together/],
    [[{ kind: 'hubble', address, token: 'x' }], /token/],
    [
      [
        { kind: 'hubble', address },
        { kind: 'hubble', address },
      ],
      /stands there once/,
    ],
  ] as const) {
    t.throws(() => controllerConfig({ sources } as never), { message });
  }
});
