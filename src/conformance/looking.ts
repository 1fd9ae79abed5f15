/** How checks look at a cluster: through queries that every member answers for itself. */
import { deepStrictEqual, fail, ok } from 'node:assert/strict'
import { toHex } from '../base/bytes.js'
import { hasCode } from '../base/error.js'
import type { Client } from '../client/index.js'
import type { ClusterUnderTest } from './cluster-under-test.js'

/** Of the cluster's time. */
const PATIENCE_MS = 120_000
const LOOK_MS = 50
const ENTRIES_PER_LOOK = 1000

export interface MemberView {
  readonly leader: string | null
  readonly firstIndex: number
  readonly lastIndex: number
  readonly appliedIndex: number
  /** Of the state at `digestIndex`; both null before the first. */
  readonly digestIndex: number | null
  readonly stateDigest: string | null
}

/** What a member says of itself; null while it does not answer. */
export async function viewOf(client: Client, member: string): Promise<MemberView | null> {
  try {
    const { value } = await client.query('node.status', {}, { read: 'local', node: member, timeoutMs: 2_000 })
    const view = value as Omit<MemberView, 'stateDigest'> & { readonly stateDigest: Uint8Array | null }
    return { ...view, stateDigest: view.stateDigest === null ? null : toHex(view.stateDigest) }
  } catch (error) {
    if (hasCode(error, 'Unreachable') || hasCode(error, 'DeadlineExceeded')) return null
    throw error
  }
}

/** Lets time pass until `look` finds something; fails with `what` where it never does. */
export async function eventually<T>(
  cluster: ClusterUnderTest,
  what: string,
  look: () => Promise<T | null> | T | null,
): Promise<T> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += LOOK_MS) {
    const found = await look()
    if (found !== null) return found
    await cluster.elapse(LOOK_MS)
  }
  return fail(`it never came to this: ${what}`)
}

/** Who leads, proposes or is primary, as most members see it. */
export function leaderOf(cluster: ClusterUnderTest, client: Client): Promise<string> {
  return eventually(cluster, 'a leader that most members name', async () => {
    const views = await Promise.all(cluster.members.map((member) => viewOf(client, member)))
    const named = cluster.members.filter(
      (member) => 2 * views.filter((view) => view?.leader === member).length > cluster.members.length,
    )
    return named[0] ?? null
  })
}

/** Waits until all of these members have applied the same entries, at least up to `index`; their views then. */
export function settled(
  cluster: ClusterUnderTest,
  client: Client,
  index: number,
  members = cluster.members,
): Promise<readonly MemberView[]> {
  return eventually(cluster, `entry ${index} is applied by ${members.join(', ')}`, async () => {
    const views = await Promise.all(members.map((member) => viewOf(client, member)))
    const known = views.filter((view) => view !== null)
    const first = known[0]
    if (known.length < members.length || first === undefined || first.appliedIndex < index) return null
    const { appliedIndex } = first
    const isSettled = known.every((view) => view.appliedIndex === appliedIndex && view.digestIndex === appliedIndex)
    return isSettled ? known : null
  })
}

/** All members have applied the same entries, from the first one that all of them still have, to the same state. */
export async function expectAgreement(cluster: ClusterUnderTest, client: Client, index: number): Promise<void> {
  const views = await settled(cluster, client, index)
  deepStrictEqual(new Set(views.map(({ stateDigest }) => stateDigest)).size, 1, 'equal entries led to different states')
  const from = Math.max(...views.map(({ firstIndex }) => firstIndex))
  const to = Math.min(...views.map(({ appliedIndex }) => appliedIndex))
  const logs = await Promise.all(cluster.members.map((member) => entriesOf(client, member, from, to)))
  for (const log of logs) deepStrictEqual(log, logs[0], 'two members hold different entries at one index')
}

interface ListedEntry {
  readonly index: number
  readonly chain: string
  readonly batchDigest: string
  readonly timestampMs: number
}

async function entriesOf(client: Client, node: string, from: number, to: number): Promise<readonly ListedEntry[]> {
  const args = { from, to, limit: ENTRIES_PER_LOOK }
  const { value } = await client.query('log.inspect', args, { read: 'local', node })
  const { entries } = value as { readonly entries: readonly ListedEntry[] }
  return entries.map(({ index, chain, batchDigest, timestampMs }) => ({ index, chain, batchDigest, timestampMs }))
}

/** Every member's log holds by itself: checksums, order, chain, digests and certificates. */
export async function expectSoundLogs(cluster: ClusterUnderTest): Promise<void> {
  for (const member of cluster.members) {
    const { ok: isSound, problems, entries, certificates } = await cluster.verifyLog(member)
    ok(isSound, `the log of ${member} does not verify: ${JSON.stringify(problems)}`)
    deepStrictEqual(certificates, cluster.isCertified ? entries : 0, `entries of ${member} without a certificate`)
  }
}
