/** User and group ids as people write them. Pure. */

/** The largest valid id. For the kernel, 2^32 - 1 means "do not change the id". */
export const maxId = 2 ** 32 - 2;

/** Parses a canonical decimal id: without sign or leading zeros, and no larger than {@link maxId}. */
export function parseId(text: string): number | undefined {
  const id = /^(0|[1-9]\d{0,9})$/.test(text) ? Number(text) : undefined;
  return id !== undefined && id <= maxId ? id : undefined;
}
