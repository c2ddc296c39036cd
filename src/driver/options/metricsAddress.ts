/**
 * Parses the address at which the plugin serves its metrics: an address of the loopback device, or a unix
 * socket. Pure.
 */

export type MetricsAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/**
 * `127.0.0.1:9464`, `[::1]:9464`, or the absolute path of a socket.
 * @returns undefined for anything else, because other hosts must not connect to a process that runs as root
 */
export function parseMetricsAddress(text: string): MetricsAddress | undefined {
  if (text.startsWith("/")) return { path: text };
  const [, v4, v6, digits] = /^(?:(127(?:\.\d{1,3}){3})|\[(::1)\]):(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [v4 ?? v6, Number(digits)];
  const isAddress = host?.split(".").every((part) => !(Number(part) > 255));
  return host !== undefined && isAddress && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}
