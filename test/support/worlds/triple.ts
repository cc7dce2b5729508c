import type { Party, PlannedConnection } from './plan.ts';

/** The text identity of a party: what the judge compares; every node is one party, as for a NetworkPolicy. */
export function partyId(party: Party): string {
  switch (party.kind) {
    case 'workload':
      return party.key;
    case 'node':
      return 'node';
    case 'own-node':
      return 'own-node';
    case 'apiserver':
      return 'kube-apiserver';
    case 'external':
      return `external ${party.address}`;
    case 'world':
      return 'world';
  }
}

/** Who, to whom, what: `ns/Kind/name > ns/Kind/name TCP/80`. */
export function tripleId({
  source,
  destination,
  protocol,
  port,
}: Pick<PlannedConnection, 'source' | 'destination' | 'protocol' | 'port'>): string {
  return `${partyId(source)} > ${partyId(destination)} ${protocol}/${port}`;
}
