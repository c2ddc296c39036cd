/**
 * Checks a request's Host header. A foreign web page can make its own domain name resolve to this host (DNS
 * rebinding).
 */
import { isIP } from "node:net";

/**
 * Accepts `localhost` and IP addresses, but no DNS names. Accepts any port, because a tunnel's port may
 * differ from the server's.
 */
export function isOwnHost(host: string | undefined): boolean {
  const name = /^(\[[^\]]+\]|[^:]+)(:\d{1,5})?$/.exec(host ?? "")?.[1];
  if (name === undefined) return false;
  return name === "localhost" || isIP(name.replace(/^\[|\]$/g, "")) !== 0;
}
