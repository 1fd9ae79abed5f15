/**
 * Ends a test run with `N passed, N failed` alone on the last line, for people and CI to read; skipped tests
 * are counted on a line before it. A file or suite that fails to load or set up, and an error outside of every test, count as failures
 * too; a run in which no test was executed is one failure.
 */
import { writeSync } from 'node:fs'

/** Vitest 4 reporter. The line is written when the process ends, after everything that other reporters print. */
export default class CountingReporter {
  #passed = 0
  #failed = 0
  #skipped = 0
  #finished = false

  onInit() {
    process.once('exit', () => this.#close())
  }

  onTestRunStart() {
    this.#passed = this.#failed = this.#skipped = 0
    this.#finished = false
  }

  /** @param {readonly import('vitest/node').TestModule[]} modules */
  onTestRunEnd(modules, unhandledErrors) {
    for (const module of modules) this.#count(module)
    this.#failed += unhandledErrors.length
    this.#finished = true
  }

  #count(module) {
    if (module.errors().length > 0) this.#failed += 1
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) this.#failed += 1
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') this.#passed += 1
      else if (state === 'failed') this.#failed += 1
      else this.#skipped += 1
    }
  }

  #close() {
    const executed = this.#passed + this.#failed > 0
    if (!this.#finished || !executed) this.#failed += 1
    if (this.#failed > 0 && !process.exitCode) process.exitCode = 1
    const skipped = this.#skipped > 0 ? `\n${this.#skipped} skipped` : ''
    writeSync(1, `${skipped}\n${this.#passed} passed, ${this.#failed} failed\n`)
  }
}
