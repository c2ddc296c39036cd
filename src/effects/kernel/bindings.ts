/**
 * The only bindings to native code: functions of the C library, bound by Node's FFI,
 * with their C conventions. The other files of this folder wrap them.
 *
 * The FFI is loaded at the first call, because a plugin that only does its handshake
 * needs no FFI. Calls run on the calling thread, because many of these functions act on that thread.
 */
import type { ArgumentType } from "node:ffi";

/** The functions of the C library, bound at the first call. */
export function libc(): Libc {
  bound ??= bind();
  return bound;
}

type Libc = ReturnType<typeof bind>;
let bound: Libc | undefined;

function bind() {
  const { DynamicLibrary, getInt32, getRawPointer } = loadFfi();
  // Null stands for the program itself. It is linked with the C library, so the library's file name does not
  // matter.
  const program = new DynamicLibrary(null);
  const errnoAddress = program.getFunction("__errno_location", { return: "pointer" })();
  const libraryFunction = <const Types extends readonly ArgumentType[]>(name: string, ...types: Types) =>
    program.getFunction(name, { return: "int32", arguments: types });
  // A DynamicLibrary allows one prototype for each function. syscall(2) takes its arguments in registers, so
  // each use may have its own prototype, from its own DynamicLibrary.
  const syscall = <const Types extends readonly ArgumentType[]>(...types: Types) =>
    new DynamicLibrary(null).getFunction("syscall", { return: "int32", arguments: ["int32", ...types] });
  return {
    errno: () => getInt32(errnoAddress),
    /** The address of bytes. It is valid as long as there is a reference to them. */
    addressOf: (bytes: NodeJS.ArrayBufferView) => getRawPointer(bytes),
    createRuleset: syscall("pointer", "uint64", "uint32"),
    addRule: syscall("int32", "uint32", "pointer", "uint32"),
    openat2: syscall("int32", "pointer", "pointer", "uint64"),
    fsopen: syscall("pointer", "uint32"),
    fsconfig: syscall("int32", "uint32", "pointer", "pointer", "int32"),
    fsmount: syscall("int32", "uint32", "uint32"),
    bpf: syscall("int32", "pointer", "uint32"),
    pidfdOpen: syscall("int32", "uint32"),
    pidfdGetfd: syscall("int32", "int32", "uint32"),
    pidfdSendSignal: syscall("int32", "int32", "pointer", "uint32"),
    inotifyInit: libraryFunction("inotify_init1", "int32"),
    inotifyAddWatch: libraryFunction("inotify_add_watch", "int32", "pointer", "uint32"),
    pipe2: libraryFunction("pipe2", "pointer", "int32"),
    mkfifo: libraryFunction("mkfifo", "pointer", "uint32"),
    memfdCreate: libraryFunction("memfd_create", "pointer", "uint32"),
    fcntl: libraryFunction("fcntl", "int32", "int32", "int64"),
    ioctl: libraryFunction("ioctl", "int32", "uint64", "pointer"),
    socket: libraryFunction("socket", "int32", "int32", "int32"),
    socketpair: libraryFunction("socketpair", "int32", "int32", "int32", "pointer"),
    sendmsg: libraryFunction("sendmsg", "int32", "pointer", "int32"),
    connect: libraryFunction("connect", "int32", "pointer", "uint32"),
    bind: libraryFunction("bind", "int32", "pointer", "uint32"),
    setsockopt: libraryFunction("setsockopt", "int32", "int32", "int32", "pointer", "uint32"),
    send: libraryFunction("send", "int32", "pointer", "uint64", "int32"),
    recv: libraryFunction("recv", "int32", "pointer", "uint64", "int32"),
    getsockopt: libraryFunction("getsockopt", "int32", "int32", "int32", "pointer", "pointer"),
    unshare: libraryFunction("unshare", "int32"),
    setns: libraryFunction("setns", "int32", "int32"),
    poll: libraryFunction("poll", "pointer", "uint64", "int32"),
    flock: libraryFunction("flock", "int32", "int32"),
    setrlimit: libraryFunction("setrlimit", "int32", "pointer"),
    prctl: libraryFunction("prctl", "int32", "uint64", "uint64", "uint64", "uint64"),
    setxattr: libraryFunction("setxattr", "pointer", "pointer", "pointer", "uint64", "int32"),
    getxattr: libraryFunction("getxattr", "pointer", "pointer", "pointer", "uint64"),
    madvise: libraryFunction("madvise", "pointer", "uint64", "int32"),
    mallocTrim: libraryFunction("malloc_trim", "uint64"),
    waitpid: libraryFunction("waitpid", "int32", "pointer", "int32"),
    fileActionsInit: libraryFunction("posix_spawn_file_actions_init", "pointer"),
    fileActionsAddDup2: libraryFunction("posix_spawn_file_actions_adddup2", "pointer", "int32", "int32"),
    fileActionsDestroy: libraryFunction("posix_spawn_file_actions_destroy", "pointer"),
    posixSpawn: libraryFunction(
      "posix_spawn",
      "pointer",
      "pointer",
      "pointer",
      "pointer",
      "pointer",
      "pointer",
    ),
    spawnAttributesInit: libraryFunction("posix_spawnattr_init", "pointer"),
    spawnAttributesSetDefault: libraryFunction("posix_spawnattr_setsigdefault", "pointer", "pointer"),
    spawnAttributesSetMask: libraryFunction("posix_spawnattr_setsigmask", "pointer", "pointer"),
    spawnAttributesSetFlags: libraryFunction("posix_spawnattr_setflags", "pointer", "int16"),
  };
}

/** Loads the FFI without Node's warning that its interface may change, because the runtime is pinned. */
function loadFfi(): typeof import("node:ffi") {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule("node:ffi");
  } finally {
    process.emitWarning = emitWarning;
  }
}
