import { flowSourceContract } from '../../contract/flow-source.ts';
import { ConntrackWorld } from '../../support/conntrack-world.ts';
import { networkTest } from '../../support/network-test.ts';

// nothing that others do breaks a netlink socket, is no message of it, or slows the kernel down: it drops, which is `lose`
flowSourceContract(networkTest, 'conntrack', ['lose'], () => ConntrackWorld.open());
