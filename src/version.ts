/** The driver's version, which Nomad, the command `version` and every event show. */
import manifest from "../package.json" with { type: "json" };

export const version: string = manifest.version;
