import { writeFile } from 'node:fs/promises';
import test from 'ava';
import { goldmaneSource } from '../../../controller/adapters/goldmane/goldmane-source.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { flowSourceContract, type FlowSourceWorld } from '../../contract/flow-source.ts';
import { GoldmaneWorld } from '../../support/goldmane-world.ts';
import { TestAuthority } from '../../support/test-certificates.ts';

async function contractWorld(): Promise<FlowSourceWorld> {
  const world = await GoldmaneWorld.open();
  const stranger = await TestAuthority.create('stranger');
  const strangers = `${world.files.paths.ca}.stranger`;
  return {
    source: (position) => world.source(position),
    // Goldmane names no nodes
    play: (count) => world.play(count),
    readers: () => world.server.readers,
    resumes: true,
    breakConnections: () => {
      world.link.cut();
      world.link.mend();
    },
    flood: (count) => {
      const before = world.server.sent;
      for (let left = count; left > 0; left -= 5_000) world.play(Math.min(left, 5_000));
      return { sent: () => world.server.sent - before };
    },
    sendMalformed: () => world.server.sendRaw(Buffer.from([0x12, 0x7f, 0x0a])),
    untrusted: async () => {
      await writeFile(strangers, stranger.certificate);
      const tls = { ...world.files.paths, ca: strangers };
      return goldmaneSource({ address: world.address, tls, clock: systemClock });
    },
    close: () => world.close(),
  };
}

flowSourceContract(test, 'Goldmane', ['breakConnections', 'flood', 'sendMalformed', 'untrusted'], contractWorld);
