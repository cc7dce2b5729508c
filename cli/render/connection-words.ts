import type { Connection } from '../../controller/model/connection.ts';
import { type Endpoint, isApiServer } from '../../controller/model/endpoint.ts';
import { protocolName } from '../../controller/model/protocol.ts';

/** `shop/Deployment/cart > data/StatefulSet/redis TCP 6379`; `~` for `>` where the direction is not known. */
export function connectionWords({ source, destination, protocol, port, directed }: Connection): string {
  const target = port === 0 ? protocolName(protocol) : `${protocolName(protocol)} ${port}`;
  return `${endpointWords(source)} ${directed ? '>' : '~'} ${endpointWords(destination)} ${target}`;
}

export function endpointWords(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'workload':
      return endpoint.workload;
    case 'node':
      return endpoint.name === '' ? 'some node' : `node ${endpoint.name}`;
    case 'service':
      return isApiServer(endpoint) ? 'the API server' : `Service ${endpoint.namespace}/${endpoint.name}`;
    case 'external':
      return endpoint.address;
    case 'unknown':
      return endpoint.address === '' ? 'unknown' : `unknown ${endpoint.address}`;
  }
}
