import test from 'ava';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { ControllerProblem } from '../../../controller/backend.ts';
import type { Clock } from '../../../controller/ports.ts';
import {
  lineHeaders,
  linesOf,
  numbered,
  pushedFlow,
  type PushReply,
  pushTo,
  PushWorld,
} from '../../support/push-world.ts';
import { eventually } from '../../support/recording-sink.ts';
import { TestAuthority, testFiles, type TestCertificate } from '../../support/test-certificates.ts';

/** Looks at files much more often than it would. */
const hasty: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 100), signal),
};

const oneFlow = linesOf(pushedFlow());

test('without a cluster whoever has a certificate of the authority may push, and nobody else', async (t) => {
  const [authority, stranger] = await Promise.all([TestAuthority.create(), TestAuthority.create('another')]);
  const own = await authority.issue(['127.0.0.1']);
  const files = testFiles({ ca: authority.certificate, cert: own.certificate, key: own.privateKey });
  t.teardown(() => files.remove());
  const { ca: clientCa, cert, key } = files.paths;
  const world = await PushWorld.running({ config: { port: 0, host: '127.0.0.1', clientCa, cert, key }, clock: hasty });
  t.teardown(() => world.stop());
  const push = (client: TestCertificate | undefined, headers: Record<string, string> = lineHeaders, ca = authority) =>
    pushTo({
      tls: true,
      host: '127.0.0.1',
      port: world.endpoint.port ?? 0,
      ca: ca.certificate,
      ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
      headers,
      body: oneFlow,
    });
  const said = ({ status, body }: PushReply) => [status, body.message];

  const agent = await authority.issue(['agent']);
  t.is((await push(agent)).status, 200);
  const other = await authority.issue(['other-agent']);
  t.is((await push(agent, numbered('n1/a', 7))).body.accepted, 1);
  t.is((await push(other, numbered('n1/a', 7))).body.accepted, 1, 'the numbers of another name are others');
  t.true((await push(agent, numbered('n1/a', 7))).body.repeated);

  const [none] = [await push(undefined)];
  t.is(none.status, 401);
  t.regex(none.body.message, /a client certificate is needed/);
  t.is((await push(undefined, { ...lineHeaders, authorization: 'Bearer x' })).status, 401);
  const [status, message] = said(await push(await stranger.issue(['agent'])));
  t.is(status, 401);
  t.regex(message, /not accepted \(.*(?:ISSUER|SIGNATURE|VERIFY).*\)/);
  t.regex(said(await push(await authority.issue(['agent'], -60_000)))[1], /not accepted \(CERT_HAS_EXPIRED\)/);
  await t.throwsAsync(push(agent, lineHeaders, stranger), { message: /certificate|self-signed/ });

  // rotated, while it runs
  const next = await stranger.issue(['127.0.0.1']);
  files.write('key', next.privateKey);
  files.write('cert', next.certificate);
  files.write('ca', stranger.certificate);
  const newAgent = await stranger.issue(['agent']);
  await eventually(
    async () => (await push(newAgent, lineHeaders, stranger).catch(() => undefined))?.status === 200,
    'the new certificates are in use',
  );
  files.write('cert', 'broken');
  await systemClock.sleep(300, AbortSignal.timeout(1_000));
  t.is((await push(newAgent, lineHeaders, stranger)).status, 200, 'what works is kept while a file is broken');
});

test('files that are missing, and a certificate that is missing, are said at the start', async (t) => {
  const files = testFiles({ ca: (await TestAuthority.create()).certificate });
  t.teardown(() => files.remove());
  const open = (config: object) => PushWorld.open({ config: { port: 0, ...config } });
  const expect = { instanceOf: ControllerProblem };
  const missing = await t.throwsAsync(open({ clientCa: `${files.paths.ca}.no` }), expect);
  t.regex(missing?.message ?? '', /cannot read .*\.no/);
  const half = await t.throwsAsync(open({ clientCa: files.paths.ca }), expect);
  t.regex(half?.message ?? '', /--push-cert and --push-key/);
  const broken = await t.throwsAsync(open({ cert: files.paths.ca, key: files.paths.ca }), expect);
  t.is(broken?.problem.code, 'PushUnusable');
});

test('a port that is taken is said at the start', async (t) => {
  const world = await PushWorld.open();
  const { port = 0 } = world.endpoint;
  const taken = await t.throwsAsync(PushWorld.open({ config: { port } }), { instanceOf: ControllerProblem });
  t.regex(taken?.message ?? '', /EADDRINUSE/);
  await world.stop();
});
