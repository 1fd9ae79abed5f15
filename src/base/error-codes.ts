/**
 * The table of every error code: exit code, retryability, what it means and what to do next.
 * `knhk explain CODE`, the exit codes of the commands and docs/errors.md are made from this table,
 * so there is one place to change.
 */
export interface ErrorCodeEntry {
  /** Exit code of a command that ends with this error (design: contracts, exit codes). */
  readonly exit: number
  /** The same call, made again unchanged, can succeed. */
  readonly retryable: boolean
  readonly summary: string
  readonly hint: string
}

const rejected = (summary: string, hint: string): ErrorCodeEntry => ({ exit: 1, retryable: false, summary, hint })
const usage = (summary: string, hint: string): ErrorCodeEntry => ({ exit: 2, retryable: false, summary, hint })
const missing = (summary: string, hint: string): ErrorCodeEntry => ({ exit: 4, retryable: false, summary, hint })
const refused = (summary: string, hint: string): ErrorCodeEntry => ({ exit: 8, retryable: false, summary, hint })
const conflict = (summary: string, hint: string): ErrorCodeEntry => ({ exit: 9, retryable: false, summary, hint })
const corrupt = (summary: string, hint: string): ErrorCodeEntry => ({ exit: 10, retryable: false, summary, hint })

export const ERROR_CODES = {
  // Rejected by the replicated state machine: a recorded, deterministic result.
  AdmissionRejected: rejected(
    'The case data was null or empty.',
    'Give a JSON object with at least one key in --data.',
  ),
  InvalidStateTransition: rejected(
    'The case cannot move from its state to the one asked for.',
    'Look at the case with `knhk case get UUID`; docs/concepts.md has the table of legal transitions.',
  ),
  InvalidOperation: rejected(
    'The operation is malformed or breaks a limit.',
    'See docs/limits.md for sizes and formats.',
  ),
  UnknownOperation: rejected('No handler has this operation name.', 'Built in: kv.put, kv.get, kv.delete, kv.cas.'),
  PolicyViolation: rejected(
    'A policy or a Mandatory rule in force forbids the operation.',
    'The details name it; `knhk policy effective` and `knhk policy list` show what is in force.',
  ),
  PolicyExceedsDoctrine: rejected(
    'The policy allows more than the doctrine does.',
    'The details name the field and its bound; `knhk policy effective` shows the doctrine.',
  ),
  ApprovalRequired: rejected(
    'A rule asks for more signed approvals of this operation.',
    'Have it signed with `knhk policy approve`, then propose what that prints.',
  ),
  InvalidApproval: rejected(
    'An approval is expired, used before, of the wrong client, or not of this operation.',
    'Have this very operation signed again with `knhk policy approve`.',
  ),
  UnknownRuleType: rejected(
    'No program registered this type of rule.',
    'A rule of type Custom needs a node that was built with its ruleType.',
  ),
  SessionExpired: rejected(
    'The session is unknown: closed, expired after an hour, or evicted.',
    'Open a new session. Whether an unanswered operation of the old one was applied has to be read back.',
  ),
  SessionLimit: rejected(
    'The cluster holds its maximum of 10,000 open sessions.',
    'Close sessions, or wait for idle ones to expire.',
  ),
  SequenceStale: rejected(
    'The operation was acknowledged by this session before; its result is gone.',
    'The client lost track of its own sequence numbers: open a new session.',
  ),
  SequenceTooFar: rejected(
    'The sequence number is outside the session window of 65,536.',
    'Wait for answers before sending more; the client library does this by itself.',
  ),
  SequenceGap: {
    exit: 1,
    retryable: true,
    summary: 'An ordered session missed an earlier operation.',
    hint: 'Send the missing sequence number first; the client library does this by itself.',
  },
  // Overlays.
  EmptyScope: rejected('The scope of the overlay names nothing.', 'Name at least a workflow, pattern, guard or tag.'),
  EmptyChanges: rejected('The overlay has no changes.', 'docs/workflow/overlays.md lists the changes there are.'),
  ChangeOutsideScope: rejected(
    'The overlay changes something that its scope does not name.',
    'Name the pattern or guard in the scope, or leave the change out.',
  ),
  ConflictingChanges: rejected(
    'Two changes say different things about one guard, pattern, resource, custom type or performance target.',
    'Keep one of them, or deploy two overlays and compose them with strategy Sequential.',
  ),
  OverlappingScopes: rejected(
    'Overlays that are composed in parallel have something in common.',
    'Compose them with strategy Merge or Sequential.',
  ),
  ObligationUnmet: rejected(
    'The configuration would break a critical obligation.',
    'docs/workflow/overlays.md lists the obligations: Q1 to Q5, at most 8 ticks, doctrine.',
  ),
  ModeNotNormal: rejected(
    'The configuration may change only in mode Normal.',
    'See `knhk overlay mode show`; `knhk overlay mode set Normal` allows changes again.',
  ),
  InvalidPhaseTransition: rejected(
    'The overlay is in a phase from which this is not possible.',
    'Phases: Shadow, Test, Validate, Promote, Promoted, one after the other; see `knhk overlay get ID`.',
  ),
  NotHead: rejected(
    'A promoted overlay can be rolled back only while it is the head of the configuration.',
    'Roll back the overlays promoted after it first; `knhk overlay chain` shows them.',
  ),
  GenesisRollback: rejected('The genesis snapshot cannot be rolled back.', 'There is nothing before it.'),
  OverlayLimit: rejected('The overlay is over a limit.', 'docs/limits.md has the limits of overlays.'),
  PatternDisabled: rejected(
    'The active configuration disables the pattern that this would use.',
    'See it with `knhk overlay sigma`; an overlay with TogglePattern enables it again.',
  ),
  GuardViolation: rejected(
    'A guard of the active configuration forbids this.',
    'See the guards with `knhk overlay sigma`; an overlay with ModifyGuard changes one.',
  ),
  ConcurrencyLimit: {
    exit: 1,
    retryable: true,
    summary: 'As many cases run as the active configuration allows.',
    hint: 'Wait until one ends, or raise the resource concurrency by an overlay.',
  },
  // Conflicts.
  IncompatibleBase: conflict(
    'The overlay was made against a snapshot that is not the active one.',
    'Look at the active one with `knhk overlay sigma`, and deploy the overlay again, under another id, against it.',
  ),
  OverlayExists: conflict(
    'An overlay with this id exists.',
    'Choose another id, or look at the existing one with `knhk overlay get ID`.',
  ),
  CaseExists: conflict(
    'A case with this id exists.',
    'Choose another --case-id, or read the existing one with `knhk case get UUID`.',
  ),
  ClientExists: conflict('Another key has this client id.', 'Choose another id, or remove that client first.'),
  CompareMismatch: conflict(
    'The current value is not the expected one.',
    'Read the key again and retry with the value you see.',
  ),
  RequestIdReused: conflict(
    'The client used this request id for another operation.',
    'Give each operation a request id of its own; the details say at which index the first one stands.',
  ),
  StalePlan: conflict(
    'The members changed after the change was planned.',
    'Look at the members again with `knhk cluster members list` and repeat the command.',
  ),
  // Not found.
  CaseNotFound: missing('There is no case with this id.', 'List cases with `knhk case list`.'),
  OverlayNotFound: missing('There is no overlay with this id.', 'List overlays with `knhk overlay list`.'),
  PolicyNotFound: missing('There is no policy with this id.', 'List policies with `knhk policy list`.'),
  KeyNotFound: missing('There is no value under this key.', 'List keys with `knhk kv list`.'),
  NotFound: missing(
    'Something that was named does not exist.',
    'Check the name; `--help` of the command says where it looks.',
  ),
  ChangesGone: missing(
    'The log begins later: that change is compacted away, and in the state.',
    'Read the state by queries, then follow the changes from the index of that answer.',
  ),
  SnapshotGone: missing(
    'The snapshot is no longer there; a newer one took its place.',
    'Look for the newest one with `knhk snapshot list`.',
  ),
  // Usage.
  Usage: usage('The command line could not be understood.', 'See the command with --help.'),
  InvalidArgument: usage('An argument has the wrong form.', 'See the command with --help.'),
  InvalidFile: usage('A file could not be read or understood.', 'Check the path, the permissions and the format.'),
  InvalidClusterFile: usage(
    'The cluster file is not valid.',
    'docs/configuration.md has the format; `knhk cluster init` writes a good one.',
  ),
  InvalidKeyFile: usage('The key file is not valid.', 'Make a new key with `knhk keys gen`.'),
  UnsupportedRead: usage(
    'This read level is not offered by the running protocol.',
    'Plain Raft: linearizable, lease, local; all others: linearizable, leader, local.',
  ),
  // Connection, deadlines, leaders.
  Unreachable: {
    exit: 5,
    retryable: true,
    summary: 'No endpoint could be reached.',
    hint: 'Are the nodes running? `knhk node status --dir DIR`; start them with `knhk up --dir DIR`.',
  },
  DeadlineExceeded: {
    exit: 6,
    retryable: true,
    summary: 'The deadline passed.',
    hint: 'Try again with a longer --timeout; `knhk status` shows what the cluster is doing.',
  },
  OutcomeUnknown: {
    exit: 6,
    retryable: true,
    summary: 'The answer was lost: the operation may or may not have been applied.',
    hint: 'Read the state back before trying again; a retry inside the same session is always safe.',
  },
  Aborted: { exit: 130, retryable: true, summary: 'The caller cancelled the work.', hint: 'Nothing to do.' },
  NotLeader: {
    exit: 7,
    retryable: true,
    summary: 'This node does not lead.',
    hint: 'Ask the leader; the client library follows it by itself.',
  },
  NoLeader: {
    exit: 7,
    retryable: true,
    summary: 'There is no leader or no quorum.',
    hint: 'See who is up with `knhk status`; a majority of the members has to run.',
  },
  LeadershipLost: {
    exit: 7,
    retryable: true,
    summary: 'The leader changed while the operation was under way.',
    hint: 'Retry in the same session: it is applied at most once.',
  },
  ModeRefused: refused(
    'The cluster may not change to that protocol now.',
    'The reason says what is missing; wait for retryAfterMs where the details give one.',
  ),
  EpochChanging: {
    exit: 7,
    retryable: true,
    summary: 'The cluster is switching protocols.',
    hint: 'Retry in the same session: it is applied at most once.',
  },
  ResourceExhausted: {
    exit: 7,
    retryable: true,
    summary: 'The node is at a limit and accepts no more proposals.',
    hint: 'Slow down; `knhk status` shows lag; docs/limits.md has the limits.',
  },
  // Permission and safety.
  NotPermitted: refused(
    'The key has no right to do this.',
    'Use a key with a sufficient role: reader < writer < operator < admin.',
  ),
  QuotaExceeded: {
    exit: 8,
    retryable: true,
    summary: 'A quota of the cluster is used up.',
    hint: 'Wait for retryAfterMs where the details give one; `knhk cluster quotas show` shows the quotas.',
  },
  UnknownKey: refused(
    'The node does not know this key.',
    'Connect with a key that the cluster file or the cluster lists.',
  ),
  ForeignCluster: refused('The other side belongs to another cluster.', 'Check the cluster file and the address.'),
  WrongNode: refused(
    'The other side is another node than the cluster file says.',
    'Check the addresses and keys in the cluster file.',
  ),
  ConfigurationMismatch: refused(
    'The other side runs another configuration of this cluster.',
    'Give every node the same cluster file.',
  ),
  IdentityMismatch: refused(
    'The data directory belongs to another cluster or node.',
    'Use the directory of this node, or an empty one.',
  ),
  DataDirectoryLost: refused(
    'The data directory is empty, but the member took part before.',
    'Never start an empty disk under an old id: replace the member.',
  ),
  Diverged: {
    exit: 10,
    retryable: false,
    summary: 'The state of this node differs from that of the majority at the same log entry.',
    hint: 'Start the node again: it rebuilds its state from snapshot and log. If it happens again, check its memory and disk, and replace the member.',
  },
  DataDirectoryLocked: refused('Another process uses the data directory.', 'Stop it first: `knhk down --dir DIR`.'),
  ChangeInProgress: {
    exit: 8,
    retryable: true,
    summary: 'Another change of the members is under way.',
    hint: 'Wait until it is done; `knhk cluster members list` shows it.',
  },
  NotCaughtUp: {
    exit: 8,
    retryable: true,
    summary: 'Who shall get a vote has not caught up with the log.',
    hint: 'Wait with `knhk wait --for caught-up`, then repeat the command.',
  },
  Refused: refused('Refused for safety.', 'Read the message; nothing was changed.'),
  // Wire and storage.
  ProtocolViolation: {
    exit: 70,
    retryable: false,
    summary: 'The other side broke the wire protocol.',
    hint: 'Are both sides of the same version? See docs/wire-protocol.md.',
  },
  FrameTooLarge: {
    exit: 2,
    retryable: false,
    summary: 'A frame is over the size limit.',
    hint: 'Split the batch; docs/limits.md has the limit.',
  },
  Corrupt: corrupt(
    'Stored data is damaged.',
    'Run `knhk log verify`; the node repairs from its peers, or replace the member.',
  ),
  UnsupportedFormat: {
    exit: 2,
    retryable: false,
    summary: 'The data was written by a newer version.',
    hint: 'Use the version that wrote it, or a newer one.',
  },
  StorageFailed: {
    exit: 70,
    retryable: false,
    summary: 'A write or a sync to disk failed; the node stopped.',
    hint: 'Check the disk, free space if it is full, then start the node again.',
  },
  DiskFull: {
    exit: 7,
    retryable: true,
    summary: 'The disk is full or its quota is reached; the node accepts no proposals.',
    hint: 'Free space, or start the node with a larger --disk-quota; it clears by itself. `knhk why` has the numbers.',
  },
  AddressInUse: {
    exit: 2,
    retryable: false,
    summary: 'The listening address is in use.',
    hint: 'Is the node running already? `knhk node status --dir DIR`.',
  },
  StartFailed: {
    exit: 70,
    retryable: true,
    summary: 'A node process did not become ready.',
    hint: 'Its log says why: DIR/nodes/ID/node.log.',
  },
  ScriptStopped: {
    exit: 3,
    retryable: false,
    summary: 'A script stopped at a line that failed.',
    hint: 'Mend the line, or run with --keep-going.',
  },
  Bug: {
    exit: 70,
    retryable: false,
    summary: 'A defect in knhk.',
    hint: 'Please report it with the log and `knhk --version`.',
  },
} as const satisfies Record<string, ErrorCodeEntry>

export type ErrorCode = keyof typeof ERROR_CODES

/** True when `code` is one of the table; for codes that arrive over the wire. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code)
}
