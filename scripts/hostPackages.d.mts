/** Types of hostPackages.mjs, which runs before any package is installed. */
type Packages = Readonly<Record<string, string>>;
interface Need {
  readonly has: readonly string[];
  readonly from: string;
  readonly by: readonly string[];
  readonly to: string;
  readonly service?: boolean;
}
export const groups: readonly string[];
export const needs: readonly Need[];
export const everywhere: ReadonlySet<string>;
export function packagesFor(group: string, machine: { readonly services: boolean }): Packages;
export function packageOf(needed: string): string | undefined;
export function releasePackages(
  architectures: readonly string[],
  options?: { readonly rpm?: boolean },
): Packages;
export function missingFrom(packages: Packages): {
  readonly needed: readonly string[];
  readonly names: readonly string[];
};
