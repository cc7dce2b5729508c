import koffi from 'koffi';

/**
 * Sends packets that Node cannot send, or not so fast, to an IPv4 address. Arguments: `udp ADDRESS PORT COUNT` (a datagram
 * from each of so many ports, as many connections), `tcp ADDRESS PORT COUNT` (opens and closes so many connections),
 * `tcp-listen ADDRESS PORT` (what those need: the kernel shakes hands with some 16,000 of them until our standard input ends),
 * `sctp ADDRESS PORT` (the first packet of a handshake) or `sctp-ack ADDRESS PORT` (its answer, from that port of ours).
 */
const [, , what, address = '', port = '', count = '1'] = process.argv;

const library = koffi.load(null);
const socket = library.func('int socket(int, int, int)');
const bind = library.func('int bind(int, void *, uint32_t)');
const listen = library.func('int listen(int, int)');
const connect = library.func('int connect(int, void *, uint32_t)');
const sendto = library.func('long sendto(int, void *, size_t, int, void *, uint32_t)');
const close = library.func('int close(int)');

const inet = 2;
const kinds = { stream: 1, datagram: 2, raw: 3 } as const;
const sctp = 132;
const anyAddress = '0.0.0.0';
const firstPort = 20_000;
/** Connections that nobody accepts wait at their port, as many as the kernel allows of one (net.core.somaxconn). */
const ports = 4;
const waitingPerPort = 4096;
const chunk = { init: 1, initAck: 2 } as const;
/** That of who opens the association: packets to it carry it. */
const ownTag = 7;

if (what === 'udp') for (let i = 0; i < Number(count); i++) sendDatagram(firstPort + (i % 40_000));
else if (what === 'tcp') for (let i = 0; i < Number(count); i++) shakeHands(Number(port) + (i % ports));
else if (what === 'tcp-listen') listenAll();
else if (what === 'sctp') sendSctp(chunk.init, firstPort, Number(port), 0);
else if (what === 'sctp-ack') sendSctp(chunk.initAck, Number(port), firstPort, ownTag);
else throw new RangeError(`udp, tcp, tcp-listen, sctp or sctp-ack, not ${what}`);

function sendDatagram(from: number): void {
  const fd = checked(socket(inet, kinds.datagram, 0));
  const own = socketAddress(anyAddress, from);
  checked(bind(fd, own, own.length));
  send(fd, Buffer.from('?'), Number(port));
  close(fd);
}

function shakeHands(toPort: number): void {
  const fd = checked(socket(inet, kinds.stream, 0));
  const to = socketAddress(address, toPort);
  checked(connect(fd, to, to.length));
  close(fd);
}

function listenAll(): void {
  for (let i = 0; i < ports; i++) {
    const fd = checked(socket(inet, kinds.stream, 0));
    const own = socketAddress(address, Number(port) + i);
    checked(bind(fd, own, own.length));
    checked(listen(fd, waitingPerPort));
  }
  process.stdin.resume().on('end', () => process.exit());
  process.stdout.write('listening\n');
}

function sendSctp(type: number, from: number, to: number, tag: number): void {
  const packet = Buffer.alloc(12 + 20);
  packet.writeUInt16BE(from, 0);
  packet.writeUInt16BE(to, 2);
  packet.writeUInt32BE(tag, 4);
  // length, own tag, window, streams out and in, first sequence number (RFC 9260, 3.3.2)
  packet[12] = type;
  packet.writeUInt16BE(20, 14);
  packet.writeUInt32BE(ownTag, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.writeUInt16BE(1, 24);
  packet.writeUInt16BE(1, 26);
  packet.writeUInt32BE(1, 28);
  packet.writeUInt32LE(crc32c(packet), 8);
  const fd = checked(socket(inet, kinds.raw, sctp));
  send(fd, packet, 0);
  close(fd);
}

function send(fd: number, data: Buffer, toPort: number): void {
  const to = socketAddress(address, toPort);
  checked(sendto(fd, data, data.length, 0, to, to.length));
}

/** `struct sockaddr_in`; the family in the order of a little-endian machine's bytes, as tests run on. */
function socketAddress(ip: string, toPort: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(inet, 0);
  bytes.writeUInt16BE(toPort, 2);
  bytes.set(ip.split('.').map(Number), 4);
  return bytes;
}

function checked(result: number): number {
  if (result < 0) throw new Error(`a system call failed with error ${koffi.errno()}`);
  return result;
}

/** The checksum of SCTP (RFC 9260, appendix A). */
function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
