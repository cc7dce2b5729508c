import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { ProfileStatus } from '../../controller/model/profile.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { ControllerProcess } from '../support/controller-process.ts';
import { InstalledShop } from '../support/installed-shop.ts';
import { numbered, pushTo } from '../support/push-world.ts';
import { RedisServer, untilTrue } from '../support/redis-server.ts';
import { redisMissingHere } from '../support/redis-test.ts';
import { flowLine } from '../support/tiny-shop.ts';

const api = kubeApiOfFile();
const withinMs = 60_000;
const sharedTest: typeof clusterTest =
  redisMissingHere === undefined
    ? clusterTest
    : (title, implementation) => test.skip(`${title} (needs ${redisMissingHere})`, implementation);

sharedTest('in a cluster some count what is pushed and others decide, and any of either may die', async (t) => {
  const server = await RedisServer.start();
  const shop = await InstalledShop.open(api(), { webhook: false });
  const started: ControllerProcess[] = [];
  t.teardown(async () => {
    await Promise.all(started.map((one) => one.kill()));
    await shop.close();
    await server.stop();
  });
  const start = async (role: 'ingest' | 'decide', name: string, more: readonly string[] = []) => {
    const pace = ['--interval', '1s', '--lease', '2s'];
    const one = await ControllerProcess.start({
      name,
      directory: shop.directory,
      kubeconfig: api().kubeconfig('controller'),
      flows: [],
      webhook: 'none',
      options: ['--role', role, '--redis', server.url, '--redis-shards', '4', ...pace, ...more],
    });
    started.push(one);
    return one;
  };
  const receiver = (name: string) => ({ name, socket: join(shop.directory, `${name}.sock`) });
  const receivers = [receiver('ingest-1'), receiver('ingest-2')];
  const counting = await Promise.all(
    receivers.map(({ name, socket }) => start('ingest', name, ['--flush', '1s', '--push-socket', socket])),
  );
  const deciding = [await start('decide', 'decide-1'), await start('decide', 'decide-2')];

  let sequence = 0;
  const push = async (text: string) => {
    const body = [0, 1].map((minute) => flowLine(text, 2 * sequence + minute)).join('');
    sequence++;
    for (let tries = 0; tries < 300; tries++) {
      const { socket } = receivers[tries % receivers.length] ?? { socket: '' };
      const reply = await pushTo({ socketPath: socket, headers: numbered('node-1', sequence), body }).catch(
        () => undefined,
      );
      if (reply?.status === 200) return;
      await sleep(100);
    }
    throw new Error(`batch ${sequence} is not taken`);
  };
  const mentions = (port: number) => async () =>
    (await shop.proposal('cart'))?.spec.policies.includes(`port: ${port}`) === true;

  await push('shop/web > shop/cart 8080');
  await untilTrue(mentions(8080), 'what was pushed is proposed', withinMs);

  const streams = async () => {
    const path = '/apis/nanoseg.io/v1alpha1/namespaces/nanoseg-system/segmentationprofiles/default';
    const { body } = await api().request('admin', 'GET', path);
    return (body as { readonly status?: ProfileStatus }).status?.streams;
  };
  await untilTrue(
    async () => {
      const { shards = [], members = [] } = (await streams()) ?? {};
      return shards.length === 4 && shards.every(({ holder }) => holder !== undefined) && members.length === 4;
    },
    'the profile says who shares the work',
    withinMs,
  );

  const leads = async (one: ControllerProcess) => (await one.log()).some(({ msg }) => msg === 'leading');
  const led = await Promise.all(deciding.map(leads));
  const leader = led.indexOf(true);
  t.is(led.filter((one) => one).length, 1);
  await counting[0]?.kill();
  await deciding[leader]?.kill();
  await push('shop/web > shop/cart 9090');
  await untilTrue(mentions(9090), 'the others go on', withinMs);
  t.true(await leads(deciding[1 - leader] as ControllerProcess));
});
