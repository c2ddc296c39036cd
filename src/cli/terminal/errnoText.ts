import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";

/** Errors that are no errnos of the kernel, or that libuv words for programmers. */
const texts: Readonly<Record<string, string>> = {
  EISDIR: "is a directory",
  ENOTFOUND: "there is no host of this name",
};

const numbers: Readonly<Record<string, number>> = constants.errno;

/** A symbolic errno in words: `ENOSPC` is `no space left on device`. */
export function errnoText(errno: string): string {
  const number = numbers[errno];
  if (texts[errno] !== undefined) return texts[errno];
  return number === undefined ? errno : getSystemErrorMessage(-number);
}
