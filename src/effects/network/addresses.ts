/** IP addresses and ranges of them: their texts, and which contain which. Pure. */

/** Addresses with common first bits. */
export interface AddressRange {
  readonly family: 4 | 6;
  /** The first address: 4 or 16 bytes. */
  readonly address: Uint8Array;
  /** Number of bits that all addresses of the range share: 0 to 32, or to 128. */
  readonly bits: number;
}

/**
 * Reads an address. An IPv4 address in an IPv6 one (`::ffff:192.0.2.7`) is the IPv4 address: a socket of
 * either family reaches it.
 * @returns a range of one address; undefined for any other text
 */
export function parseAddress(text: string): AddressRange | undefined {
  const four = parseFour(text);
  if (four !== undefined) return { family: 4, address: four, bits: 32 };
  const six = parseSix(text);
  if (six === undefined) return undefined;
  const address = withoutMapping(six);
  return address.length === 4 ? { family: 4, address, bits: 32 } : { family: 6, address, bits: 128 };
}

/** `::ffff:0:0/96`: ipv6(7). */
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The four bytes of an IPv4 address in an IPv6 one; any other address as it is. @param address 4 or 16 bytes */
export function withoutMapping(address: Uint8Array): Uint8Array {
  const isMapped = address.length === 16 && mappedPrefix.every((byte, index) => address[index] === byte);
  return isMapped ? address.subarray(12) : address;
}

/** Four decimal numbers without leading zeros, which some programs read as octal. */
function parseFour(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

/** RFC 4291, 2.2; without a zone. */
function parseSix(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => wordsOf(half, index === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const words = [...head, ...Array<number>(missing).fill(0), ...(tail ?? [])];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

/** The 16-bit words of a part of an IPv6 address, which may end with an IPv4 address. */
function wordsOf(text: string, isLast: boolean): number[] | undefined {
  if (text === "") return [];
  const words: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const four = isLast && index === parts.length - 1 ? parseFour(part) : undefined;
    if (four !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = four;
      words.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) words.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return words;
}

/** The text of an address, for IPv6 that of RFC 5952. @param address 4 or 16 bytes */
export function formatAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const words = Array.from({ length: 8 }, (_, index) =>
    (((address[2 * index] ?? 0) << 8) | (address[2 * index + 1] ?? 0)).toString(16),
  );
  const text = words.join(":");
  // The longest run of at least two zero words, the first of equally long ones.
  const [longest] = [...text.matchAll(/\b0(?::0\b)+/g)].toSorted(
    ([one], [other]) => other.length - one.length,
  );
  if (longest === undefined) return text;
  const before = text.slice(0, longest.index).replace(/:$/, "");
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, "");
  return `${before}::${after}`;
}

/** Whether all addresses of a range are in another one. */
export function isInRange(range: AddressRange, around: AddressRange): boolean {
  if (range.family !== around.family || range.bits < around.bits) return false;
  const masked = firstOf({ ...range, bits: around.bits });
  return masked.every((byte, index) => byte === around.address[index]);
}

/** The first address with the range's common bits. */
export function firstOf({ address, bits }: Pick<AddressRange, "address" | "bits">): Uint8Array {
  return address.map((byte, index) => {
    const kept = Math.min(Math.max(bits - index * 8, 0), 8);
    return byte & (0xff << (8 - kept)) & 0xff;
  });
}

/** `127.0.0.1` or `::1`. */
export function loopbackOf(family: 4 | 6): AddressRange {
  return family === 4
    ? { family, address: Uint8Array.of(127, 0, 0, 1), bits: 32 }
    : { family, address: Uint8Array.of(...Array<number>(15).fill(0), 1), bits: 128 };
}

/** Whether the addresses are the machine's own loopback addresses. */
export function isLoopback(range: AddressRange): boolean {
  if (range.family === 6) return isInRange(range, loopbackOf(6));
  return range.bits >= 8 && range.address[0] === 127;
}
