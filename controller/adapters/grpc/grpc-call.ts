import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { type CallStatus, errorOfCall, errorOfConnection, type GrpcError } from './grpc-error.ts';
import { grpcStatus, statusOfHttp } from './grpc-status.ts';

export interface CallListener {
  /** A message lies there in these bytes, which are a part of a larger block. Must not throw. */
  readonly onMessage: (bytes: Buffer, start: number, end: number) => void;
  /** Called once, at the end: undefined when all went well. */
  readonly onEnd: (error: GrpcError | undefined) => void;
}

/** Whether it is compressed (1 byte) and its length (4 bytes) stand before each message. */
const prefixBytes = 5;

/** A call of a method with one request, over HTTP/2 as gRPC's "PROTOCOL-HTTP2" has it, without compression. */
export class GrpcCall {
  readonly #stream: ClientHttp2Stream;
  readonly #server: string;
  readonly #listener: CallListener;
  readonly #maxMessageBytes: number;
  #rest: Buffer | undefined;
  #status: CallStatus | undefined;
  #error: Error | undefined;

  /** `connectionFailure`: why the connection ended, where it did. */
  constructor(
    stream: ClientHttp2Stream,
    request: Buffer,
    maxMessageBytes: number,
    server: string,
    connectionFailure: () => GrpcError | undefined,
    listener: CallListener,
  ) {
    this.#stream = stream;
    this.#server = server;
    this.#listener = listener;
    this.#maxMessageBytes = maxMessageBytes;
    stream.on('response', (headers) => this.#readHeaders(headers));
    stream.on('trailers', (headers: IncomingHttpHeaders) => this.#readTrailers(headers));
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    stream.on('error', (error) => {
      this.#error = error;
    });
    stream.once('close', () => listener.onEnd(this.#outcome(connectionFailure())));
    const framed = Buffer.alloc(prefixBytes + request.length);
    framed.writeUInt32BE(request.length, 1);
    request.copy(framed, prefixBytes);
    stream.end(framed);
  }

  get isPaused(): boolean {
    return this.#stream.isPaused();
  }

  /** Reads no more of it until `resume`; the server may send what fits into a window. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #readHeaders(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    const { ':status': http = 0 } = headers;
    if (headers['grpc-status'] !== undefined) this.#readTrailers(headers);
    else if (http !== 200) this.#end({ code: statusOfHttp(http), details: `HTTP status ${http}` });
  }

  #readTrailers(headers: IncomingHttpHeaders): void {
    const code = Number(headers['grpc-status'] ?? grpcStatus.UNKNOWN);
    this.#status ??= { code, details: percentDecoded(headers['grpc-message']) };
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = 0;
    while (at + prefixBytes <= bytes.length) {
      const start = at + prefixBytes;
      const size = bytes.readUInt32BE(at + 1);
      if (bytes[at] !== 0) {
        this.#end({ code: grpcStatus.INTERNAL, details: 'it sent a compressed message, which nobody asked for' });
        return;
      }
      if (size > this.#maxMessageBytes) {
        const details = `it sent a message of ${size} bytes, and at most ${this.#maxMessageBytes} are read`;
        this.#end({ code: grpcStatus.RESOURCE_EXHAUSTED, details });
        return;
      }
      if (start + size > bytes.length) break;
      at = start + size;
      this.#listener.onMessage(bytes, start, at);
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at);
  }

  #end(status: CallStatus): void {
    this.#status ??= status;
    this.cancel();
  }

  #outcome(connectionFailure: GrpcError | undefined): GrpcError | undefined {
    if (this.#status !== undefined) {
      return this.#status.code === grpcStatus.OK ? undefined : errorOfCall(this.#server, this.#status);
    }
    return connectionFailure ?? errorOfConnection(this.#server, this.#error ?? new Error('connection closed'));
  }
}

function percentDecoded(value: string | string[] | undefined): string {
  const text = String(value ?? '');
  try {
    return decodeURIComponent(text);
  } catch (error) {
    // a server that does not encode it
    if (error instanceof URIError) return text;
    throw error;
  }
}
