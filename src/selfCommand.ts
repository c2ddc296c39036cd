/** The command that starts this program again. */
import { isSea } from "node:sea";

export interface SelfCommand {
  readonly command: string;
  readonly args: readonly string[];
}

export function selfCommand(): SelfCommand {
  const { execPath, execArgv, argv } = process;
  const [, script] = argv;
  // A single executable contains the program: argv has its own path in place of a script's.
  if (isSea() || script === undefined) return { command: execPath, args: [] };
  return { command: execPath, args: [...execArgv, script] };
}
