/** Values that templates get from servers on a cluster, given to a local run in a file. Pure. */
import { z } from "zod";

const text = z
  .union([z.string(), z.number(), z.boolean()], "must be a string, a number or a bool")
  .transform(String);
const map = z.record(z.string(), z.json());

/** An instance of a service, with the fields that templates read: `.Address`, `.Port`, `.Tags`, … */
const instance = z.looseObject({
  Address: z.string("an instance needs its Address"),
  Port: z.number("an instance needs its Port"),
  Tags: z.array(z.string()).default([]),
});
const services = z.record(z.string(), z.array(instance));

/** A kind that is absent is a server that a local run lacks. */
export const serverValuesSchema = z.strictObject({
  /** Vault: the data of each path. */
  secret: z.record(z.string(), map).optional(),
  /** Consul's keys. */
  key: z.record(z.string(), text).optional(),
  /** Consul's services. */
  service: services.optional(),
  /** Nomad's variables: the items of each path. */
  nomadVar: z.record(z.string(), z.record(z.string(), text)).optional(),
  nomadService: services.optional(),
});

export type ServerValues = z.output<typeof serverValuesSchema>;
