import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    disableConsoleIntercept: true,
    reporters: ['default', './test/tools/counting-reporter.mjs'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
