import { problem, type Problem } from '../../model/problem.ts';

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, as its URL says. */
export interface RedisAddress {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** Of the server, the Sentinels, or some nodes of the cluster. */
  readonly hosts: readonly [HostPort, ...HostPort[]];
  /** Name of the master that Sentinels watch; empty elsewhere. */
  readonly master: string;
  readonly db: number;
  readonly user: string | undefined;
  /** For people, without the user. */
  readonly name: string;
}

const form = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)((?:\/[^?#]*)?)$/;
const defaultPorts = { standalone: 6379, sentinel: 26_379, cluster: 6379 } as const;

/**
 * Reads `redis://[user@]host[:port][/db]`, `redis+sentinel://[user@]host[:port],…/master[/db]` and
 * `redis+cluster://[user@]host[:port],…`, each with `rediss` for TLS. A password in it is refused: others could read it in
 * the list of processes, and it would come into logs.
 */
export function redisAddress(url: string): RedisAddress | Problem {
  const match = form.exec(url);
  if (match === null) {
    return invalid(
      'it has to be redis://host:port, redis+sentinel://host:port,…/master or redis+cluster://host:port,…',
    );
  }
  const [, scheme = '', system, userText, hostList = '', path = ''] = match;
  const kind = system === 'sentinel' || system === 'cluster' ? system : 'standalone';
  if (userText?.includes(':')) return invalid('the password belongs into a file or into NANOSEG_REDIS_PASSWORD');
  const hosts = hostList.split(',').map((text) => hostPort(text, defaultPorts[kind]));
  const [first, ...others] = hosts;
  if (first === undefined || hosts.includes(undefined)) return invalid(`a host or port cannot be used in ${hostList}`);
  if (kind === 'standalone' && others.length > 0) return invalid('several hosts need redis+sentinel or redis+cluster');
  const segments = path.split('/').slice(1).filter(Boolean);
  const master = kind === 'sentinel' ? (segments.shift() ?? '') : '';
  if (kind === 'sentinel' && master === '') return invalid('the name of the master is missing: …/master');
  const dbText = segments.shift() ?? '0';
  if (!/^\d{1,5}$/.test(dbText) || segments.length > 0) return invalid(`the number of the database cannot be ${path}`);
  const db = Number(dbText);
  if (kind === 'cluster' && db !== 0) return invalid('a cluster has only the database 0');
  const where = `${hostList}${master && `/${master}`}${db === 0 ? '' : `/${db}`}`;
  return {
    kind,
    tls: scheme === 'rediss',
    hosts: [first, ...(others as HostPort[])],
    master,
    db,
    user: userText ? decodeURIComponent(userText) : undefined,
    name: `${scheme}${system === undefined ? '' : `+${system}`}://${where}`,
  };
}

function hostPort(text: string, defaultPort: number): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  return port < 1 || port > 65_535 ? undefined : { host: match[1] ?? match[2] ?? '', port };
}

function invalid(why: string): Problem {
  return problem('ArgumentInvalid', `the URL of Redis cannot be used: ${why}`);
}
