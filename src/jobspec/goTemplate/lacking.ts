/** Functions of Nomad's templates that a local run lacks, and why. Pure. */

const consul =
  "key keyExists keyOrDefault ls safeLs tree safeTree node nodes datacenters service services connect caRoots caLeaf exportedServices partitions peerings byMeta byKey byTag byPort byAddress";
const vault = "secret secrets pkiCert byVault";
const nomad = "nomadService nomadServices nomadVar nomadVarExists nomadVarList nomadVarListSafe";
const files = "file executeTemplate writeToFile plugin";
const formats = "parseYAML toYAML toTOML";

const reasons: readonly (readonly [string, string])[] = [
  [consul, "needs Consul, and a local run has none"],
  [vault, "needs Vault, and a local run has none"],
  [nomad, "needs a Nomad server, and a local run has none"],
  [files, "reaches files or programs, which templates of a local run cannot: HCL's file() reads a file"],
  [formats, "is missing in a local run; use parseJSON or toJSON"],
];

/** Undefined for a function that no version of Nomad has. */
export function whyMissing(name: string): string | undefined {
  if (name.startsWith("sprig_")) return `${name} is missing in a local run, as all of sprig is`;
  const reason = reasons.find(([names]) => names.split(" ").includes(name))?.[1];
  return reason && `${name} ${reason}`;
}
