/** Starts programs by posix_spawn(3), which copies no page tables. */
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { errnoName, kernelError } from "./kernelError.ts";

/** A descriptor that the child of {@link posixSpawn} gets. */
export interface SpawnDescriptor {
  readonly from: number;
  /** The number in the child. Descriptors are duplicated in order, as by dup2(2). */
  readonly to: number;
}

/**
 * posix_spawn(3): the child has no blocked signals, and every signal's default disposition. It gets the descriptors in the list, and those that this process itself inherited without
 * close-on-exec.
 * @param session whether the child has a session of its own, or stays in this process's, with its terminal
 * @returns the child's pid; the caller has to {@link waitpid} for it
 */
export function posixSpawn(
  file: string,
  argv: readonly string[],
  env: readonly string[],
  descriptors: readonly SpawnDescriptor[],
  session: "own" | "callers" = "own",
): number {
  const c = libc();
  const actions = duplications(descriptors);
  const pid = new Int32Array(1);
  const result = c.posixSpawn(
    pid,
    file,
    actions,
    cleanAttributes(session),
    stringList(argv),
    stringList(env),
  );
  checked(result, "posix_spawn", file);
  return pid[0] as number;
}

let knownActions: { readonly key: string; readonly actions: Uint8Array } | undefined;

/**
 * The file actions that duplicate the descriptors. The actions of the last call are reused if the numbers are
 * equal, as they are in consecutive starts.
 */
function duplications(descriptors: readonly SpawnDescriptor[]): Uint8Array {
  const key = descriptors.map(({ from, to }) => `${from}:${to}`).join();
  if (knownActions?.key === key) return knownActions.actions;
  const c = libc();
  const actions = new Uint8Array(SPAWN_OBJECT_BYTES);
  checked(c.fileActionsInit(actions), "posix_spawn_file_actions_init");
  try {
    for (const { from, to } of descriptors) {
      checked(c.fileActionsAddDup2(actions, from, to), "posix_spawn_file_actions_adddup2");
    }
  } catch (thrown) {
    c.fileActionsDestroy(actions);
    throw thrown;
  }
  if (knownActions !== undefined) c.fileActionsDestroy(knownActions.actions);
  knownActions = { key, actions };
  return actions;
}

/** Enough for `posix_spawnattr_t` (336 bytes) and `posix_spawn_file_actions_t` (80) of all C libraries. */
const SPAWN_OBJECT_BYTES = 512;
const SIGNAL_SET_BYTES = 128;
const POINTER_BYTES = 8;

const cachedAttributes: { own?: Uint8Array; callers?: Uint8Array } = {};

function cleanAttributes(session: "own" | "callers"): Uint8Array {
  const cached = cachedAttributes[session];
  if (cached !== undefined) return cached;
  const c = libc();
  const attributes = new Uint8Array(SPAWN_OBJECT_BYTES);
  checked(c.spawnAttributesInit(attributes), "posix_spawnattr_init");
  // Every bit is set, including those of the two signals that glibc reserves. Without their bits, these two
  // signals would stay ignored.
  const allSignals = new Uint8Array(SIGNAL_SET_BYTES).fill(0xff);
  checked(c.spawnAttributesSetDefault(attributes, allSignals), "posix_spawnattr_setsigdefault");
  const noSignals = new Uint8Array(SIGNAL_SET_BYTES);
  checked(c.spawnAttributesSetMask(attributes, noSignals), "posix_spawnattr_setsigmask");
  const clean = k.POSIX_SPAWN_SETSIGDEF | k.POSIX_SPAWN_SETSIGMASK;
  const flags = session === "own" ? clean | k.POSIX_SPAWN_SETSID : clean;
  checked(c.spawnAttributesSetFlags(attributes, flags), "posix_spawnattr_setflags");
  cachedAttributes[session] = attributes;
  return attributes;
}

/** A list in the form of `argv` and `envp`: pointers, NULL, then the strings that they point to. */
export function stringList(texts: readonly string[]): Uint8Array {
  const strings = texts.map((text) => Buffer.from(`${text}\0`));
  const pointerBytes = (strings.length + 1) * POINTER_BYTES;
  const list = Buffer.concat([Buffer.alloc(pointerBytes), ...strings]);
  let address = libc().addressOf(list) + BigInt(pointerBytes);
  for (const [index, { byteLength }] of strings.entries()) {
    list.writeBigUInt64LE(address, index * POINTER_BYTES);
    address += BigInt(byteLength);
  }
  return list;
}

/** For functions that return the errno itself, as the posix_spawn family does. */
function checked(error: number, call: string, path?: string): void {
  if (error !== 0) throw kernelError(call, errnoName(error), path);
}
