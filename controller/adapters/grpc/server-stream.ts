import type { GrpcCall } from './grpc-call.ts';
import type { GrpcClient } from './grpc-client.ts';
import { GrpcError } from './grpc-error.ts';
import { grpcStatus } from './grpc-status.ts';
import { unaryCall } from './unary-call.ts';

/** A method that answers one request with a stream. */
export interface StreamMethod<Message> {
  /** `/package.Service/Method` */
  readonly path: string;
  /**
   * Reads a message that lies there in these bytes; they are a part of a larger block, of which nothing may be kept. Must
   * not throw.
   */
  readonly read: (bytes: Buffer, start: number, end: number) => Message;
}

export interface StreamOptions {
  /** So many messages are read ahead of the consumer. @default 1000 */
  readonly mostWaiting?: number;
  /** Bytes of the messages that are read ahead, at least those of one. @default 16 MiB */
  readonly mostWaitingBytes?: number;
  /** So long may a connection take to be made. @default 20000 */
  readonly connectMs?: number;
  /** After so long a silence the server is asked for a sign of life. @default 30000 */
  readonly silenceMs?: number;
  /** So long it may take to give one. @default 20000 */
  readonly answerMs?: number;
}

/**
 * Calls the method and yields what arrived, at least one message at a time, in arrays that are the caller's. Nothing is
 * read from the network while `mostWaiting` messages wait. Ends when the server ends the stream without an error, and
 * quietly when aborted; otherwise throws a GrpcError. `server` names it in messages. The client stays open.
 */
export async function* serverStream<Message>(
  client: GrpcClient,
  server: string,
  { path, read }: StreamMethod<Message>,
  request: Buffer,
  signal: AbortSignal,
  options: StreamOptions = {},
): AsyncGenerator<Message[], void, undefined> {
  const { mostWaiting = 1000, mostWaitingBytes = 16 * 1024 * 1024 } = options;
  const { connectMs = 20_000, silenceMs = 30_000, answerMs = 20_000 } = options;
  if (signal.aborted) return;
  let waiting: Message[] = [];
  let bytes = 0;
  let isOver = false;
  let failure: Error | undefined;
  let isHeard = false;
  let wake: (() => void) | undefined;
  let call: GrpcCall | undefined;
  const end = (error: Error | undefined) => {
    if (!isOver) failure = error;
    isOver = true;
    wake?.();
  };
  const calling = client.call(path, request, {
    onMessage: (block, start, finish) => {
      waiting.push(read(block, start, finish));
      isHeard = true;
      bytes += finish - start;
      if (waiting.length >= mostWaiting || bytes >= mostWaitingBytes) call?.pause();
      wake?.();
    },
    onEnd: end,
  });
  const connecting = setTimeout(() => {
    if (call === undefined) end(silent(server, `no connection was made in ${connectMs / 1000} s`));
  }, connectMs);
  calling.then((made) => {
    call = made;
    if (isOver) made.cancel();
  }, end);
  const abort = () => end(undefined);
  signal.addEventListener('abort', abort, { once: true });
  const pulse = setInterval(() => {
    const isSilent = call !== undefined && !isHeard && !call.isPaused;
    isHeard = false;
    if (isSilent) void askForLife(client, server, answerMs, signal).catch(end);
  }, silenceMs);
  try {
    while (!signal.aborted) {
      if (waiting.length > 0) {
        const arrived = waiting;
        waiting = [];
        bytes = 0;
        if (call?.isPaused === true) call.resume();
        yield arrived;
      } else if (isOver) {
        if (failure !== undefined) throw failure;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
        // what came in the same read of the socket is handed on at once
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    isOver = true;
    clearTimeout(connecting);
    clearInterval(pulse);
    signal.removeEventListener('abort', abort);
    call?.cancel();
  }
}

/**
 * Rejects when nothing at all comes back: a machine that is gone gives no answer, and its socket tells nothing. Any answer
 * will do, also that it has no such service.
 */
async function askForLife(client: GrpcClient, server: string, answerMs: number, signal: AbortSignal): Promise<void> {
  try {
    await unaryCall(client, server, '/grpc.health.v1.Health/Check', Buffer.alloc(0), signal, answerMs);
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error;
    if (error.status === grpcStatus.DEADLINE_EXCEEDED) throw silent(server, `no sign of life in ${answerMs / 1000} s`);
  }
}

function silent(server: string, what: string): GrpcError {
  const message = `${server}: it did not answer (${what}); check that it runs and that no policy blocks the way`;
  return new GrpcError(message, { status: grpcStatus.UNAVAILABLE });
}
