/**
 * What a cluster must offer so that the suite can be run against it: its members by name, clients of the
 * public library, and hands that can crash, cut off and look at members. Nothing here knows a protocol, or
 * whether members are simulated or real.
 */
import type { Client } from '../client/index.js'
import type { VerifiedLog } from '../storage/log-verify.js'

/** What a requirement asks of the cluster that is made for it. */
export interface ClusterNeeds {
  /** Members take a snapshot, and drop the log before it, about every so many entries; null for seldom. */
  readonly compactEveryEntries: number | null
}

export interface ClusterUnderTest {
  /** All members, running and able to reach each other at the beginning. */
  readonly members: readonly string[]
  /** How many members may be away while the others go on: f. */
  readonly faultsMax: number
  /** True where every entry carries a certificate that anybody can check. */
  readonly isCertified: boolean
  /** A client with the role `admin`. Who made it closes it. */
  client(): Client
  /** A client whose key the cluster does not know. */
  stranger(): Client
  /** Lets the time of the cluster pass. */
  elapse(durationMs: number): Promise<void>
  /** The member dies; all of its memory and all writes that were not synced may be gone. */
  crash(member: string): Promise<void>
  /** Starts a member that died. */
  start(member: string): Promise<void>
  /** These members and the others no longer hear each other; clients reach everybody. */
  cutOff(members: readonly string[]): void
  /** Everybody hears everybody again. */
  heal(): void
  /** The next so many answers to requests are lost, and with each of them its connection. */
  loseAnswers(count: number): void
  /** Verifies the log of a member, the certificates included. */
  verifyLog(member: string): Promise<VerifiedLog>
  /** Why members stopped by themselves: empty where none did. */
  faults(): readonly unknown[]
  close(): Promise<void>
}
