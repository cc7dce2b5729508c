import { type Problem, problem } from '../../model/problem.ts';
import { RedisStoreError } from './redis-store-error.ts';

/** What an error of Redis or of the way to it means for who keeps evidence there; `where`: the server, for people. */
export function redisFailure(where: string, error: unknown): unknown {
  if (error instanceof RedisStoreError || !(error instanceof Error) || error instanceof RangeError) return error;
  const { found, retryable } = explained(where, error);
  return new RedisStoreError(found, { retryable, cause: error });
}

function explained(where: string, { message }: Error): { readonly found: Problem; readonly retryable: boolean } {
  const unreachable = (text: string) => ({ found: problem('EvidenceUnreachable', text, where), retryable: true });
  const unwritable = (text: string) => ({ found: problem('EvidenceUnwritable', text, where), retryable: true });
  const refused = (text: string) => ({ found: problem('EvidenceNotPermitted', text, where), retryable: false });
  const [code = ''] = message.replace(/^ERR Error running script.*?: -?/, '').split(' ', 1);
  switch (code.replace(/^[-@]*/, '')) {
    case 'WRONGPASS':
    case 'NOAUTH':
      return refused(`the server does not accept the user or the password: ${message}`);
    case 'NOPERM':
      return refused(`the user lacks a right: ${message}`);
    case 'READONLY':
      return unwritable('the server is a replica and takes no writes');
    case 'OOM':
      return unwritable('the server has no memory left for evidence (maxmemory)');
    case 'MISCONF':
      return unwritable('the server cannot write its snapshot and takes no writes');
    case 'NOREPLICAS':
      return unwritable('the server has fewer replicas than it needs for writes (min-replicas-to-write)');
    case 'LOADING':
      return unreachable('the server is still loading its data');
    case 'MASTERDOWN':
    case 'CLUSTERDOWN':
      return unreachable(`no server serves the evidence now: ${message}`);
    case 'BUSY':
      return unreachable('the server is busy with the script of somebody');
    case 'WRONGTYPE':
      return {
        found: problem('EvidenceUnreadable', `a key holds something else: ${message}`, where),
        retryable: false,
      };
    case 'UNKILLABLE':
    case 'TRYAGAIN':
    case 'MOVED':
    case 'ASK':
      return unreachable(`the evidence moves between servers: ${message}`);
  }
  if (message.includes('Cluster redirections')) return unreachable(`the evidence moves between servers: ${message}`);
  if (/user executing the script can't run/.test(message)) return refused(`the user lacks a right: ${message}`);
  if (/certificate|self-signed|altnames|SSL|TLS/i.test(message)) {
    return refused(`the connection cannot be secured: ${message}`);
  }
  if (/unknown command|cluster support disabled|AUTH.*without any password/i.test(message)) return refused(message);
  return unreachable(`the server cannot be reached: ${message}`);
}
