/**
 * System calls on sockets for which Node has no function. They fail with a DriverError `KERNEL_CALL_FAILED`.
 */
import { closeSync } from "node:fs";
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { errnoName, kernelError } from "./kernelError.ts";
import { checked, writePointer } from "./libc.ts";
import { descriptorsMessage, filterProgram, internetAddress, messageHeader, unixAddress } from "./structs.ts";

/** socket(2), close-on-exec and non-blocking. */
export function socket(domain: number, type: number, protocol = 0): number {
  return checked(libc().socket(domain, type | k.SOCK_CLOEXEC | k.SOCK_NONBLOCK, protocol), "socket");
}

/** bind(2). @param address bytes of a `struct sockaddr_…` */
export function bind(socket: number, address: Uint8Array): void {
  checked(libc().bind(socket, address, address.byteLength), "bind");
}

/** setsockopt(2) of `SOL_SOCKET` with a number. */
export function setSocketNumber(socket: number, option: number, value: number): void {
  setSocketOption(socket, option, new Uint8Array(Int32Array.of(value).buffer));
}

/** setsockopt(2) of `SOL_SOCKET`. */
function setSocketOption(socket: number, option: number, value: Uint8Array): void {
  checked(libc().setsockopt(socket, k.SOL_SOCKET, option, value, value.byteLength), "setsockopt");
}

/** setsockopt(2) with `SO_ATTACH_FILTER`. @param program array of `struct sock_filter` */
export function attachFilter(socket: number, program: Uint8Array): void {
  const struct = Buffer.from(filterProgram(program, 0n));
  writePointer(struct, 8, program);
  setSocketOption(socket, k.SO_ATTACH_FILTER, struct);
}

/** getsockopt(2) with `SO_MEMINFO`: how many messages the kernel could not queue for the socket. */
export function droppedMessages(socket: number): number {
  const info = new Uint32Array(16);
  const size = new Uint32Array([info.byteLength]);
  checked(libc().getsockopt(socket, k.SOL_SOCKET, k.SO_MEMINFO, info, size), "getsockopt");
  return info[k.SK_MEMINFO_DROPS] as number;
}

/** send(2) of a whole message. */
export function send(socket: number, message: Uint8Array): void {
  checked(libc().send(socket, message, message.byteLength, 0), "send");
}

/**
 * recv(2) of one message from a non-blocking socket. Does not throw, because making an error with its stack
 * takes longer than the call.
 * @returns the message's length; undefined if there is no message; the errno of any other failure
 */
export function tryReceive(
  socket: number,
  buffer: Uint8Array,
): number | undefined | { readonly errno: string } {
  const { recv, errno } = libc();
  const length = recv(socket, buffer, buffer.byteLength, 0);
  if (length >= 0) return length;
  const name = errnoName(errno());
  return name === "EAGAIN" ? undefined : { errno: name };
}

/**
 * fcntl(2) with `F_SETOWN`, `F_SETSIG` and `O_ASYNC`: makes the kernel signal this process when something can
 * be read from a non-blocking descriptor. An undefined signal turns the signalling off.
 */
export function setReadSignal(descriptor: number, signal: number | undefined): void {
  const set = (operation: number, value: number) =>
    checked(libc().fcntl(descriptor, operation, value), "fcntl");
  if (signal !== undefined) {
    set(k.F_SETOWN, process.pid);
    set(k.F_SETSIG, signal);
  }
  set(k.F_SETFL, k.O_NONBLOCK | (signal === undefined ? 0 : k.O_ASYNC));
}

/**
 * connect(2) of a non-blocking socket to this host's loopback address. If the listener's queue is full, the
 * connection is still pending when the function returns. A write then waits for the connection, and a failure
 * to connect becomes the socket's next error.
 * @throws DriverError `KERNEL_CALL_FAILED` if nobody listens
 */
