/** Every bound of overlays; they are part of the meaning of an operation, so none is a setting. */

export const NAME_CHARS_MAX = 64
export const SCOPE_ITEMS_MAX = 256
export const TAGS_MAX = 32
/** Changes of an overlay, over all its parts. */
export const CHANGES_MAX = 256
/** Overlays that one composition joins. */
export const COMPOSED_MAX = 16
/** Value of a guard or a tag, UTF-8. */
export const VALUE_BYTES_MAX = 1_024
/** Parameters of a Custom change, UTF-8. */
export const PARAMS_BYTES_MAX = 4_096
/** Why an overlay was rolled back, UTF-8. */
export const REASON_BYTES_MAX = 512
/** Base of a resource = 100. */
export const MULTIPLIER_PERCENT_MAX = 10_000
export const DELTA_MAX = 1_000_000
export const TICKS_ARGUMENT_MAX = 1_000_000
/** Overlays that are neither promoted nor rolled back. */
export const OPEN_OVERLAYS_MAX = 256
/** Settings that the changes of one overlay touch: each counts once per workflow in scope. */
export const EFFECTS_MAX = 8_192
export const SETTINGS_MAX = 2_048
/** A snapshot, encoded. */
export const SNAPSHOT_BYTES_MAX = 131_072
