/** Names to addresses of either family, as the recorder publishes them. */
export type DnsRecords = Readonly<Record<string, readonly string[]>>;

const typeA = 1;
const typeAaaa = 28;
const nameError = 3;
const headerBytes = 12;

/**
 * Answers one DNS query (RFC 1035) for A or AAAA from the records, authoritatively, with a TTL of 5 s. An answer longer
 * than `limit` bytes is sent empty with the truncation bit, so that the client asks again by TCP.
 */
export function answerDns(query: Buffer, records: DnsRecords, limit: number): Buffer {
  const labels: string[] = [];
  let end = headerBytes;
  for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
    labels.push(query.toString('latin1', end + 1, end + 1 + length));
    end += length + 1;
  }
  const type = query.readUInt16BE(end + 1);
  const question = query.subarray(headerBytes, end + 5);
  const known = records[labels.join('.').toLowerCase()];
  const answers = (known ?? [])
    .filter((address) => (address.includes(':') ? typeAaaa : typeA) === type)
    .map((address) => answerRecord(type, address));
  const whole = message(query, question, answers, known === undefined ? nameError : 0);
  return whole.length <= limit ? whole : message(query, question, [], 0, true);
}

function message(query: Buffer, question: Buffer, answers: readonly Buffer[], code: number, truncated = false): Buffer {
  const header = Buffer.alloc(headerBytes);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8580 | (truncated ? 0x0200 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  return Buffer.concat([header, question, ...answers]);
}

function answerRecord(type: number, address: string): Buffer {
  const data = type === typeA ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address);
  const record = Buffer.alloc(12);
  record.writeUInt16BE(0xc000 | headerBytes, 0);
  record.writeUInt16BE(type, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(5, 6);
  record.writeUInt16BE(data.length, 10);
  return Buffer.concat([record, data]);
}

function ipv6Bytes(address: string): Buffer {
  const [left = [], right = []] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
