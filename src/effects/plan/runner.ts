/** Spawns the plan runner: from a sealed memfd or, if this host cannot execute memfds, from a file. */
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { executableMemfd, isRefusal } from "../kernel/memfd.ts";
import { posixSpawn, type SpawnDescriptor } from "../kernel/posixSpawn.ts";
import { type Architecture, supportedArchitecture } from "../kernel/systemCalls.ts";

/**
 * Spawns the runner with an empty environment.
 * @param name its first argument
 * @param folder for the runner's file, if this host cannot execute memfds; only root may have access to the
 *   folder, and its file system must not be mounted `noexec`
 * @returns its pid
 * @throws DriverError `LAUNCH_FAILED` if the runner cannot be executed, `KERNEL_CALL_FAILED` for other
 *   failures
 */
export function spawnRunner(name: string, inherited: readonly SpawnDescriptor[], folder?: string): number {
  try {
    executable ??= runnerInMemory();
    return posixSpawn(executable, [name], [], inherited);
  } catch (thrown) {
    if (!isRefusal(thrown) || folder === undefined) throw thrown;
  }
  executable = runnerInFolder(folder);
  try {
    return posixSpawn(executable, [name], [], inherited);
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    throw new DriverError("LAUNCH_FAILED", "neither a memfd nor the runner's file may be executed", {
      failed: { call: "posix_spawn", path: executable, errno: "EACCES" },
      hint: `Mount the file system of ${folder} without noexec, or set vm.memfd_noexec to 1 or 0`,
      cause: thrown,
    });
  }
}

/** Path of the runner's executable, once it is known. */
let executable: string | undefined;

/** `/proc/self/fd/<n>` of a memfd that stays open. It is sealed, so no task can change it. */
function runnerInMemory(): string {
  return `/proc/self/fd/${executableMemfd("exec2-init", runnerBytes())}`;
}

function runnerInFolder(folder: string): string {
  const path = join(folder, "exec2-init");
  const unfinished = `${path}.${process.pid}`;
  try {
    writeFileSync(unfinished, runnerBytes());
    chmodSync(unfinished, 0o500);
    renameSync(unfinished, path);
    return path;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the plan runner cannot be written");
  }
}

function runnerBytes(): Uint8Array {
  return Buffer.from(runnerPrograms[supportedArchitecture()], "base64");
}

/**
 * For each architecture, the runner's executable in base64: runnerX86.s or runnerArm64.s, assembled by `as`.
 */
