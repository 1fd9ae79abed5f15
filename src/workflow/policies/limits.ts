/** Bounds of policies, approvals, quotas and purges. Like all bounds of apply they are part of its meaning, not settings. */

export const POLICIES_MAX = 256
/** Of the canonical text of one policy. */
export const POLICY_BYTES_MAX = 16_384
export const POLICY_ID_CHARS_MAX = 64
/** Elements of one conjunction, those of its conjunctions counted in. */
export const CONJUNCTION_MAX = 32
export const CONJUNCTION_DEPTH_MAX = 4
/** Name, sector and source of a rule. */
export const RULE_TEXT_CHARS_MAX = 256
export const RULE_OPERATIONS_MAX = 32
export const RULE_SPECS_MAX = 64
export const RULE_PARAMS_MAX = 32

/** Finished cases that are remembered for FailureRate. */
export const FINISHED_WINDOW_MAX = 1_000
export const FINISHED_WINDOW_DEFAULT = 100
export const COOL_DOWN_MS_DEFAULT = 60_000
export const COOL_DOWN_MS_MAX = 86_400_000

/** Sub-schemas of one schema. */
export const SCHEMA_NODES_MAX = 512
export const SCHEMA_DEPTH_MAX = 16
/** Steps of one check of case data: sub-schemas, members, and every 64 characters of a text whose length is asked. */
export const SCHEMA_STEPS_MAX = 10_000

export const APPROVALS_PER_OPERATION_MAX = 16
/** An approval that expires later than this after log time is refused, so used ones need not be remembered for longer. */
export const APPROVAL_VALIDITY_MS_MAX = 604_800_000
export const USED_APPROVALS_MAX = 100_000
/** Used approvals that are forgotten at the start of one entry, once they have expired. */
export const APPROVAL_EXPIRIES_PER_ENTRY_MAX = 256

export const CLIENT_ID_CHARS_MAX = 64
export const CLIENTS_MAX = 1_000

/** Cases of one PurgeCases. */
export const PURGE_CASES_MAX = 256
/** History records that one PurgeCases removes; it stops before the case that would exceed this. */
export const PURGE_RECORDS_MAX = 4_096
