import { DriverError } from "../errors.ts";

/** @throws DriverError `USER_FORBIDDEN` if the program does not run as root */
export function requireRoot(why: string): void {
  if (process.geteuid?.() === 0) return;
  throw new DriverError("USER_FORBIDDEN", `this needs root: ${why}`, { hint: "Try again with sudo" });
}
