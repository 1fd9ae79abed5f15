/** What the results of governing operations say, as plain data. */
import { ByteReader } from '../../base/bytes.js'
import type { GovernanceOperation, Quotas } from './operation.js'
import { QUOTA_NAMES } from './quotas.js'

type Data = Readonly<Record<string, string | number | boolean | null>>

/** Throws `ProtocolViolation` where the payload does not fit the operation. */
export function governanceResultData(
  operation: Exclude<GovernanceOperation, { readonly type: 'Approved' }>,
  payload: Uint8Array,
): Data {
  const reader = new ByteReader(payload)
  const data = dataOf(operation, reader)
  reader.end()
  return data
}

function dataOf(operation: Exclude<GovernanceOperation, { readonly type: 'Approved' }>, reader: ByteReader): Data {
  switch (operation.type) {
    case 'ApplyPolicy':
      return { policyId: operation.policyId, replaced: reader.flag() }
    case 'RetractPolicy':
      return { policyId: operation.policyId }
    case 'SetClient':
      return { clientId: operation.clientId, role: operation.role, replaced: reader.flag() }
    case 'RemoveClient':
      return { clientId: operation.clientId }
    case 'RotateClientKey':
      return { clientId: operation.clientId, rotated: reader.flag() }
    case 'SetQuota':
      return quotaData(operation)
    case 'PurgeCases':
      return { purged: reader.u32(), cases: operation.caseIds.length }
  }
}

function quotaData(quotas: Quotas): Data {
  return Object.fromEntries(QUOTA_NAMES.map((name) => [name, quotas[name]]))
}
