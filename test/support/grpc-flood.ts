import { createServer, type AddressInfo, type Socket } from 'node:net';

const frame = { data: 0, headers: 1, settings: 4, ping: 6, windowUpdate: 8 } as const;
const endStream = 1;
const endHeaders = 4;
const ack = 1;
const initialWindowSize = 4;
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function framed(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A header without compression. */
function field(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

/** Index 8 of the static table is `:status: 200`. */
const responseHeaders = Buffer.concat([Buffer.from([0x88]), field('content-type', 'application/grpc')]);
const trailers = field('grpc-status', '0');

/**
 * Answers every call of a gRPC client with the messages over and over, `count` of them in all, as fast as they are taken. It
 * writes HTTP/2 by hand, so that each message is a frame of its own as it is from a server in Go, and so that it has next to
 * no work of its own: nothing else is as quick. One call a connection.
 */
export async function serveFlood(messages: readonly Buffer[], count: number): Promise<number> {
  const blocks = blocksOf(messages);
  const server = createServer((socket) => new FloodConnection(socket, blocks, count));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface Block {
  readonly bytes: Buffer;
  readonly messages: number;
  /** Bytes that flow control counts. */
  readonly payload: number;
}

const messagesPerBlock = 50;
/** The stream that a client opens first. */
const firstStream = 1;

function blocksOf(messages: readonly Buffer[]): readonly Block[] {
  const blocks: Block[] = [];
  for (let i = 0; i < messages.length; i += messagesPerBlock) {
    const prefixed = messages.slice(i, i + messagesPerBlock).map((message) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      return Buffer.concat([prefix, message]);
    });
    blocks.push({
      bytes: Buffer.concat(prefixed.map((payload) => framed(frame.data, 0, firstStream, payload))),
      messages: prefixed.length,
      payload: prefixed.reduce((sum, { length }) => sum + length, 0),
    });
  }
  return blocks;
}

class FloodConnection {
  readonly #socket: Socket;
  readonly #blocks: readonly Block[];
  #left: number;
  #next = 0;
  #isCalled = false;
  #isOver = false;
  #connectionWindow = 65_535;
  #streamWindow = 65_535;
  #received = Buffer.alloc(0);
  #isGreeted = false;

  constructor(socket: Socket, blocks: readonly Block[], count: number) {
    this.#socket = socket;
    this.#blocks = blocks;
    this.#left = count;
    socket.setNoDelay(true);
    // clients leave when they have had enough
    socket.on('error', () => socket.destroy());
    socket.on('drain', () => this.#write());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.write(framed(frame.settings, 0, 0, Buffer.alloc(0)));
  }

  #read(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#received, chunk]);
    if (!this.#isGreeted) {
      if (bytes.length < preface.length) {
        this.#received = bytes;
        return;
      }
      this.#isGreeted = true;
      bytes = bytes.subarray(preface.length);
    }
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      this.#frame(bytes[3] as number, bytes[4] as number, bytes.readUInt32BE(5), bytes.subarray(9, end));
      bytes = bytes.subarray(end);
    }
    this.#received = bytes;
    this.#write();
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case frame.settings:
        if ((flags & ack) !== 0) return;
        for (let i = 0; i + 6 <= payload.length; i += 6) {
          if (payload.readUInt16BE(i) === initialWindowSize) {
            this.#streamWindow += payload.readUInt32BE(i + 2) - 65_535;
          }
        }
        this.#socket.write(framed(frame.settings, ack, 0, Buffer.alloc(0)));
        return;
      case frame.windowUpdate:
        if (stream === 0) this.#connectionWindow += payload.readUInt32BE(0);
        else this.#streamWindow += payload.readUInt32BE(0);
        return;
      case frame.ping:
        if ((flags & ack) === 0) this.#socket.write(framed(frame.ping, ack, 0, payload));
        return;
      case frame.headers:
        this.#isCalled = true;
        this.#socket.write(framed(frame.headers, endHeaders, firstStream, responseHeaders));
        return;
      default:
    }
  }

  #write(): void {
    if (!this.#isCalled || this.#isOver || this.#socket.destroyed) return;
    while (this.#left > 0) {
      const block = this.#blocks[this.#next % this.#blocks.length] as Block;
      if (Math.min(this.#connectionWindow, this.#streamWindow) < block.payload) return;
      this.#next++;
      this.#left -= block.messages;
      this.#connectionWindow -= block.payload;
      this.#streamWindow -= block.payload;
      if (!this.#socket.write(block.bytes)) return;
    }
    this.#isOver = true;
    this.#socket.write(framed(frame.headers, endHeaders | endStream, firstStream, trailers));
  }
}
