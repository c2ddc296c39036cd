import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Suites for the virtual machine have a runner of their own.
    exclude: ["test/vm/**"],
    // Kernel tests start real processes: a fork each keeps their descriptors apart.
    pool: "forks",
    testTimeout: 30_000,
  },
});
