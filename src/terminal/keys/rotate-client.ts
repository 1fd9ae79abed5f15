/**
 * `keys rotate` for clients: the new key is on disk before it is ordered, the order is signed by both keys (the old
 * one sends it, the new one proves itself), and the files change when the cluster has taken it. Run again after an
 * interruption it asks the cluster which key it knows, and goes on from there.
 */
import { fromHex, toHex } from '../../base/bytes.js'
import { hasCode, KnhkError } from '../../base/error.js'
import type { CallOptions, Client } from '../../client/api.js'
import { connectClient } from '../../client/index.js'
import type { Target } from '../../cluster/target.js'
import { fingerprint, formatPublicKey } from '../../crypto/key-encoding.js'
import { loadKeyPair } from '../../crypto/key-files.js'
import { sign } from '../../crypto/keys.js'
import { CLIENTS_MAX } from '../../workflow/policies/limits.js'
import { rotationStatement } from '../../workflow/policies/rotation.js'
import type { Connection } from '../connection.js'
import { submitOperation } from '../operation-report.js'
import { pagedQuery } from '../paged-query.js'
import type { ClientRow } from '../policies/schemas.js'
import type { Output } from '../printer.js'
import type { RotatedReport } from './rotated-schema.js'
import { finishTakeOver, makeSuccessor, retiredPath, takeOver, waitingSuccessor } from './successor-files.js'

/** The row of `id`, or of the client with the key `publicKey`. Throws `NotFound`. */
export async function clientRow(
  client: Client,
  which: { readonly id: string } | { readonly publicKey: Uint8Array },
  call: CallOptions,
): Promise<ClientRow> {
  const { rows } = await pagedQuery<ClientRow>(client, {
    name: 'clients.list',
    field: 'clients',
    args: {},
    limit: CLIENTS_MAX,
    cursor: null,
    call,
  })
  const hex = 'id' in which ? null : toHex(which.publicKey)
  const row = rows.find(({ id, publicKey }) => ('id' in which ? id === which.id : publicKey === hex))
  if (row !== undefined) return row
  const name = 'id' in which ? JSON.stringify(which.id) : 'with this key'
  throw new KnhkError('NotFound', `the cluster has no client ${name}`, { hint: 'See `knhk cluster clients list`.' })
}

/**
 * Ends what an earlier run began, as far as the cluster went along with it; the new key then, null where there is
 * nothing to end.
 */
export async function finishEarlier(target: Target, call: CallOptions): Promise<Uint8Array | null> {
  const { configuration, endpoints, keyPath } = target
  if (await finishTakeOver(keyPath)) return (await loadKeyPair(keyPath)).publicKey
  const successor = await waitingSuccessor(keyPath)
  if (successor === null) return null
  const client = await connectClient({ configuration, key: successor, ...(endpoints === null ? {} : { endpoints }) })
  try {
    if (!(await isKnown(client, call))) return null
  } finally {
    await client.close()
  }
  await takeOver(keyPath)
  return successor.publicKey
}

/** Whether the cluster knows the key of this client. */
async function isKnown(client: Client, call: CallOptions): Promise<boolean> {
  try {
    await client.query('clients.list', { limit: 1 }, call)
    return true
  } catch (error) {
    if (hasCode(error, 'UnknownKey')) return false
    throw error
  }
}

/** Makes the successor of the key that connects, orders it and puts it in its place. */
export async function rotateOwn(
  { client, target }: Connection,
  row: ClientRow,
  call: CallOptions,
): Promise<RotatedReport> {
  const path = target.keyPath
  // One that was made and not taken is as good as a new one.
  const next = (await waitingSuccessor(path)) ?? (await makeSuccessor(path))
  const statement = rotationStatement(target.configuration.clusterId, fromHex(row.publicKey), next.publicKey)
  const proof = sign(next.privateKey, statement)
  const operation = { type: 'RotateClientKey' as const, clientId: row.id, publicKey: next.publicKey, proof }
  const { index } = await submitOperation(client, operation, call).catch((error: unknown) => {
    throw maybeOrdered(error)
  })
  await takeOver(path)
  return rotatedReport({ row, path, publicKey: next.publicKey, index })
}

/** The report of a rotation that is done. `path` null where the private key is elsewhere, `index` of the order. */
export function rotatedReport(done: {
  readonly row: ClientRow
  readonly path: string | null
  readonly publicKey: Uint8Array
  readonly index: number | null
}): RotatedReport {
  const { row, path, publicKey, index } = done
  const isOrdered = index !== null
  return {
    client: row.id,
    role: row.role,
    changed: true,
    dryRun: false,
    publicKey: formatPublicKey(publicKey),
    fingerprint: fingerprint(publicKey),
    previousPublicKey: isOrdered ? formatPublicKey(fromHex(row.publicKey)) : null,
    identity: formatPublicKey(fromHex(row.identity)),
    keyFile: path === null ? null : `${path}.key`,
    retiredKeyFile: path === null ? null : `${retiredPath(path)}.key`,
    index,
  }
}

export function rotationPlan(row: ClientRow, path: string | null, publicKey: Uint8Array | null): RotatedReport {
  const report = rotatedReport({ row, path, publicKey: publicKey ?? fromHex(row.publicKey), index: 0 })
  const unknown = publicKey === null ? { publicKey: null, fingerprint: null } : {}
  return { ...report, ...unknown, changed: false, dryRun: true, index: null }
}

export function rotatedOutput(report: RotatedReport): Output {
  const { client, role, dryRun, publicKey, keyFile, retiredKeyFile, index } = report
  const whole = dryRun
    ? `The key of ${client} (${role}) would be replaced; the one it has now would open nothing any more.`
    : `${client} (${role}) has a new key${index === null ? ', ordered by an earlier run' : ` (index ${index})`}; the old one opens nothing any more.`
  return {
    value: report,
    ids: publicKey === null ? [] : [publicKey],
    text: ({ fields }) =>
      [
        whole,
        fields([
          ['public key', publicKey],
          ['key file', keyFile],
          ['old key', retiredKeyFile],
        ]),
      ].join('\n'),
  }
}

/** An order whose outcome nobody knows is no reason to be afraid: its key is on disk. */
function maybeOrdered(error: unknown): unknown {
  if (!hasCode(error, 'OutcomeUnknown') && !hasCode(error, 'DeadlineExceeded')) return error
  return new KnhkError(error.code, `${error.message}: the key may have been replaced`, {
    cause: error,
    details: error.details,
    hint: 'Run the same command again: it asks which key is in force, and goes on from there.',
  })
}
