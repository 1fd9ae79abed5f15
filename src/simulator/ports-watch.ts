/**
 * Looks at what a node does through its ports for log and state: failpoints, and the check that what the
 * log calls durable is synced. The ports themselves are the production ones.
 */
import type { StoreRecord } from '../consensus/core.js'
import type { LogStore, StateStore } from '../node/ports.js'
import type { DurableModel } from './durable-model.js'
import type { Failpoints } from './failpoints.js'
import type { LogTail } from './log-tail.js'
import { InvariantViolation } from './violation.js'
import type { WatchedFiles } from './watched-files.js'

interface Watched {
  readonly id: string
  readonly run: number
  readonly durable: DurableModel
  readonly failpoints: Failpoints
  readonly watchedFiles: WatchedFiles
  readonly tail: LogTail
  isMarkingRepair: boolean
  saysRepaired: boolean
  remembersLoss: boolean
}

const DIRECTORY = '/log'

/** The same log, with its `append` looked at. `check` keeps a violation for who looks next. */
export function watchLog<L extends LogStore>(
  log: L,
  node: Watched,
  counts: { snapshotInstalls: number },
  check: (run: () => void) => void,
): L {
  const append = log.append.bind(log)
  const { run } = node
  log.append = async (records: readonly StoreRecord[]) => {
    node.durable.begin(records)
    await append(records)
    if (node.run !== run) return
    check(() => expectSynced(node))
    // A log that begins anew behind what it held took over the snapshot of another node.
    const before = node.durable.last
    if (records.some((record) => record.kind === 'base' && record.base.index > before)) counts.snapshotInstalls++
    node.durable.written()
    node.tail.note(records, before, node.watchedFiles.lastSynced)
    node.failpoints.pass('beforeStored')
  }
  const markDamaged = log.markDamaged.bind(log)
  log.markDamaged = async () => {
    await markDamaged()
    if (node.run === run) node.remembersLoss = true
  }
  const markRepaired = log.markRepaired.bind(log)
  log.markRepaired = async () => {
    node.isMarkingRepair = true
    await markRepaired()
    if (node.run !== run) return
    node.isMarkingRepair = false
    node.saysRepaired = true
  }
  return log
}

function expectSynced({ id, watchedFiles }: Watched): void {
  if (watchedFiles.hasUnsynced(DIRECTORY))
    throw new InvariantViolation('durableIsSynced', `${id} calls a write durable that no sync has covered`)
}

interface WatchedState {
  readonly failpoints: Failpoints
  readonly rotsPut: ((key: string) => boolean) | null
}

/** The same state, with its steps as failpoints, and a memory in which a bit can turn. */
export function watchState<S extends StateStore>(state: S, node: WatchedState): S {
  const { failpoints } = node
  const { put, flush, rotate } = state
  state.put = (key, value) => {
    failpoints.pass('beforeApply')
    put.call(state, key, node.rotsPut?.(key) === true ? withBitTurned(value) : value)
  }
  state.rotate = (appliedIndex) => {
    const changes = rotate.call(state, appliedIndex)
    failpoints.pass('afterApply')
    return changes
  }
  state.flush = () => {
    failpoints.pass('beforeFlush')
    flush.call(state)
    failpoints.pass('afterFlush')
  }
  return state
}

function withBitTurned(value: Uint8Array): Uint8Array {
  const turned = value.slice()
  const last = turned.length - 1
  turned[last] = (turned[last] as number) ^ 1
  return turned
}
