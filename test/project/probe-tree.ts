/**
 * A miniature of the checkout in a temporary directory: the project's real lint and compiler
 * configuration over probe files, to see what the rules say about code that we would never keep.
 */
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { projectRoot } from './project-root.js'

const CONFIGURATION = [
  'biome.json',
  'tsconfig.json',
  'tsconfig.pure.json',
  'package.json',
  'test/tools/pure-room.grit',
  'src/base/text-encoding.d.ts',
]

export interface Finding {
  readonly file: string
  readonly rule: string
  readonly message: string
}

interface BiomeReport {
  readonly diagnostics: readonly { category: string; message: string; location: { path: string } }[]
}

export class ProbeTree {
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
  }

  static async create(): Promise<ProbeTree> {
    const tree = new ProbeTree(await mkdtemp(join(tmpdir(), 'knhk-probe-')))
    for (const file of CONFIGURATION) {
      await mkdir(dirname(join(tree.#root, file)), { recursive: true })
      await copyFile(join(projectRoot, file), join(tree.#root, file))
    }
    await symlink(join(projectRoot, 'node_modules'), join(tree.#root, 'node_modules'))
    return tree
  }

  async write(file: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.#root, file)), { recursive: true })
    await writeFile(join(this.#root, file), `${text}\n`)
  }

  /** What Biome finds in the tree, with the real configuration. */
  async lint(): Promise<Finding[]> {
    const args = ['lint', '--reporter=json', '--max-diagnostics=none']
    const { stdout } = await execa(tool('biome'), args, { cwd: this.#root, reject: false })
    const report = JSON.parse(stdout) as BiomeReport
    return report.diagnostics.map(({ category, message, location }) => ({
      file: location.path,
      rule: category,
      message,
    }))
  }

  /** What the compiler finds in the pure rooms, with the library that they are allowed. */
  async compilePureRooms(): Promise<Finding[]> {
    const args = ['-p', 'tsconfig.pure.json', '--pretty', 'false']
    const { stdout } = await execa(tool('tsc'), args, { cwd: this.#root, reject: false })
    return [...stdout.matchAll(/^(.+?)\(\d+,\d+\): error (TS\d+): (.*)$/gm)].map(
      ([, file = '', rule = '', message = '']) => ({ file, rule, message }),
    )
  }

  async remove(): Promise<void> {
    await rm(this.#root, { recursive: true })
  }
}

/** The path of a development tool of this checkout. */
export function tool(name: string): string {
  return join(projectRoot, 'node_modules', '.bin', name)
}
