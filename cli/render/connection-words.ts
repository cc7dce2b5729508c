import type { Connection } from '../../controller/model/connection.ts';
import { endpointWords } from '../../controller/model/endpoint.ts';
import { protocolName } from '../../controller/model/protocol.ts';

/** `shop/Deployment/cart > data/StatefulSet/redis TCP 6379`; `~` for `>` where the direction is not known. */
export function connectionWords({ source, destination, protocol, port, directed }: Connection): string {
  const target = port === 0 ? protocolName(protocol) : `${protocolName(protocol)} ${port}`;
  return `${endpointWords(source)} ${directed ? '>' : '~'} ${endpointWords(destination)} ${target}`;
}
