/**
 * Messages to and from name servers: RFC 1035, 4.1. Whoever a name belongs to writes the answers, so no more of one
 * is looked at than has use: the work for an answer does not grow with it. Pure.
 */
import { formatAddress } from "../network/addresses.ts";

/** Types of records that have addresses: A, and AAAA of RFC 3596. */
export const addressTypes = [1, 28] as const;
export type AddressType = (typeof addressTypes)[number];

/** Bytes of an answer that are looked at: a thousand IPv4 addresses. */
export const maxAnswerBytes = 16 * 1024;
/** Addresses of an answer that are used. */
export const maxAddresses = 64;

export interface Question {
  /** A host name of ASCII characters. */
  readonly name: string;
  readonly type: AddressType;
  /** 16 bits that an answer has to repeat. */
  readonly id: number;
}

/** What a name server answers. */
export interface Answer {
  /** RCODE. */
  readonly code: number;
  /** Whether it is a part of the answer, the whole of which is to be had by TCP. */
  readonly isCut: boolean;
  /** Those with the lowest numbers, sorted: with a server that mixes them, always the same ones. */
  readonly addresses: readonly string[];
  /** How many more it has, as far as it can be known without looking at them. */
  readonly unused: number;
  /** In seconds; 0 without an address. */
  readonly ttl: number;
}

export const codes = { noError: 0, formatError: 1, serverFailure: 2, noName: 3 } as const;

const headerBytes = 12;
const flags = { response: 0x8000, cut: 0x0200, recursionDesired: 0x0100, code: 0xf } as const;
const internet = 1;
const aliasType = 5;

/**
 * Bytes of a datagram that reaches nearly everybody in one piece: https://dnsflagday.net/2020. A server sends no
 * longer one, or if it does not know RFC 6891, no longer one than 512 bytes.
 */
const datagramBytes = 1_232;

/** @param isExtended whether the message says how long a datagram may be, for which it has a record of RFC 6891 */
export function questionMessage({ name, type, id }: Question, isExtended: boolean): Buffer {
  const labels = name.split(".").flatMap((label) => [Buffer.of(label.length), Buffer.from(label, "latin1")]);
  const header = words(id, flags.recursionDesired, 1, 0, 0, isExtended ? 1 : 0);
  const extension = isExtended ? [Buffer.of(0), words(41, datagramBytes, 0, 0, 0)] : [];
  return Buffer.concat([header, ...labels, Buffer.of(0), words(type, internet), ...extension]);
}

/** Whether a message, of which the first bytes are enough, is a server's to this question. */
export function isAnswer(message: Buffer, question: Question): boolean {
  if (message.length < headerBytes) return false;
  const word = message.readUInt16BE(2);
  if (message.readUInt16BE() !== question.id || (word & flags.response) === 0) return false;
  // Servers that cannot read a message may not repeat the question.
  if (message.readUInt16BE(4) === 0) return (word & flags.code) !== codes.noError;
  const asked = questionMessage(question, false).subarray(headerBytes);
  const repeated = message.subarray(headerBytes, headerBytes + asked.length);
  return repeated.toString("latin1").toLowerCase() === asked.toString("latin1").toLowerCase();
}

/**
 * Reads an answer that {@link isAnswer}.
 * @param message its first bytes, at least {@link maxAnswerBytes} of a longer one
 * @returns undefined if it has an end where a record should go on
 */
export function readAnswer(message: Buffer, question: Question): Answer | undefined {
  const read = message.subarray(0, maxAnswerBytes);
  const word = read.readUInt16BE(2);
  const asked = read.readUInt16BE(4) === 0 ? headerBytes : questionMessage(question, false).length;
  const [size, isCut] = [question.type === 1 ? 4 : 16, (word & flags.cut) !== 0];
  const lowest: string[] = [];
  let [at, left, others, ttl] = [asked, read.readUInt16BE(6), 0, Number.POSITIVE_INFINITY];
  for (; left > 0; left -= 1) {
    const head = afterName(read, at);
    const data = head + 10;
    const end = data <= read.length ? data + read.readUInt16BE(head + 8) : Number.POSITIVE_INFINITY;
    if (end > read.length) break;
    const [type, ownTtl] = [read.readUInt16BE(head), read.readInt32BE(head + 4)];
    const isAddress = type === question.type && end - data === size;
    // RFC 2181, 8: a negative one is none.
    if (isAddress || type === aliasType) ttl = Math.min(ttl, Math.max(ownTtl, 0));
    if (isAddress && !keepLowest(lowest, read.toString("latin1", data, end))) others += 1;
    at = end;
  }
  if (left > 0 && !isCut && read.length < maxAnswerBytes) return undefined;
  return {
    code: word & flags.code,
    isCut,
    addresses: lowest.map((each) => formatAddress(Buffer.from(each, "latin1"))),
    unused: others + left,
    ttl: lowest.length === 0 ? 0 : ttl,
  };
}

/** Where the record's type is, at or beyond the end of a message that ends before. The name itself is of no use. */
function afterName(message: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = message[at] ?? 0;
    if (length === 0) return at + 1;
    // The rest of the name is elsewhere.
    if (length >= 0xc0) return at + 2;
    at += length + 1;
  }
}

/** Adds an address to the lowest ones. @returns whether none is left out because of it */
function keepLowest(lowest: string[], address: string): boolean {
  const isFull = lowest.length === maxAddresses;
  if (isFull && address > (lowest.at(-1) ?? "")) return false;
  const index = lowest.findIndex((each) => each >= address);
  if (lowest[index] === address) return true;
  lowest.splice(index === -1 ? lowest.length : index, 0, address);
  if (!isFull) return true;
  lowest.pop();
  return false;
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, 2 * index);
  return bytes;
}
