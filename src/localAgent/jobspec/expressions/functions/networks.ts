/** HCL2's functions for networks, such as `10.1.0.0/16`, and their addresses. Pure. */
import { formatAddress } from "../../../../effects/network/addresses.ts";
import { type Functions, fail, takes, takesMany, text, whole } from "./define.ts";

interface Network {
  readonly address: bigint;
  /** Bits of an address: 32 or 128. */
  readonly bits: number;
  readonly prefix: number;
}

export const networkFunctions: Functions = {
  cidrhost: takes([text, whole], cidrhost),
  cidrnetmask: takes([text], (cidr) => {
    const { bits, prefix } = networkOf(cidr);
    if (bits !== 32) fail("only IPv4 networks have a mask");
    return addressText(maskOf(bits, prefix), bits);
  }),
  cidrsubnet: takes([text, whole, whole], (cidr, newBits, index) =>
    subnetText(networkOf(cidr), newBits, BigInt(index)),
  ),
  cidrsubnets: takesMany([text], whole, 0, cidrsubnets),
};

function networkOf(cidr: string): Network {
  const [, address = "", prefixText = ""] = /^(.+)\/(\d{1,3})$/.exec(cidr) ?? [];
  const read = addressOf(address);
  const prefix = Number(prefixText);
  if (read === undefined || prefixText === "" || prefix > read.bits) {
    return fail("its network must have a form like 10.0.0.0/8");
  }
  return { address: read.value & maskOf(read.bits, prefix), bits: read.bits, prefix };
}

function addressOf(address: string): { readonly value: bigint; readonly bits: number } | undefined {
  const dotted = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1).map(Number);
  if (dotted) {
    if (dotted.some((part) => part > 255)) return undefined;
    return { value: dotted.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n), bits: 32 };
  }
  const [head = "", tail, more] = address.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = 8 - first.length - last.length;
  const fits = more === undefined && (tail === undefined ? missing === 0 : missing > 0);
  const parts = [...first, ...Array.from({ length: Math.max(0, missing) }, () => "0"), ...last];
  if (!fits || !parts.every((part) => /^[\da-f]{1,4}$/i.test(part))) return undefined;
  return { value: parts.reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n), bits: 128 };
}

function maskOf(bits: number, prefix: number): bigint {
  return ((1n << BigInt(prefix)) - 1n) << BigInt(bits - prefix);
}

/** An address as text. */
function addressText(address: bigint, bits: number): string {
  const bytes = Array.from({ length: bits / 8 }, (_, index) =>
    Number((address >> BigInt(bits - 8 * (index + 1))) & 0xffn),
  );
  return formatAddress(Uint8Array.from(bytes));
}

/** A negative number counts from the network's end. */
function cidrhost(cidr: string, index: number): string {
  const { address, bits, prefix } = networkOf(cidr);
  const size = 1n << BigInt(bits - prefix);
  const host = index < 0 ? size + BigInt(index) : BigInt(index);
  if (host < 0n || host >= size) fail(`${cidr} has no host ${index}`);
  return addressText(address | host, bits);
}

function subnetText({ address, bits, prefix }: Network, newBits: number, index: bigint): string {
  const longer = prefix + newBits;
  if (newBits < 0 || longer > bits) fail(`a prefix of ${prefix} bits cannot be extended by ${newBits}`);
  if (index < 0n || index >= 1n << BigInt(newBits))
    fail(`with ${newBits} more bits there is no network ${index}`);
  return `${addressText(address | (index << BigInt(bits - longer)), bits)}/${longer}`;
}

/** Networks one after another, each at the first place where its size fits. */
function cidrsubnets(cidr: string, ...sizes: readonly number[]): string[] {
  const network = networkOf(cidr);
  let next = network.address;
  const end = network.address + (1n << BigInt(network.bits - network.prefix));
  return sizes.map((newBits) => {
    const prefix = network.prefix + newBits;
    if (newBits < 1 || prefix > network.bits)
      fail(`a prefix of ${network.prefix} bits cannot be extended by ${newBits}`);
    const size = 1n << BigInt(network.bits - prefix);
    const start = ((next + size - 1n) / size) * size;
    if (start + size > end) fail(`${cidr} does not have enough addresses`);
    next = start + size;
    return `${addressText(start, network.bits)}/${prefix}`;
  });
}
