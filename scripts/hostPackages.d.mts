/** Types of hostPackages.mjs, which runs before any package is installed. */
type Packages = Readonly<Record<string, string>>;
export function releasePackages(architectures: readonly string[]): Packages;
export function missingFrom(packages: Packages): {
  readonly needed: readonly string[];
  readonly names: readonly string[];
};
