import test from 'ava';
import { flowSourceContract } from '../../contract/flow-source.ts';
import { PushSourceWorld } from '../../support/push-source-world.ts';

// whom it trusts is certificates.test.ts: it is others who come
flowSourceContract(test, 'push endpoint', ['breakConnections', 'flood', 'lose', 'sendMalformed'], () =>
  PushSourceWorld.open(),
);
