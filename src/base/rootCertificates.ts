/** The certificates that TLS connections of this process trust. */
import { getCACertificates, setDefaultCACertificates } from "node:tls";

let areTrusted = false;

/**
 * Makes further TLS connections trust Node's own root certificates and those of NODE_EXTRA_CA_CERTS. The executable
 * does not load them by itself (`nodeOptions` in scripts/executable/buildExecutable.ts).
 */
export function trustBundledRoots(): void {
  if (areTrusted) return;
  areTrusted = true;
  setDefaultCACertificates([...getCACertificates("bundled"), ...getCACertificates("extra")]);
}
