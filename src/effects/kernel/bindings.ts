/**
 * The only bindings to native code: functions of the C library, bound by koffi,
 * with their C conventions. libc.ts and posixSpawn.ts wrap them.
 *
 * koffi is loaded at the first call, since a plugin that only does its handshake
 * makes none. All calls are synchronous: koffi's asynchronous ones run on other
 * threads, and many of these functions act on the calling thread.
 */
import { createRequire } from "node:module";

/** The functions, bound at the first use. */
export function libc(): Libc {
  bound ??= bind();
  return bound;
}

type Libc = ReturnType<typeof bind>;
let bound: Libc | undefined;

function bind() {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  // Loads the program itself, which is linked with the C library, whatever that library's name.
  const library = koffi.load(null);
  // syscall(2) takes its arguments in registers, so each use can have a fixed prototype.
  const syscall = (...parameters: string[]) => library.func("syscall", "long", ["long", ...parameters]);
  return {
    errno: () => koffi.errno(),
    createRuleset: syscall("void *", "size_t", "uint32_t"),
    addRule: syscall("int", "int", "void *", "uint32_t"),
    openat2: syscall("int", "const char *", "void *", "size_t"),
    pidfdOpen: syscall("int", "unsigned int"),
    pidfdGetfd: syscall("int", "int", "unsigned int"),
    pidfdSendSignal: syscall("int", "int", "void *", "unsigned int"),
    pipe2: library.func("pipe2", "int", ["void *", "int"]),
    mkfifo: library.func("mkfifo", "int", ["const char *", "unsigned int"]),
    memfdCreate: library.func("memfd_create", "int", ["const char *", "unsigned int"]),
    fcntl: library.func("fcntl", "int", ["int", "int", "long"]),
    ioctlNumber: library.func("ioctl", "int", ["int", "unsigned long", "long"]),
    ioctlBytes: library.func("ioctl", "int", ["int", "unsigned long", "void *"]),
    flock: library.func("flock", "int", ["int", "int"]),
    mallocTrim: library.func("malloc_trim", "int", ["size_t"]),
    waitpid: library.func("waitpid", "int", ["int", "void *", "int"]),
    fileActionsInit: library.func("posix_spawn_file_actions_init", "int", ["void *"]),
    fileActionsAddDup2: library.func("posix_spawn_file_actions_adddup2", "int", ["void *", "int", "int"]),
    fileActionsDestroy: library.func("posix_spawn_file_actions_destroy", "int", ["void *"]),
    posixSpawn: library.func("posix_spawn", "int", [
      "void *",
      "const char *",
      "void *",
      "void *",
      "const char **",
      "const char **",
    ]),
    spawnAttributesInit: library.func("posix_spawnattr_init", "int", ["void *"]),
    spawnAttributesSetDefault: library.func("posix_spawnattr_setsigdefault", "int", ["void *", "void *"]),
    spawnAttributesSetMask: library.func("posix_spawnattr_setsigmask", "int", ["void *", "void *"]),
    spawnAttributesSetFlags: library.func("posix_spawnattr_setflags", "int", ["void *", "short"]),
  };
}
