/** Names of hosts. Pure. */

export interface HostEntry {
  readonly name: string;
  readonly address: string;
}

/** `NAME:ADDRESS` taken apart at the first colon. */
export function parseHostEntry(entry: string): HostEntry {
  const [name = "", ...address] = entry.split(":");
  return { name, address: address.join(":") };
}

/** hostname(7), with no more characters than the kernel takes for its own. */
export function isHostName(name: string): boolean {
  return (
    name.length <= 64 && name.split(".").every((label) => /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/i.test(label))
  );
}
