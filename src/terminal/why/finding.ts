/** One reason why a cluster is not as it should be, with the numbers that show it. */
import * as schema from '../schema.js'

export type FindingCode =
  | 'Unreachable'
  | 'NoQuorum'
  | 'NoLeader'
  | 'Campaigning'
  | 'CannotWin'
  | 'SecondLeader'
  | 'OtherLeader'
  | 'NotVoting'
  | 'CommitWaits'
  | 'ZoneMissing'
  | 'NotHeard'
  | 'ReplicationLag'
  | 'ReceivingSnapshot'
  | 'Restoring'
  | 'ApplyLag'
  | 'JointConfiguration'
  | 'ChangeNotCommitted'
  | 'NotPromoted'
  | 'LoopDelay'
  | 'StalledDisk'
  | 'FullDisk'
  | 'Diverged'
  | 'EpochChange'
  | 'NoProgress'
  | 'ViewsApart'
  | 'CutOff'
  | 'OtherEpoch'
  | 'StaysByzantine'

export interface Finding {
  readonly code: FindingCode
  /** Whom it is about; null for the whole cluster. */
  readonly node: string | null
  readonly message: string
  readonly hint: string
  readonly numbers: Readonly<Record<string, number>>
}

export const WHY_SCHEMA = schema.record({
  healthy: schema.flag,
  findings: schema.list(
    schema.record({
      code: schema.text,
      node: schema.nullable(schema.text),
      message: schema.text,
      hint: schema.text,
      // Names differ from code to code; the values are integers.
      numbers: schema.anything,
    }),
  ),
})
