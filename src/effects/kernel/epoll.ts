/** epoll(7), for a process that waits in place of this one. */
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { checked } from "./libc.ts";

/** epoll_create1(2), close-on-exec. */
export function epollCreate(): number {
  return checked(libc().epollCreate(k.O_CLOEXEC), "epoll_create1");
}

/** epoll_ctl(2): waits until a descriptor can be read, too. The descriptor leaves when it is closed. */
export function epollAdd(epoll: number, descriptor: number): void {
  // `struct epoll_event` has 12 bytes, or 16 on some architectures.
  const event = Buffer.alloc(16);
  event.writeUInt32LE(k.EPOLLIN, 0);
  checked(libc().epollControl(epoll, k.EPOLL_CTL_ADD, descriptor, event), "epoll_ctl");
}
