import { type Client, connectivityState, type ServiceError, status } from '@grpc/grpc-js';
import { errorOfCall, GrpcError } from './grpc-error.ts';

/** A method that answers one request with a stream. */
export interface StreamMethod<Message> {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Must not throw: that ends the whole stream. */
  readonly deserialize: (bytes: Buffer) => Message;
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
  client: Client,
  server: string,
  { path, deserialize }: StreamMethod<Message>,
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
  let failure: GrpcError | undefined;
  let isHeard = false;
  let wake: (() => void) | undefined;
  const end = (error: GrpcError | undefined) => {
    if (!isOver) failure = error;
    isOver = true;
    wake?.();
  };
  const call = client.makeServerStreamRequest(
    path,
    (sent: Buffer) => sent,
    (received: Buffer) => {
      bytes += received.length;
      return deserialize(received);
    },
    request,
  );
  call.on('data', (message: Message) => {
    waiting.push(message);
    isHeard = true;
    if (waiting.length >= mostWaiting || bytes >= mostWaitingBytes) call.pause();
    wake?.();
  });
  call.on('error', (error: ServiceError) => end(errorOfCall(server, error)));
  call.on('end', () => end(undefined));
  const abort = () => end(undefined);
  signal.addEventListener('abort', abort, { once: true });
  const connecting = setTimeout(() => {
    // a server that refuses is told by the call itself, sooner and with the reason
    const isReady = client.getChannel().getConnectivityState(false) === connectivityState.READY;
    if (!isReady) end(silent(server, `no connection was made in ${connectMs / 1000} s`));
  }, connectMs);
  const pulse = setInterval(() => {
    const isSilent = !isHeard && !call.isPaused();
    isHeard = false;
    if (isSilent) askForLife(client, answerMs, () => end(silent(server, `no sign of life for ${silenceMs / 1000} s`)));
  }, silenceMs);
  try {
    while (!signal.aborted) {
      if (waiting.length > 0) {
        const arrived = waiting;
        waiting = [];
        bytes = 0;
        if (call.isPaused()) call.resume();
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
    clearTimeout(connecting);
    clearInterval(pulse);
    signal.removeEventListener('abort', abort);
    call.cancel();
  }
}

/** Any answer will do, also that it has no such service: a machine that is gone gives none, and its socket tells nothing. */
function askForLife(client: Client, answerMs: number, onDead: () => void): void {
  const same = (bytes: Buffer) => bytes;
  const options = { deadline: Date.now() + answerMs };
  client.makeUnaryRequest('/grpc.health.v1.Health/Check', same, same, Buffer.alloc(0), options, (error) => {
    if (error?.code === status.DEADLINE_EXCEEDED) onDead();
  });
}

function silent(server: string, what: string): GrpcError {
  const message = `${server}: it did not answer (${what}); check that it runs and that no policy blocks the way`;
  return new GrpcError(message, { status: status.UNAVAILABLE });
}
