/** The production journal over files in memory, under one core: for torn tails, bit rot and lost disks. */
import { assert } from '../../base/assert.js'
import { KnhkError } from '../../base/error.js'
import type { RestoredLog, StoreRecord } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import { type LogIndex, logIndex, type NodeId } from '../../consensus/types.js'
import { MemoryFiles } from '../../storage/memory-files.js'
import { createLog, openLog } from '../../storage/open-log.js'
import type { Damage, PlainLog, ScenarioDisk, StartFacts } from './disk.js'
import { CLUSTER_ID } from './entries.js'

const DIRECTORY = '/log'
const READ_BYTES = 1 << 20

type OpenLog = Awaited<ReturnType<typeof openLog>>

export class JournalDisk implements ScenarioDisk {
  readonly #files: MemoryFiles
  readonly #identity: { readonly clusterId: Uint8Array; readonly nodeId: NodeId; readonly incarnation: Uint8Array }
  #log: OpenLog | null = null
  /** The entries as they were written, to find their bytes again. */
  readonly #written = new Map<number, Entry>()

  private constructor(id: NodeId, random: () => number) {
    this.#files = new MemoryFiles({ random })
    this.#identity = { clusterId: CLUSTER_ID, nodeId: id, incarnation: new Uint8Array(16).fill(1) }
  }

  /** A disk that holds `start` already. */
  static async create(id: NodeId, random: () => number, start: PlainLog): Promise<JournalDisk> {
    const disk = new JournalDisk(id, random)
    await disk.#files.mkdir(DIRECTORY)
    await createLog(disk.#files, DIRECTORY, disk.#identity)
    await disk.open({ appliedIndex: 0, snapshot: null })
    // One frame per entry, so that the end of the log can be told from its middle.
    await disk.write([{ kind: 'hardState', hardState: start.hardState }])
    for (const entry of start.entries) await disk.write([{ kind: 'entries', entries: [entry] }])
    if (start.base.index > 0) throw new KnhkError('InvalidArgument', 'a journal begins with its first entry')
    disk.close()
    return disk
  }

  async write(records: readonly StoreRecord[]): Promise<void> {
    for (const record of records) {
      if (record.kind === 'entries') for (const entry of record.entries) this.#written.set(entry.index, entry)
    }
    await this.#opened().append(records)
  }

  async tear(records: readonly StoreRecord[]): Promise<void> {
    const path = await this.#lastSegment()
    const before = this.#files.content(path).length
    await this.write(records)
    const after = this.#files.content(path)
    this.#files.replace(path, after.slice(0, before + Math.floor((after.length - before) / 2)))
  }

  async open({ appliedIndex, snapshot }: StartFacts): Promise<RestoredLog> {
    this.#log = await openLog({
      files: this.#files,
      directory: DIRECTORY,
      identity: this.#identity,
      provenIndex: appliedIndex,
    })
    return { ...this.#log.restored, snapshot }
  }

  close(): void {
    this.#log = null
    this.#files.kill()
  }

  async read(from: LogIndex): Promise<readonly Entry[]> {
    return this.#opened().read(from, READ_BYTES)
  }

  async damage(damage: Damage): Promise<void> {
    if (damage.kind === 'wipe') {
      this.#files.wipe(DIRECTORY)
      return
    }
    const entry = this.#written.get(damage.index)
    if (entry === undefined) throw new KnhkError('InvalidArgument', `entry ${damage.index} was never written`)
    for (const path of await this.#segments()) {
      const at = indexOf(this.#files.content(path), entry.header)
      if (at < 0) continue
      // The body follows its header.
      const within = damage.kind === 'header' ? 100 : entry.header.length + Math.floor(entry.body.length / 2)
      this.#files.flipBit(path, at + within, 3)
      return
    }
    throw new KnhkError('InvalidArgument', `entry ${logIndex(damage.index)} is not on the disk`)
  }

  async markRepaired(): Promise<void> {
    await this.#opened().markRepaired()
  }

  async #segments(): Promise<string[]> {
    return (await this.#files.readdir(DIRECTORY))
      .filter((name) => name.endsWith('.seg'))
      .map((name) => `${DIRECTORY}/${name}`)
  }

  async #lastSegment(): Promise<string> {
    const last = (await this.#segments()).at(-1)
    assert(last !== undefined, 'a log has a segment')
    return last
  }

  #opened(): OpenLog {
    assert(this.#log !== null, 'only an open log is used')
    return this.#log
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(wanted)
}
