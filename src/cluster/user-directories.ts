/**
 * Where a user's files live: the XDG base directories, with one override of our own each.
 * Reference: XDG Base Directory Specification 0.8.
 */
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

export type Environment = Readonly<Record<string, string | undefined>>

export interface UserDirectories {
  /** Contexts; KNHK_CONFIG_HOME, else $XDG_CONFIG_HOME/knhk. */
  readonly config: string
  /** Local clusters; KNHK_DATA_HOME, else $XDG_DATA_HOME/knhk. */
  readonly data: string
  /** REPL history; KNHK_STATE_HOME, else $XDG_STATE_HOME/knhk. */
  readonly state: string
}

export function userDirectories(environment: Environment): UserDirectories {
  const find = (own: string, xdg: string, fallback: string): string => {
    const override = environment[own]
    if (override !== undefined && override !== '') return override
    const base = environment[xdg]
    // The specification: a relative path here is invalid and ignored.
    return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), fallback), 'knhk')
  }
  return {
    config: find('KNHK_CONFIG_HOME', 'XDG_CONFIG_HOME', '.config'),
    data: find('KNHK_DATA_HOME', 'XDG_DATA_HOME', join('.local', 'share')),
    state: find('KNHK_STATE_HOME', 'XDG_STATE_HOME', join('.local', 'state')),
  }
}

/** The directory of `knhk up` without --dir. */
export function defaultClusterDirectory(environment: Environment): string {
  return join(userDirectories(environment).data, 'local')
}
