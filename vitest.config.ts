import { configDefaults, defineConfig } from 'vitest/config'

/** Too long for every run: `npm run test:long` tells them, `npm test` the rest, within ten minutes on two cores. */
const LONG = [
  'test/e2e/byzantine-operations.test.ts',
  'test/e2e/hybrid-liars.test.ts',
  'test/e2e/hybrid-operations.test.ts',
  'test/telemetry/hybrid-export.test.ts',
  'test/simulator/byzantine.test.ts',
  'test/simulator/twins.test.ts',
  'test/conformance/hotstuff.test.ts',
]
const tellsLong = process.env.KNHK_TEST_LONG === '1'

export default defineConfig({
  test: {
    include: tellsLong ? LONG : ['test/**/*.test.ts'],
    exclude: tellsLong ? configDefaults.exclude : [...configDefaults.exclude, ...LONG],
    disableConsoleIntercept: true,
    reporters: ['default', './test/tools/counting-reporter.mjs'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
