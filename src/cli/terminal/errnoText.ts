import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";

const numbers: Readonly<Record<string, number>> = constants.errno;

/** A symbolic errno in words: `ENOSPC` is `no space left on device`. */
export function errnoText(errno: string): string {
  const number = numbers[errno];
  return number === undefined ? errno : getSystemErrorMessage(-number);
}
