/** Limits on the ports that a task may use. Pure. */

/**
 * An absent list allows every port, and an empty list allows none. In a list of ports to bind, 0 stands for
 * any free port that the kernel chooses.
 */
export type PortLimits = { readonly [option in PortOption]?: number[] | undefined };

export const portOptions = ["connectTcp", "bindTcp", "connectUdp", "bindUdp"] as const;

export type PortOption = (typeof portOptions)[number];
