/**
 * The part of the completion script for bash that offers names which only the cluster knows. oclif's plugin writes the
 * script, with every command and flag; this is appended to it. Only where the word is such a name is `knhk` asked.
 */
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ARGUMENT_KINDS, FLAG_KINDS } from './value-kinds.js'

const MARK = '# Names that the cluster knows'

/** `cacheDir` is oclif's; a script that has the part already, or is not there, stays as it is. */
export async function appendBashValues(cacheDir: string, bin: string): Promise<void> {
  const file = join(cacheDir, 'autocomplete', 'functions', 'bash', `${bin}.bash`)
  const text = await readFile(file, 'utf8').catch(() => MARK)
  if (!text.includes(MARK)) await appendFile(file, bashValues(bin))
}

function bashValues(bin: string): string {
  const flags = Object.keys(FLAG_KINDS).map((name) => `--${name}`)
  const commands = Object.keys(ARGUMENT_KINDS).map((id) => `" ${id.replaceAll(':', ' ')} "*`)
  return `
${MARK}; without an answer within a second there are none.
_${bin}_with_values()
{
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" asks=
  local line=" \${COMP_WORDS[*]:1:COMP_CWORD-1} "
  case "$prev" in
    ${flags.join('|')}) asks=1 ;;
    -*) ;;
    *) [[ "$cur" == -* ]] || case "$line" in
      ${commands.join('|')}) asks=1 ;;
    esac ;;
  esac
  if [[ -n "$asks" ]]; then
    local IFS=$'\\n'
    COMPREPLY=( $(${bin} complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) )
    [[ \${#COMPREPLY[@]} -gt 0 ]] && return
  fi
  _${bin}_autocomplete "$@"
}

complete -F _${bin}_with_values ${bin}
`
}
