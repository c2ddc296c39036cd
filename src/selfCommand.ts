/** The command that starts this program again. */
import { isSea } from "node:sea";

export interface SelfCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** argv[0], which process lists show. */
  readonly name: string;
}

export function selfCommand(): SelfCommand {
  const { execPath, execArgv, argv } = process;
  const [, script] = argv;
  // This link works even if the executable's file was replaced or removed since.
  if (isSea()) return { command: "/proc/self/exe", args: [], name: execPath };
  return { command: execPath, args: script === undefined ? [] : [...execArgv, script], name: execPath };
}