export const runnerPrograms: Readonly<Record<Architecture, string>> = {
  x64:
    "f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAA" +
    "AEAAAAAAAAAAQAAAAAAAyggAAAAAAADKCAAAAAAAAAAQAAAAAAAAuAkAAAC/AAAAEL4AAEAAugMAAABBujIAAABJx8D/////RTHJDwW4HAAA" +
    "AL8AAAAQvgAAQAC6DwAAAA8FMcC/AwAAAL4AAAAQugAQAAAPBTHAvwMAAAC+AAABELoAAAIADwW7AAABEEiB+wAAABByakiLA0iLewhIi3MQ" +
    "SItTGEyLUyBMi0MoTItLMA8FSDtDOHQOSD0B8P//cwxIi1tQ68ZIi1tA68BIi0tISIXJdAVIicvrskj32FBTuAEAAAC/BAAAAEiJ5roQAAAA" +
    "DwW45wAAAL9/AAAADwX/4wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA6L4GAAC7AAoAEOiXBAAAu4AKABDo" +
    "jQQAAOg6BgAAuv////9IiwQleAoAEEgLBCX4CgAQdAW66AMAALgHAAAAvxgLABC+AgAAAA8FuwAKABBED7ckJR4LABDoLgAAALuACgAQRA+3" +
    "JCUmCwAQ6BsAAABIiwQlOAoAEEgjBCW4CgAQdJu45wAAADH/DwVIg3s4AA+FMAEAAEiDe3gAdDfoQAYAAEg7Q0h8CugQAwAASIXAdCJFheQP" +
    "hAsBAAC6AIAAAOjrBQAAD478AAAASAFDIEgBQ0DDRYXkD4TpAAAA6LwFAABJicZMizwlEAsAEEkpx38M6D0EAABIhcB1tuvWSIN7YAAPhakB" +
    "AABFMe1Jgf8AgAAAD48AAAAAuBAAAADotgUAAL4bVAAAuigLABAPBYsEJSgLABBMOfgPjfgAAACD+AGD0ABJicfrE0mB7wCAAAC4AAAQAEk5" +
    "x0wPR/i4EwEAAOhyBQAAMfaLU1BFMdJNifhBuQMAAAAPBUiFwHRIeTFIg/j1dD9Ig/j8dDlIg/jqdBJIicdI998x9uj4AQAA6Q3///9Ix0Ng" +
    "AQAAAOki////TTn9fg9MOfh1CuhzAwAA6fwEAADDSIP49XT5SIP4/HTzSIP4w3QFSIXAdQlB98QQAAAAdSdIxwQlKAsAEAAAAABIxwQlMAsA" +
    "EICWmAC4IwAAAL8oCwAQMfYPBcNIg3t4AHQF6KMBAABIx0M4AQAAAOiyBAAAxwT9GAsAEP/////pIAQAALglAQAAvygLABC+AAgIAA8FSIXA" +
    "dWW4FAEAAOiCBAAAizQlLAsAEESJ+kG6AgAAAA8FMcCLPCUoCwAQvgAAARC6AIAAAA8FSInFuAMAAACLPCUoCwAQDwW4AwAAAIs8JSwLABAP" +
    "BUiF7X4QSYntTTn9dClNie/pq/7//7oAgAAASTnXSQ9M1+jtAwAAD47+/v//SYnFMe1MOfh1NkGAv///ABAKdC9J/8918U2F9nQiuBEAAACL" +
    "e1C+KAsAELoBAAAATY1W/w8FgDwlKAsAEAp0A02J70iF7XU7vQAAARBNif7oRQAAAE2J7k0p/g+EnP7//0iDe3gAdSno/gEAAEiFwHUfSY2v" +
    "AAABEOgcAAAA6XYDAABNhf8PhQj+///pYv7//0iLeyhMifbrNU2F9g+EWv7//7gBAAAAi3tQSInuTInyDwVIg/j8dOFIhcB+CEgBxUkpxuvU" +
    "SInHSPffTIn2SAFzIEgBc0BIiXsoSMdDeAEAAADoMQMAAEj/wEiJQ0jpmgIAAIN7UAB9DuiXAQAASIXAD4X1/f//SIN7QAAPhKwAAADovQIA" +
    "AEmJxkgFgAAAAEg7BCUQCwAQfhHoOwEAAEiFwA+FxP3//0Ux9r8AAAEQSI016wIAALkJAAAA86RIi0NA6BMCAABIjTXdAgAAuUQAAADzpEiL" +
    "Qyjo/AEAAGbHB10KgccCAP/vQYn/uAEAAACLe1C+AAABEESJ+g8FTDn4dCtJice4TQAAAIt7UEyJ9g8FSIt7KE2F/3kGTIn/SPffMfboFf//" +
    "/0iDyP/DSMdDeAAAAABIx0NAAAAAAOglAgAA6LUBAAAxwMNIiwPoegEAALgBAQAAvwIAAABIi3NougIICgBFMdIPBUiFwA+IkQAAAEiJQ1CJ" +
    "x7gFAAAAvgAAARAPBYsEJRgAARAlAPAAAD0AgAAAdS2DPCUcAAEQAHUjSIM8JRAAARABdRhIg3sQ/w+Fs/z//0iLBCUwAAEQSIlDEMO4AwAA" +
    "AIt7UA8FSMdDUP/////rK+hlAQAASCtDEH4ESAFDCLgDAAAAi3tQDwVIx0NQ/////0iLA0j/wEiJQ1hVQVVBvUAAAAAx7UiLQ1jotAAAALgB" +
    "AQAAvwIAAABIi3NousIACgBBuqQBAAAPBUiFwHlDSIP473UoQf/NdCOD9QF0EzHS6GwAAAC6AAIAAOhiAAAA67ToQgAAAEj/Q1jrqUiJx0j3" +
    "3zH26Mr9//9BXV1Ig8j/w0iJQ1BIi0NYSIkDSMdDEAAAAABI/0Mw6AsAAADoYAAAAEFdXTHAw0iLQ1hIKwQlCAsAEA+It/v//+gTAAAAMdK4" +
    "BwEAAL8CAAAASItzaA8Fw0iLe3DoBAAAAMYHAMNBuAoAAAAxyTHSSffwg8IwUv/BSIXAdfBaiBdI/8f/yXX2w1O7AAoAEOgoAAAAu4AKABDo" +
    "HgAAAFu4EgAAAL8FAAAAvgAKABC6CAEAAEG6AAEAAA8Fw4N7UAAPjDL7///oBQAAAEiJQxjDuAgAAACLe1Ax9roCAAAADwXDMcDoIgAAAL4A" +
    "AAEQDwVIhcDDuBwAAAC/AAABEL4AAD8AugQAAAAPBcOJ38HvB4PnAcO45AAAAL8BAAAAvigLABAPBUiLBCUoCwAQwwpbZXhlYzI6ICBieXRl" +
    "cyBvZiB0aGlzIG91dHB1dCBhcmUgbG9zdDogd3JpdGluZyB0aGlzIGZpbGUgZmFpbGVkIHdpdGggZXJybm8g",
  arm64:
    "f0VMRgIBAQAAAAAAAAAAAAIAtwABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAA" +
    "AEAAAAAAAAAAQAAAAAAA3AkAAAAAAADcCQAAAAAAAAAAAQAAAAAAyBuA0gAAotIBCKDSYgCA0kMGgNIEAICSBQCA0gEAANQoHYDSAACi0gEI" +
    "oNLiAYDSAQAA1OgHgNJgAIDSAQCi0gIAgtIBAADU6AeA0mAAgNIhAKLSQgCg0gEAANQzAKLSFACi0n8CFOujAwBUaAJA+WCGQKlijkGpZJZC" +
    "qQEAANRpHkD5HwAJ66AAAFQf/D+xogAAVHMqQPnz//8XcyJA+fH//xdpJkD5aQAAtPMDCart//8X4AMAy/MDv6kICIDSgACA0uEDAJECAoDS" +
    "AQAA1MgLgNLgD4DSAQAA1GACH9YAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGwCA0jsAovIcQIHSHACi8vABAJTz" +
    "AxyqRAEAlJMDApFCAQCUyQEAlAIAgNKJP0D5in9A+SkBCqqpAAC0KQCA0omXAPmfmwD5gqMEkSgJgNKAYwSRQQCA0gMAgNIEAIDSAQAA1PMD" +
    "HKqUP0J5CwAAlJMDApGUT0J5CAAAlIkfQPmKX0D5KQEKign9/7TIC4DSAACA0gEAANT9e7+paR5A+SkKALVpPkD5iQIAtNIBAJRpJkD5HwAJ" +
    "62sAAFTdAACUwAEAtBQJADQCAJDSugEAlB8AAPHNCABUaRJA+SkBAItpEgD5aSJA+SkBAItpIgD5/XvBqMADX9Z0BwA0qAEAlPYDAKqXi0D5" +
    "9wIA64wAAFQsAQCUgP3/tfj//xdpMkD5CQ4AtRUAgNL/IkDxjAEAVKgDgNKuAQCUYYOK0oKjBJEBAADUiStBuT8BF+vKCABUPwUA8Tcln5oF" +
    "AAAU9yJA0QkCoNL/AgnrN4GXmqABAJQBAIDSYlJAuQMAgNLkAxeqZQCA0ogJgNIBAADUHwAA8ewBAFTAAgBUHywAsUACAFQfEACxAAIAVB9Y" +
    "ALGgAABU4AMAywEAgNKOAACUwv//FykAgNJpMgD5zP//F78CF+utAABUHwAX62EAAFT5AACUfAEAlP17wajAA1/WHywAsaD//1QfEACxYP//" +
    "VB/0ALFAAABUQAAAtXQBIDeflwD5CdCS0gkToPKJmwD5qAyA0oCjBJEBAIDSAQAA1P17wajAA1/WaT5A+UkAALR9AACUKQCA0mkeAPlpAQCU" +
    "iQ8AiwoAgBIqGQG5PAEAlP17wajAA1/WaAeA0oCjBJEBAIHSAQGg8gEAANRAAwC1qAmA0lsBAJSBL0G54gMXqkMAgNIBAADU6AeA0oArQbnh" +
    "AxuqAgCQ0gEAANT4AwCqKAeA0oArQbkBAADUKAeA0oAvQbkBAADUHwMA8c0AAFT1AxiqvwIX66ABAFT3AxWqpP//FwIAkNL/AgLr4rKCmjIB" +
    "AJQfAADxzff/VPUDAKoYAIDSHwAX6yECAFRpAxeLKfFfOD8pAHHAAQBU9wYA8WH//1RWAQC0aAiA0mBSQLmBowSRIgCA0sMGANEBAADUiaNE" +
    "OT8pAHFAAABU9wMVqvgBALX4Axuq9gMXqhMAAJS2AhfrIPT/VGk+QPlJAQC1lQAAlAABALV4AxeLCwAAlBUBAJT9e8GowANf1jfv/7WU//8X" +
    "YBZA+eEDFqoWAACU/XvBqMADX9b9e7+p9vH/tAgIgNJgUkC54QMYquIDFqoBAADUHxAAsSD//1QfAADxjQAAVBgDAIvWAgDL9P//F+ADAMvh" +
    "AxaqAwAAlP17wajAA1/W/Xu/qWkSQPkpAQGLaRIA+WkiQPkpAQGLaSIA+WAWAPkpAIDSaT4A+fcAAJQABACRYCYA+ckAAJT9e8GowANf1v17" +
    "v6lpUkC5aQD4NnIAAJQg7f+1aSJA+YkFALTUAACU9gMAqgAAApGJi0D5HwAJ640AAFRXAACU4Ov/tRYAgNLlAxuqxhwAEOccADAmAACUYCJA" +
    "+aMAAJRmHAAwZx4AMCEAAJRgFkD5ngAAlKlLgVKpJAB4twAbywgIgNJgUkC54QMbquIDF6oBAADUHwAX68ABAFT3AwCqyAWA0mBSQLnhAxaq" +
    "AQAA1GAWQPlXAPi24AMXywEAgNLC//+XAACAkv17wajAA1/Wfz4A+X8iAPm0AACUkQAAlAAAgNL9e8GowANf1skUQDipFAA43wAH66H//1TA" +
    "A1/WYAJA+e0DHqpzAACU/gMNqggHgNJAAIDSYTZA+UIAkdICAaDyAwCA0gEAANSABfi3YCoA+QgKgNLhAxuqAQAA1GkTQLkpDRQSCgCQUj8B" +
    "CmuBAQBUaRtAuUkBADVpF0C5PwUAceEAAFRpCkD5PwUAsWEAAFRpG0D5aQoA+cADX9YoB4DSYFJAuQEAANQJAICSaSoA+RIAABTtAx6qdgAA" +
    "lP4DDappCkD5AAAJ640AAFRpBkD5KQEAi2kGAPkoB4DSYFJAuQEAANQJAICSaSoA+WkCQPkpBQCRaS4A+f17v6kLCIDSDACA0mAuQPk6AACU" +
    "CAeA0kAAgNJhNkD5QhiQ0gIBoPKDNIDSAQAA1OAC+LYfRACx4QEAVGsFAPGgAQBUjAFA0swAALQCAIDSJQAAlAJAgNIjAACU7P//FxcAAJRp" +
    "LkD5KQUAkWkuAPnn//8X4AMAywEAgNJc//+XAACAkv17wajAA1/WYCoA+WkuQPlpAgD5fwoA+WkaQPkpBQCRaRoA+QUAAJQmAACUAACA0v17" +
    "wajAA1/W/Xu/qWAuQPmJh0D5AAAJ66TY/1QKAACUAgCA0gMAAJT9e8GowANf1mgEgNJAAIDSYTZA+QEAANTAA1/W7gMeqmU6QPkDAACUvwAA" +
    "OcABX9ZJAYDS4wMAkQEIyZoigAmbQsAAkeIPH/jgAwGqYP//teIHQfiiFAA44QMAkT8AA+uB//9UwANf1v17v6nvAxOq8wMcqgwAAJSTAwKR" +
    "CgAAlPMDD6qICIDSoACA0uEDHKoCIYDSAyCA0gEAANT9e8GowANf1mlSQLnp8P837gMeqgMAAJRgDgD5wAFf1sgHgNJgUkC5AQCA0kIAgNIB" +
    "AADUwANf1v17v6kNAACU6AeA0uEDG6oBAADU/XvBqMADX9YoHYDS4AMbqgEAgNLhB6DyggCA0gEAANTAA1/WYB5H08ADX9YoDoDSIACA0oGj" +
    "BJEBAADUgJdA+cADX9YKW2V4ZWMyOiAgYnl0ZXMgb2YgdGhpcyBvdXRwdXQgYXJlIGxvc3Q6IHdyaXRpbmcgdGhpcyBmaWxlIGZhaWxlZCB3" +
    "aXRoIGVycm5vIAAAAA==",
};
