/** The symbolic name of an error number. */
import { constants } from "node:os";

/** `ENOENT` for 2; `errno <n>` for the few that Node does not know. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

// EWOULDBLOCK and ENOTSUP share the numbers of EAGAIN and EOPNOTSUPP, the names that Linux prints.
const names = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== "EWOULDBLOCK" && name !== "ENOTSUP")
    .map(([name, errno]) => [errno, name]),
);
// Landlock's error for a descriptor that can have no rule. Node has no name for it.
names.set(77, "EBADFD");
