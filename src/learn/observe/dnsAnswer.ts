/** Reads answers of name servers: RFC 1035, 4.1. Pure. */
import { formatAddress } from "../../effects/network/addresses.ts";
import type { AnsweredAccess } from "../../effects/observe/access.ts";

const DNS_HEADER_BYTES = 12;
const UDP_HEADER_BYTES = 8;
const TYPE_A = 1;
const TYPE_AAAA = 28;
/** A name has at most 127 labels, so a longer chain of pointers is a loop. */
const maxLabels = 128;

/**
 * Reads a packet of IPv4 or IPv6 with an answer by UDP. Of a packet that was cut off, reads what is there.
 * @returns undefined if it is no answer to one question
 */
export function readAnswer(packet: Buffer): AnsweredAccess | undefined {
  try {
    return answerIn(packet);
  } catch (thrown) {
    // The packet ends in its header or in the question.
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}

/** @throws RangeError if the packet ends too early */
function answerIn(packet: Buffer): AnsweredAccess | undefined {
  const isFour = packet.readUInt8(0) >> 4 === 4;
  const server = formatAddress(isFour ? bytesOf(packet, 12, 4) : bytesOf(packet, 8, 16));
  const ipBytes = isFour ? (packet.readUInt8(0) & 0xf) * 4 : 40;
  const message = packet.subarray(ipBytes + UDP_HEADER_BYTES);
  const isAnswer = (message.readUInt8(2) & 0x80) !== 0;
  if (!isAnswer || message.readUInt16BE(4) !== 1) return undefined;
  const question = nameAt(message, DNS_HEADER_BYTES);
  const type = message.readUInt16BE(question.end);
  return {
    kind: "answered",
    server,
    name: question.name,
    asksForAddress: type === TYPE_A || type === TYPE_AAAA,
    addresses: addressesAfter(message, question.end + 4, message.readUInt16BE(6)),
  };
}

/** The addresses of all records. The name may be an alias, so records can have another name. */
function addressesAfter(message: Buffer, begin: number, count: number): string[] {
  const addresses: string[] = [];
  try {
    let at = begin;
    for (let index = 0; index < count; index += 1) {
      const { end } = nameAt(message, at);
      const [type, length] = [message.readUInt16BE(end), message.readUInt16BE(end + 8)];
      if (type === TYPE_A) addresses.push(formatAddress(bytesOf(message, end + 10, 4)));
      if (type === TYPE_AAAA) addresses.push(formatAddress(bytesOf(message, end + 10, 16)));
      at = end + 10 + length;
    }
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
  }
  return addresses;
}

/** @returns the name in lower case, and the offset after it */
function nameAt(message: Buffer, begin: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = begin;
  let end: number | undefined;
  for (let step = 0; step < maxLabels; step += 1) {
    const length = message.readUInt8(at);
    if (length === 0) return { name: labels.join(".").toLowerCase(), end: end ?? at + 1 };
    if (length >= 0xc0) {
      end ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
    } else {
      labels.push(bytesOf(message, at + 1, length).toString("latin1"));
      at += 1 + length;
    }
  }
  throw new RangeError("the name does not end");
}

function bytesOf(packet: Buffer, begin: number, length: number): Buffer {
  if (begin + length > packet.length) throw new RangeError("the packet ends too early");
  return packet.subarray(begin, begin + length);
}
