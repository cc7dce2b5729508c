import type { Connection } from '../model/connection.ts';
import { endpointWords } from '../model/endpoint.ts';
import { protocolName } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';

/** `shop/Deployment/cart > data/StatefulSet/redis TCP 6379`; `~` for `>` where the direction is not known. */
export function connectionWords({ source, destination, protocol, port, directed }: Connection): string {
  const target = port === 0 ? protocolName(protocol) : `${protocolName(protocol)} ${port}`;
  return `${endpointWords(source)} ${directed ? '>' : '~'} ${endpointWords(destination)} ${target}`;
}

/** The same words for the id of a connection, which is all that resources keep of it; an id of another form stays as it is. */
export function connectionIdWords(id: string): string {
  const parts = /^(.+?)([>~])(.+):([^:/]+)\/(\d+)$/.exec(id);
  if (parts === null) return id;
  const [, source = '', arrow = '', destination = '', protocol = '', port = ''] = parts;
  const target = port === '0' ? protocol : `${protocol} ${port}`;
  return `${endpointIdWords(source)} ${arrow} ${endpointIdWords(destination)} ${target}`;
}

function endpointIdWords(id: string): string {
  const colon = id.indexOf(':');
  const [kind, name] = [id.slice(0, colon), id.slice(colon + 1)];
  const slash = name.indexOf('/');
  const reason = name.slice(0, name.indexOf(':'));
  switch (kind) {
    case 'workload':
      return endpointWords({ kind, workload: name as WorkloadKey });
    case 'node':
      return endpointWords({ kind, name });
    case 'service':
      return endpointWords({ kind, namespace: name.slice(0, slash), name: name.slice(slash + 1) });
    case 'external':
      return name;
    case 'unknown':
      return `${name.slice(reason.length + 1) || 'an unknown side'} (${reason})`;
    default:
      return id;
  }
}
