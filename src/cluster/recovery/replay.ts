/**
 * The state after the last entry of a log, computed by the state machine itself on the stores of a
 * copied data directory, without a node around it.
 */
import { KnhkError } from '../../base/error.js'
import type { ClientConfiguration } from '../../consensus/configuration.js'
import type { LogBase } from '../../consensus/snapshot.js'
import { logIndex } from '../../consensus/types.js'
import { sha256 } from '../../crypto/sha256.js'
import { Verifier } from '../../crypto/verifier.js'
import type { StatePair } from '../../node/ports.js'
import type { NodeStorage } from '../../storage/node-storage.js'
import { KV_HANDLERS } from '../../workflow/kv.js'
import { WorkflowMachine } from '../../workflow/machine.js'
import { SYSTEM_FROM, SYSTEM_TO } from '../../workflow/state-keys.js'

const READ_BYTES = 4 * 1024 * 1024
const SLICE_OPERATIONS = 4096
/** Changes in memory before they are written. */
const GENERATION_BYTES = 32 * 1024 * 1024

export interface ReplayedState {
  readonly base: LogBase
  /** All pairs in key order; to be read once. */
  readonly pairs: () => AsyncIterable<StatePair>
}

/**
 * `clients` are those of the beginning, null where nobody knows them. Throws `NotFound` where they are
 * needed, `Corrupt` where an entry that the log lists cannot be read.
 */
export async function replayLog(
  { log, state, directory }: NodeStorage,
  clients: readonly ClientConfiguration[] | null,
  onProgress: (appliedIndex: number) => void,
): Promise<ReplayedState> {
  const { appliedIndex, lastIndex } = { appliedIndex: state.appliedIndex, lastIndex: log.lastIndex }
  if (appliedIndex === 0 && clients === null) {
    throw new KnhkError('NotFound', 'the log is applied from its beginning, and nobody says who its clients were', {
      hint: 'Plan again with the cluster file of the lost cluster: knhk recover plan --cluster FILE.',
    })
  }
  const system = await state.range(SYSTEM_FROM, SYSTEM_TO)
  const genesis = { clients: clients ?? [], clusterId: directory.identity.clusterId }
  const modules = { state, handlers: KV_HANDLERS, sha256, signatures: new Verifier() }
  const machine = new WorkflowMachine({ genesis, appliedIndex, system }, modules)
  while (machine.appliedIndex < lastIndex) {
    const entries = await log.read(logIndex(machine.appliedIndex + 1), READ_BYTES)
    if (entries.length === 0) {
      throw new KnhkError('Corrupt', `entry ${machine.appliedIndex + 1} of the log cannot be read`)
    }
    for (const entry of entries) {
      machine.begin(entry)
      while (!machine.advance(SLICE_OPERATIONS, () => undefined));
    }
    if (state.openBytes >= GENERATION_BYTES) await settle(machine, state)
    onProgress(machine.appliedIndex)
  }
  await settle(machine, state)
  return { base: await baseAt(log, lastIndex), pairs: () => walked(state, lastIndex) }
}

/** Writes what is in memory. */
async function settle(machine: WorkflowMachine, state: NodeStorage['state']): Promise<void> {
  machine.checkpoint()
  const at = logIndex(machine.appliedIndex)
  state.rotate(at)
  // A walk resolves once everything before it is written.
  for await (const _ of await state.walk(at)) break
}

async function* walked(state: NodeStorage['state'], index: number): AsyncGenerator<StatePair> {
  for await (const pairs of await state.walk(logIndex(index))) yield* pairs
}

async function baseAt(log: NodeStorage['log'], index: number): Promise<LogBase> {
  if (index === log.base.index) return { ...log.base, membership: null }
  const [entry] = await log.read(logIndex(index), 1)
  if (entry === undefined) throw new KnhkError('Corrupt', `entry ${index} of the log cannot be read`)
  const { epoch, term, chain, timestampMs } = entry
  return { index: entry.index, epoch, term, chain: chain.slice(), timestampMs, membership: null }
}
