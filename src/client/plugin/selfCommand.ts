/** How this program is started, to start it once more. */
import { isSea } from "node:sea";

export interface SelfCommand {
  readonly command: string;
  readonly args: readonly string[];
}

export function selfCommand(): SelfCommand {
  const { execPath, execArgv, argv } = process;
  const [, script] = argv;
  // A single executable has the program within; its own path stands where a script's would.
  if (isSea() || script === undefined) return { command: execPath, args: [] };
  return { command: execPath, args: [...execArgv, script] };
}
