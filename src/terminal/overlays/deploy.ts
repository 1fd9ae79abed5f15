/** `overlay deploy`: from a file to the operation; the base is the active snapshot where nobody says another. */
import { randomUUID } from 'node:crypto'
import { KnhkError } from '../../base/error.js'
import type { Client, QueryOptions } from '../../client/api.js'
import { operationFromJson } from '../../workflow/operation-json.js'
import type { Operation } from '../../workflow/operations.js'
import { GENESIS_SIGMA } from '../../workflow/overlays/snapshot.js'
import { readOperationFile } from '../operation-file.js'
import type { SigmaState } from './schemas.js'

/** Stands for the active snapshot in --base and in the file. */
const ACTIVE = 'active'

export interface DeployFile {
  readonly path: string
  /** Wins over the file's. */
  readonly overlayId: string | undefined
  readonly base: string | undefined
  /** Then every run has to send the same: neither the id nor the base may be left open. */
  readonly requestId: string | undefined
}

/** An overlay from a file; `base` null means the active snapshot, to be asked for. */
export interface DeployPlan {
  readonly base: string | null
  /** With another base. Throws `InvalidArgument`. */
  readonly operation: (base: string) => Operation
}

/** Throws `NotFound`, `InvalidFile`, `Usage`, or `InvalidArgument` that names the field. */
export async function planDeploy({ path, overlayId, base, requestId }: DeployFile): Promise<DeployPlan> {
  const file = await readOperationFile(path)
  if (file.type !== undefined && file.type !== 'DeployOverlay') {
    throw new KnhkError('InvalidFile', `${path} is no overlay: its type is not DeployOverlay`, { details: { path } })
  }
  const named = base ?? file.base ?? ACTIVE
  if (requestId !== undefined && (named === ACTIVE || (overlayId ?? file.overlayId) === undefined)) {
    throw new KnhkError('Usage', 'with --request-id every run deploys the same overlay against the same base', {
      hint: 'Give --id, and --base with a content hash or genesis, here or in the file.',
    })
  }
  const id = overlayId ?? file.overlayId ?? randomUUID()
  const operation = (sigma: unknown) =>
    operationFromJson({ ...file, type: 'DeployOverlay', overlayId: id, base: sigma })
  // What is wrong with the file is wrong whether or not the cluster can be reached.
  const known = named === ACTIVE || named === 'genesis' ? GENESIS_SIGMA : named
  operation(known)
  return { base: named === ACTIVE ? null : String(known), operation }
}

export async function activeSigma(client: Client, call: QueryOptions): Promise<SigmaState> {
  const { value } = await client.query('sigma.chain', { limit: 1 }, call)
  const { activeSigma: sigma, mode, height, openOverlays } = value as SigmaState
  return { activeSigma: sigma, mode, height, openOverlays }
}
