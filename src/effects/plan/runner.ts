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
    "AEAAAAAAAAAAQAAAAAAA5QcAAAAAAADlBwAAAAAAAAAQAAAAAAAAuAkAAAC/AAAAEL4AAEAAugMAAABBujIAAABJx8D/////RTHJDwW4HAAA" +
    "AL8AAAAQvgAAQAC6DwAAAA8FMcC/AwAAAL4AAAAQugAQAAAPBTHAvwMAAAC+AAABELoAAAIADwW7AAABEEiB+wAAABByakiLA0iLewhIi3MQ" +
    "SItTGEyLUyBMi0MoTItLMA8FSDtDOHQOSD0B8P//cwxIi1tQ68ZIi1tA68BIi0tISIXJdAVIicvrskj32FBTuAEAAAC/BAAAAEiJ5roQAAAA" +
    "DwW45wAAAL9/AAAADwX/4wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA6NkFAAC7AAoAEOiyAwAAu4AKABDo" +
    "qAMAAOhVBQAAuv////9IiwQleAoAEEgLBCX4CgAQdAW66AMAALgHAAAAvxgLABC+AgAAAA8FuwAKABBED7ckJR4LABDoLgAAALuACgAQRA+3" +
    "JCUmCwAQ6BsAAABIiwQlOAoAEEgjBCW4CgAQdJu45wAAADH/DwVIg3s4AA+F4gAAAEiDe3gAdDfoWwUAAEg7Q0h8CugrAgAASIXAdCJFheQP" +
    "hL0AAAC6AIAAAOgGBQAAD46uAAAASAFDIEgBQ0DDRYXkD4SbAAAA6NcEAABJicZMizwlEAsAEEkpx38M6FgDAABIhcB1tuvWSYH/AIAAAA+O" +
    "2AAAAEiDe2AAD4XNAAAAuBMBAADo1AQAADH2i1NQRTHSTY2HAID//7kAABAASTnITA9HwUG5AwAAAA8FSIXAfzB0L0iD+PV0KEiD+Px0IkiD" +
    "+Op0EkiJx0j33zH26EoBAADpRP///0jHQ2ABAAAA62vDSIP49XT5SIP4/HTzSIXAdQlB98QQAAAAdSdIxwQlKAsAEAAAAABIxwQlMAsAEICW" +
    "mAC4IwAAAL8oCwAQMfYPBcNIg3t4AHQF6BIBAABIx0M4AQAAAOghBAAAxwT9GAsAEP/////pjwMAALoAgAAASTnXSQ9M1+jXAwAAfoNJicVM" +
    "Ofh1OUmJx0GAv///ABAKdC9J/8918U2F9nQiuBEAAACLe1C+KAsAELoBAAAATY1W/w8FgDwlKAsAEAp0A02J770AAAEQTYn+6DcAAABNie5N" +
    "Kf4PhCX///9Ig3t4AHUb6PABAABIhcB1EUmNrwAAARDoDgAAAOloAwAASIt7KEyJ9us1TYX2D4Tx/v//uAEAAACLe1BIie5MifIPBUiD+Px0" +
    "4UiFwH4ISAHFSSnG69RIicdI999MifZIAXMgSAFzQEiJeyhIx0N4AQAAAOgxAwAASP/ASIlDSOmaAgAAg3tQAH0O6JcBAABIhcAPhYz+//9I" +
    "g3tAAA+ErAAAAOi9AgAASYnGSAWAAAAASDsEJRALABB+Eeg7AQAASIXAD4Vb/v//RTH2vwAAARBIjTXrAgAAuQkAAADzpEiLQ0DoEwIAAEiN" +
    "Nd0CAAC5RAAAAPOkSItDKOj8AQAAZscHXQqBxwIA/+9Bif+4AQAAAIt7UL4AAAEQRIn6DwVMOfh0K0mJx7hNAAAAi3tQTIn2DwVIi3soTYX/" +
    "eQZMif9I998x9ugV////SIPI/8NIx0N4AAAAAEjHQ0AAAAAA6CUCAADotQEAADHAw0iLA+h6AQAAuAEBAAC/AgAAAEiLc2i6AggKAEUx0g8F" +
    "SIXAD4iRAAAASIlDUInHuAUAAAC+AAABEA8FiwQlGAABECUA8AAAPQCAAAB1LYM8JRwAARAAdSNIgzwlEAABEAF1GEiDexD/D4VK/f//SIsE" +
    "JTAAARBIiUMQw7gDAAAAi3tQDwVIx0NQ/////+sr6GUBAABIK0MQfgRIAUMIuAMAAACLe1APBUjHQ1D/////SIsDSP/ASIlDWFVBVUG9QAAA" +
    "ADHtSItDWOi0AAAAuAEBAAC/AgAAAEiLc2i6wgAKAEG6pAEAAA8FSIXAeUNIg/jvdShB/810I4P1AXQTMdLobAAAALoAAgAA6GIAAADrtOhC" +
    "AAAASP9DWOupSInHSPffMfboyv3//0FdXUiDyP/DSIlDUEiLQ1hIiQNIx0MQAAAAAEj/QzDoCwAAAOhgAAAAQV1dMcDDSItDWEgrBCUICwAQ" +
    "D4hO/P//6BMAAAAx0rgHAQAAvwIAAABIi3NoDwXDSIt7cOgEAAAAxgcAw0G4CgAAADHJMdJJ9/CDwjBS/8FIhcB18FqIF0j/x//JdfbDU7sA" +
    "CgAQ6CgAAAC7gAoAEOgeAAAAW7gSAAAAvwUAAAC+AAoAELoIAQAAQboAAQAADwXDg3tQAA+Myfv//+gFAAAASIlDGMO4CAAAAIt7UDH2ugIA" +
    "AAAPBcMxwOgiAAAAvgAAARAPBUiFwMO4HAAAAL8AAAEQvgAAPwC6BAAAAA8Fw4nfwe8Hg+cBw7jkAAAAvwEAAAC+KAsAEA8FSIsEJSgLABDD" +
    "CltleGVjMjogIGJ5dGVzIG9mIHRoaXMgb3V0cHV0IGFyZSBsb3N0OiB3cml0aW5nIHRoaXMgZmlsZSBmYWlsZWQgd2l0aCBlcnJubyA=",
  arm64:
    "f0VMRgIBAQAAAAAAAAAAAAIAtwABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAA" +
    "AEAAAAAAAAAAQAAAAAAA/AgAAAAAAAD8CAAAAAAAAAAAAQAAAAAAyBuA0gAAotIBCKDSYgCA0kMGgNIEAICSBQCA0gEAANQoHYDSAACi0gEI" +
    "oNLiAYDSAQAA1OgHgNJgAIDSAQCi0gIAgtIBAADU6AeA0mAAgNIhAKLSQgCg0gEAANQzAKLSFACi0n8CFOujAwBUaAJA+WCGQKlijkGpZJZC" +
    "qQEAANRpHkD5HwAJ66AAAFQf/D+xogAAVHMqQPnz//8XcyJA+fH//xdpJkD5aQAAtPMDCart//8X4AMAy/MDv6kICIDSgACA0uEDAJECAoDS" +
    "AQAA1MgLgNLgD4DSAQAA1GACH9YAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGwCA0jsAovIcQIHSHACi8rgBAJTz" +
    "AxyqDAEAlJMDApEKAQCUkQEAlAIAgNKJP0D5in9A+SkBCqqpAAC0KQCA0omXAPmfmwD5gqMEkSgJgNKAYwSRQQCA0gMAgNIEAIDSAQAA1PMD" +
    "HKqUP0J5CwAAlJMDApGUT0J5CAAAlIkfQPmKX0D5KQEKign9/7TIC4DSAACA0gEAANT9e7+paR5A+ckHALVpPkD5iQIAtJoBAJRpJkD5HwAJ" +
    "62sAAFSlAACUwAEAtLQGADQCAJDSggEAlB8AAPFtBgBUaRJA+SkBAItpEgD5aSJA+SkBAItpIgD5/XvBqMADX9YUBQA0cAEAlPYDAKqXi0D5" +
    "9wIA64wAAFT0AACUgP3/tfj//xf/IkDxjQcAVGkyQPlJBwC1eAEAlAEAgNJiUkC5AwCA0uQiQNEJAqDSnwAJ6ySBhJplAIDSiAmA0gEAANQf" +
    "AADx7AEAVAACAFQfLACxgAEAVB8QALFAAQBUH1gAsaAAAFTgAwDLAQCA0mMAAJTP//8XKQCA0mkyAPkfAAAU/XvBqMADX9YfLACxoP//VB8Q" +
    "ALFg//9UQAAAtXQBIDeflwD5CdCS0gkToPKJmwD5qAyA0oCjBJEBAIDSAQAA1P17wajAA1/WaT5A+UkAALRaAACUKQCA0mkeAPlGAQCUiQ8A" +
    "iwoAgBIqGQG5GQEAlP17wajAA1/WAgCQ0v8CAuvisoKaLgEAlB8AAPHt+/9U9QMAqh8AF+shAgBUaQMXiynxXzg/KQBxwAEAVPcGAPFh//9U" +
    "VgEAtGgIgNJgUkC5gaMEkSIAgNLDBgDRAQAA1ImjRDk/KQBxQAAAVPcDFar4Axuq9gMXqhEAAJS2AhfrgPj/VGk+QPkJAQC1kwAAlMAAALV4" +
    "AxeLCQAAlBMBAJT9e8GowANf1mAWQPnhAxaqFgAAlP17wajAA1/W/Xu/qZb2/7QICIDSYFJAueEDGKriAxaqAQAA1B8QALEg//9UHwAA8Y0A" +
    "AFQYAwCL1gIAy/T//xfgAwDL4QMWqgMAAJT9e8GowANf1v17v6lpEkD5KQEBi2kSAPlpIkD5KQEBi2kiAPlgFgD5KQCA0mk+APn3AACUAAQA" +
    "kWAmAPnJAACU/XvBqMADX9b9e7+paVJAuWkA+DZyAACUwPH/tWkiQPmJBQC01AAAlPYDAKoAAAKRiYtA+R8ACeuNAABUVwAAlIDw/7UWAIDS" +
    "5QMbqsYcABDnHAAwJgAAlGAiQPmjAACUZhwAMGceADAhAACUYBZA+Z4AAJSpS4FSqSQAeLcAG8sICIDSYFJAueEDG6riAxeqAQAA1B8AF+vA" +
    "AQBU9wMAqsgFgNJgUkC54QMWqgEAANRgFkD5VwD4tuADF8sBAIDSwv//lwAAgJL9e8GowANf1n8+APl/IgD5tAAAlJEAAJQAAIDS/XvBqMAD" +
    "X9bJFEA4qRQAON8AB+uh//9UwANf1mACQPntAx6qcwAAlP4DDaoIB4DSQACA0mE2QPlCAJHSAgGg8gMAgNIBAADUgAX4t2AqAPkICoDS4QMb" +
    "qgEAANRpE0C5KQ0UEgoAkFI/AQprgQEAVGkbQLlJAQA1aRdAuT8FAHHhAABUaQpA+T8FALFhAABUaRtA+WkKAPnAA1/WKAeA0mBSQLkBAADU" +
    "CQCAkmkqAPkSAAAU7QMeqnYAAJT+Aw2qaQpA+QAACeuNAABUaQZA+SkBAItpBgD5KAeA0mBSQLkBAADUCQCAkmkqAPlpAkD5KQUAkWkuAPn9" +
    "e7+pCwiA0gwAgNJgLkD5OgAAlAgHgNJAAIDSYTZA+UIYkNICAaDygzSA0gEAANTgAvi2H0QAseEBAFRrBQDxoAEAVIwBQNLMAAC0AgCA0iUA" +
    "AJQCQIDSIwAAlOz//xcXAACUaS5A+SkFAJFpLgD55///F+ADAMsBAIDSXP//lwAAgJL9e8GowANf1mAqAPlpLkD5aQIA+X8KAPlpGkD5KQUA" +
    "kWkaAPkFAACUJgAAlAAAgNL9e8GowANf1v17v6lgLkD5iYdA+QAACetE3f9UCgAAlAIAgNIDAACU/XvBqMADX9ZoBIDSQACA0mE2QPkBAADU" +
    "wANf1u4DHqplOkD5AwAAlL8AADnAAV/WSQGA0uMDAJEBCMmaIoAJm0LAAJHiDx/44AMBqmD//7XiB0H4ohQAOOEDAJE/AAPrgf//VMADX9b9" +
    "e7+p7wMTqvMDHKoMAACUkwMCkQoAAJTzAw+qiAiA0qAAgNLhAxyqAiGA0gMggNIBAADU/XvBqMADX9ZpUkC56fD/N+4DHqoDAACUYA4A+cAB" +
    "X9bIB4DSYFJAuQEAgNJCAIDSAQAA1MADX9b9e7+pDQAAlOgHgNLhAxuqAQAA1P17wajAA1/WKB2A0uADG6oBAIDS4Qeg8oIAgNIBAADUwANf" +
    "1mAeR9PAA1/WKA6A0iAAgNKBowSRAQAA1ICXQPnAA1/WCltleGVjMjogIGJ5dGVzIG9mIHRoaXMgb3V0cHV0IGFyZSBsb3N0OiB3cml0aW5n" +
    "IHRoaXMgZmlsZSBmYWlsZWQgd2l0aCBlcnJubyAAAAA=",
};
