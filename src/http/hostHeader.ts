/** A page of another site can resolve a name of its own to this host (DNS rebinding). */
import { isIP } from "node:net";

/** Accepts `localhost` and IP addresses, but no DNS names. Any port, since it may be a tunnel's. */
export function isOwnHost(host: string | undefined): boolean {
  const name = /^(\[[^\]]+\]|[^:]+)(:\d{1,5})?$/.exec(host ?? "")?.[1];
  if (name === undefined) return false;
  return name === "localhost" || isIP(name.replace(/^\[|\]$/g, "")) !== 0;
}
