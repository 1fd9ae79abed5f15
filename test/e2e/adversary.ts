/** The adversary (`test/adversary`) as a process in the place of a member: it holds the member's key, and lies. */
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { World } from './harness.js'

export const ADVERSARY = fileURLToPath(new URL('../../dist/test/adversary/run.js', import.meta.url))

export class Adversary {
  readonly #process: ReturnType<typeof launch>
  #said = ''

  /** `lie`: which, and the flags that say how often and when. The member itself must not run. */
  constructor(world: World, node: string, ...lie: readonly string[]) {
    this.#process = launch(world, ['--node', node, '--lie', ...lie])
    this.#process.stderr?.on('data', (chunk) => {
      this.#said += String(chunk)
    })
  }

  /** What it has told so far of its lies; all of it once it is stopped. */
  get said(): string {
    return this.#said
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process
  }
}

function launch({ dir, env }: World, args: readonly string[]) {
  return execa(process.execPath, [ADVERSARY, '--dir', dir, ...args], { reject: false, env, extendEnv: false })
}
