/** Planted bugs of the journal and of the applied state. */
import type { Mutant } from '../mutant.js'

const FAULT_TESTS = 'test/storage/write-faults.test.ts'
const DAMAGE_TESTS = 'test/storage/torn-and-corrupt.test.ts'
const WRITER = 'src/storage/segment-writer.ts'

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    id: 'no-datasync',
    title: 'the log is written and never synced',
    pitfall: 'vote sent before durable',
    file: WRITER,
    find: 'await (this.#handle as FileHandle).appendDurably(frame.parts)',
    replace: 'await (this.#handle as FileHandle).append(frame.parts)',
    killedBy: { simulator: { nodes: 3, seeds: 50 } },
  },
  {
    id: 'directory-not-synced',
    title: 'a new segment is there only as long as the power is',
    pitfall: 'un-synced directory entry',
    file: WRITER,
    find: '  await files.syncDirectory(directory)',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 20 }, tests: [{ file: FAULT_TESTS }] },
  },
  {
    id: 'seal-before-next',
    title: 'a full segment is sealed before the next one is durable',
    pitfall: 'un-synced directory entry',
    file: WRITER,
    find: `    const next = await createSegment(this.#options.files, this.#options.directory, header)
    await old.appendDurably(seal.parts)`,
    replace: `    await old.appendDurably(seal.parts)
    const next = await createSegment(this.#options.files, this.#options.directory, header)`,
    killedBy: { tests: [{ file: FAULT_TESTS }] },
  },
  {
    id: 'old-repair-excuses-new-loss',
    title: 'a repair whose damage was compacted away excuses the next loss too',
    pitfall: 'torn tail against damaged middle',
    file: 'src/storage/segmented-log.ts',
    find: 'this.#repaired = parts.excused',
    replace: 'this.#repaired = parts.report.repaired',
    killedBy: { tests: [{ file: 'test/storage/log-repair.test.ts' }] },
  },
  {
    id: 'truncation-forgotten',
    title: 'a truncation that is on disk is not read back',
    pitfall: 'append that truncates on reordering (truncation not durable)',
    file: 'src/storage/journal-replay.ts',
    find: "    this.#changes.push({ kind: 'truncate', from })",
    replace: '',
    killedBy: {
      simulator: { nodes: 5, seeds: 60 },
      tests: [{ file: 'test/storage/log-basics.test.ts' }, { file: FAULT_TESTS }],
    },
  },
  {
    id: 'hard-state-not-read',
    title: 'term and vote are not read back after a restart',
    pitfall: 'same-term step-down forgets the vote',
    file: 'src/storage/journal-replay.ts',
    find: '          this.standing.note(change)',
    replace: '          this.standing.note({ ...change, hardState: { ...change.hardState, votedFor: null } })',
    killedBy: { simulator: { nodes: 3, seeds: 100 }, tests: [{ file: FAULT_TESTS }] },
  },
  {
    id: 'damage-taken-for-torn-tail',
    title: 'a damaged frame in the middle is taken for a torn tail, and what follows is cut off',
    pitfall: 'torn tail against damaged middle',
    file: 'src/storage/journal-scan.ts',
    find: 'if (behind === null && mayTear && !this.#sealed && !this.#markerAbove(file.segment, offset)) {',
    replace: 'if (mayTear && !this.#sealed && !this.#markerAbove(file.segment, offset)) {',
    killedBy: { tests: [{ file: DAMAGE_TESTS, name: 'a flipped bit anywhere' }] },
  },
  {
    id: 'torn-tail-is-whole',
    title: 'frames are taken without looking at their checksum',
    pitfall: 'torn tail against damaged middle',
    file: 'src/storage/journal-scan.ts',
    find: 'return verifyFrame(window.bytes, window.indexOf(offset), this.#frame, this.#seed)',
    replace: 'return verifyFrame(window.bytes, window.indexOf(offset), this.#frame, this.#seed) || length > 0',
    killedBy: { tests: [{ file: DAMAGE_TESTS }] },
  },
  {
    id: 'sealed-end-ignored',
    title: 'a log that ends before its own seal passes for healthy',
    pitfall: 'torn tail against damaged middle',
    file: 'src/storage/journal-scan.ts',
    find: "    if (this.#marker.state !== 'sound') return false",
    replace: '    if (offset >= 0) return false',
    killedBy: { tests: [{ file: DAMAGE_TESTS }] },
  },
  {
    id: 'sync-error-retried',
    title: 'after a write that failed the log takes the next one',
    pitfall: 'fsync error retried',
    file: 'src/storage/segmented-log.ts',
    find: '    if (this.#failure !== null) throw this.#failure\n',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 20 }, tests: [{ file: FAULT_TESTS }] },
  },
  {
    id: 'applied-index-ahead',
    title: 'the applied index is written before the changes that it stands for',
    pitfall: 'applied index not atomic with state',
    file: 'src/storage/state-flusher.ts',
    find: '    const hiding: ReadonlyMap<string, Uint8Array | null>[] = []',
    replace: `    const early = this.#options.database.batch()
    put(
      early,
      POSITION_KEY,
      encodePosition(this.#options.identity, { ...this.#position, appliedIndex: newest.appliedIndex }),
    )
    await early.write()
    const hiding: ReadonlyMap<string, Uint8Array | null>[] = []`,
    killedBy: {
      simulator: { nodes: 3, seeds: 100 },
      tests: [{ file: 'test/storage/state-store.test.ts', name: 'after a crash the store is a prefix' }],
    },
  },
  {
    id: 'state-with-a-hole',
    title: 'state that lost a flush and kept a later one is trusted',
    pitfall: 'applied index not atomic with state',
    file: 'src/storage/state-recovery.ts',
    find: "return complete && reachesEnd ? { position, markers } : 'hole'",
    replace: "return complete || reachesEnd || position.generation >= 0 ? { position, markers } : 'hole'",
    killedBy: {
      simulator: { nodes: 3, seeds: 100 },
      tests: [{ file: 'test/storage/state-store.test.ts', name: 'after a crash the store is a prefix' }],
    },
  },
  {
    id: 'read-back-unchecked',
    title: 'an entry is read back from the log without a look at what its hashes bind',
    pitfall: 'damage after the start is given to others',
    file: 'src/storage/segment-reader.ts',
    find: '      if (chainMatches(entry) && digestMatches(entry)) continue\n',
    replace: '      if (entry.index > 0) continue\n',
    killedBy: { tests: [{ file: FAULT_TESTS }] },
  },
]
