import type { Client } from '@grpc/grpc-js';
import { errorOfCall } from './grpc-error.ts';

/** Asks once and answers with the reply's bytes. Rejects with a GrpcError, also when it takes longer than `deadlineMs`. */
export function unaryCall(
  client: Client,
  server: string,
  path: string,
  request: Buffer,
  signal: AbortSignal,
  deadlineMs = 10_000,
): Promise<Buffer> {
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + deadlineMs };
    const call = client.makeUnaryRequest(path, same, same, request, options, (error, reply) => {
      signal.removeEventListener('abort', cancel);
      if (error !== null) reject(errorOfCall(server, error));
      else resolve(reply ?? Buffer.alloc(0));
    });
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
  });
}
