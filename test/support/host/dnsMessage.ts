/** Messages of name servers: RFC 1035, 4.1. */

/** Where the question's name is in an answer, to which records refer. */
const nameAt = 12;

/** What a message asks for. */
export function questionIn(message: Buffer): { readonly name: string; readonly type: number } {
  const labels: string[] = [];
  const end = endOfName(message, (label) => labels.push(label));
  return { name: labels.join("."), type: message.readUInt16BE(end) };
}

/** An answer with the question and records. @param flags the second word of the header */
export function answerTo(message: Buffer, flags: number, records: readonly Buffer[]): Buffer {
  const header = Buffer.from(message.subarray(0, nameAt));
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt32BE(0, 8);
  const question = message.subarray(nameAt, endOfName(message) + 4);
  return Buffer.concat([header, question, ...records]);
}

/** A record with an address of the question's name. @param ttl in seconds */
export function addressRecord(address: Buffer, ttl: number): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc000 | nameAt, 0);
  head.writeUInt16BE(address.length === 4 ? 1 : 28, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(address.length, 10);
  return Buffer.concat([head, address]);
}

/** @returns where the question's type begins */
function endOfName(message: Buffer, take: (label: string) => void = () => {}): number {
  let at = nameAt;
  while (message[at] !== 0) {
    const length = message[at] ?? 0;
    take(message.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  return at + 1;
}
