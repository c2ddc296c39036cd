/** Names of hosts. Pure. */

export interface HostEntry {
  readonly name: string;
  readonly address: string;
}

/** Splits `NAME:ADDRESS` at the first colon. */
export function parseHostEntry(entry: string): HostEntry {
  const [name = "", ...address] = entry.split(":");
  return { name, address: address.join(":") };
}

/**
 * Whether a name has the form that hostname(7) describes, and is short enough for sethostname(2). Underscores
 * are allowed, too.
 */
export function isHostName(name: string): boolean {
  return (
    name.length <= 64 && name.split(".").every((label) => /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/i.test(label))
  );
}
