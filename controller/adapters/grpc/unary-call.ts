import type { GrpcClient } from './grpc-client.ts';
import { errorOfCall, GrpcError } from './grpc-error.ts';
import { grpcStatus } from './grpc-status.ts';

/** Asks once and answers with the reply's bytes. Rejects with a GrpcError, also when it takes longer than `deadlineMs`. */
export async function unaryCall(
  client: GrpcClient,
  server: string,
  path: string,
  request: Buffer,
  signal: AbortSignal,
  deadlineMs = 10_000,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const fail = (code: number, details: string) => reject(errorOfCall(server, { code, details }));
  const abort = () => fail(grpcStatus.CANCELLED, 'we were told to stop');
  const timer = setTimeout(() => fail(grpcStatus.DEADLINE_EXCEEDED, `within ${deadlineMs / 1000} s`), deadlineMs);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  let reply: Buffer | undefined;
  const calling = client.call(path, request, {
    onMessage: (bytes, start, end) => {
      reply = Buffer.from(bytes.subarray(start, end));
    },
    onEnd: (error) => {
      if (error !== undefined) reject(error);
      else if (reply === undefined) fail(grpcStatus.INTERNAL, 'it answered without a message');
      else resolve(reply);
    },
  });
  calling.catch(reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // it may be connecting still
    calling.then(
      (call) => call.cancel(),
      (error: unknown) => {
        if (!(error instanceof GrpcError)) throw error;
      },
    );
  }
}
