import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { hubbleSource } from '../../../controller/adapters/hubble/hubble-source.ts';
import type { TlsFiles } from '../../../controller/adapters/grpc/open-client.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { Reading } from '../../contract/flow-source.ts';
import { HubbleServer, type HubbleServerOptions } from '../../support/hubble-server.ts';
import { flowOf, HubbleRecords } from '../../support/hubble-world.ts';
import { TestAuthority, testFiles } from '../../support/test-certificates.ts';

/** As a relay of a cluster has it: names of its own, none of the Service's. */
const relayName = 'instance.hubble-relay.cilium.io';

async function serve(t: ExecutionContext, options: HubbleServerOptions): Promise<HubbleServer> {
  const server = await HubbleServer.start(options);
  t.teardown(() => server.kill());
  return server;
}

async function certificates(t: ExecutionContext) {
  const [authority, stranger] = await Promise.all([TestAuthority.create(), TestAuthority.create('someone else')]);
  const [relay, expired, client, strange] = await Promise.all([
    authority.issue([relayName]),
    authority.issue([relayName], -60_000),
    authority.issue(['nanoseg']),
    stranger.issue(['nanoseg']),
  ]);
  const files = testFiles({
    ca: authority.certificate,
    otherCa: stranger.certificate,
    cert: client.certificate,
    key: client.privateKey,
    strangeCert: strange.certificate,
    strangeKey: strange.privateKey,
    notPem: 'hello',
  });
  t.teardown(() => files.remove());
  return { authority, relay, expired, client, files, paths: files.paths };
}

async function delivers(t: ExecutionContext, server: HubbleServer, tls?: TlsFiles): Promise<void> {
  const reading = Reading.start(
    hubbleSource({ address: server.address, ...(tls !== undefined && { tls }), clock: systemClock }),
  );
  await reading.connected({ readers: () => server.readers });
  const record = new HubbleRecords().next('node-a');
  server.report(record);
  await reading.until(({ flows }) => flows.length > 0);
  await reading.stop();
  t.deepEqual(reading.flows, [flowOf(record)]);
}

async function failure(address: string, tls?: TlsFiles): Promise<Error & { readonly retryable?: boolean }> {
  return Reading.start(hubbleSource({ address, ...(tls !== undefined && { tls }), clock: systemClock })).failure();
}

test('a relay with TLS is read under the name that its certificate has', async (t) => {
  const { relay, paths } = await certificates(t);
  const server = await serve(t, { tls: relay });
  await delivers(t, server, { ca: paths.ca, serverName: relayName });
  const { message, retryable } = await failure(server.address, { ca: paths.ca });
  t.regex(message, /its certificate is for other names .*relay.* give a server name that is in the certificate/);
  t.true(message.startsWith(`Hubble at ${server.address}: `), message);
  t.true(retryable);
});

test('a relay that wants a certificate of its clients gets one, and says so to others', async (t) => {
  const { authority, relay, paths } = await certificates(t);
  const server = await serve(t, { tls: { ...relay, clientCa: authority.certificate } });
  const tls = { ca: paths.ca, serverName: relayName };
  await delivers(t, server, { ...tls, cert: paths.cert, key: paths.key });
  for (const theirs of [tls, { ...tls, cert: paths.strangeCert, key: paths.strangeKey }]) {
    const { message, retryable } = await failure(server.address, theirs);
    t.regex(message, /if it wants a certificate of its clients, give one that its authority signed, with its key/);
    t.true(retryable);
  }
});

test('certificates are read anew at each connection, as they are rotated', async (t) => {
  const { relay, files, paths, authority } = await certificates(t);
  const server = await serve(t, { tls: relay });
  files.write('ca', 'not yet');
  const source = hubbleSource({
    address: server.address,
    tls: { ca: paths.ca, serverName: relayName },
    clock: systemClock,
  });
  const { message } = await Reading.start(source).failure();
  t.regex(message, /is no PEM file; the certificate authority is wanted there/);
  files.write('ca', authority.certificate);
  const reading = Reading.start(source);
  await reading.connected({ readers: () => server.readers });
  await reading.stop();
  t.pass();
});

