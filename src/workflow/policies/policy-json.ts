/**
 * Reads policies from JSON, strictly: every field is checked and named where it is wrong, defaults are
 * filled in, and what comes out is in the one form that operations and the state carry.
 */
import { fromUtf8, toUtf8 } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { checkJson } from '../json-check.js'
import { allowFields, asObject, invalid, isAbsent, readChoice, readInteger, readList } from '../json-fields.js'
import { canonicalJson } from './canonical-json.js'
import {
  CONJUNCTION_DEPTH_MAX,
  CONJUNCTION_MAX,
  COOL_DOWN_MS_DEFAULT,
  COOL_DOWN_MS_MAX,
  FINISHED_WINDOW_DEFAULT,
  FINISHED_WINDOW_MAX,
  POLICY_BYTES_MAX,
  POLICY_ID_CHARS_MAX,
} from './limits.js'
import type { Json, Policy, PolicyElement } from './policy.js'
import { readRule } from './rule-json.js'

const TYPES = ['Latency', 'FailureRate', 'GuardStrictness', 'Capacity', 'Conjunction', 'Bottom'] as const
const PARTS_PER_MILLION = 1_000_000
const BOUND_MAX = 1_000_000_000
const POLICY_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]*$/

export function isPolicyId(text: string): boolean {
  return text.length <= POLICY_ID_CHARS_MAX && POLICY_ID.test(text)
}

/** Throws `InvalidArgument`. */
export function checkPolicyId(text: string, field: string): string {
  if (!isPolicyId(text)) {
    throw invalid(
      field,
      `is not 1 to ${POLICY_ID_CHARS_MAX} letters, digits and . _ : - that begin with a letter or digit`,
    )
  }
  return text
}

/** Throws `InvalidArgument` with the field in its details. */
export function readPolicy(value: unknown): Policy {
  const object = asObject(value, 'policy')
  return object.type === 'Rule' ? readRule(object) : readElement(value, { elements: 0 }, 1)
}

/** The bytes of a policy in an operation and in the state. Throws `InvalidArgument` where they are too many. */
export function encodePolicy(policy: Policy): Uint8Array {
  // Its members are JSON by their types; only the index signature is missing.
  const bytes = toUtf8(canonicalJson(policy as unknown as Json))
  if (bytes.length > POLICY_BYTES_MAX) throw invalid('policy', `has ${bytes.length} bytes, over ${POLICY_BYTES_MAX}`)
  return bytes
}

/**
 * Reads what `encodePolicy` wrote. Throws `InvalidArgument` for a policy that is not valid, and
 * `ProtocolViolation` for one that is not in its one form.
 */
export function decodePolicy(bytes: Uint8Array): Policy {
  if (bytes.length > POLICY_BYTES_MAX) throw invalid('policy', `is over ${POLICY_BYTES_MAX} bytes`)
  if (!checkJson(bytes).ok) throw new KnhkError('ProtocolViolation', 'a policy is not JSON')
  const text = fromUtf8(bytes)
  const policy = readPolicy(JSON.parse(text))
  if (canonicalJson(policy as unknown as Json) !== text) {
    throw new KnhkError('ProtocolViolation', 'a policy is not in its canonical form')
  }
  return policy
}

function readElement(value: unknown, counted: { elements: number }, depth: number): PolicyElement {
  const object = asObject(value, 'policy')
  if (++counted.elements > CONJUNCTION_MAX + 1) throw invalid('policies', `are over ${CONJUNCTION_MAX} in all`)
  const type = readChoice(object, 'type', TYPES)
  switch (type) {
    case 'Bottom':
      allowFields(object, ['type'])
      return { type }
    case 'Latency':
      allowFields(object, ['type', 'targetP99Ms', 'strictness'])
      return {
        type,
        targetP99Ms: readInteger(object, 'targetP99Ms', 1, BOUND_MAX),
        strictness: readChoice(object, 'strictness', ['Soft', 'Hard'], 'Soft'),
      }
    case 'FailureRate':
      allowFields(object, ['type', 'maxErrorPpm', 'maxErrorRate', 'window', 'coolDownMs'])
      return {
        type,
        maxErrorPpm: readRate(object),
        window: isAbsent(object, 'window')
          ? FINISHED_WINDOW_DEFAULT
          : readInteger(object, 'window', 1, FINISHED_WINDOW_MAX),
        coolDownMs: isAbsent(object, 'coolDownMs')
          ? COOL_DOWN_MS_DEFAULT
          : readInteger(object, 'coolDownMs', 0, COOL_DOWN_MS_MAX),
      }
    case 'GuardStrictness':
      allowFields(object, ['type', 'level'])
      return { type, level: readChoice(object, 'level', ['Relax', 'Tighten']) }
    case 'Capacity':
      allowFields(object, ['type', 'maxConcurrency', 'maxParallelism'])
      return {
        type,
        maxConcurrency: readInteger(object, 'maxConcurrency', 1, BOUND_MAX),
        maxParallelism: readInteger(object, 'maxParallelism', 1, BOUND_MAX),
      }
    case 'Conjunction':
      allowFields(object, ['type', 'policies'])
      if (depth > CONJUNCTION_DEPTH_MAX) throw invalid('policies', `are nested over ${CONJUNCTION_DEPTH_MAX} deep`)
      return {
        type,
        policies: readList(object, 'policies', 1, CONJUNCTION_MAX).map((one) => readElement(one, counted, depth + 1)),
      }
  }
}

/** `maxErrorPpm`, or `maxErrorRate` as a share such as 0.01, which has to be a whole number of parts per million. */
function readRate(object: Readonly<Record<string, unknown>>): number {
  if (isAbsent(object, 'maxErrorRate')) return readInteger(object, 'maxErrorPpm', 0, PARTS_PER_MILLION)
  if (!isAbsent(object, 'maxErrorPpm')) throw invalid('maxErrorRate', 'cannot stand beside maxErrorPpm')
  const rate = object.maxErrorRate
  const text = typeof rate === 'string' ? rate : typeof rate === 'number' ? String(rate) : ''
  const parts = /^([01])(?:\.(\d{1,6}))?$/.exec(text)
  const ppm = parts === null ? -1 : Number(parts[1]) * PARTS_PER_MILLION + Number((parts[2] ?? '').padEnd(6, '0'))
  if (ppm < 0 || ppm > PARTS_PER_MILLION)
    throw invalid('maxErrorRate', 'is not a share of 0 to 1 with up to six decimals')
  return ppm
}
