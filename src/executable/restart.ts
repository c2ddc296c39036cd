/** Replaces this process with the executable, started anew in the present environment. */
import { execve } from "../effects/kernel/execve.ts";

const { argv, argv0, env } = process;
execve(
  // The executable's path may lead to another file by now.
  "/proc/self/exe",
  [argv0, ...argv.slice(2)],
  Object.entries(env).map(([name, value]) => `${name}=${value}`),
);