test('what is wrong with a certificate is said with what to do, and asked again', async (t) => {
  const { relay, expired, paths } = await certificates(t);
  const [server, old] = await Promise.all([serve(t, { tls: relay }), serve(t, { tls: expired })]);
  const serverName = relayName;
  const cases: [string, TlsFiles, RegExp][] = [
    [old.address, { ca: paths.ca, serverName }, /its certificate has expired .*; renew the certificate there/],
    [
      server.address,
      { ca: paths.otherCa, serverName },
      /not signed by an authority that we trust .*; give the certificate authority that signed it/,
    ],
    [server.address, { serverName }, /not signed by an authority that we trust/],
    [server.address, { ca: '/nowhere/ca.crt' }, /the certificate authority cannot be read from \/nowhere\/ca\.crt/],
    [server.address, { ca: paths.notPem }, /notPem is no PEM file/],
    [
      server.address,
      { ca: paths.ca, cert: paths.cert, key: paths.strangeKey },
      /cannot be used .*key that belongs to it/,
    ],
  ];
  for (const [address, tls, wanted] of cases) {
    const { message, retryable } = await failure(address, tls);
    t.regex(message, wanted);
    t.true(retryable, message);
  }
});

test('TLS to a port without, and the other way round, is told', async (t) => {
  const { relay, paths } = await certificates(t);
  const [plain, tls] = await Promise.all([serve(t, {}), serve(t, { tls: relay })]);
  const toPlain = await failure(`tls://${plain.address}`, { ca: paths.ca, serverName: relayName });
  t.regex(toPlain.message, /it does not speak TLS .*tls:\/\/host:port is with TLS, host:port without/);
  const toTls = await failure(tls.address.replace('tls://', ''));
  t.regex(toTls.message, /it closed the connection .*tls:\/\/host:port is with TLS, host:port without/);
});

test('an agent is read at its socket', async (t) => {
  const socket = join(tmpdir(), `nanoseg-hubble-${process.pid}.sock`);
  const server = await serve(t, { socket });
  await delivers(t, server);
  const { message } = await failure('unix:///nowhere/hubble.sock');
  t.regex(message, /there is no such socket .*; check the path, and that the server runs on this node/);
});

test('an address or settings that cannot be right are final, and others are tried again', async (t) => {
  for (const address of [
    'relay',
    'https://relay:443',
    'relay:0',
    'relay:70000',
    'unix://run/x.sock',
    'tls://relay',
    '',
  ]) {
    const { message, retryable } = await failure(address);
    t.regex(message, /cannot be used: .*; write host:port, tls:\/\/host:port or unix:\/\/\/path/);
    t.false(retryable, message);
  }
  const { message, retryable } = await failure('relay:4245', { ca: '/ca.crt' });
  t.regex(message, /settings for TLS are given, and the address is without TLS; write tls:\/\/relay:4245/);
  t.false(retryable);
  t.false((await failure('tls://relay:4245', { cert: '/tls.crt' })).retryable, 'a certificate without a key');

  const refused = await failure('127.0.0.1:1');
  t.regex(refused.message, /^Hubble at 127\.0\.0\.1:1: nothing listens there .*; check the address/);
  t.true(refused.retryable);
  const unknown = await failure('no-such-host.invalid:80');
  t.regex(unknown.message, /its name cannot be resolved .*; check the host name/);
  t.true(unknown.retryable);
});

test('a server that refuses is quoted', async (t) => {
  const cases: [status, RegExp][] = [
    [status.UNAUTHENTICATED, /it does not know who we are \(who are you\?\); give a certificate or token/],
    [status.PERMISSION_DENIED, /it does not let us read \(who are you\?\)/],
    [status.UNIMPLEMENTED, /it does not offer this service .*; check that the address is the right server's/],
    [status.UNAVAILABLE, /it is not available \(who are you\?\)/],
  ];
  for (const [code, wanted] of cases) {
    const server = await serve(t, { refuse: { code, details: 'who are you?' } });
    const { message, retryable } = await failure(server.address);
    t.regex(message, wanted);
    t.true(retryable);
  }
});
