import type { GrpcClient } from '../grpc/grpc-client.ts';
import { GrpcError } from '../grpc/grpc-error.ts';
import { unaryCall } from '../grpc/unary-call.ts';
import { serverStatusPath } from './get-flows-request.ts';
import { WireCursor } from './wire-cursor.ts';

/** An agent's memory of 4095 flows (the default) at 136 flows a second, for servers that do not say. */
const presumedHoldMs = 30_000;
const answerMs = 5_000;

/**
 * For how long the server remembers flows, at the pace of its last minute; a relay speaks for all of its nodes together.
 * Rejects with a GrpcError only where asking for flows would too.
 */
export async function askHoldMs(client: GrpcClient, server: string, signal: AbortSignal): Promise<number> {
  try {
    return holdMsOf(await unaryCall(client, server, serverStatusPath, Buffer.alloc(0), signal, answerMs));
  } catch (error) {
    // whatever is wrong with the connection, the stream that is asked for next tells
    if (error instanceof GrpcError || error instanceof RangeError) return presumedHoldMs;
    throw error;
  }
}

function holdMsOf(reply: Buffer): number {
  const cursor = new WireCursor();
  cursor.bytes = reply;
  cursor.goTo(0, reply.length);
  let flows = 0;
  let most = 0;
  let uptimeMs = 0;
  let perSecond = 0;
  let isRelay = false;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x08:
        flows = cursor.count();
        break;
      case 0x10:
        most = cursor.count();
        break;
      case 0x20:
        uptimeMs = cursor.count() / 1e6;
        break;
      case 0x2a:
        isRelay = true;
        cursor.pass();
        break;
      case 0x49:
        perSecond = cursor.double();
        break;
      default:
        cursor.skip(tag);
    }
  }
  if (most === 0) return presumedHoldMs;
  const isFull = flows >= most * 0.9;
  const byRateMs = !isFull ? Number.POSITIVE_INFINITY : perSecond > 0 ? (most / perSecond) * 1000 : presumedHoldMs;
  // an agent that was started anew remembers nothing from before; a relay says how long it runs itself
  return isRelay || uptimeMs === 0 ? byRateMs : Math.min(byRateMs, uptimeMs);
}
