/** What a client refuses for a driver that does not create networks, as this one. Pure. */
export const hostnameRefusal = {
  message: "a client refuses network { hostname } for this driver",
  hint: "Only drivers that create networks support a hostname. List the hosts that a task looks up in its option extra_hosts, and set the task's own name in its env",
};
