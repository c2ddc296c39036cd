import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Suites for the virtual machine have a runner of their own.
    exclude: ["test/vm/**"],
    // Kernel tests start real processes: a fork each keeps their descriptors apart.
    pool: "forks",
    testTimeout: 30_000,
    // Real processes on a machine that others share: once more, and told as flaky, before a change is held up.
    retry: process.env.CI ? 1 : 0,
  },
});
