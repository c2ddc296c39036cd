/** Shortens long lists of texts, such as a command's arguments, for events and views. Pure. */
import { countOf } from "./counts.ts";
import { formatBytes } from "./sizes.ts";

/** More would let a few starts with long arguments fill the log. */
const maxListBytes = 65_536;

/**
 * As many whole texts as fit into {@link maxListBytes}, and then one that says what is left out.
 * @param what one of the texts, in words: `argument`
 * @param digestOf a digest of the texts that are left out, so that lists which differ only there stay different;
 *   undefined where nothing compares them
 */
export function shortList(
  texts: readonly string[],
  what: string,
  digestOf?: (data: string) => string,
): string[] {
  let bytes = 0;
  const sizes = texts.map((text) => Buffer.byteLength(text) + 1);
  const kept = sizes.findIndex((size) => {
    bytes += size;
    return bytes > maxListBytes;
  });
  if (kept === -1) return [...texts];
  const left = texts.slice(kept);
  const leftBytes = sizes.slice(kept).reduce((sum, size) => sum + size, 0);
  const counted = countOf(left.length, kept === 0 ? what : `more ${what}`);
  const digest = digestOf === undefined ? "" : ` (digest ${digestOf(JSON.stringify(left))})`;
  return [...texts.slice(0, kept), `… ${counted} of ${formatBytes(leftBytes)}, left out${digest}`];
}

/** Whether {@link shortList} has left out a part of the list; true as well if its last text only looks so. */
export function isShortened(texts: readonly unknown[]): boolean {
  return /^… .* of .*, left out(?: \(digest .*\))?$/.test(String(texts.at(-1)));
}
