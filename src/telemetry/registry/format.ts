/**
 * The published form of a semantic-convention registry: which keys each part may have, which it needs,
 * and the words that some of them take. Reference: Weaver 0.25, semantic convention definition language
 * (`groups`), and the definition manifest.
 */

export const MANIFEST_KEYS = {
  required: ['schema_url'],
  optional: ['description', 'dependencies', 'stability'],
} as const

export const FILE_KEYS = { required: ['groups'], optional: ['imports'] } as const

export const GROUP_TYPES = ['attribute_group', 'span', 'event', 'metric', 'entity'] as const
export type GroupType = (typeof GROUP_TYPES)[number]

const GROUP_OPTIONAL = ['note', 'extends', 'deprecated', 'display_name', 'annotations'] as const

/** What each type of group needs and may have, besides what every group may have. */
export const GROUP_KEYS: Readonly<
  Record<GroupType, { readonly required: readonly string[]; readonly optional: readonly string[] }>
> = {
  attribute_group: {
    required: ['id', 'type', 'brief', 'attributes'],
    optional: [...GROUP_OPTIONAL, 'stability'],
  },
  span: {
    required: ['id', 'type', 'brief', 'stability', 'span_kind', 'attributes'],
    optional: [...GROUP_OPTIONAL, 'events', 'entity_associations'],
  },
  event: {
    required: ['id', 'type', 'brief', 'stability', 'name'],
    optional: [...GROUP_OPTIONAL, 'attributes', 'body', 'entity_associations'],
  },
  metric: {
    required: ['id', 'type', 'brief', 'stability', 'metric_name', 'instrument', 'unit'],
    optional: [...GROUP_OPTIONAL, 'attributes', 'entity_associations'],
  },
  entity: {
    required: ['id', 'type', 'brief', 'stability', 'name', 'attributes'],
    optional: [...GROUP_OPTIONAL],
  },
}

const ATTRIBUTE_OPTIONAL = [
  'examples',
  'tag',
  'requirement_level',
  'sampling_relevant',
  'note',
  'deprecated',
  'annotations',
  'role',
] as const

export const DEFINITION_KEYS = {
  required: ['id', 'type', 'stability', 'brief'],
  optional: [...ATTRIBUTE_OPTIONAL],
} as const

export const REFERENCE_KEYS = {
  required: ['ref'],
  optional: [...ATTRIBUTE_OPTIONAL, 'brief', 'stability'],
} as const

export const MEMBER_KEYS = {
  required: ['id', 'value', 'stability'],
  optional: ['brief', 'note', 'deprecated', 'annotations'],
} as const

export const STABILITIES = ['stable', 'development', 'alpha', 'beta', 'release_candidate'] as const
export const SPAN_KINDS = ['client', 'server', 'producer', 'consumer', 'internal'] as const
export const INSTRUMENTS = ['counter', 'gauge', 'histogram', 'updowncounter'] as const
export const REQUIREMENT_LEVELS = ['required', 'recommended', 'opt_in'] as const
/** Levels that are told with a condition. */
export const CONDITIONED_LEVELS = ['conditionally_required', 'recommended'] as const

const PRIMITIVES = ['string', 'int', 'double', 'boolean', 'any'] as const
const ARRAYS = ['string[]', 'int[]', 'double[]', 'boolean[]'] as const
export const ATTRIBUTE_TYPES: readonly string[] = [
  ...PRIMITIVES,
  ...ARRAYS,
  ...[...PRIMITIVES, ...ARRAYS].map((type) => `template[${type}]`),
]

/** Names of attributes and metrics: lower case, in namespaces. */
export const NAME = /^[a-z][a-z0-9]*(?:[._][a-z0-9]+)*$/
/** `http[s]://server/path/version`. */
export const SCHEMA_URL = /^https?:\/\/[^/\s]+(?:\/[^/\s]+)+$/
