/** User and group ids as people write them. Pure. */

/** The largest id that stands for somebody: 2^32 - 1 means "leave it as it is" to the kernel. */
export const largestId = 2 ** 32 - 2;

/** A canonical decimal id: no sign, no leading zero, nothing that the kernel would take for another one. */
export function parseId(text: string): number | undefined {
  const id = /^(0|[1-9]\d{0,9})$/.test(text) ? Number(text) : undefined;
  return id !== undefined && id <= largestId ? id : undefined;
}
