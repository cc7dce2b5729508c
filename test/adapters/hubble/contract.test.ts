import test from 'ava';
import { flowSourceContract } from '../../contract/flow-source.ts';
import { HubbleWorld } from '../../support/hubble-world.ts';

flowSourceContract(test, 'Hubble', ['breakConnections', 'flood', 'lose', 'sendMalformed', 'untrusted'], () =>
  HubbleWorld.open(),
);
