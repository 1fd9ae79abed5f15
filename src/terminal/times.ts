/** Times for people: local, with seconds; machines get the integer milliseconds instead. */
export function formatLocalTime(ms: number | null): string {
  if (ms === null) return '-'
  const time = new Date(ms)
  const two = (value: number) => String(value).padStart(2, '0')
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}
