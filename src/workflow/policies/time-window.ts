/** Hours of the week by log time, in UTC: plain arithmetic on milliseconds since 1970, which was a Thursday. */
import { WEEKDAYS, type Weekday } from './policy.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FIRST_WEEKDAY = 4

export interface TimeWindow {
  readonly startHour: number
  readonly endHour: number
  readonly days: readonly Weekday[]
}

/** A window that passes midnight belongs to the day on which it began. */
export function isWithin(window: TimeWindow, nowMs: number): boolean {
  const { startHour, endHour, days } = window
  const hour = Math.floor((nowMs % DAY_MS) / HOUR_MS)
  const day = Math.floor(nowMs / DAY_MS) + FIRST_WEEKDAY
  if (startHour < endHour) return hour >= startHour && hour < endHour && days.includes(weekday(day))
  if (hour >= startHour) return days.includes(weekday(day))
  return hour < endHour && days.includes(weekday(day - 1))
}

function weekday(day: number): Weekday {
  return WEEKDAYS[day % WEEKDAYS.length] as Weekday
}
