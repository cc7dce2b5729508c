import type { ProblemCode } from '../../model/problem-codes.ts';
import { problem } from '../../model/problem.ts';
import type { RedisAddress } from './redis-address.ts';
import { RedisStoreError } from './redis-store-error.ts';

interface Explanation {
  readonly code: ProblemCode;
  readonly text: string;
  readonly retryable: boolean;
}

/** What an error of Redis or of the way to it means for who keeps evidence at that address. */
export function redisFailure({ name, kind }: RedisAddress, error: unknown): unknown {
  if (error instanceof RedisStoreError || !(error instanceof Error) || error instanceof RangeError) return error;
  const { code, text, retryable } = explained(kind, error);
  return new RedisStoreError(problem(code, text, name), { retryable, cause: error });
}

function explained(kind: RedisAddress['kind'], error: Error): Explanation {
  const { message } = error;
  const [word = ''] = message.replace(/^ERR Error running script.*?: -?/, '').split(' ', 1);
  switch (word.replace(/^[-@]*/, '')) {
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
      return unwritable('the server cannot write to its disk and takes no writes (stop-writes-on-bgsave-error)');
    case 'NOREPLICAS':
      return unwritable('the server has fewer replicas than it needs for writes (min-replicas-to-write)');
    case 'LOADING':
      return unreachable('the server is still loading its data');
    case 'MASTERDOWN':
    case 'CLUSTERDOWN':
      return unreachable(`no server serves the evidence now: ${message}`);
    case 'BUSY':
    case 'UNKILLABLE':
      return unreachable('the server is busy with the script of somebody');
    case 'WRONGTYPE':
      return { code: 'EvidenceUnreadable', text: `a key holds something else: ${message}`, retryable: false };
    case 'TRYAGAIN':
    case 'MOVED':
    case 'ASK':
      return kind === 'cluster' ? moving(message) : refused('the server is a node of a cluster: use redis+cluster://…');
  }
  return explainedByText(error);
}

/** What has no word of its own. */
function explainedByText({ name, message }: Error): Explanation {
  const redirected = /^Too many Cluster redirections\. Last error: (.*)/s.exec(message);
  if (redirected !== null) {
    return /MOVED|ASK|TRYAGAIN/.test(message)
      ? moving(message)
      : unreachable(`no server serves the evidence now: ${redirected[1]}`);
  }
  if (/^failed to connect to sentinel \S+ because (NOAUTH|WRONGPASS)/.test(message)) {
    return refused(`a Sentinel does not accept the password (NANOSEG_REDIS_SENTINEL_PASSWORD): ${message}`);
  }
  if (/No such master|sentinel.* invalid reply: null/.test(message))
    return refused('the Sentinels know no master of that name');
  if (/max number of clients/.test(message)) return unreachable('the server takes no more connections (maxclients)');
  if (/EPIPE|ECONNRESET/.test(message)) {
    return unreachable(`the server hangs up; it may have too many connections (maxclients) or want TLS: ${message}`);
  }
  if (/user executing the script can't run/.test(message)) return refused(`the user lacks a right: ${message}`);
  if (/certificate|self-signed|altnames|SSL|TLS/i.test(message)) {
    return refused(`the connection cannot be secured: ${message}`);
  }
  if (/DB index is out of range|SELECT is not allowed/.test(message)) {
    return refused(`the database of the URL cannot be used: ${message}`);
  }
  if (/unknown command|cluster support disabled|AUTH.*without any password/i.test(message)) return refused(message);
  return unreachable(`${name === 'ReplyError' ? 'the server answers' : 'the server cannot be reached'}: ${message}`);
}

function unreachable(text: string): Explanation {
  return { code: 'EvidenceUnreachable', text, retryable: true };
}

function unwritable(text: string): Explanation {
  return { code: 'EvidenceUnwritable', text, retryable: true };
}

function refused(text: string): Explanation {
  return { code: 'EvidenceNotPermitted', text, retryable: false };
}

function moving(message: string): Explanation {
  return unreachable(`the evidence moves between servers: ${message}`);
}
