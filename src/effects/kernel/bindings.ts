/**
 * The only bindings to native code: functions of the C library, bound by koffi, with their C conventions. The
 * other files of this folder wrap them.
 *
 * Calls run on the calling thread, because many of these functions act on that thread. So none of them is
 * called by koffi's `async`.
 */
import koffi from "koffi";

/** The functions of the C library, bound at the first call. */
export function libc(): Libc {
  bound ??= bind();
  return bound;
}

type Libc = ReturnType<typeof bind>;
let bound: Libc | undefined;

function bind() {
  const { address, errno } = koffi;
  // Null stands for the program itself. It is linked with the C library, so the library's file name does not
  // matter.
  const program = koffi.load(null);
  const libraryFunction = <const Types extends readonly Type[]>(
    name: string,
    ...types: Types
  ): CFunction<Types> => withoutNullBytes(name, program.func(name, "int", [...types]), types);
  // For prototypes that end with `...`: koffi takes the type of each further argument before its value.
  const variadicFunction = <const Fixed extends readonly Type[], const Further extends readonly Type[]>(
    name: string,
    fixed: Fixed,
    ...further: Further
  ): CFunction<[...Fixed, ...Further]> => {
    const call = program.func(name, "int", [...fixed, "..."]);
    const types = further.map((type) => koffi.type(type));
    return (...values) =>
      call(
        ...values.slice(0, fixed.length),
        ...values.slice(fixed.length).flatMap((value, index) => [types[index], value]),
      );
  };
  // syscall(2) also ends with `...`, but it takes its arguments in registers, whatever its prototype. So each
  // use has its own prototype, which is faster.
  const syscall = <const Types extends readonly Type[]>(...types: Types) =>
    libraryFunction("syscall", "long", ...types);
  const mapMemory = program.func("mmap", "intptr_t", ["void *", "size_t", "int", "int", "int", "long"]);
  return {
    /** The error number of this thread's last call. Any other call may change it. */
    errno: (): number => errno(),
    /** The address of bytes. It is valid as long as there is a reference to them. */
    addressOf: (bytes: NodeJS.ArrayBufferView): bigint => address(bytes),
    /** The memory at an address. */
    view: (address: bigint, bytes: number): ArrayBuffer => koffi.view(address, bytes),
    mmap: (...values: [null, number, number, number, number, number]): bigint => BigInt(mapMemory(...values)),
    munmap: libraryFunction("munmap", "void *", "size_t"),
    epollCreate: libraryFunction("epoll_create1", "int"),
    epollControl: libraryFunction("epoll_ctl", "int", "int", "int", "void *"),
    createRuleset: syscall("void *", "size_t", "uint"),
    addRule: syscall("int", "uint", "void *", "uint"),
    /** Any call, with a number as its first argument. */
    probe: syscall("long", "ulong", "ulong", "ulong", "ulong"),
    openat2: syscall("int", "str", "void *", "size_t"),
    openTree: syscall("int", "str", "uint"),
    mountSetattr: syscall("int", "str", "uint", "void *", "size_t"),
    // The C library's setgroups would change all threads.
    setgroups: syscall("size_t", "void *"),
    getgroups: libraryFunction("getgroups", "int", "void *"),
    setfsuid: libraryFunction("setfsuid", "uint"),
    setfsgid: libraryFunction("setfsgid", "uint"),
    capget: libraryFunction("capget", "void *", "void *"),
    capset: libraryFunction("capset", "void *", "void *"),
    fsopen: syscall("str", "uint"),
    fsconfig: syscall("int", "uint", "str", "str", "int"),
    fsmount: syscall("int", "uint", "uint"),
    bpf: syscall("int", "void *", "uint"),
    quotactlFd: syscall("int", "uint", "uint", "void *"),
    pidfdOpen: syscall("int", "uint"),
    pidfdGetfd: syscall("int", "int", "uint"),
    pidfdSendSignal: syscall("int", "int", "void *", "uint"),
    inotifyInit: libraryFunction("inotify_init1", "int"),
    inotifyAddWatch: libraryFunction("inotify_add_watch", "int", "str", "uint"),
    pipe2: libraryFunction("pipe2", "void *", "int"),
    mkfifo: libraryFunction("mkfifo", "str", "uint"),
    memfdCreate: libraryFunction("memfd_create", "str", "uint"),
    fcntl: variadicFunction("fcntl", ["int", "int"], "long"),
    ioctl: variadicFunction("ioctl", ["int", "ulong"], "void *"),
    socket: libraryFunction("socket", "int", "int", "int"),
    socketpair: libraryFunction("socketpair", "int", "int", "int", "void *"),
    sendmsg: libraryFunction("sendmsg", "int", "void *", "int"),
    connect: libraryFunction("connect", "int", "void *", "uint"),
    bind: libraryFunction("bind", "int", "void *", "uint"),
    setsockopt: libraryFunction("setsockopt", "int", "int", "int", "void *", "uint"),
    send: libraryFunction("send", "int", "void *", "size_t", "int"),
    recv: libraryFunction("recv", "int", "void *", "size_t", "int"),
    getsockopt: libraryFunction("getsockopt", "int", "int", "int", "void *", "void *"),
    unshare: libraryFunction("unshare", "int"),
    setns: libraryFunction("setns", "int", "int"),
    /** A call that returns an offset in a file. */
    lseek: program.func("lseek", "int64_t", ["int", "int64_t", "int"]) as (
      ...values: [number, number, number]
    ) => number | bigint,
    poll: libraryFunction("poll", "void *", "ulong", "int"),
    flock: libraryFunction("flock", "int", "int"),
    setrlimit: libraryFunction("setrlimit", "int", "void *"),
    prctl: variadicFunction("prctl", ["int"], "ulong", "ulong", "ulong", "ulong"),
    setxattr: libraryFunction("setxattr", "str", "str", "void *", "size_t", "int"),
    getxattr: libraryFunction("getxattr", "str", "str", "void *", "size_t"),
    madvise: libraryFunction("madvise", "void *", "size_t", "int"),
    mallocTrim: libraryFunction("malloc_trim", "size_t"),
    waitpid: libraryFunction("waitpid", "int", "void *", "int"),
    fileActionsInit: libraryFunction("posix_spawn_file_actions_init", "void *"),
    fileActionsAddDup2: libraryFunction("posix_spawn_file_actions_adddup2", "void *", "int", "int"),
    fileActionsDestroy: libraryFunction("posix_spawn_file_actions_destroy", "void *"),
    posixSpawn: libraryFunction("posix_spawn", "void *", "str", "void *", "void *", "void *", "void *"),
    execve: libraryFunction("execve", "str", "void *", "void *"),
    exit: libraryFunction("_exit", "int"),
    spawnAttributesInit: libraryFunction("posix_spawnattr_init", "void *"),
    spawnAttributesSetDefault: libraryFunction("posix_spawnattr_setsigdefault", "void *", "void *"),
    spawnAttributesSetMask: libraryFunction("posix_spawnattr_setsigmask", "void *", "void *"),
    spawnAttributesSetFlags: libraryFunction("posix_spawnattr_setflags", "void *", "short"),
  };
}

/** Types of arguments by their names in C, with the values that may be passed for them. */
interface Values {
  readonly short: number;
  readonly int: number;
  readonly uint: number;
  readonly long: number;
  readonly ulong: number;
  readonly size_t: number | bigint;
  /** Text without null bytes. */
  readonly str: string | null;
  /** Bytes, whose address is passed, or an address. */
  readonly "void *": NodeJS.ArrayBufferView | bigint | number | null;
}

type Type = keyof Values;
type CFunction<Types extends readonly Type[]> = (
  ...values: { readonly [Index in keyof Types]: Values[Types[Index]] }
) => number;

/** Refuses texts with null bytes, at which C would end the text. */
function withoutNullBytes<const Types extends readonly Type[]>(
  name: string,
  call: CFunction<Types>,
  types: Types,
): CFunction<Types> {
  if (!types.includes("str")) return call;
  return (...values) => {
    if (values.some((value) => typeof value === "string" && value.includes("\0"))) {
      throw new TypeError(`${name}: a text has a null byte`);
    }
    return call(...values);
  };
}
