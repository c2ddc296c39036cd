/** Limits on the ports that a task may use. Pure. */

/**
 * An absent list allows every port, and an empty list allows none. In a list of ports to bind, 0 stands for
 * any free port that the kernel chooses.
 */
export type PortLimits = { readonly [option in PortOption]?: number[] | undefined };

export const portOptions = ["connectTcp", "bindTcp", "connectUdp", "bindUdp"] as const;

export type PortOption = (typeof portOptions)[number];
/** The options' names in HCL. */
export const portNames: Readonly<Record<PortOption, string>> = {
  connectTcp: "connect_tcp",
  bindTcp: "bind_tcp",
  connectUdp: "connect_udp",
  bindUdp: "bind_udp",
};
