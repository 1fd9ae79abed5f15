/**
 * `.record FILE`: what is done in a session becomes a script that `knhk repl --file FILE` runs. What failed is there as
 * a comment.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { KnhkError } from '../../base/error.js'
import { fileError } from '../../cluster/files.js'

export class Recorder {
  readonly path: string
  readonly #file: FileHandle

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  /** Throws `Refused` where the file exists, `InvalidFile` where it cannot be made. */
  static async start(path: string): Promise<Recorder> {
    const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw fileError(path, 'write', cause)
      throw new KnhkError('Refused', `${path} exists already and is never overwritten`, {
        hint: 'Choose another name.',
        details: { path },
      })
    })
    await file.write(`# Run it: knhk repl --file ${path}\n`)
    return new Recorder(path, file)
  }

  /** `code` null: it worked. */
  async add(statement: string, code: string | null): Promise<void> {
    const text = code === null ? statement : `[${code}] ${statement}`.replaceAll(/^/gm, '# ')
    await this.#file.write(`${text}\n`)
  }

  async stop(): Promise<void> {
    await this.#file.close()
  }
}