export function connectToLoopback(socket: number, port: number): void {
  const { connect, errno } = libc();
  const address = internetAddress(loopback, port);
  // On loopback, the kernel knows the result when the first call returns, but only the second call reports
  // it.
  for (const pending of ["EINPROGRESS", "EALREADY"]) {
    if (connect(socket, address, address.byteLength) === 0) return;
    const name = errnoName(errno());
    if (name !== pending) throw kernelError("connect", name, `127.0.0.1:${port}`);
  }
}

/**
 * connect(2) to a unix socket. A non-blocking socket does not wait.
 * @param path of at most 107 bytes
 * @throws DriverError `KERNEL_CALL_FAILED`, with `EAGAIN` if the listener's queue is full
 */
export function connectUnix(socket: number, path: string): void {
  const address = unixAddress(path);
  checked(libc().connect(socket, address, address.byteLength), "connect", path);
}

/** bind(2) to this host's loopback address. */
export function bindToLoopback(socket: number, port: number): void {
  bind(socket, internetAddress(loopback, port));
}

const loopback = [127, 0, 0, 1] as const;

/** socketpair(2) of sockets that keep message boundaries; both close-on-exec. */
export function socketPair(): readonly [number, number] {
  const ends = new Int32Array(2);
  checked(libc().socketpair(k.AF_UNIX, k.SOCK_SEQPACKET | k.SOCK_CLOEXEC, 0, ends), "socketpair");
  return [ends[0] as number, ends[1] as number];
}

/**
 * Sends a message of one byte with descriptors, of which the receiver gets duplicates: sendmsg(2), unix(7).
 * @throws DriverError `KERNEL_CALL_FAILED`, with `EPIPE` or `ECONNRESET` if nobody can receive it any more
 */
export function sendDescriptors(socket: number, descriptors: readonly number[]): void {
  checked(libc().sendmsg(socket, messageWith(descriptors), k.MSG_NOSIGNAL), "sendmsg");
}

/**
 * Messages by their number of descriptors. A message contains addresses of its own parts, so its buffer is
 * kept and never collected.
 */
const messages = new Map<number, Buffer>();

/**
 * One buffer with a `struct msghdr`, its vector, the byte to which the vector points, and the control
 * message.
 */
function messageWith(descriptors: readonly number[]): Buffer {
  const control = descriptorsMessage(descriptors);
  const message = messages.get(descriptors.length) ?? Buffer.alloc(MESSAGE_BYTES + control.length);
  if (!messages.has(descriptors.length)) {
    messages.set(descriptors.length, message);
    const start = libc().addressOf(message);
    const at = (offset: number) => start + BigInt(offset);
    const header = messageHeader(at(VECTOR_AT), at(MESSAGE_BYTES), control.length);
    for (const [index, word] of [...header, at(BYTE_AT), 1].entries())
      message.writeBigUInt64LE(BigInt(word), index * 8);
  }
  message.set(control, MESSAGE_BYTES);
  return message;
}

const VECTOR_AT = 7 * 8;
const BYTE_AT = VECTOR_AT + 2 * 8;
const MESSAGE_BYTES = BYTE_AT + 8;

/**
 * The process that listens on a socket: `SO_PEERCRED` of unix(7), over a connection that is closed at once.
 * @param path of at most 107 bytes
 */
export function listenerOf(path: string): { readonly pid: number; readonly uid: number } {
  const c = libc();
  const type = k.SOCK_STREAM | k.SOCK_CLOEXEC | k.SOCK_NONBLOCK;
  const socket = checked(c.socket(k.AF_UNIX, type, 0), "socket");
  try {
    connectUnix(socket, path);
    const credentials = new Uint32Array(3);
    const size = new Uint32Array([credentials.byteLength]);
    checked(c.getsockopt(socket, k.SOL_SOCKET, k.SO_PEERCRED, credentials, size), "getsockopt", path);
    return { pid: credentials[0] as number, uid: credentials[1] as number };
  } finally {
    closeSync(socket);
  }
}
