/** The architecture of this machine. Pure. */
import { DriverError } from "../../base/errors.ts";
import type { Architecture } from "./systemCalls.ts";

/** @throws DriverError `UNSUPPORTED` if the driver does not run on this architecture */
export function supportedArchitecture(): Architecture {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new DriverError("UNSUPPORTED", `tasks cannot be started on ${process.arch}`, {
    hint: "The driver runs on x86-64 and arm64",
  });
}
