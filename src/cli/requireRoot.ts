import { accessSync, constants } from "node:fs";
import { DriverError, errnoOf } from "../base/errors.ts";

/** @throws DriverError `USER_FORBIDDEN` if the program does not run as root */
export function requireRoot(why: string): void {
  if (process.geteuid?.() === 0) return;
  throw new DriverError("USER_FORBIDDEN", `this needs root: ${why}`, { hint: "Try again with sudo" });
}

/** @throws DriverError `USER_FORBIDDEN` for a state folder that this user may not look into */
export function requireAccess(stateDir: string): void {
  try {
    accessSync(stateDir, constants.R_OK | constants.X_OK);
  } catch (thrown) {
    if (errnoOf(thrown) === "EACCES") requireRoot("only root can read the driver's event log");
  }
}
